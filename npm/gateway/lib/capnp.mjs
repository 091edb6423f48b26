// The configuration of workerd. It names no secret: the settings come to workerd by its environment.

import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The Worker's main module. */
export const ENTRY = "entry.mjs";

/**
 * @typedef {object} Config
 * @property {string} worker the Worker's directory
 * @property {string} data where the databases are
 * @property {string} listen host and port
 * @property {string[]} settings names of the settings in the environment
 * @property {string[]} networks private networks that may be reached, as CIDRs
 * @property {boolean} loader uploaded plugins get isolates of their own
 * @property {boolean} proxied whether a proxy in front says by which scheme it was called
 */

/**
 * @param {Config} config
 * @param {import("./deployment.mjs").Deployment} deployment
 */
export function capnp(config, deployment) {
  const bindings = [
    ...deployment.objects.map(
      ({ binding, className }) =>
        `(name = ${quoted(binding)}, durableObjectNamespace = ${quoted(className)})`,
    ),
    // workerd frees no isolate: plugins run in the interpreter once there are so many.
    ...(config.loader
      ? ['(name = "LOADER", workerLoader = ())', '(name = "LOADER_ISOLATES", text = "64")']
      : []),
    ...config.settings.map((name) => `(name = ${quoted(name)}, fromEnvironment = ${quoted(name)})`),
  ];
  const namespaces = deployment.objects.map(
    ({ className, key }) =>
      `(className = ${quoted(className)}, uniqueKey = ${quoted(key)}, enableSql = true)`,
  );
  const http = config.proxied ? '(forwardedProtoHeader = "X-Forwarded-Proto")' : "()";
  return `# Written at every start.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "weir", worker = .worker),
    (name = "data", disk = (path = ${quoted(config.data)}, writable = true)),
    # Endpoints' addresses are chosen by strangers: only the public network is reached, and what the operator has allowed.
    (name = "internet", network = (
      allow = [${["public", ...config.networks].map(quoted).join(", ")}],
      tlsOptions = (trustBrowserCas = true)
    )),
  ],
  sockets = [(name = "http", address = ${quoted(config.listen)}, http = ${http}, service = "weir")],
);

const worker :Workerd.Worker = (
  compatibilityDate = ${quoted(deployment.date)},
  compatibilityFlags = [${deployment.localFlags.map(quoted).join(", ")}],
  modules = [
${lines(modules(config.worker))}  ],
  durableObjectNamespaces = [
${lines(namespaces)}  ],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
${lines(bindings)}  ],
);
`;
}

/**
 * The modules of a Worker, the main one first.
 * @param {string} dir
 */
function modules(dir) {
  const kinds = new Map([
    ["js", "esModule"],
    ["mjs", "esModule"],
    ["wasm", "wasm"],
  ]);
  const kindOf = (/** @type {string} */ name) => kinds.get(name.split(".").at(-1) ?? "");
  const files = readdirSync(dir).filter(kindOf).sort();
  const all = [ENTRY, ...files.filter((name) => name !== ENTRY)];
  return all.map((name) => `(name = ${quoted(name)}, ${kindOf(name)} = embed ${quoted(join(dir, name))})`);
}

/** @param {string[]} items */
function lines(items) {
  return items.map((item) => `    ${item},\n`).join("");
}

/**
 * A string literal of Cap'n Proto.
 * @param {string} text
 */
export function quoted(text) {
  const escaped = text
    .replace(/["\\]/g, "\\$&")
    .replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `"${escaped}"`;
}
