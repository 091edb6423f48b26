// The package weir-presets in Chromium, from its tarball, as a plain module without a bundler.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const { HOME_DIR, VECTORS, CHROMIUM } = process.env;
const types = { js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };
const page = `<!doctype html><meta charset="utf-8"><script type="module">
import * as presets from "/package/browser.js";
import { all } from "/presets.mjs";
window.results = await all(presets, await (await fetch("/vectors")).json());
</script>`;
const vectors = `[${readFileSync(VECTORS, "utf8").trim().split("\n").join(",")}]`;

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://x").pathname);
  const answer = (type, body) => response.writeHead(200, { "content-type": type }).end(body);
  try {
    if (path === "/") return answer("text/html", page);
    if (path === "/vectors") return answer("application/json", vectors);
    const file = path.startsWith("/package/")
      ? join(HOME_DIR, "node_modules/weir-presets", path.slice("/package/".length))
      : join(fileURLToPath(new URL(".", import.meta.url)), path);
    answer(types[path.split(".").at(-1)] ?? "text/plain", readFileSync(file));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
try {
  const tab = await browser.newPage();
  const faults = [];
  tab.on("pageerror", (error) => faults.push(String(error)));
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab
    .waitForFunction(() => window.results, undefined, { timeout: 60_000 })
    .catch((error) => {
      throw new Error(`${error}\n${faults.join("\n")}`);
    });
  for (const result of await tab.evaluate(() => window.results)) {
    console.log(JSON.stringify(result));
    if (!result.ok) process.exitCode = 1;
  }
} finally {
  await browser.close();
  server.close();
}
