// Fetches a document, such as a provider's public keys.

import { Deadline } from "./deadline.mjs";
import { readUpTo } from "./read.mjs";

/**
 * The response to a GET of a URL: its Content-Encoding (or ""), and its body of at most `cap` bytes, within `timeout`
 * milliseconds. Redirects are not followed: the caller has checked this URL and no other.
 * @param {string} url
 * @param {number} timeout
 * @param {number} cap
 * @returns {Promise<[string, Uint8Array]>}
 */
export async function fetchBody(url, timeout, cap) {
  const group = new Deadline(timeout, Date.now(), 0).join();
  try {
    const response = await fetch(url, {
      headers: { "accept-encoding": "identity" },
      redirect: "manual",
      signal: group.signal,
      encodeResponseBody: "manual",
    });
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
