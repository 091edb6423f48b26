// The API reference at /docs: search, deep links, samples in four languages that run, errors, and the form that sends requests.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LANGUAGES, requestOf, samples } from "../../worker/docs/samples.js";
import { api, audit, equal, expect, run, tab, test, until, url } from "./lib.mjs";

const { WEIR_TOKEN } = process.env;
const document = await (await fetch(url("/api/v1/openapi.json"))).json();
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, it]) => ({ path, method, it })),
);
const sampleOf = (id, language) => {
  const { path, method, it } = operations.find((one) => one.it.operationId === id);
  return samples(requestOf(path, method, it), url(""))[language];
};

/// Opens an operation by its link; the operation's node.
async function opened(here, id) {
  await here.at(`/docs#${id}`);
  const node = here.page.locator(`[id="${id}"]`);
  await node.locator("h3", { hasText: "Responses" }).waitFor();
  return node;
}

test("every operation is listed, axe finds no fault, and the policy is strict, in both color schemes", async () => {
  for (const dark of [false, true]) {
    const here = await tab({ token: null, dark });
    const answer = await here.at("/docs");
    expect(!answer.headers()["content-security-policy"].includes("unsafe"), "a strict policy");
    await here.page.locator(".operation").first().waitFor();
    equal(await here.page.locator(".operation").count(), operations.length, "operations");
    await opened(here, "v1.endpoint.create");
    equal(await audit(here.page), [], "what axe finds");
    await here.close();
  }
});

test("search finds operations by path, field and error code, and reports when nothing matches", async () => {
  const here = await tab({ token: null, phone: true });
  await here.at("/docs");
  const visible = here.page.locator(".operation:visible");
  for (const [words, id] of [
    ["rotate-secret", "v1.endpoint.rotate-secret"],
    ["gracePeriodSeconds operational", "v1.operational-webhook.endpoint.rotate-secret"],
    ["event_type_exists", "v1.event-type.create"],
  ]) {
    await here.page.getByLabel("Search").fill(words);
    const found = here.page.locator(`[id="${id}"]`);
    await until(async () => (await found.isVisible()) && (await visible.count()) < 10, `few results, among them ${id}, for ${words}`);
  }
  await here.page.getByLabel("Search").fill("no such thing anywhere");
  await here.page.getByText("No operation matches").waitFor();
  equal(await visible.count(), 0, "results");
  await here.close();
});

test("a deep link opens an operation with its fields, errors and examples", async () => {
  const here = await tab({ token: null });
  const node = await opened(here, "v1.message.create");
  await node.getByText("eventId", { exact: true }).first().waitFor();
  await node.locator("summary", { hasText: "Errors" }).click();
  for (const code of ["authentication_failed", "conflict", "payload_too_large"]) {
    await node.locator("td code", { hasText: code }).waitFor();
  }
  for (const language of LANGUAGES) {
    await node.getByRole("button", { name: language, exact: true }).click();
    equal(await node.locator(".samples pre").innerText(), sampleOf("v1.message.create", language), language);
  }
  await here.close();
});

test("an operation is tried with a pasted token, and the sample follows the form", async () => {
  const here = await tab({ token: null });
  const node = await opened(here, "v1.application.create");
  await node.getByText("Try it", { exact: true }).click();
  await node.getByRole("button", { name: "Send request" }).click();
  await node.getByText("Paste a token").waitFor();
  await here.page.getByLabel("Token for").fill(WEIR_TOKEN);
  const uid = `tried-${Date.now()}`;
  await node.getByLabel("body").fill(JSON.stringify({ name: "Tried", uid }));
  expect((await node.locator(".samples pre").innerText()).includes(uid), "the sample to follow the form");
  await node.getByRole("button", { name: "Send request" }).click();
  await node.locator(".result", { hasText: "201" }).waitFor();
  equal((await api("GET", `app/${uid}`)).name, "Tried", "the application");
  here.expectRefusal();
  await node.getByRole("button", { name: "Send request" }).click();
  await node.locator(".result", { hasText: '"code": "conflict"' }).waitFor();
  const stored = await here.page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
  equal(stored, [0, 0, ""], "what the page stores");
  await here.close();
});

test("every sample of every operation is a program of its language", async () => {
  const dir = mkdtempSync(join(tmpdir(), "weir-samples-"));
  try {
    const of = (language) => operations.map(({ path, method, it }) => samples(requestOf(path, method, it), url(""))[language]);
    writeFileSync(join(dir, "all.sh"), of("curl").join("\n"));
    execFileSync("bash", ["-n", join(dir, "all.sh")]);
    for (const [n, code] of of("JavaScript").entries()) writeFileSync(join(dir, `${n}.mjs`), code);
    for (const n of operations.keys()) execFileSync("node", ["--check", join(dir, `${n}.mjs`)]);
    writeFileSync(join(dir, "all.json"), JSON.stringify(of("Python")));
    const compile = `import json,sys\nfor n, code in enumerate(json.load(open(sys.argv[1]))): compile(code, str(n), "exec")`;
    execFileSync("python3", ["-c", compile, join(dir, "all.json")]);
    writeFileSync(join(dir, "all.rs"), of("Rust").map((code, n) => `mod sample_${n} {\n${code}\n}\n`).join(""));
    execFileSync("rustfmt", ["--edition", "2024", join(dir, "all.rs")]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the samples run as they stand, one after the other", async () => {
  const env = { ...process.env, WEIR_TOKEN };
  const curl = (id) => execFileSync("bash", ["-c", `${sampleOf(id, "curl")} -sS -w '\\n%{http_code}'`], { env }).toString().split("\n");
  const story = [
    ["v1.event-type.create", 201],
    ["v1.application.create", 201],
    ["v1.endpoint.create", 201],
    ["v1.endpoint.patch-headers", 204],
    ["weir.endpoint.plugins.update", 200],
    ["v1.endpoint.rotate-secret", 200],
    ["v1.message.create", 202],
    ["v1.message.get", 200],
    ["v1.message.precheck", 200],
    ["v1.message.bulk-expunge-content", 200],
    ["v1.endpoint.bulk-replay", 202],
    ["v1.endpoint.send-example", 200],
    ["v1.endpoint.patch", 200],
    ["v1.authentication.app-portal-access", 200],
    ["v1.statistics.aggregate-app-stats", 202],
    ["v1.operational-webhook.endpoint.create", 201],
    ["v1.ingest.source.create", 201],
    ["weir.preset.verify", 200],
    ["weir.preset.sign", 200],
    ["weir.plugin.test", 200],
    ["v1.event-type.import-openapi", 200],
    ["v1.event-type.patch", 200],
    ["v1.application.delete", 204],
  ];
  for (const [id, status] of story) {
    const lines = curl(id);
    equal(Number(lines.at(-1)), status, `${id}: ${lines.join(" ")}`);
    if (id === "weir.preset.verify") equal(JSON.parse(lines[0]).verdict, "verified", "the verdict of the example");
  }
  const dir = mkdtempSync(join(tmpdir(), "weir-samples-"));
  try {
    writeFileSync(join(dir, "sample.mjs"), sampleOf("v1.application.create", "JavaScript"));
    const printed = execFileSync("node", [join(dir, "sample.mjs")], { env }).toString();
    expect(printed.startsWith("201"), `201 from JavaScript: ${printed}`);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

await run();
