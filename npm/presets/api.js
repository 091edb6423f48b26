// What the package exports; index.d.ts describes it. The engine takes and gives JSON, as the gateway's API does.

import * as engine from "./engine/weir_presets.js";

/** What is wrong with a call, not with the request's signature. */
export class PresetError extends Error {
  /** @param {string} text */
  constructor(text) {
    const { code, detail } = read(text);
    super(
      typeof detail === "string"
        ? detail
        : detail?.map((/** @type {any} */ fault) => `${fault.loc.join(".")}: ${fault.msg}`).join(" "),
    );
    this.name = "PresetError";
    this.code = code ?? "invalid_call";
  }
}

/** @param {string} text */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text };
  }
}

/**
 * @template T
 * @param {() => T} work
 */
function told(work) {
  try {
    return work();
  } catch (error) {
    throw typeof error === "string" ? new PresetError(error) : error;
  }
}

export function list() {
  const all = [];
  let from = "";
  for (;;) {
    const page = JSON.parse(told(() => engine.list(`limit=250${from}`)));
    all.push(...page.data);
    if (page.done) return all;
    from = `&iterator=${encodeURIComponent(page.iterator)}`;
  }
}

/** @param {string} name */
export function get(name) {
  return JSON.parse(told(() => engine.get(name)));
}

/**
 * @param {string} preset
 * @param {any} request
 */
export function verify(preset, request) {
  const { keys, ...rest } = request;
  const verdict = JSON.parse(told(() => engine.verify(preset, call(rest), keys)));
  return { ok: ["verified", "authenticated"].includes(verdict.verdict), ...verdict };
}

/**
 * @param {string} preset
 * @param {any} request
 */
export function keyUrl(preset, request) {
  const { keys: _, ...rest } = request;
  return told(() => engine.keyUrl(preset, call(rest)));
}

/** The most bytes of a provider's published keys. */
const MAX_KEYS = 256 * 1024;
const KEYS_TIMEOUT_MS = 10_000;

/**
 * @param {string} preset
 * @param {Request} request
 * @param {any} options
 */
export async function verifyRequest(preset, request, options = {}) {
  const { fetch: get = fetch, ...rest } = options;
  const body = new Uint8Array(await request.clone().arrayBuffer());
  const given = { headers: request.headers, method: request.method, url: request.url, body, ...rest };
  const url = given.keys === undefined ? keyUrl(preset, given) : undefined;
  if (url === undefined) return verify(preset, given);
  return verify(preset, { ...given, keys: await keysAt(get, url) });
}

/**
 * The keys at a URL of the provider's; nothing, where they cannot be had: then the verdict says so.
 * @param {typeof fetch} get
 * @param {string} url
 */
async function keysAt(get, url) {
  try {
    const answer = await get(url, { redirect: "error", signal: AbortSignal.timeout(KEYS_TIMEOUT_MS) });
    if (!answer.ok) return undefined;
    const text = await answer.text();
    return text.length <= MAX_KEYS ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} preset
 * @param {any} request
 */
export function sign(preset, request) {
  const signed = JSON.parse(told(() => engine.sign(preset, call(request))));
  return {
    headers: signed.headers,
    body: signed.body === null ? undefined : bytesOf(signed.body),
    url: signed.url ?? undefined,
  };
}

/**
 * A call as the engine takes it.
 * @param {any} request
 */
function call({ headers, body, secret, now, ...rest }) {
  const secrets = secret === undefined ? undefined : [secret].flat();
  const at = now === undefined ? undefined : new Date(now).toISOString();
  return JSON.stringify({
    ...rest,
    headers: pairs(headers ?? []),
    body: base64(body ?? ""),
    secrets,
    now: at,
  });
}

/**
 * Headers as pairs. Node gives a list where one came several times, and nothing where it did not come.
 * @param {any} headers
 */
function pairs(headers) {
  const entries = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return entries.flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => [name, String(one)]),
  );
}

/** How many bytes become characters at once: more arguments than that overflow the stack. */
const PIECE = 8192;

/** @param {string | ArrayBuffer | Uint8Array} body */
function base64(body) {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE)
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}

/** @param {string} text */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
