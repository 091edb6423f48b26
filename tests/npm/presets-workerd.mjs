// The package weir-presets in a Worker, from its tarball: the wasm is one of the Worker's modules.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";

const { HOME_DIR, VECTORS } = process.env;
setTimeout(() => process.exit(1), 60_000).unref();

const here = dirname(fileURLToPath(import.meta.url));
const inPackage = (name) => join(HOME_DIR, "node_modules/weir-presets", name);
const entry = `
import * as presets from "./workerd.js";
import { all } from "./presets.mjs";
export default { fetch: async (request) => Response.json(await all(presets, await request.json())) };`;
const text = (path, from) => ({ type: "ESModule", path, contents: from });
const modules = [
  text("entry.mjs", entry),
  text("presets.mjs", readFileSync(join(here, "presets.mjs"), "utf8")),
  ...["workerd.js", "api.js", "engine/weir_presets.js"].map((name) =>
    text(name, readFileSync(inPackage(name), "utf8")),
  ),
  {
    type: "CompiledWasm",
    path: "engine/weir_presets_bg.wasm",
    contents: readFileSync(inPackage("engine/weir_presets_bg.wasm")),
  },
];
const worker = { name: "presets", modules, compatibilityDate: "2026-11-01" };
const runtime = new Miniflare(convertV4MiniflareOptions({ workers: [worker], host: "127.0.0.1", port: 0 }));
try {
  const url = await runtime.ready;
  const vectors = `[${readFileSync(VECTORS, "utf8").trim().split("\n").join(",")}]`;
  const answer = await fetch(url, { method: "POST", body: vectors });
  const body = await answer.text();
  if (!answer.ok) throw new Error(body);
  for (const result of JSON.parse(body)) {
    console.log(JSON.stringify(result));
    if (!result.ok) process.exitCode = 1;
  }
} finally {
  await runtime.dispose();
}
