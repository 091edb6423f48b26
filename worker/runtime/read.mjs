// Reads the body of a response, bounded in bytes.

import { Gather } from "./gather.mjs";

/**
 * Nothing could be read.
 * @type {{ bytes: Uint8Array, complete: boolean }}
 */
export const NOTHING = { bytes: new Uint8Array(0), complete: false };

/**
 * Reads up to `cap` bytes, whatever the headers say of the length, and without decompressing. What arrived before the body
 * broke off is returned too. `complete` is false only if it broke off before `cap`.
 * @param {{ body: ReadableStream<Uint8Array> | null }} response
 * @param {number} cap
 */
export async function readUpTo(response, cap) {
  if (!response.body) return { bytes: NOTHING.bytes, complete: true };
  const read = new Gather();
  let complete = false;
  const reader = response.body.getReader();
  try {
    while (read.size < cap && !complete) {
      const { done, value } = await reader.read();
      if (done) complete = true;
      else read.add(value.subarray(0, cap - read.size));
    }
  } catch {
    // The caller gets what arrived.
  }
  if (!complete) reader.cancel().catch(() => {});
  return { bytes: read.bytes(), complete: complete || read.size >= cap };
}
