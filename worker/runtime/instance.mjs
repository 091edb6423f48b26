// The Worker's classes, on a wasm instance that is replaced when it stops. The build bundles this with the output of
// wasm-bindgen.
//
// An instance cannot be used after a panic or a trap. The panic hook of the `worker` crate sets `criticalError` for a panic;
// this module sets it for a trap. The next call starts a new instance, in which each object is constructed again with the
// arguments of its first construction.

import * as wasm from "./index.js";

// An object of the `worker` crate (`globalThis.__worker_init_state`). Each instance counts `instanceId` up as it starts.
const state = wasm.__worker_init_state();
/** @type {{ stackTraceLimit?: number }} */ (Error).stackTraceLimit = 100;

/** @param {unknown} error */
function note(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  state.criticalError = true;
}

// Catches a trap outside of a call, in a task that a promise woke.
globalThis.addEventListener(/** @type {any} */ ("error"), (event) => note(/** @type {any} */ (event).error));

function revive() {
  if (!state.criticalError) return;
  console.log("Starting a new wasm instance");
  wasm.__wbg_reset_state();
  state.criticalError = false;
}

/**
 * @template T
 * @param {() => T} call
 */
function called(call) {
  try {
    return call();
  } catch (error) {
    note(error);
    throw error;
  }
}

/** @param {new (...args: any[]) => any} Class */
function lasting(Class) {
  return class {
    #args;
    /** @type {any} */
    #object;
    /** @type {unknown} */
    #instance;

    static {
      for (const name of Object.getOwnPropertyNames(Class.prototype)) {
        if (name === "constructor" || typeof Class.prototype[name] !== "function") continue;
        /**
         * @this {any}
         * @param {any[]} args
         */
        const value = function (...args) {
          const object = this.#alive();
          return called(() => object[name](...args));
        };
        Object.defineProperty(this.prototype, name, { value });
      }
    }

    /** @param {any[]} args */
    constructor(...args) {
      this.#args = args;
      this.#alive();
    }

    /** The object, constructed again if its instance was replaced. */
    #alive() {
      revive();
      if (this.#instance !== state.instanceId) {
        this.#object = called(() => new Class(...this.#args));
        this.#instance = state.instanceId;
      }
      return this.#object;
    }
  };
}

export const App = lasting(wasm.App);
export const Directory = lasting(wasm.Directory);
export const Endpoint = lasting(wasm.Endpoint);
export const Front = lasting(wasm.Front);
