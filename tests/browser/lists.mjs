// Lists: paging in both directions, exports, live updates; and why a delivery is held back or an endpoint is disabled.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createHmac } from "node:crypto";
import { api, audit, button, dialog, each, endpoint, equal, expect, open, receiver, result, run, send, tab, test, until, url } from "./lib.mjs";

const at = await receiver();
/// More rows than one page, and more than the 2,000 rows that exports once had.
const MANY = 2_100;

await api("POST", "event-type", { name: "order.paid", description: "An order was paid." });
const there = await endpoint(at, "/many");
const other = (await api("POST", `app/${there.app}/endpoint`, { url: at.at("/other"), eventTypes: ["order.paid"] })).id;
await each(Array.from({ length: MANY }, (_, n) => n), (n) => send(there.app, { n }), 16);

const ids = (page) => page.locator("#list input[name=one]").evaluateAll((all) => all.map(({ value }) => value));
const attempts = (page) => page.locator("#attempts details.attempt").evaluateAll((all) => all.map(({ id }) => id));

/// Pages down three times and up again, and compares what each page showed.
async function pagesBothWays(here, path, shown) {
  const { page } = here;
  const go = async (word) => {
    const link = page.getByRole("link", { name: word, exact: true });
    await Promise.all([page.waitForNavigation(), link.click()]);
  };
  await here.at(path);
  equal(await page.getByRole("link", { name: "Newer", exact: true }).count(), 0, "links to newer rows on the first page");
  const pages = [await shown(page)];
  for (let n = 0; n < 3; n++) {
    await go("Older");
    pages.push(await shown(page));
  }
  const all = pages.flat();
  expect(pages.every((rows) => rows.length > 0), "rows on every page");
  equal(new Set(all).size, all.length, "rows that are shown once");
  for (const before of pages.slice(0, 3).reverse()) {
    await go("Newer");
    equal(await shown(page), before, "the page before");
  }
  await go("Older");
  equal(await shown(page), pages[1], "the page after, again");
  await go("Newest");
  equal(await shown(page), pages[0], "the first page");
}

test("messages and attempts can be paged in both directions without losing a row", async () => {
  const all = async (id) => (await api("GET", `app/${there.app}/endpoint/${id}/stats`)).success === MANY;
  for (const id of [there.id, other]) await until(() => all(id), "all deliveries", 60_000);
  const here = await tab();
  const messages = `/dashboard/app/${there.app}/messages?live=off`;
  await pagesBothWays(here, messages, ids);
  // The lists of two endpoints, merged.
  await pagesBothWays(here, `${messages}&status=0`, ids);
  await pagesBothWays(here, `${there.page}?live=off`, attempts);
  await here.close();
});

test("an export has every row, however many", async () => {
  const here = await tab();
  await here.at(`/dashboard/app/${there.app}/messages?live=off`);
  await here.page.locator("summary", { hasText: "Export" }).click();
  await here.page.getByText("A file that is not complete says so").waitFor();
  const exported = async (word) => {
    const [download] = await Promise.all([here.page.waitForEvent("download"), here.page.getByRole("link", { name: word }).click()]);
    return { name: download.suggestedFilename(), lines: readFileSync(await download.path(), "utf8").trim().split("\n") };
  };
  const { name, lines } = await exported("As NDJSON");
  equal([name, lines.length], ["messages.ndjson", MANY], "rows of the file");
  equal(new Set(lines.map((line) => JSON.parse(line).id)).size, MANY, "different messages");
  const csv = await exported("As CSV");
  equal([csv.name, csv.lines.length], ["messages.csv", MANY + 1], "rows and the names of the columns");
  await here.close();
});

