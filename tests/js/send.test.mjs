// Requests to receivers: what of a response is passed on, deadlines, and what failures are called.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { Deadline } from "../../worker/runtime/deadline.mjs";
import { fetchBody } from "../../worker/runtime/fetch.mjs";
import { Sender } from "../../worker/runtime/send.mjs";

/** @type {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void} */
let handler;
const server = createServer((request, response) => handler(request, response));
await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const url = `http://127.0.0.1:${port}/hook`;
after(() => {
  server.closeAllConnections();
  server.close();
});

/** @returns {Promise<unknown[]>} what `done` is called with */
const post = (headers = "a:1", timeout = 5_000, cap = 100, to = url, body = new Uint8Array([1, 2])) =>
  new Promise((resolve) => new Sender((...args) => resolve(args)).post(7, to, headers, body, timeout, cap));

test("a webhook carries its headers and body, and the response is passed on", async () => {
  /** @type {unknown[]} */
  const got = [];
  handler = async (request, response) => {
    const body = [];
    for await (const chunk of request) body.push(...chunk);
    got.push(request.method, request.headers["webhook-id"], request.headers["accept-encoding"], body);
    response.writeHead(503, { "retry-after": "12", "x-a": "b" });
    response.end("busy");
  };
  const [token, status, text, encoding, headers, bytes] = await post(
    "webhook-id:m:1\naccept-encoding:identity",
  );
  assert.deepEqual(got, ["POST", "m:1", "identity", [1, 2]]);
  assert.deepEqual([token, status, text, encoding], [7, 503, "12", null]);
  assert.match(String(headers), /^(.+:.*\n)*x-a:b\n/m);
  assert.equal(Buffer.from(/** @type {Uint8Array} */ (bytes)).toString(), "busy");
});

test("a redirect is a response, and is not followed", async () => {
  handler = (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
  assert.equal((await post())[1], 302);
});

test("a receiver that does not answer in time is a timeout, and one that is not there is an error", async () => {
  handler = () => {};
  assert.deepEqual((await post("a:1", 50)).slice(0, 3), [7, 0, "timeout"]);
  const [, status, text] = await post("a:1", 5_000, 100, "http://127.0.0.1:1/");
  assert.equal(status, 0);
  assert.notEqual(text, "timeout");
});

test("a response whose body does not end in time is a response all the same", async () => {
  handler = (_, response) => {
    response.writeHead(200);
    response.write("begun");
  };
  const [, status, , , , bytes] = await post("a:1", 60);
  assert.deepEqual([status, Buffer.from(/** @type {Uint8Array} */ (bytes)).toString()], [200, "begun"]);
});

test("no more of a body is read than is kept", async () => {
  handler = (_, response) => response.end("x".repeat(1_000_000));
  const [, status, , , , bytes] = await post("a:1", 5_000, 10);
  assert.deepEqual([status, /** @type {Uint8Array} */ (bytes).length], [200, 10]);
});

test("the body is copied before the request: the wasm memory changes", async () => {
  handler = async (request, response) => {
    const body = [];
    for await (const chunk of request) body.push(...chunk);
    response.end(JSON.stringify(body));
  };
  const memory = new Uint8Array([1, 2, 3]);
  const sent = post("a:1", 5_000, 100, url, memory);
  memory.fill(0);
  assert.equal(Buffer.from(/** @type {Uint8Array} */ ((await sent)[5])).toString(), "[1,2,3]");
});

test("requests share a timer, and it ends with the last of them", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const group = new Deadline(1_000, 0, 20).join();
  assert.ok(group.takes(1_000, 19));
  assert.ok(!group.takes(1_000, 20) && !group.takes(999, 0), "too late, and another timeout");
  group.join();
  group.leave();
  t.mock.timers.tick(1_019);
  assert.ok(!group.signal.aborted);
  t.mock.timers.tick(1);
  assert.ok(group.signal.aborted);

  const done = new Deadline(1_000, 0, 20).join();
  done.leave();
  assert.ok(!done.takes(1_000, 0), "its timer has ended");
  t.mock.timers.tick(5_000);
  assert.ok(!done.signal.aborted);
});

test("a document is fetched whole, or the error says why not", async () => {
  handler = (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("keys");
  // Node decompresses where the platform does not: only the name of the encoding is of interest here.
  handler = (_, response) => response.end("keys");
  assert.deepEqual(await fetchBody(url, 5_000, 4), ["", new TextEncoder().encode("keys")]);
  await assert.rejects(fetchBody(url, 5_000, 3), /more than 3 bytes/);
  handler = (_, response) => response.writeHead(302, { location: url }).end();
  await assert.rejects(fetchBody(url, 5_000, 4), /it answered 302/);
  handler = () => {};
  await assert.rejects(fetchBody(url, 50, 4), /did not answer in time/);
  handler = (request, response) => {
    response.writeHead(200, { "content-length": "4" });
    response.write("ke");
    setTimeout(() => request.socket.destroy(), 20);
  };
  await assert.rejects(fetchBody(url, 5_000, 4), /broke off/);
});
