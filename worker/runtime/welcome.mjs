// First contact: what a browser or a program finds outside the API and the dashboard.
//
// `/` explains what this is, what to do next, and which settings are missing; a browser that is signed in is redirected to the
// dashboard. For a path that does not exist a browser gets a page, and every other client the API's JSON. Nothing on these
// pages comes from a request.

/** @typedef {import("./env.d.ts").Env} Env */

const HTML = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
  vary: "accept, cookie",
};
const HOUR = "public, max-age=3600";

/** Set while a browser is signed in; says nothing but that. The session's own cookie goes to the dashboard alone. */
const HERE = /(?:^|;\s*)weir_here=1(?:;|$)/;

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1c57cf"/><path transform="translate(4 4) scale(1.5)" d="M2 4.5h4.500c2 0 2.500 6.500 5 6.500H14M2 8h3M2 11.500h4M9.500 4.500H14" fill="none" stroke="#fff" stroke-width="1.800" stroke-linecap="round" stroke-linejoin="round"/></svg>';

const STYLE = `:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;padding:24px;background:light-dark(#f6f7f9,#0b0d11);color:light-dark(#12161d,#e9ecf1);font:16px/1.5 system-ui,sans-serif}
main{max-width:640px;margin:10vh auto;padding:32px;background:light-dark(#fff,#13161b);border:1px solid light-dark(#e4e7ec,#252a33);border-radius:10px}
img{display:block;width:40px;height:40px}
h1{margin:16px 0 8px;font-size:26px}
p,li{color:light-dark(#535d6d,#a1abba)}
a{color:light-dark(#1a52c4,#86b0ff)}
a:focus-visible{outline:2px solid;outline-offset:2px}
pre{overflow-x:auto;padding:12px;background:light-dark(#f3f5f8,#0e1115);border-radius:6px;font-size:13px}
.todo{margin:16px 0;padding:4px 16px;border:1px solid light-dark(#e0b252,#7a5c1e);border-radius:6px}
ul{padding-left:20px}
@media (max-width:500px){main{margin:0;padding:20px}}`;

/**
 * The secrets of a deployment, what does not work without each, and how to set it. Each secret is kept in a file: the one
 * that signs tokens is needed again for each further token.
 * @type {{ name: "JWT_SECRET" | "MASTER_KEY", why: string, then: string, commands: string[] }[]}
 */
const SECRETS = [
  {
    name: "JWT_SECRET",
    why: "It signs the API's tokens. Without it no token is valid, so nobody can sign in or call the API.",
    then: "The first command creates the secret in a file and prints a token to sign in with. Keep the file: the same command prints further tokens.",
    commands: [
      "npx weir-gateway token --data .weir/production",
      "npx wrangler secret put JWT_SECRET < .weir/production/jwt-secret",
    ],
  },
  {
    name: "MASTER_KEY",
    why: "It encrypts the signing secrets that are stored. Without it they are stored unencrypted.",
    then: "Keep the file. If the key is lost, so are the secrets.",
    commands: [
      "npx weir-gateway secret > .weir/production/master-key",
      "npx wrangler secret put MASTER_KEY < .weir/production/master-key",
    ],
  },
];
/**
 * What the deployment lacks. Once it works, only the log says so: it is nothing for strangers.
 * @param {Env} env
 */
function lacking(env) {
  const missing = SECRETS.filter(({ name }) => !env[name]);
  return env.JWT_SECRET ? [] : missing;
}

let warned = false;

/**
 * Logs which secrets are missing, once per isolate: the first request of any kind calls it.
 * @param {Env} env
 */
export function warn(env) {
  if (warned) return;
  warned = true;
  for (const { name, why, commands } of SECRETS) {
    if (!env[name]) console.warn(`${name} is not set. ${why} Set it: ${commands.join(" && ")}`);
  }
}

/**
 * The response to what is the same for everybody; undefined if the request is for the gateway.
 * @param {Request} request
 * @param {Env} env
 */
