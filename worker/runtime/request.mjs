// A request as the texts that Rust reads: one item a line. No item can contain a line break: the platform refuses them in
// URLs and headers. worker/src/js.rs reads both (`Parts`, `Incoming`).

/**
 * Whether a URL's path starts with `prefix`.
 * @param {string} url absolute, as the platform writes it
 * @param {string} prefix
 */
export const startsAt = (url, prefix) => url.startsWith(prefix, url.indexOf("/", 8));

/**
 * What the API needs to know of a request: method, URL, token, idempotency key; for the dashboard's pages also cookies, a
 * session's proof, whether a script asks, from which site, in which languages, and from which origin.
 * @param {Request} request
 */
export function partsOf(request) {
  const { headers } = request;
  /** @param {string} name */
  const of = (name) => headers.get(name) ?? "";
  const parts = `${request.method}\n${request.url}\n${of("authorization")}\n${of("idempotency-key")}`;
  if (!request.url.includes("/dashboard")) return parts;
  const names = ["cookie", "x-weir-proof", "hx-request", "sec-fetch-site", "accept-language", "origin"];
  return [parts, ...names.map(of)].join("\n");
}

/**
 * What a source needs to know of a request: method, URL, and every header as name, colon, value.
 * @param {Request} request
 */
export function headersOf(request) {
  let text = `${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) text += `\n${name}:${value}`;
  return text;
}
