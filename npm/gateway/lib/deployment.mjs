// What is deployed, as wrangler.toml says it: the runtime's behavior, the Durable Objects, the settings.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "./toml.mjs";

/** The package's own directory. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Secrets: they never go to a configuration file. */
export const SECRETS = ["JWT_SECRET", "MASTER_KEY"];

/** For an account on Cloudflare; workerd's own network rules stand for it elsewhere. */
const DEPLOYED_ONLY = "global_fetch_strictly_public";

/**
 * @typedef {object} Deployment
 * @property {string} date
 * @property {string[]} flags for Cloudflare
 * @property {string[]} localFlags for workerd on a machine of one's own
 * @property {Array<{binding: string, className: string, key: string}>} objects
 * @property {Array<{tag: string, [change: string]: unknown}>} migrations
 * @property {object} observability
 * @property {Setting[]} settings
 */

/** @typedef {{name: string, value: string, meaning: string}} Setting */

/** @type {Deployment | undefined} */
let known;

/** @returns {Deployment} */
export function deployment() {
  known ??= read(readFileSync(`${ROOT}/wrangler.toml`, "utf8"));
  return known;
}

/**
 * @param {string} text
 * @returns {Deployment}
 */
export function read(text) {
  const toml = /** @type {any} */ (parse(text));
  /** @type {string[]} */
  const flags = toml.compatibility_flags;
  return {
    date: toml.compatibility_date,
    flags,
    localFlags: flags.filter((flag) => flag !== DEPLOYED_ONLY),
    objects: toml.durable_objects.bindings.map((/** @type {any} */ { name, class_name }) => ({
      binding: name,
      className: class_name,
      // The directory that holds the objects' databases.
      key: `weir-${class_name.toLowerCase()}`,
    })),
    migrations: toml.migrations,
    observability: toml.observability,
    settings: settings(text),
  };
}

/**
 * The settings, which wrangler.toml lists with their defaults as comments below [vars].
 * @param {string} text
 * @returns {Setting[]}
 */
function settings(text) {
  /** @type {Setting[]} */
  const found = [];
  for (const line of text.slice(text.indexOf("\n[vars]")).split("\n")) {
    const setting = /^# ([A-Z][A-Z0-9_]*) = "([^"]*)"\s*(?:# (.*))?$/.exec(line);
    const more = /^# {2,}# (.*)$/.exec(line);
    const last = found.at(-1);
    if (setting) found.push({ name: setting[1] ?? "", value: setting[2] ?? "", meaning: setting[3] ?? "" });
    else if (more && last) last.meaning += ` ${more[1]}`;
  }
  return found;
}

/** The names of all settings. KEY_SERVER is for development only. */
export function names() {
  return [...SECRETS, ...deployment().settings.map(({ name }) => name), "KEY_SERVER"];
}
