// Cloudflare Workers: the wasm is a module of the Worker.

// @ts-ignore The bundler knows it.
import module from "./engine/weir_presets_bg.wasm";
import { initSync } from "./engine/weir_presets.js";

initSync({ module });

export * from "./api.js";
