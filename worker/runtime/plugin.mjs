// Plugins on V8: those that are bundled with the Worker, and isolates that are loaded for uploaded ones.

/** What the build wrote beside the entry. */
const built = () => globalThis.__weir_plugins;

/** The bundled plugins, as JSON. */
export function catalog() {
  return JSON.stringify(built().bundled.map(({ module, ...plugin }) => plugin));
}

/**
 * Runs a bundled plugin; undefined if there is none of that name. `input` and `numbers` are views of the wasm memory:
 * nothing of this Worker runs until they are read.
 * @param {string} name
 * @param {Uint8Array} input
 * @param {Float64Array} numbers
 */
export function runBundled(name, input, numbers) {
  const plugin = built().bundled.find((plugin) => plugin.name === name);
  return plugin && built().transcribe(plugin.module, input, ...numbers);
}

/**
 * The Worker that is loaded for `count` modules: it runs one of them on one event.
 * @param {number} count
 */
export const main = (count) => {
  const all = [...Array(count).keys()];
  return [
    'import { WorkerEntrypoint } from "cloudflare:workers";',
    'import { transcribe } from "./transcribe.mjs";',
    ...all.map((n) => `import m${n} from "./${n}.wasm";`),
    `const modules = [${all.map((n) => `m${n}`)}];`,
    "export default class extends WorkerEntrypoint {",
    "  run(index, input, numbers) { return transcribe(modules[index], input, ...numbers); }",
    "}",
  ].join("\n");
};

/** More than any run takes that ends by its fuel: a guard against what fuel does not count. */
const CPU_MS = 1000;

/**
 * The isolates that were loaded, by what they are made of.
 * @type {Set<string>}
 */
const loaded = new Set();

/**
 * Runs one of `modules` in the isolate that has them all, without a network and without bindings. Returns undefined if that
 * would be one isolate more than `most`: workerd on a machine of one's own never frees them.
 * @param {WorkerLoader} loader
 * @param {number} most
 * @param {string} id names the modules: equal ids have equal code, so that an isolate is loaded once
 * @param {Uint8Array[]} modules
 * @param {number} index
 * @param {Uint8Array} input
 * @param {Float64Array} numbers
 * @returns {Promise<Uint8Array | undefined>}
 */
export async function runLoaded(loader, most, id, modules, index, input, numbers) {
  if (Number.isFinite(most) && !loaded.has(id)) {
    if (loaded.size >= most) return undefined;
    loaded.add(id);
  }
  const worker = loader.get(`weir-plugins-${built().stamp}-${id}`, () => code(modules));
  const entrypoint = /** @type {any} */ (worker.getEntrypoint());
  // Copied at once: the memory that they are views of changes during the call.
  return await entrypoint.run(index, input.slice(), [...numbers]);
}

/** @param {Uint8Array[]} modules */
const code = (modules) => ({
  compatibilityDate: "2026-11-01",
  mainModule: "main.js",
  modules: {
    "main.js": main(modules.length),
    "transcribe.mjs": { js: built().source },
    ...Object.fromEntries(modules.map((bytes, n) => [`${n}.wasm`, { wasm: bytes }])),
  },
  env: {},
  globalOutbound: null,
  limits: { cpuMs: CPU_MS, subRequests: 0 },
});
