// The data directory: its owner's alone, used by one gateway at a time, with the secrets that were made for it.
//
// A socket in it is both the lock and the way to ask the running gateway for a backup. The system closes it with the
// process, so a crash leaves no lock behind.

import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { Fault, codeOf, messageOf } from "./fault.mjs";

const SOCKET = "gateway.sock";
/** A directory that is there while a process takes the data directory, and for how long at most. */
const TAKING = "gateway.taking";
const TAKING_MS = 10_000;
/** The most bytes of a request on the socket. */
const MAX_REQUEST = 16384;

/**
 * Makes the directory if it is not there, and its owner's alone. Gives its absolute path.
 * @param {string} path
 */
export function open(path) {
  const dir = resolve(path);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const { mode, uid } = statSync(dir);
    if (process.getuid && uid !== process.getuid()) {
      throw new Fault(
        `The data directory ${dir} belongs to another user (${uid}). Change its owner, or choose another directory with --data.`,
      );
    }
    if (mode & 0o077) chmodSync(dir, 0o700);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(
      `The data directory ${dir} cannot be used (${messageOf(error)}). Choose another directory with --data.`,
    );
  }
  return dir;
}

/** A secret in the form that JWT_SECRET and MASTER_KEY have. */
export function newSecret() {
  return randomBytes(32).toString("hex");
}

/**
 * The secret that signs the tokens of the gateway with this data: made when it is first asked for.
 * @param {string} dir
 */
export function jwtSecret(dir) {
  const path = join(dir, "jwt-secret");
  try {
    writeFileSync(path, newSecret(), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw new Fault(`${path} cannot be written: ${messageOf(error)}.`);
  }
  const secret = readFileSync(path, "utf8").trim();
  if (secret === "") throw new Fault(`${path} is empty. Delete it to have a new secret created.`);
  return secret;
}

/**
 * Takes the directory for this process. Other processes' requests are answered by `answer`.
 * A path to a socket must be short, so the process works in the directory from here on.
 * @param {string} dir
 * @param {(request: any) => unknown} [answer]
 * @returns {Promise<() => void>} gives the directory back
 */
export async function claim(dir, answer = () => ({})) {
  process.chdir(dir);
  await enter(dir);
  try {
    if (await isAnswered(SOCKET)) {
      throw new Fault(
        `Another gateway is using the data directory ${dir}. Stop it, or choose another directory with --data.`,
      );
    }
    // Left by a gateway that was killed.
    rmSync(SOCKET, { force: true });
    const server = createServer((socket) => serve(socket, answer));
    await new Promise((done, failed) => {
      server.once("error", (error) =>
        failed(new Fault(`The data directory ${dir} cannot be used: ${error.message}.`)),
      );
      server.listen(SOCKET, () => done(undefined));
    });
    server.unref();
    return () => void server.close();
  } finally {
    rmdirSync(TAKING);
  }
}

/**
 * Waits until no other process is taking the directory: a socket is bound before it answers, and until then would pass for
 * one that was left. To make a directory is atomic on every system.
 * @param {string} dir
 */
async function enter(dir) {
  for (;;) {
    try {
      mkdirSync(TAKING);
      return;
    } catch (error) {
      if (codeOf(error) !== "EEXIST")
        throw new Fault(`The data directory ${dir} cannot be used: ${messageOf(error)}.`);
    }
    // Taking takes milliseconds: who has not done by now was killed at it.
    const begun = statSync(TAKING, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - begun > TAKING_MS) rmSync(TAKING, { recursive: true, force: true });
    else await new Promise((done) => setTimeout(done, 20));
  }
}

/**
 * @param {string} path
 * @returns {Promise<boolean>}
 */
function isAnswered(path) {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}

/**
 * @param {import("node:net").Socket} socket
 * @param {(request: any) => unknown} answer
 */
function serve(socket, answer) {
  let text = "";
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", async (/** @type {string} */ chunk) => {
    text += chunk;
    if (text.length > MAX_REQUEST) return void socket.destroy();
    if (!text.includes("\n")) return;
    const request = text;
    text = "";
    try {
      socket.end(`${JSON.stringify({ ok: await answer(JSON.parse(request)) })}\n`);
    } catch (error) {
      socket.end(`${JSON.stringify({ error: messageOf(error) })}\n`);
    }
  });
}

/**
 * Asks the gateway that uses a directory; nothing, where there is none.
 * @param {string} dir
 * @param {object} request
 * @returns {Promise<any>}
 */
export function ask(dir, request) {
  process.chdir(dir);
  return new Promise((done, failed) => {
    let text = "";
    const socket = connect(SOCKET, () => socket.write(`${JSON.stringify(request)}\n`));
    socket.setEncoding("utf8");
    socket.on("data", (/** @type {string} */ chunk) => (text += chunk));
    socket.on("error", (error) =>
      ["ENOENT", "ECONNREFUSED"].includes(codeOf(error)) ? done(undefined) : failed(error),
    );
    socket.on("end", () => {
      const answer = text === "" ? { error: "The gateway ended before it had answered." } : JSON.parse(text);
      if (answer.error) failed(new Fault(answer.error));
      else done(answer.ok);
    });
  });
}
