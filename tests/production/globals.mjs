// What the build finds under the names of the platform's own: `fetch`, timers, signals, the clock, the console.
// This module has to be evaluated before the build's.

import { connect } from "cloudflare:sockets";
import { current, realNow, traffic } from "./context.mjs";
import { rules } from "./rules.mjs";

const platform = {
  fetch: globalThis.fetch.bind(globalThis),
  setTimeout: globalThis.setTimeout.bind(globalThis),
  clearTimeout: globalThis.clearTimeout.bind(globalThis),
  setInterval: globalThis.setInterval.bind(globalThis),
  clearInterval: globalThis.clearInterval.bind(globalThis),
  timeout: AbortSignal.timeout.bind(AbortSignal),
  Date: globalThis.Date,
  Instance: WebAssembly.Instance,
};

// ---- fetch

globalThis.fetch = async (input, init) => {
  const context = current();
  if (!context) return await platform.fetch(input, init);
  context.countExternal();
  const url = new URL(input instanceof Request ? input.url : input);
  const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
  const release = context.hold("fetch");
  const arrived = traffic.carry(init?.body?.byteLength ?? init?.body?.length ?? 0);
  try {
    const answered = atTheEdge(url);
    if (answered) return answered;
    const target = onLoopback(url, input);
    const give = await context.connections.take(signal);
    try {
      return await platform.fetch(target, init);
    } catch (error) {
      if (signal?.aborted || error instanceof TypeError || !rules.answerFailures) throw error;
      return await failureOf(new URL(target instanceof Request ? target.url : target), error);
    } finally {
      give();
    }
  } finally {
    context.turn();
    context.account.lastAnswer = realNow();
    arrived();
    release();
  }
};

const HEADERS = { "content-type": "text/plain; charset=UTF-8", server: "cloudflare" };
const edge = (status, code) => new Response(`error code: ${code}`, { status, headers: HEADERS });

/** What is answered without asking anybody: addresses, and names that nobody has. */
function atTheEdge({ hostname }) {
  if (isAddress(hostname) && rules.refuseAddresses) return edge(403, 1003);
  if (hostname.endsWith(".invalid") && rules.answerFailures) return edge(530, 1016);
  return undefined;
}

const isAddress = (hostname) => hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);

/** Names below `.test` are on this machine: so a receiver on loopback can be reached by a name. */
function onLoopback(url, input) {
  if (!url.hostname.endsWith(".test")) return input;
  const target = new URL(url);
  target.hostname = "127.0.0.1";
  return input instanceof Request ? new Request(target, input) : target.href;
}

/** What the edge answers for a receiver that could not be reached. */
async function failureOf(url, error) {
  const message = String(error?.message ?? error);
  if (/certificate/i.test(message)) return edge(526, 526);
  if (!(await canConnect(url))) return onThisMachine(url) ? edge(521, 521) : edge(530, 1016);
  return url.protocol === "https:" ? edge(525, 525) : edge(520, 520);
}

// workerd does not say whether a name or a port was not found. Other machines are not asked in tests, so a name that
// is none of this machine's is taken for one that nobody has.
const onThisMachine = ({ hostname }) => hostname === "localhost" || isAddress(hostname);

/** Whether something listens there. */
async function canConnect(url) {
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const socket = connect({ hostname: url.hostname.replace(/^\[|\]$/g, ""), port });
  socket.closed.catch(() => {});
  try {
    await socket.opened;
    socket.close().catch(() => {});
    return true;
  } catch {
    return false;
  }
}

// ---- Bodies: each read is I/O of its own

for (const { prototype } of [Response, Request]) {
  for (const name of ["arrayBuffer", "bytes", "text", "json", "blob"]) reading(prototype, name);
}
reading(ReadableStreamDefaultReader.prototype, "read");

function reading(prototype, name) {
  const read = prototype[name];
  if (typeof read !== "function") return;
  prototype[name] = function (...args) {
    const context = current();
    return context ? context.io("body", read.apply(this, args)) : read.apply(this, args);
  };
}

// A stream that answers a request goes on after the handler has returned, and for the same event.
globalThis.ReadableStream = new Proxy(ReadableStream, {
  construct(target, [source, ...rest], self) {
    const context = current();
    if (!context || !source) return Reflect.construct(target, [source, ...rest], self);
    const bound = { ...source };
    for (const name of ["start", "pull", "cancel"]) {
      if (source[name]) bound[name] = (...args) => context.run(() => source[name](...args));
    }
    return Reflect.construct(target, [bound, ...rest], self);
  },
});

// ---- Timers and signals

globalThis.setTimeout = (work, ms, ...args) => {
  const context = current();
  if (!context) return platform.setTimeout(work, ms, ...args);
  const release = context.hold("timer");
  context.account.timers++;
  const due = context.now + Math.max(Number(ms) || 0, 0);
  const id = platform.setTimeout(() => {
    context.timers.delete(id);
    context.turn(rules.frozenClock ? due : realNow());
    try {
      work(...args);
    } finally {
      release();
    }
  }, ms);
  context.timers.set(id, release);
  return id;
};

globalThis.clearTimeout = (id) => {
  const context = current();
  context?.timers.get(id)?.();
  context?.timers.delete(id);
  platform.clearTimeout(id);
};

globalThis.setInterval = (work, ms, ...args) => {
  const context = current();
  if (!context) return platform.setInterval(work, ms, ...args);
  context.account.timers++;
  const id = platform.setInterval(() => {
    context.turn();
    work(...args);
  }, ms);
  context.timers.set(id, context.hold("timer"));
  return id;
};

globalThis.clearInterval = (id) => {
  const context = current();
  context?.timers.get(id)?.();
  context?.timers.delete(id);
  platform.clearInterval(id);
};

if (globalThis.scheduler?.wait) {
  globalThis.scheduler.wait = (ms) => new Promise((done) => globalThis.setTimeout(done, ms));
}

// workerd makes this of a timer that nobody clears when the request has ended.
AbortSignal.timeout = (ms) => {
  const context = current();
  if (context) {
    context.account.signals++;
    const release = context.hold("signal");
    platform.setTimeout(release, ms);
  }
  return platform.timeout(ms);
};

// ---- The clock

const now = () => ((rules.frozenClock && current()?.now) || realNow()) + rules.shiftMs;

globalThis.Date = new Proxy(platform.Date, {
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  construct: (target, args, self) => Reflect.construct(target, args.length ? args : [now()], self),
  apply: () => new platform.Date(now()).toString(),
});

// ---- The console: each line is a log event

for (const level of ["debug", "info", "log", "warn", "error"]) {
  const write = console[level].bind(console);
  console[level] = (...args) => {
    const context = current();
    if (context) context.account.logLines++;
    write(...args);
  };
}

// ---- Memory: the gateway's own wasm instance, the last one that was started

let memory;

WebAssembly.Instance = new Proxy(platform.Instance, {
  construct(target, args, self) {
    const instance = Reflect.construct(target, args, self === WebAssembly.Instance ? target : self);
    if (instance.exports.__wbindgen_malloc) memory = instance.exports.memory;
    return instance;
  },
});

/** Bytes of the gateway's wasm memory. */
export const wasmBytes = () => memory?.buffer.byteLength ?? 0;
