// The gateway's responses, each made in one crossing between wasm and JavaScript.

import { fieldsOf } from "./lines.mjs";

/** Statuses whose responses have no body here. */
const NO_BODY = [204, 303, 304];

/**
 * A response of the API.
 * @param {number} status
 * @param {string} body
 */
export function answer(status, body) {
  if (status === 204) return new Response(null, { status });
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}

/**
 * A response that is not JSON.
 * @param {string} type
 * @param {Uint8Array} body a view of the wasm memory: copied, since it is read later
 */
export function answerBytes(type, body) {
  return new Response(body.slice(), {
    headers: { "content-type": type, "x-content-type-options": "nosniff" },
  });
}

/**
 * A response with headers of its own.
 * @param {number} status
 * @param {string} headers one text, see lines.mjs
 * @param {string} body
 */
export function answerWith(status, headers, body) {
  return new Response(NO_BODY.includes(status) ? null : body, { status, headers: fieldsOf(headers) });
}

/**
 * A response that continues in pieces. The waiting is here, so that nothing of wasm waits once the browser has gone.
 * @param {string} headers one text, see lines.mjs
 * @param {{ next(): Promise<string | undefined> }} live gives the next piece; undefined after the last
 * @param {number} every how long to wait before each piece but the first, in milliseconds
 */
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
