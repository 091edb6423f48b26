// Which versions these are, and whether the files are those that were released.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./deployment.mjs";
import { Fault } from "./fault.mjs";

const SUMS = "worker/SHA256SUMS";

/** This package's manifest. */
export function manifest() {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
}

/** Versions and checksums, a line each. Files that have changed are a fault. */
export function version() {
  const { version } = manifest();
  const workerd = createRequire(import.meta.url)("workerd/package.json").version;
  const lines = [`weir-gateway ${version}`, `workerd ${workerd}`, `node ${process.versions.node}`];
  return [...lines, "", ...checked()].join("\n");
}

/** The files of the Worker with their SHA-256, as released. */
function checked() {
  const path = join(ROOT, SUMS);
  if (!existsSync(path)) return ["The Worker has no checksums: it is not a release."];
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  for (const line of lines) {
    const [sum, name = ""] = line.split(/\s+/, 2);
    const file = join(ROOT, "worker", name);
    const is = existsSync(file) && createHash("sha256").update(readFileSync(file)).digest("hex");
    if (is !== sum)
      throw new Fault(`worker/${name} does not match the released file. Reinstall the package.`);
  }
  return lines;
}
