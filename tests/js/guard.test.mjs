// The guard against panics, and the queue of microtasks. On workerd: xtask/tests/guard.rs, tests/tests/panic.rs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { guarded, guardedCallback, unlessStopped, watch } from "../../worker/runtime/guard.mjs";

const never = () => new Promise(() => {});

test("when the instance dies, every pending call is rejected and later ones are not", async () => {
  /** @type {{ criticalError: unknown }} */
  const state = { criticalError: false };
  watch(state);
  const pending = [
    guarded(never),
    guarded(async () => await never()),
    /** @type {Promise<unknown>} */ (unlessStopped(never())),
    guardedCallback(() => {}),
  ];
  assert.equal(await guarded(async () => 1), 1);
  assert.equal(await guarded(() => 2), 2);
  assert.equal(await guardedCallback((reply) => reply(3)), 3);
  state.criticalError = true;
  assert.equal(state.criticalError, true, "the shim reads it back");
  for (const call of pending) await assert.rejects(call, /has stopped/);
  state.criticalError = false;
  assert.equal(await guarded(async () => 4), 4);
});

test("a call that fails fails as it did", async () => {
  const error = new Error("refused");
  const failing = () => {
    throw error;
  };
  await assert.rejects(guarded(failing), error);
  await assert.rejects(
    guarded(async () => failing()),
    error,
  );
  await assert.rejects(guardedCallback(failing), error);
});

test("what is no promise is returned as it is", () => {
  assert.equal(unlessStopped(7), 7);
});

test("microtasks run in order and before timers, and an exception of one reaches the listeners", async () => {
  const real = globalThis.queueMicrotask;
  /** @type {unknown[]} */
  const reported = [];
  globalThis.reportError = (error) => reported.push(error);
  await import("../../worker/runtime/microtask.mjs");
  /** @type {unknown[]} */
  const order = [];
  setTimeout(() => order.push("timer"), 0);
  queueMicrotask(() => order.push(1));
  queueMicrotask(() => {
    throw "thrown";
  });
  queueMicrotask(() => order.push(2));
  assert.deepEqual(order, []);
  await new Promise((done) => setTimeout(done, 5));
  globalThis.queueMicrotask = real;
  assert.deepEqual([order, reported], [[1, 2, "timer"], ["thrown"]]);
});
