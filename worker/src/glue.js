// The few calls to the platform that are made for every message, each in one crossing between wasm and
// JavaScript: what an event costs here is host calls and JavaScript objects, not computing.

// Calls another object. `frame` and the answer are bytes. `frame` comes as a view of the whole wasm memory, and a
// view is cloned with all that it looks into: megabytes. So it is copied first.
// `depth` is how many calls of objects lead here: see core/src/budget.rs.
//
// The call is made again up to `again` times, with a new stub, where the platform says that the object was restarted or
// moved (`retryable`); never where it has too much to do already (`overloaded`).
export function callObject(namespace, kind, name, op, frame, depth, again) {
  return send(() => stubOf(namespace, kind, name), op, frame.slice(), depth, again);
}

async function send(stub, op, frame, depth, again) {
  for (;;) {
    try {
      return await stub().call(op, frame, depth);
    } catch (error) {
      if (again === 0 || !error?.retryable || error.overloaded) throw error;
      again -= 1;
    }
    const ms = 50 + Math.random() * 150;
    await new Promise((done) => setTimeout(done, ms));
  }
}

// Where objects live, as the deployment's settings say: told before the first call. The jurisdiction is part of every
// object's id, so there is no other way to an id than `stubOf`.
let jurisdiction;
let options;
const restricted = new Map();

export function locate(where, hint) {
  jurisdiction = where;
  options = hint === undefined ? undefined : { locationHint: hint };
}

function stubOf(namespace, kind, name) {
  let space = namespace;
  if (jurisdiction !== undefined) {
    space = restricted.get(kind);
    if (space === undefined) {
      space = namespace.jurisdiction(jurisdiction);
      restricted.set(kind, space);
    }
  }
  return space.get(idOf(space, kind, name), options);
}

// An object's id is a hash of its name: computed once. (A stub may not be kept: it belongs to one request.)
const ids = new Map();

function idOf(namespace, kind, name) {
  const key = kind + name;
  let id = ids.get(key);
  if (id === undefined) {
    if (ids.size >= 10_000) ids.delete(ids.keys().next().value); // the oldest
    id = namespace.idFromName(name);
    ids.set(key, id);
  }
  return id;
}

// The requests of one object. `done(token, status, text, encoding, said, bytes)` is called when a request has ended: with the
// response's Retry-After and Content-Encoding (or null), its headers, and what could be read of its body in time; or with
// status 0 and why there was no response. A callback, not a promise for each: a promise that Rust awaits costs two closures
// and their finalization.
export class Sender {
  constructor(done) {
    this.done = done;
    this.group = undefined;
  }

  // Sends one webhook and reads the response up to `cap` bytes, within `timeout` milliseconds for head and body.
  // `headers` is one text, a line each: name, colon, value.
  async post(token, url, headers, body, timeout, cap) {
    body = body.slice(); // a view of the wasm memory, which changes (and moves) while the request is under way
    const fields = fieldsOf(headers);
    const group = this.deadline(timeout);
    let status = 0;
    let text = null;
    let encoding = null;
    let said = "";
    let read = NOTHING;
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: fields,
        body,
        redirect: "manual",
        signal: group.signal,
        encodeResponseBody: "manual",
      });
      // From here on the receiver has answered, whatever becomes of the body.
      status = response.status;
      text = response.headers.get("retry-after");
      encoding = response.headers.get("content-encoding");
      said = linesOf(response.headers);
      read = await readUpTo(response, cap);
    } catch (error) {
      if (status === 0) text = group.signal.aborted ? "timeout" : String(error?.message ?? error);
    } finally {
      group.leave();
    }
    this.done(token, status, text, encoding, said, read.bytes);
  }

  // Requests that start at about the same time share one timer: it fires up to a fiftieth of the timeout late.
  deadline(timeout) {
    const now = Date.now();
    if (this.group === undefined || !this.group.takes(timeout, now)) {
      this.group = new Deadline(timeout, now, Math.min(timeout / 50, 250));
    }
    return this.group.join();
  }
}

// Aborts a group of requests when their time is over. Its timer goes with the last of them: an object with a timer stays in
// memory, and is billed for it.
class Deadline {
  constructor(timeout, now, slack) {
    this.timeout = timeout;
    this.until = now + slack;
    this.open = 0;
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    this.timer = setTimeout(() => this.controller.abort(), Math.ceil(timeout + slack));
  }

  takes(timeout, now) {
    return this.timeout === timeout && now < this.until && this.open > 0;
  }

  join() {
    this.open += 1;
    return this;
  }

  leave() {
    this.open -= 1;
    if (this.open === 0) clearTimeout(this.timer);
  }
}

// The response to a GET of a URL: its Content-Encoding (or ""), and its body of at most `cap` bytes, within `timeout`
// milliseconds. Redirects are not followed: whoever asks has checked this URL and no other.
export async function fetchBody(url, timeout, cap) {
  const group = new Deadline(timeout, Date.now(), 0).join();
  try {
    const headers = { "accept-encoding": "identity" };
    const init = { headers, redirect: "manual", signal: group.signal, encodeResponseBody: "manual" };
    const response = await fetch(url, init);
    if (response.status !== 200) {
      response.body?.cancel().catch(() => {});
      throw new Error(`it answered ${response.status}`);
    }
    const { bytes, complete } = await readUpTo(response, cap + 1);
    if (bytes.byteLength > cap) throw new Error(`it answered more than ${cap} bytes`);
    if (!complete) throw new Error("it broke off its response");
    return [response.headers.get("content-encoding") ?? "", bytes];
  } catch (error) {
    throw group.signal.aborted ? new Error("it did not answer in time") : error;
  } finally {
    group.leave();
  }
}

// Headers of one text, a line each: name, colon, value.
function fieldsOf(headers) {
  return headers.split("\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
}

// A response's headers as one text, a line each, up to more than is kept of them.
function linesOf(headers) {
  let text = "";
  for (const [name, value] of headers) {
    if (text.length + name.length + value.length > 4096) return `${text}${name.slice(0, 100)}:...`;
    text += `${name}:${value}\n`;
  }
  return text;
}

const NOTHING = { bytes: new Uint8Array(0), complete: false };

// Reads a body up to `cap` bytes, whatever its headers say of its length, and as it came: nothing is decompressed here. What
// came before the body broke off is given, too.
async function readUpTo(response, cap) {
  if (!response.body) return { bytes: NOTHING.bytes, complete: true };
  const chunks = [];
  let size = 0;
  let complete = false;
  const reader = response.body.getReader();
  try {
    while (size < cap && !complete) {
      const { done, value } = await reader.read();
      if (done) complete = true;
      else {
        chunks.push(value);
        size += value.byteLength;
      }
    }
  } catch {
    // Whoever reads has what came.
  }
  if (!complete) reader.cancel().catch(() => {});
  complete ||= size >= cap;
  if (chunks.length === 1 && size <= cap) return { bytes: chunks[0], complete };
  const bytes = new Uint8Array(Math.min(size, cap));
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, bytes.length - at);
    bytes.set(part, at);
    at += part.byteLength;
  }
  return { bytes, complete };
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

// Runs `work` after `ms` milliseconds, unless it is stopped before.
export function later(ms, work) {
  return setTimeout(work, ms);
}

export function stop(timer) {
  clearTimeout(timer);
}
