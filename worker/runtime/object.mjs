// The Durable Objects' classes, behind the guard.
//
// They are called by RPC: it costs less than a request and a response, and an error arrives as an error.

import { DurableObject } from "cloudflare:workers";
import { guarded, guardedCallback } from "./guard.mjs";

/** @typedef {import("./index.js").RustObject} RustObject */

/**
 * @param {new (state: DurableObjectState, env: unknown) => RustObject} Class
 */
export const guardedObject = (Class) =>
  class extends DurableObject {
    /** @type {RustObject} */
    #inner;

    /**
     * @param {DurableObjectState} state
     * @param {Cloudflare.Env} env
     */
    constructor(state, env) {
      super(state, env);
      this.#inner = new Class(state, env);
    }

    /**
     * @param {string} op
     * @param {Uint8Array} frame
     * @param {number} depth how many calls of objects lead here
     * @returns {Promise<Uint8Array>}
     */
    call(op, frame, depth) {
      if (op === "accept") return guardedCallback((reply) => this.#inner.accept(frame, reply, depth));
      return guarded(() => this.#inner.call(op, frame, depth));
    }

    alarm() {
      return guarded(() => this.#inner.alarm());
    }
  };
