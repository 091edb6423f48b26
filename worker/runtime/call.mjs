// Calls another object, in one crossing between wasm and JavaScript: it is done for every message, and what an event costs
// here is host calls and JavaScript objects, not computing.

import { Cache } from "./cache.mjs";

/**
 * A stub of an object; see object.mjs.
 * @typedef {{ call(op: string, frame: Uint8Array, depth: number): Promise<Uint8Array> }} Callable
 */
/**
 * The binding of an object's class.
 * @typedef {DurableObjectNamespace} Namespace
 */

/**
 * Calls an object; a promise of the bytes of its answer. `frame` is a view of the wasm memory, and a view is cloned with
 * the whole memory behind it, which is megabytes: so it is copied first.
 *
 * The call is repeated up to `again` times, with a new stub, if the platform says that the object was restarted or moved
 * (`retryable`), but never if the object is overloaded.
 * @param {Namespace} namespace
 * @param {string} kind the binding's name
 * @param {string} name
 * @param {string} op
 * @param {Uint8Array} frame
 * @param {number} depth how many calls of objects lead here: see core/src/budget.rs
 * @param {number} again
 */
export function callObject(namespace, kind, name, op, frame, depth, again) {
  return repeated(() => stubOf(namespace, kind, name), op, frame.slice(), depth, again);
}

/**
 * @param {() => Callable} stub
 * @param {string} op
 * @param {Uint8Array} frame
 * @param {number} depth
 * @param {number} again
 */
async function repeated(stub, op, frame, depth, again) {
  for (;;) {
    try {
      return await stub().call(op, frame, depth);
    } catch (error) {
      const { retryable, overloaded } = /** @type {{ retryable?: boolean, overloaded?: boolean }} */ (
        error ?? {}
      );
      if (again === 0 || !retryable || overloaded) throw error;
      again -= 1;
    }
    // Spreads the repeats of many callers, which is no use of randomness that anybody could profit from.
    const ms = 50 + Math.random() * 150;
    await new Promise((done) => setTimeout(done, ms));
  }
}

// Where objects are, as the deployment's settings say. The jurisdiction is part of every object's id, so `stubOf` is the
// only way to an id.
/** @type {DurableObjectJurisdiction | undefined} */
let jurisdiction;
/** @type {DurableObjectNamespaceGetDurableObjectOptions | undefined} */
let options;
/** @type {Cache<string, Namespace>} */
const restricted = new Cache(16);

/**
 * Sets where objects are; called before the first call of one.
 * @param {DurableObjectJurisdiction | undefined} where
 * @param {DurableObjectLocationHint | undefined} hint
 */
export function locate(where, hint) {
  jurisdiction = where;
  options = hint === undefined ? undefined : { locationHint: hint };
}

/**
 * @param {Namespace} namespace
 * @param {string} kind
 * @param {string} name
 */
function stubOf(namespace, kind, name) {
  const where = jurisdiction;
  const space = where === undefined ? namespace : restricted.get(kind, () => namespace.jurisdiction(where));
  return /** @type {Callable & DurableObjectStub} */ (space.get(idOf(space, kind, name), options));
}

/**
 * An object's id is a hash of its name, computed once. (A stub must not be kept: it belongs to one request.)
 * @type {Cache<string, DurableObjectId>}
 */
const ids = new Cache(10_000);

/**
 * @param {Namespace} namespace
 * @param {string} kind
 * @param {string} name
 */
function idOf(namespace, kind, name) {
  return ids.get(kind + name, () => namespace.idFromName(name));
}
