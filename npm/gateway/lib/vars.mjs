// Settings from where a person may have put them: .dev.vars, the environment, files named by NAME_FILE.

import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { Fault, messageOf } from "./fault.mjs";
import { names } from "./deployment.mjs";

/** @typedef {Record<string, string>} Vars */

/**
 * Reads a `.dev.vars` file, as wrangler does: NAME=value or NAME="value", a line each.
 * @param {string} path
 * @returns {Vars}
 */
export function fromFile(path) {
  if (!existsSync(path)) return {};
  /** @type {Vars} */
  const vars = {};
  for (const line of readFileSync(path, "utf8").split(/\r?\n/)) {
    const found = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (!found) continue;
    const [, name = "", text = ""] = found;
    const quoted = /^(["'])(.*)\1$/.exec(text);
    const value = quoted ? (quoted[2] ?? "") : text.replace(/\s+#.*$/, "");
    if (value !== "") vars[name] = value;
  }
  return vars;
}

/**
 * The settings in an environment. `JWT_SECRET_FILE` names a file with the value of `JWT_SECRET`, as container platforms
 * and systemd hand secrets over.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Vars}
 */
export function fromEnvironment(env) {
  /** @type {Vars} */
  const vars = {};
  for (const name of names()) {
    const [value, file] = [env[name], env[`${name}_FILE`]];
    if (value && file) throw new Fault(`${name} and ${name}_FILE are both set. Set only one of them.`);
    if (value) vars[name] = value;
    if (!file) continue;
    try {
      vars[name] = readFileSync(file, "utf8").trim();
    } catch (error) {
      throw new Fault(`${name}_FILE cannot be read: ${messageOf(error)}.`);
    }
  }
  return vars;
}

/**
 * Refuses what is no setting. (Values are judged by the gateway itself, with a sentence for each.)
 * @param {Vars} vars
 */
export function checkNames(vars) {
  const unknown = Object.keys(vars).find((name) => !names().includes(name));
  if (unknown) throw new Fault(`Unknown setting: \`${unknown}\`. The settings are ${names().join(", ")}.`);
}

/**
 * The networks in `ALLOWED_NETWORKS`, for workerd's own rules. What is no network opens none: the gateway runs without it, and
 * says what is wrong with the setting.
 * @param {Vars} vars
 */
export function networks(vars) {
  return (vars.ALLOWED_NETWORKS ?? "")
    .split(",")
    .map((network) => network.trim())
    .filter(isNetwork);
}

/** @param {string} text */
function isNetwork(text) {
  const [address = "", prefix = "", ...more] = text.split("/");
  const bits = new Map([
    [4, 32],
    [6, 128],
  ]).get(isIP(address));
  return bits !== undefined && more.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
}
