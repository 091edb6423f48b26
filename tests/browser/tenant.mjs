// A tenant's sources, plugins, event types and tokens. WEIR_PLUGINS are two versions of a plugin that replaces the body and
// writes a log line.

import { createHmac } from "node:crypto";
import { api, audit, button, copied, dialog, endpoint, equal, expect, fact, fold, open, receiver, result, run, send, tab, test, toast, until, url } from "./lib.mjs";

const at = await receiver();
const SECRET = "the provider's secret";

/// Sends an event as GitHub does.
const push = (to, body, secret = SECRET, delivery = "d-1") => fetch(to, {
  method: "POST",
  body,
  headers: {
    "content-type": "application/json",
    "x-github-event": "push",
    "x-github-delivery": delivery,
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  },
});

test("a source is created, its URL copied; a rejected request is shown with its reason and accepted manually", async () => {
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard/sources");
  await page.getByRole("link", { name: "New source" }).first().click();
  await page.getByLabel("Search providers").fill("github");
  await page.locator('.tile[href$="type=github"]').click();
  await page.getByLabel("Name", { exact: true }).fill("Our code");
  await page.getByLabel("Secret").fill(SECRET);
  await button(page, "Create source").click();
  await page.getByRole("heading", { name: "Our code", level: 1 }).waitFor();
  const to = await copied(here, page.locator(".secret").first());
  expect(to.startsWith(url("/in/")), `a URL to be copied, not ${to}`);
  await page.getByLabel("URL", { exact: true }).first().fill(at.at("/pushed"));
  await button(page, "Create").click();
  await page.getByText("Enabled", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Our code" }).click();

  equal((await push(to, '{"ref":"one"}')).ok, true, "what is right is taken");
  equal((await push(to, '{"ref":"two"}', "another", "d-2")).status, 401, "what is not is refused");
  await until(() => at.seen.some(({ path, body }) => path === "/pushed" && body.includes("one")), "the delivery");
  // Both appear automatically.
  await page.locator("#live tr", { hasText: "push" }).first().waitFor();
  const rejected = page.locator("#live li", { hasText: "signature" }).getByRole("link");
  await rejected.first().click();
  await page.locator(".fault", { hasText: "signature" }).waitFor();
  expect((await page.locator("body").innerText()).includes('{"ref":"two"}'), "the body that was rejected");
  equal(await audit(page), [], "what axe finds");
  // Another secret is tried on it: what was signed, and both signatures, or that it is valid.
  const check = page.locator("#check-form");
  await check.getByLabel("Secret").fill("a third one");
  await button(check, "Check").click();
  await page.getByRole("region", { name: "Signed content" }).getByText('{"ref":"two"}').waitFor();
  const [received, expected] = await Promise.all(["in the request", "with this secret"].map((which) => page.getByRole("region", { name: `Signature ${which}` }).innerText()));
  const signature = (secret) => createHmac("sha256", secret).update('{"ref":"two"}').digest("hex");
  equal([received.trim(), expected.trim()], [signature("another"), signature("a third one")], "the signatures");
  equal(await audit(page), [], "what axe finds of the result");
  await check.getByLabel("Secret").fill("another");
  await button(check, "Check").click();
  await page.getByText("The request is valid with this secret.").waitFor();
  equal(await audit(page), [], "what axe finds of a valid one");
  await open(page, "Accept this request");
  await button(page, "Accept request").click();
  await toast(page).getByText("Request accepted.").waitFor();
  await until(() => at.seen.some(({ path, body }) => path === "/pushed" && body.includes("two")), "its delivery");
  await page.locator(".note", { hasText: "Accepted manually" }).getByRole("link").click();
  await page.locator(".pill.ok").first().waitFor();
  await here.close();
});

test("the secret that a rejected request was signed with is saved and the request accepted with one click, also for a custom scheme", async () => {
  const scheme = { kind: "signature", at: ["header:x-sign"], algorithm: "hmac-sha256", encoding: "hex", content: "v1:{body}" };
  const source = await api("POST", "ingest/source", { name: "Own scheme", type: "custom", config: { secret: SECRET, custom: { scheme } } });
  const own = (body, secret) => {
    const sign = createHmac("sha256", secret).update(`v1:${body}`).digest("hex");
    return fetch(source.ingestUrl, { method: "POST", body, headers: { "x-sign": sign, "content-type": "application/json" } });
  };
  equal((await own('{"n":1}', "the new secret")).status, 401, "the answer before");
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${source.id}`);
  await page.locator("#live li", { hasText: "signature" }).getByRole("link").first().click();
  const check = page.locator("#check-form");
  await check.getByLabel("Secret").fill("not this one");
  await button(check, "Check").click();
  await page.getByRole("region", { name: "Signed content" }).getByText('v1:{"n":1}').waitFor();
  equal(await page.getByText("Save this secret and accept").count(), 0, "offers to save a wrong secret");
  await check.getByLabel("Secret").fill("the new secret");
  await button(check, "Check").click();
  await button(page, "Save this secret and accept").click();
  await toast(page).getByText("Secret saved and request accepted.").waitFor();
  await page.locator(".note", { hasText: "Accepted manually" }).getByRole("link").waitFor();
  equal((await own('{"n":2}', "the new secret")).ok, true, "the new secret is the source's");
  equal((await own('{"n":3}', SECRET)).status, 401, "the answer to the old secret");
  equal((await api("GET", `ingest/source/${source.id}`)).config.custom.scheme.content, "v1:{body}", "the scheme");
  await here.close();
});

test("a source's URL is replaced, immediately if chosen", async () => {
  const source = await api("POST", "ingest/source", { name: "Leaked", type: "github", config: { secret: SECRET } });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${source.id}`);
  await open(page, "Replace URL…");
  await page.getByLabel("The previous URL stays valid for").selectOption("not at all");
  await button(page, "Replace URL").click();
  const to = await copied(here, result(page).locator(".secret"));
  expect(to !== source.ingestUrl && (await push(to, "{}")).ok, "the new one is valid");
  await until(async () => !(await push(source.ingestUrl, "{}", SECRET, "d-9")).ok, "the old one is not");
  await here.close();
});

