// The entry of the Worker: what `worker-build` made, behind a guard against panics.
//
// A Rust panic in a Worker built with panic=abort stops the wasm instance in the middle of a call. The promises
// of that call, and of every other call that was under way in the instance, are then never settled: callers hang
// until the platform gives up (15 minutes for an alarm). The guard races each call against a rejection of its
// own and rejects all that are pending the moment the instance is known to be dead. The next call starts a new
// instance (the shim does that), and the objects read their state back from storage.
//
// How it is known: the panic hook of the `worker` crate and the shim of `worker-build` both set `criticalError`
// on `globalThis.__worker_init_state`. That name is internal to version 0.8, which is pinned; a test panics on
// purpose and fails when the name has moved.

import { DurableObject } from "cloudflare:workers";
import * as gateway from "./index.js";
import * as plugins from "./plugins.mjs";
import { assets } from "./assets.mjs";
import { orPage, warn, welcome } from "./welcome.mjs";

// The platform's queueMicrotask enters and leaves the runtime for every task; a promise's reaction does not. Every
// wake-up of a Rust future goes through it: this alone was a seventh of the processor time of an event. What a task
// throws is reported as it would have been, because the shim listens for it.
const settled = Promise.resolve();
globalThis.queueMicrotask = (task) => {
  settled.then(() => {
    try {
      task();
    } catch (error) {
      reportError(error);
    }
  });
};

// The plugins that are deployed with the Worker, for worker/src/plugin.js; the build writes that module.
globalThis.__weir_plugins = plugins;

const pending = new Set();

const state = globalThis.__worker_init_state;
let died = state.criticalError;
Object.defineProperty(state, "criticalError", {
  get: () => died,
  set(value) {
    died = value;
    if (!value) return; // the shim clears it once the instance is replaced
    const error = new Error("the instance that handled this call has stopped");
    for (const reject of pending) reject(error);
    pending.clear();
  },
});

// One set entry and one race for each call: nothing beside the call itself.
async function guarded(object, method, ...args) {
  let reject;
  const stopped = new Promise((_, r) => (reject = r));
  pending.add(reject);
  try {
    return await Promise.race([object[method](...args), stopped]);
  } finally {
    pending.delete(reject);
  }
}

// The same for a promise of an instance that was alive when it gave it.
async function unlessStopped(promise) {
  if (!(promise instanceof Promise)) return promise;
  return await guarded({ wait: () => promise }, "wait");
}

// The same for the call of the hot path, which answers by callback.
function accepted(object, frame, depth) {
  return new Promise((resolve, reject) => {
    pending.add(reject);
    const reply = (answer) => {
      pending.delete(reject);
      resolve(answer);
    };
    try {
      object.accept(frame, reply, depth);
    } catch (error) {
      pending.delete(reject);
      reject(error);
    }
  });
}

// Objects are called by RPC: it costs less than a request and a response, and an error arrives as an error.
const object = (Class) =>
  class extends DurableObject {
    constructor(state, env) {
      super(state, env);
      this.inner = new Class(state, env);
    }
    call(op, frame, depth) {
      if (op === "accept") return accepted(this.inner, frame, depth);
      return guarded(this.inner, "call", op, frame, depth);
    }
    alarm() {
      return guarded(this.inner, "alarm");
    }
  };

export const App = object(gateway.App);
export const Directory = object(gateway.Directory);
export const Endpoint = object(gateway.Endpoint);

// What the API needs to know of a request, a line each: method, URL, token, idempotency key; and what the dashboard's
// pages need besides: cookies, a session's proof, whether a script asks, from which site, and in which languages.
function partsOf(request) {
  const headers = request.headers;
  const of = (name) => headers.get(name) ?? "";
  const parts = `${request.method}\n${request.url}\n${of("authorization")}\n${of("idempotency-key")}`;
  if (!request.url.includes("/dashboard")) return parts;
  return [parts, of("cookie"), of("x-weir-proof"), of("hx-request"), of("sec-fetch-site"), of("accept-language")].join("\n");
}

// A script or style of the dashboard; the version in its URL changes with it.
const ASSETS = "/dashboard/assets/";
function assetOf(request) {
  const { pathname } = new URL(request.url);
  const name = pathname.startsWith(ASSETS) ? pathname.slice(ASSETS.length) : "";
  if (!Object.hasOwn(assets, name)) return undefined;
  const { type, text } = assets[name];
  const headers = {
    "content-type": type,
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
  };
  return new Response(text, { headers });
}

