// Reads the body of a request, bounded in bytes and in time.

const EMPTY = new Uint8Array(0);
/** The body did not arrive in time: the connection is not kept, nor what has arrived. */
export const SLOW = Symbol("slow");
/** The body is malformed, or the client went away while it sent it. */
export const BROKEN = Symbol("broken");

/** How long a body may take: ten seconds, and one more for each 100 KB of its limit. */
const BASE_MS = 10_000;
const BYTES_PER_MS = 100;
/** Most bodies fit. */
const FIRST_BYTES = 16 * 1024;

/**
 * The response to a request whose body could not be read.
 * @param {typeof SLOW | typeof BROKEN} why
 */
export function unread(why) {
  const slow = {
    code: "request_timeout",
    detail: "The body did not arrive in time. Send the request again.",
  };
  const broken = { code: "incomplete_body", detail: "The body is incomplete or its encoding is malformed." };
  const [status, body] = why === SLOW ? [408, slow] : [400, broken];
  return Response.json(body, { status, headers: { connection: "close" } });
}

/**
 * At most `limit` bytes; undefined if there are more, or none may be read; SLOW if they do not arrive in time; BROKEN if
 * they cannot be read.
 * @param {Request} request
 * @param {number} limit
 * @returns {Promise<Uint8Array | undefined | typeof SLOW | typeof BROKEN>}
 */
export async function bodyOf(request, limit) {
  if (request.body === null) return EMPTY;
  const length = request.headers.get("content-length");
  if (limit === 0 || (length !== null && !(Number(length) <= limit))) return undefined;
  const reading = { stopped: false };
  /** @type {ReturnType<typeof setTimeout> | null} */
  let timer = null;
  /** @type {Promise<typeof SLOW>} */
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(SLOW), BASE_MS + limit / BYTES_PER_MS);
  });
  try {
    return await Promise.race([whole(request.body, limit, reading), late]);
  } catch {
    return BROKEN;
  } finally {
    clearTimeout(timer);
    reading.stopped = true;
  }
}

/**
 * Reads up to `limit` bytes, whatever the length is said to be, so that reading can be stopped and never fills the memory.
 * What is left can still be read by others. Each read fills what is free of a buffer, so that a body in a million small
 * chunks costs no more than one in large ones.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number} limit
 * @param {{ stopped: boolean }} reading
 */
async function whole(stream, limit, reading) {
  const reader = stream.getReader({ mode: "byob" });
  let bytes = new Uint8Array(Math.min(limit + 1, FIRST_BYTES));
  let size = 0;
  try {
    for (;;) {
      const room = bytes.byteLength - size;
      const { done, value } = await reader.readAtLeast(room, bytes.subarray(size));
      if (value === undefined) return undefined; // it was canceled
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