test("a plugin is uploaded in two versions, rolled back, run on a message, and deleted", async () => {
  const [first, second] = process.env.WEIR_PLUGINS.split(":");
  const there = await endpoint(at, "/tested");
  const message = await send(there.app, { by: "somebody" });
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard/plugins");
  await open(page, "Upload a plugin");
  await page.getByLabel("Name", { exact: true }).fill("mine");
  await page.getByLabel("The module").setInputFiles(first);
  await button(page, "Upload").click();
  await page.waitForURL(url("/dashboard/plugin/mine"));
  const { current } = await api("GET", "plugin/mine");
  await open(page, "Upload version");
  await page.getByLabel("The module").setInputFiles(second);
  await button(page, "Upload").click();
  await button(page, "Roll back").waitFor();
  expect((await api("GET", "plugin/mine")).current !== current, "the second one is current");

  const test = async (fields) => {
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label).fill(value);
    await button(page, "Run").click();
    await result(page).locator(".task").waitFor();
    return (await result(page).innerText()).replace(/\s+/g, " ");
  };
  // A message is selected from the newest of an application.
  await page.getByRole("searchbox", { name: "Application" }).fill(there.app);
  await button(page, "Show its messages").click();
  equal(await page.getByLabel("Message", { exact: true }).inputValue(), message, "the newest is picked");
  const told = await test({});
  for (const part of ["replaced", "info: version 2", '"somebody"', '"2"', "replaced", "Fuel", "Engine"]) {
    expect(told.includes(part), `${part} in ${told}`);
  }
  const [, used, limit] = (await fact(result(page), "Fuel")).replaceAll(",", "").match(/(\d+) of (\d+)/);
  expect(Number(used) > 0 && Number(limit) === 10_000_000, "fuel, and its limit");
  expect((await fact(result(page), "Memory")).includes("of 16,384 KiB"), "memory, and its limit");
  equal(await audit(page), [], "what axe finds");

  await button(page, "Roll back").click();
  await until(async () => (await api("GET", "plugin/mine")).current === current, "it is rolled back");
  await page.locator("tr", { hasText: "current" }).getByTitle(current).waitFor();
  await button(page, "Promote").waitFor();
  const before = await test({ "Event type": "a.b", "Payload": '{"by": "me"}' });
  expect(before.includes("info: version 1") && before.includes('"1"'), `the first one in ${before}`);

  await open(page, "Delete…");
  await button(page, "Delete plugin").click();
  await page.waitForURL(url("/dashboard/plugins"));
  await api("GET", "plugin/mine", undefined, { wanted: 404 });
  await here.close();
});

