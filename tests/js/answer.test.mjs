// What browsers and programs get: responses, pages of first contact, cross-origin requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, answerBytes, answerLive, answerWith } from "../../worker/runtime/answer.mjs";
import { allowedOrigin, preflight, withCors } from "../../worker/runtime/cors.mjs";
import { main, runLoaded } from "../../worker/runtime/plugin.mjs";
import { orPage, warn, welcome } from "../../worker/runtime/welcome.mjs";

const get = (
  /** @type {string} */ path,
  /** @type {Record<string, string>} */ headers = {},
  method = "GET",
) => new Request(`https://w.example${path}`, { headers, method });
const HTML = { accept: "text/html,*/*" };
const READY = { JWT_SECRET: "x", MASTER_KEY: "y" };

test("responses have their status, type and body", async () => {
  const json = answer(409, '{"code":"conflict"}');
  assert.deepEqual([json.status, json.headers.get("content-type")], [409, "application/json"]);
  assert.equal((await json.json()).code, "conflict");
  assert.equal(await answer(204, "ignored").text(), "");
  for (const status of [204, 303, 304]) assert.equal(await answerWith(status, "a:1", "ignored").text(), "");
  const other = answerWith(429, "retry-after:1\nx:y:z", "body");
  assert.deepEqual(
    [other.headers.get("retry-after"), other.headers.get("x"), await other.text()],
    ["1", "y:z", "body"],
  );
  const memory = new Uint8Array([104, 105]);
  const bytes = answerBytes("text/plain", memory);
  memory.fill(0);
  assert.equal(await bytes.text(), "hi");
});

test("a live response asks for its next piece only when it is read, and waits before each", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const pieces = ["a", "\u00e9", undefined];
  let asked = 0;
  const live = { next: async () => pieces[asked++] };
  const { body } = answerLive("content-type:text/event-stream", live, 1_000);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (body).getReader();
  const texts = [];
  for (;;) {
    const read = reader.read();
    await new Promise(setImmediate);
    t.mock.timers.tick(1_000);
    const { done, value } = await read;
    if (done) break;
    texts.push(new TextDecoder().decode(value));
  }
  assert.deepEqual([texts, asked], [["a", "\u00e9"], 3]);
});

test("only pages of the named origins may call, and only the API", () => {
  const env = { PORTAL_ORIGINS: "https://app.example.com, HTTPS://Other.example" };
  const of = (/** @type {string} */ origin, path = "/api/v1/app") =>
    allowedOrigin(get(path, { origin }), env);
  assert.equal(of("https://app.example.com"), "https://app.example.com");
  assert.equal(of("https://other.example"), "https://other.example");
  for (const other of [
    "https://app.example.com.evil",
    "http://app.example.com",
    "null",
    "https://app.example.com:444",
  ]) {
    assert.equal(of(other), undefined, other);
  }
  assert.equal(of("https://app.example.com", "/dashboard"), undefined);
  assert.equal(of("https://app.example.com", "/in/x"), undefined);
  assert.equal(allowedOrigin(get("/api/v1/app"), env), undefined);
  assert.equal(allowedOrigin(get("/api/v1/app", { origin: "https://a" }), {}), undefined);
});

test("cross-origin responses name the one origin and never allow cookies", async () => {
  const response = withCors(new Response("x", { status: 202, headers: { vary: "accept" } }), "https://a");
  assert.deepEqual([response.status, await response.text()], [202, "x"]);
  assert.equal(response.headers.get("access-control-allow-origin"), "https://a");
  assert.equal(response.headers.get("vary"), "accept, origin");
  for (const one of [response, preflight("https://a")]) {
    assert.equal(one.headers.get("access-control-allow-credentials"), null);
  }
});

test("what is the gateway's own is left to it", () => {
  for (const path of ["/api/v1/app", "/dashboard", "/in/x", "/docs", "/anything"]) {
    assert.equal(welcome(get(path), READY), undefined, path);
  }
  assert.equal(welcome(get("/", {}, "POST"), READY), undefined);
});

