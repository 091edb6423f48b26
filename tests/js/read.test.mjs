// Bodies of requests and responses: bounded in bytes, memory and time, however they come.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BROKEN, bodyOf, SLOW, unread } from "../../worker/runtime/body.mjs";
import { Gather } from "../../worker/runtime/gather.mjs";
import { lingering } from "../../worker/runtime/linger.mjs";
import { readUpTo } from "../../worker/runtime/read.mjs";

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);
const text = (/** @type {unknown} */ read) => new TextDecoder().decode(/** @type {Uint8Array} */ (read));

/**
 * A stream of these chunks; what it is asked for after them, it never gives, or fails with `error`.
 * @param {(string | Uint8Array)[]} chunks
 * @param {{ error?: Error, hangs?: boolean }} [end]
 */
function stream(chunks, end = {}) {
  const left = chunks.map((chunk) => (typeof chunk === "string" ? bytes(chunk) : chunk));
  const state = { canceled: false, pulled: 0 };
  const body = new ReadableStream(
    {
      pull(controller) {
        state.pulled += 1;
        const next = left.shift();
        if (next) controller.enqueue(next);
        else if (end.error) controller.error(end.error);
        else if (end.hangs) return new Promise(() => {});
        else controller.close();
        return undefined;
      },
      cancel() {
        state.canceled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, state };
}

/**
 * A request with that body. Its reader has `readAtLeast`, as workerd's has and Node's has not.
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {Record<string, string>} [headers]
 */
function incoming(body, headers = {}) {
  if (body === null) return /** @type {Request} */ ({ body, headers: new Headers(headers) });
  let left = new Uint8Array(0);
  let ended = false;
  const getReader = () => {
    const reader = body.getReader();
    return {
      releaseLock: () => reader.releaseLock(),
      /**
       * @param {number} least
       * @param {Uint8Array<ArrayBuffer>} view
       */
      async readAtLeast(least, view) {
        while (left.length < least && !ended) {
          const { done, value } = await reader.read();
          ended = done;
          if (value) left = Uint8Array.from([...left, ...value]);
        }
        const { buffer, byteOffset, byteLength } = view;
        const part = left.subarray(0, byteLength);
        const moved = structuredClone(buffer, { transfer: [buffer] });
        const value = new Uint8Array(moved, byteOffset, part.length);
        value.set(part);
        left = left.slice(part.length);
        return { done: ended && part.length === 0, value };
      },
    };
  };
  return /** @type {Request} */ (
    /** @type {unknown} */ ({ body: { getReader }, headers: new Headers(headers) })
  );
}

test("a response is read up to the cap and its connection is given back", async () => {
  for (const [chunks, cap, expected, complete, canceled] of /** @type {const} */ ([
    [["hello"], 10, "hello", true, false],
    [["hel", "", "lo"], 10, "hello", true, false],
    [["hello"], 5, "hello", true, true],
    [["hello"], 4, "hell", true, true],
    [["hel", "lo", "more"], 4, "hell", true, true],
    [[""], 10, "", true, false],
    [[], 10, "", true, false],
  ])) {
    const { body, state } = stream([...chunks]);
    const read = await readUpTo({ body }, cap);
    assert.deepEqual([text(read.bytes), read.complete, state.canceled], [expected, complete, canceled]);
  }
  assert.deepEqual(await readUpTo({ body: null }, 10), { bytes: new Uint8Array(0), complete: true });
});

test("a response without end is not read to its end", async () => {
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1000)) });
  const read = await readUpTo({ body: endless }, 10_500);
  assert.deepEqual([read.bytes.length, read.complete], [10_500, true]);
});

test("what arrived before a response broke off is kept, and is not complete", async () => {
  const { body } = stream(["par", "tial"], { error: new Error("reset") });
  const read = await readUpTo({ body }, 100);
  assert.deepEqual([text(read.bytes), read.complete], ["partial", false]);
});

test("a request's body is read whole, or not at all", async () => {
  assert.equal(text(await bodyOf(incoming(stream(["a", "b", "c"]).body), 3)), "abc");
  assert.equal(await bodyOf(incoming(stream(["a", "b", "cd"]).body), 3), undefined, "too large");
  assert.equal(text(await bodyOf(incoming(null), 0)), "", "there is none");
  assert.equal(text(await bodyOf(incoming(stream(["\u00e9\u{1f600}"]).body), 6)), "\u00e9\u{1f600}");
});

