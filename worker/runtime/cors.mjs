// Cross-origin requests: pages of the origins that the operator names (PORTAL_ORIGINS) may call the API from a browser,
// with a token and never with a cookie.

/**
 * The origin of a request, if it is one that may call the API.
 * @param {Request} request
 * @param {{ PORTAL_ORIGINS?: string }} env
 */
export function allowedOrigin(request, env) {
  const origin = request.headers.get("origin");
  if (origin === null || !env.PORTAL_ORIGINS) return undefined;
  const names = env.PORTAL_ORIGINS.split(",");
  const named = names.some((one) => one.trim().toLowerCase() === origin.toLowerCase());
  return named && new URL(request.url).pathname.startsWith("/api/") ? origin : undefined;
}

/**
 * The answer to a browser that asks whether it may send a request.
 * @param {string} origin
 */
export function preflight(origin) {
  const headers = {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, svix-req-id, user-agent",
    "access-control-max-age": "7200",
    vary: "origin",
  };
  return new Response(null, { status: 204, headers });
}

/**
 * The response with the headers by which a page may read it.
 * @param {Response} response
 * @param {string} origin
 */
export function withCors(response, origin) {
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", "retry-after, weir-warning");
  headers.append("vary", "origin");
  return new Response(response.body, { status: response.status, headers });
}
