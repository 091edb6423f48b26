// A gateway on this machine: the Worker on workerd.
//
// workerd never outlives the process that started it: a shell that reads from a pipe kills it when the pipe closes,
// which the system does however this process ends. SIGTERM drains (requests under way are answered); what is not
// answered in time is killed, which loses nothing: whatever was acknowledged is on disk.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { capnp } from "./capnp.mjs";
import { deployment } from "./deployment.mjs";
import { Fault, messageOf } from "./fault.mjs";

/** How long a gateway may take until it answers. */
const START_MS = 60_000;
/** How long the system may take to stop it. */
const STOP_MS = 5_000;
/** How much of what workerd says is kept, for the sentence that says why it did not start. */
const LAST_WORDS = 4096;

/**
 * @typedef {object} Options
 * @property {string} worker
 * @property {string} data
 * @property {string} host
 * @property {number} port
 * @property {import("./vars.mjs").Vars} vars
 * @property {string[]} networks
 * @property {boolean} [loader]
 * @property {boolean} [proxied]
 */

/** The workerd binary of this machine. */
export function workerd() {
  try {
    return /** @type {{default: string}} */ (createRequire(import.meta.url)("workerd")).default;
  } catch (error) {
    throw new Fault(
      `workerd is not installed for this machine (${process.platform} ${process.arch}): ${messageOf(error)}`,
    );
  }
}

export class Gateway {
  /** @type {import("node:child_process").ChildProcess} */
  #workerd;
  #watchdog;
  #said = "";
  #over = false;
  #host;
  /** How workerd ended. @type {Promise<string>} */
  ended;
  port = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#host = options.host.includes(":") ? `[${options.host}]` : options.host;
    const config = join(options.data, "gateway.capnp");
    const text = capnp(
      {
        worker: options.worker,
        data: options.data,
        listen: `${this.#host}:${options.port}`,
        settings: Object.keys(options.vars),
        networks: options.networks,
        loader: options.loader ?? false,
        proxied: options.proxied ?? false,
      },
      deployment(),
    );
    writeFileSync(config, text, { mode: 0o600 });
    const { PATH, HOME, TZ, SSL_CERT_FILE, SSL_CERT_DIR } = process.env;
    this.#workerd = spawn(
      workerd(),
      ["serve", "--experimental", "--import-path=/", "--control-fd=3", config],
      {
        // Neither Ctrl-C nor the environment reaches it, but what it is given.
        detached: true,
        env: { PATH, HOME, TZ, SSL_CERT_FILE, SSL_CERT_DIR, ...options.vars },
        stdio: ["ignore", "pipe", "pipe", "pipe"],
      },
    );
    this.ended = new Promise((done) => {
      this.#workerd.once("error", (error) => done(`workerd could not be started: ${error.message}.`));
      this.#workerd.once("exit", (code, signal) => done(`workerd exited (${signal ?? `status ${code}`}).`));
    });
    for (const [from, to] of /** @type {const} */ ([
      ["stdout", process.stdout],
      ["stderr", process.stderr],
    ])) {
      this.#workerd[from]?.on("data", (/** @type {Buffer} */ bytes) => {
        this.#said = (this.#said + bytes.toString()).slice(-LAST_WORDS);
        to.write(bytes);
      });
    }
    this.#watchdog = spawn(
      "sh",
      ["-c", 'trap "" HUP INT TERM; read -r _; kill -9 "$0"', String(this.#workerd.pid)],
      {
        detached: true,
        stdio: ["pipe", "ignore", "ignore"],
      },
    );
    this.#watchdog.on("error", () => {});
    this.#watchdog.unref();
    void this.ended.then(() => {
      this.#over = true;
      this.#watchdog.kill("SIGKILL");
    });
  }

  /**
   * Starts one and waits until it answers.
   * @param {Options} options
   */
  static async start(options) {
    const gateway = new Gateway(options);
    try {
      await Promise.race([
        gateway.#ready(),
        gateway.ended.then((how) => Promise.reject(new Fault(gateway.#why(how, options)))),
        timeout(START_MS, `The gateway did not respond within ${START_MS / 1000} seconds.`),
      ]);
    } catch (error) {
      gateway.kill();
      throw error;
    }
    return gateway;
  }

  /** Waits for the port, then for an answer. */
  async #ready() {
    this.port = await this.#listens();
    const host = { "0.0.0.0": "127.0.0.1", "[::]": "[::1]" }[this.#host] ?? this.#host;
    while (!this.#over && !(await isHealthy(`http://${host}:${this.port}`))) {
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** @returns {Promise<number>} */
  #listens() {
    return new Promise((done) => {
      let text = "";
      const control = /** @type {import("node:stream").Readable} */ (this.#workerd.stdio[3]);
      control.on("data", (/** @type {Buffer} */ bytes) => {
        text += bytes.toString();
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          const said = JSON.parse(line);
          if (said.event === "listen" && said.socket === "http") done(said.port);
        }
      });
    });
  }

  /**
   * @param {string} how
   * @param {Options} options
   */
  #why(how, options) {
    if (/address already in use/i.test(this.#said)) {
      return `Port ${options.port} is in use. Stop the process that uses it, or choose another port: --port ${options.port + 1}.`;
    }
    return `${how} It said:\n${this.#said.trimEnd()}`;
  }

  get url() {
    return `http://${this.#host}:${this.port}`;
  }

  get pid() {
    return this.#workerd.pid ?? 0;
  }

  /** Nothing of it runs until it goes on, not one of its threads. For a backup: files do not change meanwhile. */
  async hold() {
    this.#workerd.kill("SIGSTOP");
    for (const end = performance.now() + STOP_MS; performance.now() < end;) {
      if (isStopped(this.pid)) return;
      await new Promise((done) => setTimeout(done, 1));
    }
    this.goOn();
    throw new Fault("workerd could not be paused. Try again.");
  }

  goOn() {
    this.#workerd.kill("SIGCONT");
  }

  kill() {
    this.#workerd.kill("SIGKILL");
  }

  /**
   * Lets it answer what is under way, for so long at most.
   * @param {number} ms
   */
  async drain(ms) {
    this.#workerd.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), ms);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }
}

/**
 * Whether every thread of a process is stopped.
 * @param {number} pid
 */
function isStopped(pid) {
  if (process.platform !== "linux") {
    return spawnSync("ps", ["-o", "stat=", "-p", String(pid)])
      .stdout?.toString()
      .trim()
      .startsWith("T");
  }
  // The state follows the name, which is in parentheses and may hold anything.
  const states = readdirSync(`/proc/${pid}/task`).map((task) =>
    readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8"),
  );
  return states.every((text) => text.slice(text.lastIndexOf(")") + 2).startsWith("T"));
}

/**
 * @param {number} ms
 * @param {string} sentence
 * @returns {Promise<never>}
 */
function timeout(ms, sentence) {
  return new Promise((_, failed) => setTimeout(() => failed(new Fault(sentence)), ms).unref());
}

/**
 * Whether a gateway answers at this address.
 * @param {string} url
 */
export async function isHealthy(url) {
  try {
    const answer = await fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(5_000) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
