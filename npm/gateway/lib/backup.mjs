// Backups: a copy of the data as of one moment, of all objects together.
//
// While the files are copied workerd is stopped (SIGSTOP), so the copy is what a crash at that moment would leave, and
// that is what the gateway is built to start from: each database with its write-ahead log, none newer than another.

import { createHash } from "node:crypto";
import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ROOT } from "./deployment.mjs";
import { Fault, messageOf } from "./fault.mjs";

const MANIFEST = "backup.json";
/** What is written at every start, and what SQLite makes anew (`-shm`). */
const LEFT_OUT = /^(gateway\.(sock|taking|capnp)|in-use|worker)$|-shm$/;

/** @typedef {{path: string, size: number, sha256: string}} Copied */

/**
 * Copies the data in `data` to `to`, which must not exist; between `hold` and `goOn` nobody writes.
 * @param {string} data
 * @param {string} to
 * @param {{hold(): void | Promise<void>, goOn(): void}} gateway
 */
export async function backup(data, to, gateway) {
  const target = resolve(to);
  if (existsSync(target))
    throw new Fault(`${target} already exists. Choose a directory that does not exist.`);
  if (`${target}/`.startsWith(`${resolve(data)}/`))
    throw new Fault(`${target} is in the data directory. Choose a directory outside of it.`);
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    mkdirSync(partial, { recursive: true, mode: 0o700 });
    const begun = performance.now();
    await gateway.hold();
    const takenAt = new Date().toISOString();
    try {
      copy(data, partial, "");
    } finally {
      gateway.goOn();
    }
    const heldMs = Math.round(performance.now() - begun);
    const files = list(partial);
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    writeFileSync(join(partial, MANIFEST), `${JSON.stringify({ version, takenAt, files }, null, 1)}\n`, {
      mode: 0o600,
    });
    renameSync(partial, target);
    return {
      to: target,
      files: files.length,
      bytes: files.reduce((sum, file) => sum + file.size, 0),
      heldMs,
    };
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (error instanceof Fault) throw error;
    throw new Fault(`The backup failed: ${messageOf(error)}.`);
  }
}

/**
 * Puts a backup where a gateway finds it. What is damaged is refused before anything is written.
 * @param {string} from
 * @param {string} data an empty directory
 */
export function restore(from, data) {
  if (readdirSync(data).some((name) => !LEFT_OUT.test(name))) {
    throw new Fault(`The data directory ${data} is not empty. Restore into an empty directory.`);
  }
  const path = join(from, MANIFEST);
  if (!existsSync(path)) throw new Fault(`${from} is not a backup: ${MANIFEST} is missing.`);
  const { takenAt, files } = /** @type {{takenAt: string, files: Copied[]}} */ (
    JSON.parse(readFileSync(path, "utf8"))
  );
  const there = new Map(list(from).map((file) => [file.path, file.sha256]));
  const damaged = files.find((file) => there.get(file.path) !== file.sha256);
  if (damaged) throw new Fault(`The backup is damaged: ${damaged.path} is missing or has changed.`);
  for (const file of files) {
    const target = join(data, file.path);
    if (!resolve(target).startsWith(`${resolve(data)}/`))
      throw new Fault(`The backup is damaged: ${file.path} is outside of it.`);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    copyFileSync(join(from, file.path), target);
  }
  return { takenAt, files: files.length };
}

/**
 * @param {string} from
 * @param {string} to
 * @param {string} below
 */
function copy(from, to, below) {
  for (const entry of readdirSync(join(from, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (LEFT_OUT.test(entry.name)) continue;
    if (entry.isDirectory()) {
      mkdirSync(join(to, path), { mode: 0o700 });
      copy(from, to, path);
    } else if (entry.isFile()) {
      copyFileSync(join(from, path), join(to, path), constants.COPYFILE_FICLONE);
    }
  }
}

/**
 * All files below a directory but the list itself.
 * @param {string} dir
 * @returns {Copied[]}
 */
function list(dir) {
  const paths = /** @type {string[]} */ (readdirSync(dir, { recursive: true })).sort();
  const files = paths.filter((path) => path !== MANIFEST && statSync(join(dir, path)).isFile());
  return files.map((path) => {
    const bytes = readFileSync(join(dir, path));
    return { path, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
}
