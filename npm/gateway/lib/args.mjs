// The command line: flags with and without a value, and what remains. What is not known is refused.

import { Fault } from "./fault.mjs";

/**
 * @param {string} command
 * @param {string[]} argv
 * @param {{values?: string[], flags?: string[], repeated?: string[], positions?: number}} known
 */
export function parse(command, argv, known) {
  /** @type {Record<string, string>} */
  const values = {};
  /** @type {Record<string, string[]>} */
  const lists = {};
  /** @type {Set<string>} */
  const flags = new Set();
  /** @type {string[]} */
  const positions = [];
  for (let at = 0; at < argv.length; at++) {
    const arg = argv[at] ?? "";
    if (!arg.startsWith("--")) {
      positions.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    if (known.flags?.includes(name) && equals < 0) {
      flags.add(name);
      continue;
    }
    const repeated = known.repeated?.includes(name) ?? false;
    if (!repeated && !known.values?.includes(name))
      throw new Fault(`\`${command}\` has no option \`--${name}\`.`);
    const value = equals < 0 ? argv[++at] : arg.slice(equals + 1);
    if (value === undefined) throw new Fault(`--${name} needs a value.`);
    if (repeated) (lists[name] ??= []).push(value);
    else values[name] = value;
  }
  if (positions.length > (known.positions ?? 0)) {
    throw new Fault(`\`${command}\` does not take \`${positions[known.positions ?? 0]}\`.`);
  }
  return { values, lists, flags, positions };
}

/**
 * A port, 0 for any free one.
 * @param {string} text
 */
export function port(text) {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new Fault(`--port needs a number from 0 (any free port) to 65535, not \`${text}\`.`);
  }
  return Number(text);
}

/**
 * `NAME=VALUE`, one each.
 * @param {string[]} texts
 */
export function vars(texts) {
  return texts.map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1) throw new Fault(`--var needs NAME=VALUE, such as REQUEST_TIMEOUT=5, not \`${text}\`.`);
    return /** @type {[string, string]} */ ([text.slice(0, equals), text.slice(equals + 1)]);
  });
}
