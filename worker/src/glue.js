// The few calls to the platform that are made for every message, each in one crossing between wasm and
// JavaScript: what an event costs here is host calls and JavaScript objects, not computing.

// Calls another object. `frame` and the answer are bytes. `frame` comes as a view of the whole wasm memory, and a
// view is cloned with all that it looks into: megabytes. So it is copied first.
export function callObject(namespace, kind, name, op, frame) {
  return send(namespace.get(idOf(namespace, kind, name)), op, frame.slice());
}

// An object's id is a hash of its name: computed once. (A stub may not be kept: it belongs to one request.)
const ids = new Map();

function idOf(namespace, kind, name) {
  const key = kind + name;
  let id = ids.get(key);
  if (id === undefined) {
    if (ids.size >= 10_000) ids.clear();
    id = namespace.idFromName(name);
    ids.set(key, id);
  }
  return id;
}

async function send(stub, op, frame) {
  return await stub.call(op, frame);
}

// The requests of one object. `done(token, status, text, headers, bytes)` is called when a request has ended: with the
// answer's Retry-After (or null), its headers and its body, or with status 0 and why there was no complete answer. A callback,
// not a promise for each: a promise that Rust awaits costs two closures and their finalisation.
export class Sender {
  constructor(done) {
    this.done = done;
  }

  // Sends one webhook and reads the answer up to `cap` bytes, within `timeout` milliseconds for head and body.
  // `headers` is one text, a line each: name, colon, value.
  async post(token, url, headers, body, timeout, cap) {
    body = body.slice(); // a view of the wasm memory, which changes (and moves) while the request is under way
    const fields = fieldsOf(headers);
    const signal = this.deadline(timeout);
    let status = 0;
    let text = null;
    let said = "";
    let bytes = null;
    try {
      const response = await fetch(url, { method: "POST", headers: fields, body, redirect: "manual", signal });
      text = response.headers.get("retry-after");
      said = linesOf(response.headers);
      bytes = await readCapped(response, cap);
      status = response.status;
    } catch (error) {
      text = signal.aborted ? "timeout" : String(error?.message ?? error);
    }
    this.done(token, status, text, said, bytes);
  }

  // Requests that start at about the same time share one timer: it fires up to a fiftieth of the timeout late.
  deadline(timeout) {
    const now = Date.now();
    if (this.timeout !== timeout || !(now < this.until)) {
      const slack = Math.min(timeout / 50, 250);
      this.timeout = timeout;
      this.until = now + slack;
      this.signal = AbortSignal.timeout(Math.ceil(timeout + slack));
    }
    return this.signal;
  }
}

// The text at a URL, of at most `cap` bytes, within `timeout` milliseconds. Redirects are not followed: whoever asks has
// checked this URL and no other.
export async function fetchText(url, timeout, cap) {
  const signal = AbortSignal.timeout(timeout);
  const response = await fetch(url, { redirect: "manual", signal });
  if (response.status !== 200) {
    response.body?.cancel().catch(() => {});
    throw new Error(`it answered ${response.status}`);
  }
  const bytes = await readCapped(response, cap + 1);
  if (bytes.byteLength > cap) throw new Error(`it answered more than ${cap} bytes`);
  return new TextDecoder().decode(bytes);
}

// Headers of one text, a line each: name, colon, value.
function fieldsOf(headers) {
  return headers.split("\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
}

// An answer's headers as one text, a line each, up to more than is kept of them.
function linesOf(headers) {
  let text = "";
  for (const [name, value] of headers) {
    if (text.length + value.length > 4096) return `${text}${name}:...`;
    text += `${name}:${value}\n`;
  }
  return text;
}

async function readCapped(response, cap) {
  if (!response.body) return new Uint8Array(0);
  const length = response.headers.get("content-length");
  if (length !== null && Number(length) <= cap) return new Uint8Array(await response.arrayBuffer());
  const chunks = [];
  let size = 0;
  const reader = response.body.getReader();
  while (size < cap) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
  }
  if (size >= cap) reader.cancel().catch(() => {});
  const bytes = new Uint8Array(Math.min(size, cap));
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, bytes.length - at);
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

// An answer of the API.
export function answer(status, body) {
  if (status === 204) return new Response(null, { status });
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}

// An answer that is no JSON. `body` is a view of the wasm memory: copied, as it is read later.
export function answerBytes(type, body) {
  return new Response(body.slice(), { headers: { "content-type": type, "x-content-type-options": "nosniff" } });
}

// Statuses whose answers have no body here.
const NO_BODY = [204, 303, 304];

// An answer with headers of its own, a line each: name, colon, value.
export function answerWith(status, headers, body) {
  const fields = fieldsOf(headers);
  return new Response(NO_BODY.includes(status) ? null : body, { status, headers: fields });
}

// An answer that goes on, in pieces: `live.next()` is a promise of the next one, undefined after the last. The waiting is
// here, so that nothing of wasm waits where the browser has gone.
export function answerLive(headers, live, every) {
  const encoder = new TextEncoder();
  let first = true;
  const body = new ReadableStream({
    async pull(controller) {
      if (!first) await new Promise((done) => setTimeout(done, every));
      first = false;
      const text = await live.next();
      if (text === undefined) controller.close();
      else controller.enqueue(encoder.encode(text));
    },
  });
  return new Response(body, { headers: fieldsOf(headers) });
}

// Runs `work` after `ms` milliseconds.
export function later(ms, work) {
  setTimeout(work, ms);
}