// What a source needs to know of a request, a line each: method, URL, and every header.
function headersOf(request) {
  let text = `${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) text += `\n${name}:${value}`;
  return text;
}

const EMPTY = new Uint8Array(0);
// A body that does not come: the connection is not held, nor what has come of it.
const SLOW = Symbol("slow");
const slow = () =>
  Response.json(
    { code: "request_timeout", detail: "The body did not arrive in time. Send the request again." },
    { status: 408, headers: { connection: "close" } },
  );

// At most `limit` bytes; `undefined` where there are more, or none may be read, and SLOW where they do not come in ten
// seconds (and one more for each 100 KB of the limit).
async function bodyOf(request, limit) {
  if (request.body === null) return EMPTY;
  const length = request.headers.get("content-length");
  if (limit === 0 || (length !== null && !(Number(length) <= limit))) return undefined;
  const reading = { stopped: false };
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(SLOW), 10_000 + limit / 100);
  });
  try {
    return await Promise.race([whole(request.body, limit, reading), late]);
  } finally {
    clearTimeout(timer);
    reading.stopped = true;
  }
}

// Reads a body up to `limit` bytes, whatever its length is said to be: so it can be stopped, and never fills the memory. What is
// left can still be read by others. Each read fills what there is of a buffer, so that a body in a million small chunks costs
// no more than one in large ones.
async function whole(stream, limit, reading) {
  const reader = stream.getReader({ mode: "byob" });
  let bytes = new Uint8Array(Math.min(limit + 1, FIRST_BYTES));
  let size = 0;
  try {
    for (;;) {
      const room = bytes.byteLength - size;
      const { done, value } = await reader.readAtLeast(room, bytes.subarray(size));
      if (value === undefined) return undefined; // it was given up
      size += value.byteLength;
      bytes = new Uint8Array(value.buffer); // the buffer has moved
      if (size > limit || reading.stopped) return undefined;
      if (done || value.byteLength < room) return bytes.subarray(0, size);
      const larger = new Uint8Array(Math.min(limit + 1, bytes.byteLength * 4));
      larger.set(bytes);
      bytes = larger;
    }
  } finally {
    reader.releaseLock();
  }
}
// Most bodies fit.
const FIRST_BYTES = 16 * 1024;

// A client that is still sending reads no answer, and where its connection is closed under it, it reports a broken pipe
// instead of the refusal. So the answer is sent at once, and ends when the rest of the body was received and dropped: for
// so long, and so many bytes.
const LINGER_MS = 3_000;
const LINGER_BYTES = 16 << 20;

async function lingering(request, response) {
  if (request.body === null || request.body.locked || response.body === null) return response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(bytes),
    async pull(controller) {
      await drop(request.body);
      controller.close();
    },
  });
  return new Response(body, response);
}

async function drop(stream) {
  const reader = stream.getReader();
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ done: true }), LINGER_MS);
  });
  try {
    for (let size = 0; size <= LINGER_BYTES; ) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      size += value.byteLength;
    }
  } catch {
    // The client has gone.
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}

// One instance serves every request of the isolate: it keeps nothing of a request that has ended.
let front;

async function serve(request, env) {
  warn(env);
  const path = request.url.indexOf("/", 8);
  if (!request.url.startsWith("/api/", path)) {
    const page = welcome(request, env);
    if (page) return page;
  }
  if (request.url.includes(ASSETS)) {
    const asset = assetOf(request);
    if (asset) return asset;
  }
  front ??= new gateway.Front(env);
  if (request.url.startsWith("/in/", path)) {
    const incoming = headersOf(request);
    const body = await bodyOf(request, await unlessStopped(front.admitIngest(incoming)));
    if (body === SLOW) return slow();
    const answered = await unlessStopped(front.ingest(incoming, body));
    return body === undefined ? await lingering(request, answered) : answered;
  }
  const parts = partsOf(request);
  const body = await bodyOf(request, front.admit(parts));
  if (body === SLOW) return slow();
  if (body === undefined) return await lingering(request, await unlessStopped(front.begin(parts, body)));
  const begun = front.begin(parts, body);
  if (!Array.isArray(begun)) return await unlessStopped(begun);
  const [called, ticket] = begun;
  let answer;
  try {
    answer = await called;
  } catch (error) {
    return front.failed(ticket, error);
  }
  return await unlessStopped(front.finish(ticket, answer));
}

// Pages of the origins that the operator named may call the API from a browser (PORTAL_ORIGINS): with a token, never with a
// cookie.
function allowed(request, env) {
  const origin = request.headers.get("origin");
  if (origin === null || !env.PORTAL_ORIGINS) return undefined;
  const named = env.PORTAL_ORIGINS.split(",").some((one) => one.trim().toLowerCase() === origin.toLowerCase());
  return named && new URL(request.url).pathname.startsWith("/api/") ? origin : undefined;
}

function preflight(origin) {
  const headers = {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, svix-req-id, user-agent",
    "access-control-max-age": "7200",
    vary: "origin",
  };
  return new Response(null, { status: 204, headers });
}

function shared(response, origin) {
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", "retry-after, weir-warning");
  headers.append("vary", "origin");
  return new Response(response.body, { status: response.status, headers });
}

export default {
  async fetch(request, env) {
    const origin = allowed(request, env);
    if (origin === undefined) return await respond(request, env);
    if (request.method === "OPTIONS") return preflight(origin);
    return shared(await respond(request, env), origin);
  },
};

async function respond(request, env) {
  try {
    return orPage(request, await serve(request, env));
  } catch (error) {
    console.error("a request failed:", error);
    return Response.json(
      {
        code: "unavailable",
        detail: "The gateway is temporarily unavailable. Send the request again in a moment.",
      },
      { status: 503, headers: { "retry-after": "1" } },
    );
  }
}
