// Calls of objects: repeats, locations, and what is cached of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cache } from "../../worker/runtime/cache.mjs";
import { callObject, locate } from "../../worker/runtime/call.mjs";

/**
 * A namespace whose objects answer with these, in turn; errors are thrown.
 * @param {unknown[]} answers
 */
function namespace(answers) {
  /** @type {unknown[][]} */
  const asked = [];
  const space = {
    asked,
    idFromName: (/** @type {string} */ name) => `id:${name}`,
    jurisdiction: (/** @type {string} */ where) => ({
      ...space,
      get: (/** @type {unknown[]} */ ...args) => stub(where, ...args),
    }),
    get: (/** @type {unknown[]} */ ...args) => stub(undefined, ...args),
  };
  const stub = (/** @type {unknown[]} */ ...place) => ({
    call: async (/** @type {unknown[]} */ ...args) => {
      asked.push([...place, ...args]);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return /** @type {typeof space & DurableObjectNamespace} */ (/** @type {unknown} */ (space));
}

const error = (/** @type {object} */ properties) => Object.assign(new Error("platform"), properties);

test("a call is repeated only if it may be and the platform says that it helps", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const passing = async (/** @type {Promise<unknown>} */ called) => {
    let ended = false;
    const done = called.then(
      (value) => ((ended = true), value),
      (failure) => ((ended = true), failure),
    );
    while (!ended) {
      await new Promise(setImmediate);
      t.mock.timers.tick(200);
    }
    return await done;
  };
  const [moved, busy, broken] = [
    error({ retryable: true }),
    error({ retryable: true, overloaded: true }),
    error({}),
  ];
  for (const [answers, again, expected, calls] of /** @type {[unknown[], number, unknown, number][]} */ ([
    [[1], 2, 1, 1],
    [[moved, 1], 2, 1, 2],
    [[moved, moved, 1], 2, 1, 3],
    [[moved, moved, moved, 1], 2, moved, 3],
    [[moved, 1], 0, moved, 1],
    [[busy, 1], 2, busy, 1],
    [[broken, 1], 2, broken, 1],
  ])) {
    const space = namespace([...answers]);
    const result = await passing(callObject(space, "APP", "a/b", "op", new Uint8Array(1), 1, again));
    assert.deepEqual([result, space.asked.length], [expected, calls]);
  }
});

test("a frame is copied before the call: the wasm memory behind it changes", async () => {
  const space = namespace([1]);
  const memory = new Uint8Array([1, 2, 3, 4]);
  const called = callObject(space, "APP", "a/c", "op", memory.subarray(1, 3), 5, 0);
  memory.fill(9);
  await called;
  const [, id, , op, frame, depth] = space.asked[0] ?? [];
  assert.deepEqual([id, op, frame, depth], ["id:a/c", "op", new Uint8Array([2, 3]), 5]);
  assert.equal(/** @type {Uint8Array} */ (frame).buffer.byteLength, 2);
});

test("objects are in the jurisdiction, and near the place, that the settings say", async () => {
  locate("eu", "weur");
  const space = namespace([1, 2]);
  await callObject(space, "ENDPOINT", "a/b/c", "op", new Uint8Array(0), 1, 0);
  locate(undefined, undefined);
  await callObject(space, "ENDPOINT", "a/b/d", "op", new Uint8Array(0), 1, 0);
  assert.deepEqual(
    space.asked.map((call) => call.slice(0, 3)),
    [
      ["eu", "id:a/b/c", { locationHint: "weur" }],
      [undefined, "id:a/b/d", undefined],
    ],
  );
});

test("a cache is bounded, and a new entry takes the place of the oldest", () => {
  /** @type {Cache<number, string>} */
  const cache = new Cache(3);
  let made = 0;
  const get = (/** @type {number} */ key) => cache.get(key, () => `${key} ${++made}`);
  assert.deepEqual([1, 2, 3, 1, 4, 2, 1].map(get), ["1 1", "2 2", "3 3", "1 1", "4 4", "2 2", "1 5"]);
  assert.equal(cache.size, 3);
});
