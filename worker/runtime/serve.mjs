// Answers a request: the pages of first contact, the dashboard's assets, and everything else by Rust.

import * as gateway from "./index.js";
import { assetOf } from "./asset.mjs";
import { BROKEN, bodyOf, SLOW, unread } from "./body.mjs";
import { unlessStopped } from "./guard.mjs";
import { lingering } from "./linger.mjs";
import { headersOf, partsOf, startsAt } from "./request.mjs";
import { orPage, warn, welcome } from "./welcome.mjs";

/** @typedef {import("./env.d.ts").Env} Env */

/**
 * One instance serves every request of the isolate: it keeps nothing of a request that has ended.
 * @type {gateway.Front | undefined}
 */
let front;

/**
 * Answers a request, also if the gateway fails.
 * @param {Request} request
 * @param {Env} env
 */
export async function respond(request, env) {
  try {
    return orPage(request, await serve(request, env));
  } catch (error) {
    console.error("a request failed:", error);
    return Response.json(
      {
        code: "unavailable",
        detail: "The gateway is temporarily unavailable. Send the request again in a moment.",
      },
      { status: 503, headers: { "retry-after": "1" } },
    );
  }
}

/**
 * @param {Request} request
 * @param {Env} env
 */
async function serve(request, env) {
  warn(env);
  // What the API serves is none of the others': it is not compared with their paths.
  if (!startsAt(request.url, "/api/")) {
    const page = welcome(request, env) ?? assetOf(request);
    if (page) return page;
  }
  front ??= new gateway.Front(env);
  if (startsAt(request.url, "/in/")) return await ingest(front, request);
  return await answer(front, request);
}

/**
 * A request at a source's URL.
 * @param {gateway.Front} front
 * @param {Request} request
 */
async function ingest(front, request) {
  const incoming = headersOf(request);
  const body = await bodyOf(request, await unlessStopped(front.admitIngest(incoming)));
  if (body === SLOW || body === BROKEN) return unread(body);
  const answered = await unlessStopped(front.ingest(incoming, body));
  return body === undefined ? await lingering(request, answered) : answered;
}

/**
 * A request of the API or of the dashboard.
 * @param {gateway.Front} front
 * @param {Request} request
 */
async function answer(front, request) {
  const parts = partsOf(request);
  const body = await bodyOf(request, front.admit(parts));
  if (body === SLOW || body === BROKEN) return unread(body);
  const begun = front.begin(parts, body);
  if (!Array.isArray(begun)) {
    const answered = await unlessStopped(begun);
    return body === undefined ? await lingering(request, answered) : answered;
  }
  const [called, ticket] = begun;
  let stored;
  try {
    stored = await called;
  } catch (error) {
    return front.failed(ticket, error);
  }
  return await unlessStopped(front.finish(ticket, stored));
}
