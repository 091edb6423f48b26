// The guard: when the wasm instance dies, every pending call is rejected at once.
//
// A Rust panic in a Worker built with panic=abort stops the instance in the middle of a call. The promises of that call,
// and of every other call of the instance, are then never settled: callers hang until the platform gives up (15 minutes
// for an alarm). The guard races each call against a promise that it rejects as soon as the instance is known to be dead.
// The next call starts a new instance (instance.mjs does that), and the objects read their state back from storage.
//
// The panic hook of the `worker` crate and instance.mjs both set `criticalError` on
// `globalThis.__worker_init_state`. That name is internal to version 0.8, which is pinned; a test panics on purpose and
// fails when the name has moved.

/** @typedef {(error: Error) => void} Reject */

/** @type {Set<Reject>} */
const pending = new Set();

/**
 * Watches the state that instance.mjs keeps of its instance.
 * @param {{ criticalError: unknown }} state
 */
export function watch(state) {
  let died = state.criticalError;
  Object.defineProperty(state, "criticalError", {
    get: () => died,
    set(value) {
      died = value;
      if (!value) return; // instance.mjs clears it once the instance is replaced
      const error = new Error("the instance that handled this call has stopped");
      for (const reject of pending) reject(error);
      pending.clear();
    },
  });
}

/**
 * The result of `work`, or a rejection when the instance dies before.
 * @template T
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function guarded(work) {
  /** @type {Reject} */
  let reject = () => {};
  const stopped = new Promise((_, r) => (reject = r));
  pending.add(reject);
  try {
    return /** @type {T} */ (await Promise.race([work(), stopped]));
  } finally {
    pending.delete(reject);
  }
}

/**
 * The same for what an instance that was alive has returned. What is no promise is returned as it is.
 * @template T
 * @param {T | Promise<T>} result
 * @returns {T | Promise<T>}
 */
export function unlessStopped(result) {
  return result instanceof Promise ? guarded(() => result) : result;
}

/**
 * The same for work that answers by callback.
 * @template T
 * @param {(reply: (answer: T) => void) => void} work
 * @returns {Promise<T>}
 */
export function guardedCallback(work) {
  return new Promise((resolve, reject) => {
    pending.add(reject);
    try {
      work((answer) => {
        pending.delete(reject);
        resolve(answer);
      });
    } catch (error) {
      pending.delete(reject);
      reject(error);
    }
  });
}
