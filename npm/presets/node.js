// Node: the wasm is read from the package.

import { readFileSync } from "node:fs";
import { initSync } from "./engine/weir_presets.js";

initSync({ module: readFileSync(new URL("./engine/weir_presets_bg.wasm", import.meta.url)) });

export * from "./api.js";