test("a body that is refused is not even begun", async () => {
  for (const [limit, headers] of /** @type {[number, Record<string, string>][]} */ ([
    [0, {}],
    [3, { "content-length": "4" }],
    [3, { "content-length": "x" }],
    [3, { "content-length": "1e999" }],
  ])) {
    const { body, state } = stream(["abc"]);
    assert.equal(await bodyOf(incoming(body, headers), limit), undefined);
    assert.equal(state.pulled, 0);
  }
  const lies = stream(["abcdef"]).body;
  assert.equal(await bodyOf(incoming(lies, { "content-length": "1" }), 3), undefined);
});

test("a body that never ends is given up in time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const reading = bodyOf(incoming(stream(["a"], { hangs: true }).body), 1000);
  t.mock.timers.tick(10_009);
  await new Promise(setImmediate);
  t.mock.timers.tick(1);
  assert.equal(await reading, SLOW);
  const response = unread(SLOW);
  assert.deepEqual([response.status, response.headers.get("connection")], [408, "close"]);
  assert.equal((await response.json()).code, "request_timeout");
});

test("a body larger than the first buffer is read whole, up to its limit", async () => {
  const large = new Uint8Array(100_000).map((_, n) => n % 251);
  const chunks = () => [large.slice(0, 3), large.slice(3, 70_000), large.slice(70_000)];
  assert.deepEqual(await bodyOf(incoming(stream(chunks()).body), 100_000), large);
  assert.equal(await bodyOf(incoming(stream(chunks()).body), 99_999), undefined);
});

test("a response to what was not read ends when the rest was received, or is too much", async () => {
  for (const [chunks, canceled] of /** @type {[Uint8Array[], boolean][]} */ ([
    [[new Uint8Array(10), new Uint8Array(10)], false],
    [Array.from({ length: 40 }, () => new Uint8Array(1 << 20)), true],
  ])) {
    const { body, state } = stream(chunks);
    const request = /** @type {Request} */ ({ body, headers: new Headers() });
    const response = await lingering(request, new Response("no", { status: 413, headers: { a: "b" } }));
    assert.deepEqual([response.status, response.headers.get("a"), await response.text()], [413, "b", "no"]);
    await new Promise(setImmediate);
    assert.equal(state.canceled, canceled);
  }
  const none = new Response(null, { status: 204 });
  assert.equal(await lingering(incoming(stream([]).body), none), none, "it has no body to hold back");
});

test("a client that stops sending does not keep a response", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { body, state } = stream(["a"], { hangs: true });
  const response = await lingering(/** @type {Request} */ ({ body }), new Response("no"));
  const text = response.text();
  for (let n = 0; n < 5; n += 1) await new Promise(setImmediate);
  t.mock.timers.tick(3_000);
  assert.equal(await text, "no");
  await new Promise(setImmediate);
  assert.ok(state.canceled);
});

test("a body that breaks off, or is malformed, is the client's mistake", async () => {
  const { body } = stream(["a"], { error: new Error("reset") });
  assert.equal(await bodyOf(incoming(body), 10), BROKEN);
  const response = unread(BROKEN);
  assert.deepEqual([response.status, (await response.json()).code], [400, "incomplete_body"]);
});

test("chunks of any size are joined in memory that is bounded by what came", () => {
  for (const sizes of [[1], [0, 5], [5, 0, 0, 7], [3000, 1, 1], Array(10_000).fill(1), [1, 70_000, 2]]) {
    const gather = new Gather();
    const all = [];
    for (const [n, size] of sizes.entries()) {
      const chunk = new Uint8Array(size).fill(n % 251);
      all.push(...chunk);
      gather.add(chunk);
    }
    assert.equal(gather.size, all.length);
    assert.deepEqual([...gather.bytes()], all);
    assert.ok(gather.bytes().buffer.byteLength <= Math.max(1024, 2 * all.length));
  }
});

test("a chunk that its sender uses again does not change what was read", () => {
  const gather = new Gather();
  const chunk = bytes("ab");
  gather.add(bytes("x"));
  gather.add(chunk);
  chunk.fill(0);
  assert.equal(text(gather.bytes()), "xab");
});
