// The package weir-presets in Node, from its tarball. HOME_DIR has it; VECTORS is a file of signed requests, one a line.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { all } from "./presets.mjs";

const { HOME_DIR, VECTORS } = process.env;
const entry = createRequire(join(HOME_DIR, "package.json")).resolve("weir-presets");
const vectors = readFileSync(VECTORS, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
for (const result of await all(await import(pathToFileURL(entry).href), vectors)) {
  console.log(JSON.stringify(result));
  if (!result.ok) process.exitCode = 1;
}