test("the start page is for browsers, and JSON for programs; neither tells strangers what a working gateway lacks", async () => {
  const page = /** @type {Response} */ (welcome(get("/", HTML), { JWT_SECRET: "x" }));
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.doesNotMatch(await page.text(), /MASTER_KEY/);
  const about = await /** @type {Response} */ (welcome(get("/"), {})).json();
  assert.deepEqual(
    about.missing.map((/** @type {{ name: string }} */ { name }) => name),
    ["JWT_SECRET", "MASTER_KEY"],
  );
  const signedIn = /** @type {Response} */ (
    welcome(get("/", { ...HTML, cookie: "a=1; weir_here=1" }), READY)
  );
  assert.deepEqual([signedIn.status, signedIn.headers.get("location")], [303, "/dashboard"]);
  assert.equal(welcome(get("/", { ...HTML, cookie: "weir_here=12" }), READY)?.status, 200);
});

test("no host can put HTML into the start page", async () => {
  const request = /** @type {Request} */ ({
    method: "GET",
    url: "https://w.example/",
    headers: new Headers(HTML),
  });
  const page = await /** @type {Response} */ (welcome(request, READY)).text();
  assert.ok(page.includes("curl https://w.example/api/v1/app"));
});

test("a browser that asks for what is not there gets a page, and a program the JSON", async () => {
  const missing = () => Response.json({ code: "not_found" }, { status: 404 });
  const page = orPage(get("/nowhere", HTML), missing());
  assert.deepEqual([page.status, page.headers.get("content-type")], [404, "text/html; charset=utf-8"]);
  for (const request of [
    get("/nowhere"),
    get("/nowhere", HTML, "POST"),
    get("/api/v1/x", HTML),
    get("/dashboard/x", HTML),
  ]) {
    assert.equal((await orPage(request, missing()).json()).code, "not_found");
  }
  assert.equal(orPage(get("/", HTML), new Response("ok")).status, 200);
});

test("the contact for vulnerabilities is one line, and there only if it is an address", async () => {
  const of = (/** @type {string | undefined} */ SECURITY_CONTACT) =>
    welcome(get("/.well-known/security.txt"), { ...READY, SECURITY_CONTACT });
  for (const wrong of [undefined, "", "nobody", "mailto:a\nContact: b", "http://x", "https://x y"]) {
    assert.equal(of(wrong), undefined, wrong);
  }
  const lines = (await /** @type {Response} */ (of(" mailto:security@example.com ")).text()).split("\n");
  assert.equal(lines[0], "Contact: mailto:security@example.com");
  const expires = Date.parse(lines[1]?.replace("Expires: ", "") ?? "");
  assert.ok(expires > Date.now() && expires < Date.now() + 365 * 86_400_000);
});

test("missing secrets are logged once", (t) => {
  const log = t.mock.method(console, "warn", () => {});
  warn({ JWT_SECRET: "x" });
  warn({});
  assert.equal(log.mock.callCount(), 1);
  assert.match(String(log.mock.calls[0]?.arguments[0]), /^MASTER_KEY is not set/);
});

test("a loaded isolate imports each of its modules, and runs the one that is asked for", () => {
  const text = main(2);
  assert.match(
    text,
    /import m0 from "\.\/0\.wasm";\nimport m1 from "\.\/1\.wasm";\nconst modules = \[m0,m1\];/,
  );
  assert.match(text, /transcribe\(modules\[index\], input, \.\.\.numbers\)/);
});

test("isolates are loaded once each, and no more of them than may be", async () => {
  globalThis.__weir_plugins = /** @type {any} */ ({ stamp: "s", source: "text", bundled: [] });
  /** @type {any[]} */
  const got = [];
  const entrypoint = { run: async (/** @type {unknown[]} */ ...args) => (got.push(args), new Uint8Array(1)) };
  const loader = /** @type {any} */ ({
    get: (/** @type {string} */ name, /** @type {() => any} */ code) => {
      got.push(name, Object.keys(code().modules), code().globalOutbound);
      return { getEntrypoint: () => entrypoint };
    },
  });
  const memory = new Uint8Array([1, 2]);
  const run = (/** @type {number} */ most, /** @type {string} */ id) =>
    runLoaded(loader, most, id, [new Uint8Array(0)], 0, memory, new Float64Array([5]));
  await run(1, "a");
  assert.deepEqual(got, [
    "weir-plugins-s-a",
    ["main.js", "transcribe.mjs", "0.wasm"],
    null,
    [0, memory, [5]],
  ]);
  assert.notEqual(got.at(3)?.[1], memory, "the wasm memory changes");
  assert.equal(await run(1, "b"), undefined);
  assert.ok(await run(1, "a"));
  assert.ok(await run(2, "b"));
  assert.ok(await run(Infinity, "c"));
});