test("live updates of a list can be switched off and on", async () => {
  const { app } = await endpoint(at, "/live-list");
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/messages`);
  await page.getByRole("link", { name: "Live updates" }).click();
  await page.getByRole("link", { name: "Updates paused" }).waitFor();
  equal(await page.locator("#list").getAttribute("hx-trigger"), null, "what asks again");
  await page.getByRole("link", { name: "Updates paused" }).click();
  await page.getByRole("link", { name: "Live updates" }).waitFor();
  await send(app);
  await page.locator("#list tbody tr").first().waitFor();
  await here.close();
});

test("a message says that its delivery waits for the rate limit", async () => {
  const { app } = await endpoint(at, "/slowly", { throttle: { limit: 1, window: "minute" } });
  let last;
  for (let n = 0; n < 4; n++) last = await send(app, { n });
  const here = await tab();
  await here.at(`/dashboard/app/${app}/message/${last}`);
  await here.page.getByText("Rate limited to 1 requests a minute").waitFor();
  await here.close();
});

test("an endpoint that was disabled by its receiver says so, and since when", async () => {
  at.answers["/gone"] = { status: 410 };
  const gone = await endpoint(at, "/gone");
  await send(gone.app);
  await until(async () => (await api("GET", gone.api)).disabled, "the endpoint to be disabled");
  const here = await tab();
  await here.at(gone.page);
  await here.page.getByText("The receiver answered 410 Gone").locator("time").waitFor();
  await here.close();
});

test("a test event for a source is a command that sends it, and a wrong one shows on the overview", async () => {
  const secret = "the provider's secret";
  const source = await api("POST", "ingest/source", { name: "Our code", type: "github", config: { secret } });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${source.id}`);
  await open(page, "Send test event");
  const form = dialog(page, "Send a test event");
  await form.getByLabel("Payload").fill('{"zen": 1.0}');
  await form.getByLabel("Headers").fill("x-github-event: ping\nx-github-delivery: d-7\ncontent-type: application/json");
  await form.getByLabel("Secret").fill(secret);
  await button(form, "Create command").click();
  const command = await result(page).locator("pre").innerText();
  execFileSync("bash", ["-c", `${command} -sS --fail`], { encoding: "utf8" });
  const { data } = await api("GET", `ingest/source/${source.id}/msg`);
  equal(data.map(({ payload }) => payload), [{ zen: 1 }], "what the source accepted");

  const signature = createHmac("sha256", "another secret").update("{}").digest("hex");
  await fetch(source.ingestUrl, { method: "POST", body: "{}", headers: { "content-type": "application/json", "x-hub-signature-256": `sha256=${signature}` } });
  await here.at("/dashboard");
  const card = page.locator("section.card", { has: page.getByRole("heading", { name: "Recent rejected requests" }) });
  await card.getByRole("link").filter({ hasText: "signature" }).first().click();
  await page.getByRole("heading", { name: "Rejected request", level: 1 }).waitFor();
  await here.close();
});

test("a payload that is not a JSON object is shown and downloaded byte for byte", async () => {
  const source = await api("POST", "ingest/source", { name: "Anything", type: "generic-webhook" });
  const { app } = await endpoint(at, "/raw");
  const here = await tab();
  const check = async (page, bytes, note) => {
    await here.at(page);
    await here.page.getByText(note).waitFor();
    const answer = await here.context.request.get(url(`${page}/payload`));
    equal([...(await answer.body())], [...bytes], `the bytes of ${page}`);
  };
  const sent = [
    ['<a x="1">hi</a>', "This payload is not JSON."],
    ["[1, 2]", "Only line breaks"],
    ["1e400", "Only line breaks"],
    ["{} x", "This payload is not JSON."],
    [Buffer.from([0, 255, 254]), "This payload is binary."],
  ];
  for (const [body, note] of sent) {
    await fetch(source.ingestUrl, { method: "POST", body, headers: { "content-type": "application/octet-stream" } });
    const { data } = await api("GET", `ingest/source/${source.id}/msg?limit=1&with_content=false`);
    await check(`/dashboard/app/${source.id}/message/${data[0].id}`, Buffer.from(body), note);
  }
  const raw = { eventType: "order.paid", payload: {}, transformationsParams: { rawPayload: "a=1&b=2" } };
  const { id } = await api("POST", `app/${app}/msg`, raw);
  await check(`/dashboard/app/${app}/message/${id}`, Buffer.from("a=1&b=2"), "This payload is not JSON.");
  await here.close();
});

