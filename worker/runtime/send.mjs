// Sends webhooks, the requests of one object.

import { Deadline } from "./deadline.mjs";
import { fieldsOf, linesOf } from "./lines.mjs";
import { NOTHING, readUpTo } from "./read.mjs";

/**
 * What is called when a request has ended: with the response's Retry-After and Content-Encoding (or null), its headers,
 * and what could be read of its body in time; or with status 0 and why there was no response.
 *
 * A callback and not a promise for each request: a promise that Rust awaits costs two closures and their finalization.
 * @typedef {(
 *   token: number, status: number, text: string | null, encoding: string | null, headers: string,
 *   bytes: Uint8Array,
 * ) => void} Done
 */

export class Sender {
  #done;
  /** @type {Deadline | undefined} */
  #group;

  /** @param {Done} done */
  constructor(done) {
    this.#done = done;
  }

  /**
   * Sends one webhook and reads the response up to `cap` bytes, within `timeout` milliseconds for head and body.
   * @param {number} token names the request to `done`
   * @param {string} url
   * @param {string} headers one text, see lines.mjs
   * @param {Uint8Array} body a view of the wasm memory, which changes (and moves) during the request: so it is copied
   * @param {number} timeout
   * @param {number} cap
   */
  async post(token, url, headers, body, timeout, cap) {
    const init = { method: "POST", headers: fieldsOf(headers), body: body.slice() };
    const group = this.#deadline(timeout);
    let status = 0;
    /** @type {string | null} */
    let text = null;
    /** @type {string | null} */
    let encoding = null;
    let received = "";
    let read = NOTHING;
    try {
      const response = await fetch(url, {
        ...init,
        redirect: "manual",
        signal: group.signal,
        encodeResponseBody: "manual",
      });
      // From here on the receiver has answered, whatever becomes of the body.
      status = response.status;
      text = response.headers.get("retry-after");
      encoding = response.headers.get("content-encoding");
      received = linesOf(response.headers);
      read = await readUpTo(response, cap);
    } catch (error) {
      if (status === 0) text = group.signal.aborted ? "timeout" : messageOf(error);
    } finally {
      group.leave();
    }
    this.#done(token, status, text, encoding, received, read.bytes);
  }

  /**
   * Requests that start at about the same time share one timer, which fires up to a fiftieth of the timeout late.
   * @param {number} timeout
   */
  #deadline(timeout) {
    const now = Date.now();
    if (this.#group === undefined || !this.#group.takes(timeout, now)) {
      this.#group = new Deadline(timeout, now, Math.min(timeout / 50, 250));
    }
    return this.#group.join();
  }
}

/** @param {unknown} error */
const messageOf = (error) => String(/** @type {Error | undefined} */ (error)?.message ?? error);
