// The dashboard's scripts and styles. The version in their URLs changes with their contents, so they are cached for good.

import { assets } from "./assets.mjs";
import { startsAt } from "./request.mjs";

const PATH = "/dashboard/assets/";

/**
 * The asset that a request is for; undefined if there is none.
 * @param {Request} request
 */
export function assetOf(request) {
  if (!startsAt(request.url, PATH)) return undefined;
  const name = new URL(request.url).pathname.slice(PATH.length);
  const asset = Object.hasOwn(assets, name) ? assets[name] : undefined;
  if (asset === undefined) return undefined;
  const headers = {
    "content-type": asset.type,
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
  };
  return new Response(asset.text, { headers });
}
