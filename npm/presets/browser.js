// Browsers, Deno and bundlers: the wasm is fetched from beside this module before anything that imports it runs.

import init from "./engine/weir_presets.js";

await init();

export * from "./api.js";
