// Responses to requests whose body was not read.
//
// A client that is still sending reads no response, and if its connection is closed under it, it reports a broken pipe
// instead of the refusal. So the response is sent at once, and ends when the rest of the body was received and dropped:
// up to a time, and up to a number of bytes.

const LINGER_MS = 3_000;
const LINGER_BYTES = 16 << 20;

/**
 * The response, ending after the rest of the request.
 * @param {Request} request
 * @param {Response} response
 */
export async function lingering(request, response) {
  const rest = request.body;
  if (rest === null || rest.locked || response.body === null) return response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(bytes),
    async pull(controller) {
      await drop(rest);
      controller.close();
    },
  });
  return new Response(body, response);
}

/** @param {ReadableStream<Uint8Array>} stream */
async function drop(stream) {
  const reader = stream.getReader();
  /** @type {ReturnType<typeof setTimeout> | null} */
  let timer = null;
  /** @type {Promise<undefined>} */
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(undefined), LINGER_MS);
  });
  try {
    for (let size = 0; size <= LINGER_BYTES;) {
      const read = await Promise.race([reader.read(), late]);
      if (read === undefined || read.done) break;
      size += read.value.byteLength;
    }
  } catch {
    // The client has gone.
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}
