// The Worker of a project: the prebuilt one, and the project's own plugins beside it. No Rust is needed: plugins are
// admitted and metered by the gateway's own code, as wasm.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "./deployment.mjs";
import { Fault, messageOf } from "./fault.mjs";

export const WORKER = join(ROOT, "worker");
/** The shipped plugins' catalogue, under the name that the project's own imports it by. */
const SHIPPED = "shipped-plugins.mjs";

/**
 * The project's plugins: `plugins/NAME.wasm`.
 * @param {string} project
 */
export function pluginsOf(project) {
  const dir = resolve(project, "plugins");
  if (!existsSync(dir)) return [];
  const files = readdirSync(dir)
    .filter((name) => name.endsWith(".wasm"))
    .sort();
  return files.map((file) => ({ name: file.slice(0, -".wasm".length), path: join(dir, file) }));
}

/**
 * Writes the Worker with these plugins to `out`; a directory that is there is replaced as a whole.
 * @param {string} out
 * @param {Array<{name: string, path: string}>} plugins
 */
export async function build(out, plugins) {
  const next = `${out}.next`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  for (const file of readdirSync(WORKER)) copyFileSync(join(WORKER, file), join(next, file));
  if (plugins.length > 0) await add(next, plugins);
  rmSync(out, { recursive: true, force: true });
  renameSync(next, out);
}

/**
 * @param {string} out
 * @param {Array<{name: string, path: string}>} plugins
 */
async function add(out, plugins) {
  const bundler = await import(new URL("../bundler/bundler.js", import.meta.url).href);
  bundler.initSync({ module: readFileSync(join(ROOT, "bundler/bundler_bg.wasm")) });
  renameSync(join(out, "plugins.mjs"), join(out, SHIPPED));
  let imports = "";
  let entries = "";
  for (const [at, { name, path }] of plugins.entries()) {
    const { module, entry } = prepared(bundler, name, path);
    writeFileSync(join(out, `own-plugin-${name}.wasm`), module);
    imports += `import m${at} from "./own-plugin-${name}.wasm";\n`;
    entries += `  { ...${entry}, module: m${at} },\n`;
  }
  const names = JSON.stringify(plugins.map(({ name }) => name));
  const text = `// Written by \`weir-gateway build\`: the shipped plugins, and the project's own.
import * as shipped from "./${SHIPPED}";
${imports}
export { transcribe, source, stamp } from "./${SHIPPED}";
const own = [
${entries}];
const others = shipped.bundled.filter(({ name }) => !${names}.includes(name));
export const bundled = [...others, ...own].sort((a, b) => (a.name < b.name ? -1 : 1));
`;
  writeFileSync(join(out, "plugins.mjs"), text);
}

/**
 * @param {any} bundler
 * @param {string} name
 * @param {string} path
 * @returns {{module: Uint8Array, entry: string}}
 */
function prepared(bundler, name, path) {
  try {
    const { module, entry } = bundler.prepare(name, readFileSync(path));
    new WebAssembly.Module(module);
    return { module, entry };
  } catch (error) {
    throw new Fault(`${path}: ${messageOf(error)}`);
  }
}