test("a bundled plugin's test run shows what it does to body and headers", async () => {
  const there = await endpoint(at, "/bundled");
  const message = await send(there.app, { to: "ann@example.com" });
  const here = await tab();
  const { page } = here;
  for (const [plugin, config, wanted] of [
    ["redact", (form) => form.getByLabel("emails").selectOption("Yes"), ["ann@example.com", "[redacted]", "v8"]],
    ["headers", (form) => form.getByLabel("set").fill('{"x-own": "1"}'), ["x-own", "added", "Unchanged."]],
  ]) {
    await here.at(`/dashboard/plugin/${plugin}?app=${there.app}`);
    await config(page.locator("#run"));
    await page.getByLabel("Message", { exact: true }).selectOption(message);
    await button(page, "Run").click();
    await result(page).getByText("replaced").first().waitFor();
    const text = await result(page).innerText();
    for (const part of wanted) expect(text.includes(part), `${part} in ${text}`);
    await fold(page, "The body that would be sent");
    await page.getByRole("region", { name: "Body" }).getByText('"to"').waitFor();
  }
  await here.close();
});

test("a plugin's page lists the endpoints that it is attached to", async () => {
  const there = await endpoint(at, "/attached", { description: "The attached one" });
  await api("PUT", `${there.api}/plugins`, { plugins: [{ name: "redact", config: { emails: true } }] });
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard/plugin/redact");
  const card = page.locator("section.card", { has: page.getByRole("heading", { name: "Attached to" }) });
  await card.getByRole("link", { name: "The attached one" }).click();
  await page.waitForURL(url(`${there.page}/plugins`));
  await here.at("/dashboard/plugin/chat");
  await card.getByText("Not attached to an endpoint").waitFor();
  await here.close();
});

test("event types are created with examples, edited, archived, restored, imported and deleted", async () => {
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard/event-types");
  await open(page, "New event type");
  const form = dialog(page, "New event type");
  await form.getByLabel("Name").fill("invoice.paid");
  await form.getByLabel("Description").fill("An invoice was paid.");
  await form.getByLabel("Schemas").fill('{"1": {"type": "object", "examples": [{"invoice": "in_1"}]}}');
  await button(form, "Create").click();
  await page.waitForURL(url("/dashboard/event-type/invoice.paid"));
  await page.getByLabel("Group").fill("Money");
  await button(page, "Save").click();
  await until(async () => (await api("GET", "event-type/invoice.paid")).groupName === "Money", "the group");
  await here.at("/dashboard/event-types");
  await page.getByRole("heading", { name: "Money" }).waitFor();
  await fold(page, "invoice.paid");
  await page.getByText('"invoice": "in_1"').first().waitFor();
  await page.locator("details", { hasText: "invoice.paid" }).getByRole("link", { name: "Edit" }).click();
  await button(page, "Archive").click();
  await button(page, "Restore").click();
  await button(page, "Archive").waitFor();
  await open(page, "Delete…");
  await button(page, "Delete event type").click();
  await page.waitForURL(url("/dashboard/event-types"));
  await api("GET", "event-type/invoice.paid", undefined, { wanted: 404 });
  await open(page, "Import");
  await dialog(page, "Import").getByLabel("Provider").fill("loops");
  await button(dialog(page, "Import"), "Import").click();
  await page.getByRole("heading", { name: "Contacts" }).waitFor();
  await here.close();
});

test("a read-only portal link is created, copied and revoked", async () => {
  const { app } = await endpoint(at, "/linked");
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard/settings");
  const make = page.locator("form", { has: button(page, "Create link") });
  await make.getByLabel("Application").fill(app);
  await make.getByLabel("Valid for").selectOption("an hour");
  await make.getByLabel("Read-only").check();
  await button(page, "Create link").click();
  const link = await copied(here, result(page).locator(".secret"));
  const customer = await tab({ token: null });
  await customer.page.goto(link);
  await customer.page.waitForURL(url(`/dashboard/app/${app}`));
  customer.expectRefusal();
  await open(customer.page, "Add endpoint");
  await customer.page.getByLabel("URL", { exact: true }).fill(at.at("/other"));
  await button(customer.page, "Create").click();
  await result(customer.page).getByRole("alert").waitFor();
  equal((await api("GET", `app/${app}/endpoint`)).data.length, 1, "endpoints");
  await open(page, "Revoke access links…");
  const revoke = dialog(page, "Revoke access links");
  await revoke.getByLabel("Application").fill(app);
  await button(revoke, "Revoke access links").click();
  await toast(page).getByText("revoked").waitFor();
  await customer.page.reload();
  const text = await customer.page.locator("body").innerText();
  expect(!text.includes("/linked") && /sign/i.test(text), `the customer to be out: ${text}`);
  await customer.close();
  await here.close();
});

await run();
