// Texts of the scripts that browsers run: the API reference's and the dashboard's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ago } from "../../dashboard/script/ago.mjs";
import { isAbout } from "../../dashboard/script/fault.mjs";
import { requestOf, resolve, samples } from "../../worker/docs/samples.js";
import { limits, typeOf } from "../../worker/docs/schema.js";

/** @type {any} */
const API = {
  components: { schemas: { App: { type: "object", properties: {} }, Id: { type: "string", maxLength: 9 } } },
};

test("types and limits are said in words", () => {
  for (const [
    schema,
    type,
    limit,
  ] of /** @type {[import("../../worker/docs/openapi.d.ts").Schema, string, string][]} */ ([
    [{}, "any", ""],
    [{ type: ["string", "null"] }, "string, or null", ""],
    [
      { anyOf: [{ $ref: "#/components/schemas/Id" }, { type: "null" }] },
      "string, or null",
      "up to 9 characters",
    ],
    [{ type: "array", items: { type: "integer" }, maxItems: 3 }, "list of integer", "up to 3 items"],
    [{ enum: ["a", null, "b"] }, "a, b", ""],
    [{ oneOf: [{ const: "x" }, { const: "y" }] }, "x or y", ""],
    [{ type: "integer", minimum: 0, default: 0 }, "integer", "0 to …; default 0"],
    [{ type: "string", format: "date-time" }, "string (date-time)", ""],
  ])) {
    assert.deepEqual([typeOf(API, schema), limits(API, schema)], [type, limit]);
  }
  assert.deepEqual(resolve(API, undefined), {});
});

/** @type {any} */
const OPERATION = {
  parameters: [
    { name: "app_id", in: "path", example: "app_1" },
    { name: "metadata", in: "query" },
    { name: "idempotency-key", in: "header" },
  ],
  requestBody: { content: { "application/json": { example: { a: ["it's", true, null] } } } },
  responses: { 200: { content: { "application/json": {} } } },
};

test("a request has what is in the form, and each language quotes it", () => {
  const values = {
    "path:app_id": "a/ü",
    "query:metadata": "plan=pro, region=",
    "header:idempotency-key": 'k"',
    "header:unknown": "x",
  };
  const request = requestOf("/api/v1/app/{app_id}/msg", "post", OPERATION, values);
  assert.equal(request.path, "/api/v1/app/a%2F%C3%BC/msg?metadata%5Bplan%5D=pro&metadata%5Bregion%5D=");
  assert.deepEqual(request.headers, { "idempotency-key": 'k"' });
  const made = samples(request, "https://w.example");
  assert.match(made.curl, /-d '\{\n {2}"a": \[\n {4}"it'\\''s"/);
  assert.match(made.Python, /"it's",\n\s+True,\n\s+None/);
  assert.match(made.JavaScript, /"idempotency-key": "k\\""/);
  assert.match(made.Rust, /\.header\("idempotency-key", "k\\""\)/);
  assert.equal(requestOf("/x", "get", { ...OPERATION, security: [] }).needsToken, false);
});

test("how long ago is said in the page's language", () => {
  for (const [seconds, text] of /** @type {[number, string][]} */ ([
    [0.5, "now"],
    [-0.5, "now"],
    [59.9, "59 s ago"],
    [60, "1 min ago"],
    [3_600 * 5 + 61, "5 h 1 min ago"],
    [86_400 * 2, "2 d ago"],
    [86_400 * 2 + 3_600 * 3, "2 d 3 h ago"],
    [-90, "in 1 min"],
  ])) {
    assert.equal(ago(seconds, "en"), text);
  }
  assert.equal(ago(7_300, "de"), "vor 2 Std.");
  assert.equal(ago(-7_300, "fr").replace(/\s/g, " "), "dans 2 h");
});

test("a sentence is about the field that it names, and about no other", () => {
  assert.ok(isAbout("url: it is not a URL", "url"));
  assert.ok(isAbout("Correct body.url: it is not a URL", "url"));
  assert.ok(isAbout("retry.schedule.0: too long", "retry"));
  assert.ok(isAbout("The field name is missing", "name"));
  assert.ok(!isAbout("curl: no", "url"));
  assert.ok(!isAbout("urls: no", "url"));
  assert.ok(isAbout("metadata[a(b]: no", "metadata[a(b]"), "a name is no pattern");
  assert.ok(!isAbout("ab: no", "a."));
});
