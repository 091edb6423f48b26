// The texts in which headers and requests cross between wasm and JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf, linesOf } from "../../worker/runtime/lines.mjs";
import { headersOf, partsOf, startsAt } from "../../worker/runtime/request.mjs";

test("headers are read up to the first colon of a line", () => {
  assert.deepEqual(fieldsOf("a:1\nb:x:y\nc:"), [
    ["a", "1"],
    ["b", "x:y"],
    ["c", ""],
  ]);
  assert.deepEqual(fieldsOf(""), []);
  assert.deepEqual(fieldsOf("webhook-id:msg_1\nx-emoji:\u00e9\u{1f600}"), [
    ["webhook-id", "msg_1"],
    ["x-emoji", "\u00e9\u{1f600}"],
  ]);
});

test("headers are written a line each, and none that the platform allows breaks its line", () => {
  const headers = new Headers([
    ["B", " spaced "],
    ["a", "1"],
    ["a", "2"],
    ["empty", ""],
  ]);
  assert.equal(linesOf(headers), "a:1, 2\nb:spaced\nempty:\n");
  for (const broken of ["x\ny", "x\ry", "x\r\nInjected: 1", "\0"]) {
    assert.throws(() => new Headers([["a", broken]]));
  }
});

test("what does not fit is cut with its name, however many headers and however long they are", () => {
  const long = "v".repeat(5000);
  assert.equal(linesOf([["x", long]]), "x:...");
  assert.equal(linesOf([["n".repeat(5000), ""]]), `${"n".repeat(100)}:...`);
  assert.equal(
    linesOf([
      ["a", "1"],
      ["b", long],
      ["c", "1"],
    ]),
    "a:1\nb:...",
  );
  const many = Array.from({ length: 10_000 }, (_, n) => /** @type {[string, string]} */ ([`h${n}`, "v"]));
  assert.ok(linesOf(many).length < 4096 + 110);
});

test("an API request is four lines, and a dashboard's is ten", () => {
  const headers = {
    authorization: "Bearer t",
    "idempotency-key": "k",
    cookie: "c=1",
    "x-weir-proof": "p",
    "hx-request": "true",
    "sec-fetch-site": "same-origin",
    "accept-language": "de",
    origin: "https://w.example",
  };
  const of = (/** @type {string} */ url, /** @type {RequestInit} */ init = {}) =>
    partsOf(new Request(url, init));
  assert.equal(of("https://w.example/api/v1/app"), "GET\nhttps://w.example/api/v1/app\n\n");
  assert.equal(
    of("https://w.example/api/v1/app", { method: "POST", headers }),
    "POST\nhttps://w.example/api/v1/app\nBearer t\nk",
  );
  assert.equal(
    of("https://w.example/dashboard?x=1", { headers }),
    "GET\nhttps://w.example/dashboard?x=1\nBearer t\nk\nc=1\np\ntrue\nsame-origin\nde\nhttps://w.example",
  );
  assert.equal(of("https://w.example/a\nb\r/c").split("\n").length, 4, "a URL has no line breaks");
});

test("a source's request has every header on its line", () => {
  const request = new Request("https://w.example/in/x?y=1", {
    method: "PUT",
    headers: { "X-A": "1:2", b: "c" },
  });
  assert.equal(headersOf(request), "PUT\nhttps://w.example/in/x?y=1\nb:c\nx-a:1:2");
});

test("a path starts after the host, whatever the host or the query look like", () => {
  assert.ok(startsAt("https://api/in/x", "/in/"));
  assert.ok(startsAt("http://[::1]:8787/api/v1", "/api/"));
  assert.ok(!startsAt("https://w.example/x?/api/", "/api/"));
  assert.ok(!startsAt("https://w.example/x/api/", "/api/"));
  assert.ok(!startsAt("https://w.example", "/api/"));
});