test("a text is found in a payload, also in what is folded", async () => {
  const { app } = await endpoint(at, "/found");
  const items = Array.from({ length: 24 }, (_, n) => ({ sku: `item-${n}`, price: { amount: n, currency: n === 22 ? "CHF" : "EUR" } }));
  const id = await send(app, { order: "ord_1", items });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/message/${id}`);
  const payload = page.getByRole("region", { name: "Payload" });
  // Folded, and out of sight.
  await payload.locator("details").first().evaluate((fold) => (fold.open = false));
  await page.getByLabel("Find in the payload").fill("chf");
  await page.getByText("Matching lines: 1").waitFor();
  const hit = payload.locator(".hit");
  expect((await hit.innerText()).includes('"CHF"'), "the line");
  await hit.evaluate((line) => new Promise((done) => new IntersectionObserver(([seen]) => seen.isIntersecting && done()).observe(line)));
  await page.getByLabel("Find in the payload").fill("");
  equal(await payload.locator(".hit").count(), 0, "marks without a text");
  equal(await audit(page), [], "what axe finds");
  await here.close();
});

test("the keyboard shortcuts are listed", async () => {
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard");
  await page.getByLabel("Account").click();
  await button(page, "Keyboard shortcuts").click();
  await dialog(page, "Keyboard shortcuts").getByText("Search and go to any page").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.locator("#palette[open]").getByText("select").waitFor();
  await here.close();
});

test("a list that takes long to load shows a skeleton of its rows, which moves only if motion is wanted", async () => {
  const there = await endpoint(at, "/skeleton");
  await send(there.app);
  for (const [motion, animation] of [["no-preference", "pulse"], ["reduce", "none"]]) {
    const here = await tab({ motion });
    const { page } = here;
    await here.at(`/dashboard/app/${there.app}/messages?live=off`);
    let release;
    const held = new Promise((done) => (release = done));
    await page.route(/messages\?.*status=/, async (route) => {
      await held;
      await route.continue();
    });
    // Playwright waits for a page that is under way, so the page itself notes what it shows.
    const shown = page.evaluate(() => new Promise((done) => {
      const main = document.querySelector("main");
      const note = () => done([main.ariaBusy, getComputedStyle(main.querySelector("td"), "::after").animationName, getComputedStyle(main.querySelector("td > *")).visibility]);
      new MutationObserver(note).observe(main, { attributes: true });
      main.querySelector("nav.tabs a[href*='status=failing']").click();
    }));
    equal(await shown, ["true", animation, "hidden"], "the skeleton");
    release();
    await page.waitForURL(/status=failing/);
    equal(await page.locator("[aria-busy]").count(), 0, "skeletons of a page that is there");
    await here.close();
  }
});

test("payloads are searched, and the page states how far", async () => {
  const there = await endpoint(at, "/searched");
  await send(there.app, { customer: "Ada Lovelace" });
  const wanted = await send(there.app, { customer: "Grace Hopper" });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${there.app}/messages`);
  const search = page.getByLabel("Text in the payload, message id or event id");
  await search.fill("grace h");
  await search.press("Enter");
  await page.getByText(/Searched the newest 2 messages \(\d+ bytes of payloads\)\. There are no older messages\./).waitFor();
  equal(await page.locator("#list tbody tr").count(), 1, "rows");
  await page.locator(".chip", { hasText: "Payload contains" }).waitFor();
  equal(await audit(page), [], "what axe finds");
  // An id opens its message; a status needs an endpoint.
  await search.fill(wanted);
  await search.press("Enter");
  await page.waitForURL(url(`/dashboard/app/${there.app}/message/${wanted}`));
  await api("POST", `app/${there.app}/endpoint`, { url: at.at("/searched-2") });
  here.expectRefusal();
  await here.at(`/dashboard/app/${there.app}/messages?contains=ada&status=0`);
  await page.getByRole("alert").getByText("Select an endpoint").waitFor();
  await here.close();
});

await run();