export function welcome(request, env) {
  if (request.method !== "GET" && request.method !== "HEAD") return undefined;
  const { pathname, origin } = new URL(request.url);
  switch (pathname) {
    case "/":
      if (!wantsPage(request))
        return Response.json(about(origin, env), { headers: { vary: "accept, cookie" } });
      if (HERE.test(request.headers.get("cookie") ?? "")) {
        return new Response(null, {
          status: 303,
          headers: { location: "/dashboard", "cache-control": "no-store" },
        });
      }
      return new Response(home(origin, env), { headers: HTML });
    case "/welcome.css":
      return text("text/css; charset=utf-8", STYLE);
    case "/favicon.ico":
    case "/favicon.svg":
      return text("image/svg+xml", ICON);
    case "/robots.txt":
      // There is nothing here to find for a search engine.
      return text("text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n");
    case "/.well-known/security.txt":
      return security(origin, env);
    default:
      return undefined;
  }
}

/**
 * The response, or a page instead of the API's JSON for a browser that asks for what does not exist.
 * @param {Request} request
 * @param {Response} response
 */
export function orPage(request, response) {
  if (response.status !== 404 || request.method !== "GET" || !wantsPage(request)) return response;
  const { pathname } = new URL(request.url);
  if (/^\/(api|in|dashboard)(\/|$)/.test(pathname)) return response;
  const body = page(
    "Page not found",
    `<p>There is nothing at this address.</p><ul>
<li><a href="/">Start page</a></li><li><a href="/dashboard">Dashboard</a></li><li><a href="/docs">API reference</a></li></ul>`,
  );
  return new Response(body, { status: 404, headers: HTML });
}

/** @param {Request} request */
function wantsPage(request) {
  return /\btext\/html\b/.test(request.headers.get("accept") ?? "");
}

/**
 * @param {string} type
 * @param {string} body
 */
function text(type, body) {
  const headers = { "content-type": type, "cache-control": HOUR, "x-content-type-options": "nosniff" };
  return new Response(body, { headers });
}

/**
 * @param {string} origin
 * @param {Env} env
 */
function about(origin, env) {
  return {
    name: "Weir",
    description: "A webhook gateway: it stores, signs, delivers and retries webhooks.",
    api: `${origin}/api/v1`,
    openapi: `${origin}/api/v1/openapi.json`,
    docs: `${origin}/docs`,
    dashboard: `${origin}/dashboard`,
    health: `${origin}/api/v1/health`,
    missing: lacking(env).map(({ name, why, commands }) => ({ name, why, commands })),
  };
}

/**
 * @param {string} origin
 * @param {Env} env
 */
function home(origin, env) {
  const missing = lacking(env);
  const todo = missing
    .map(
      ({ name, why, then, commands }) =>
        `<p><b>${name} is not set.</b> ${why}</p><pre>${encoded(commands.join("\n"))}</pre><p>${then}</p>`,
    )
    .join("");
  const notice = todo && `<section class="todo"><h2>Finish the setup</h2>${todo}</section>`;
  return page(
    "This is a webhook gateway",
    `<p>Weir accepts events, stores them, and delivers them to every endpoint: signed, rate limited and retried.</p>${notice}
<ul>
<li><a href="/dashboard">Sign in to the dashboard</a> with a token of the API.</li>
<li><a href="/docs">Read the API reference</a>. Svix's SDKs work with this address as their server URL.</li>
<li>Create an application:</li>
</ul>
<pre>curl ${encoded(origin)}/api/v1/app \\
  -H "Authorization: Bearer $WEIR_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "My first application"}'</pre>
<p>Did you receive a webhook from this address? Contact its sender: this server only delivers messages.</p>`,
  );
}

/**
 * Where to report a vulnerability, if the operator has said so.
 * @param {string} origin
 * @param {Env} env
 */
function security(origin, env) {
  const contact = typeof env.SECURITY_CONTACT === "string" ? env.SECURITY_CONTACT.trim() : "";
  if (!/^(mailto:|https:\/\/)[\x21-\x7e]+$/.test(contact)) return undefined;
  // RFC 9116 wants a date within a year.
  const expires = new Date(Date.now() + 180 * 86_400_000).toISOString();
  return text(
    "text/plain; charset=utf-8",
    `Contact: ${contact}\nExpires: ${expires}\nCanonical: ${origin}/.well-known/security.txt\n`,
  );
}

/**
 * A host may have any character but those that end it; none of them is HTML, and this makes sure of it.
 * @param {string} url
 */
function encoded(url) {
  return url.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/**
 * @param {string} title
 * @param {string} body HTML
 */
function page(title, body) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} – Weir</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/welcome.css">
</head>
<body>
<main>
<img src="/favicon.svg" alt="">
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
}
