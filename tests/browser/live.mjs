// The live view: rows appear immediately, also after an interruption, and gaps are reported.

import { createHmac } from "node:crypto";
import { api, audit, button, equal, expect, receiver, run, tab, test, until, url } from "./lib.mjs";

const at = await receiver({ "/down": { status: 500, body: "no" } });
for (const name of ["order.paid", "order.lost"]) await api("POST", "event-type", { name, description: name });
const app = (await api("POST", "app", { name: "Acme Shop" })).id;
const good = (await api("POST", `app/${app}/endpoint`, { url: at.at("/up"), eventTypes: ["order.paid"] })).id;
await api("POST", `app/${app}/endpoint`, { url: at.at("/down"), eventTypes: ["order.lost"] });
const send = async (eventType, more = {}) =>
  (await api("POST", `app/${app}/msg`, { eventType, payload: { id: 1 }, ...more })).id;

const rows = (page) => page.locator("#tail tbody tr");
const state = (page, text) => page.locator("#tail-state", { hasText: text }).waitFor();
const row = (page, id) => page.locator(`#t-${id}`);
/// The ids of the messages shown, newest first.
const shown = (page) => rows(page).evaluateAll((all) => all.map((it) => it.id).filter((id) => id.startsWith("t-msg_")).map((id) => id.slice(2)));

test("an empty live view explains how to send the first event, then shows it and its attempt", async () => {
  const empty = (await api("POST", "app", { name: "New" })).id;
  const here = await tab();
  await here.at(`/dashboard/app/${empty}/live`);
  await state(here.page, "Connected");
  expect((await here.page.locator("#tail-empty").innerText()).includes(`/api/v1/app/${empty}/msg`), "a line to paste");
  equal(await audit(here.page), [], "what axe finds");
  await api("POST", `app/${empty}/msg`, { eventType: "a.b", payload: {} });
  await rows(here.page).first().waitFor();
  expect(await here.page.locator("#tail-empty").isHidden(), "the hint has gone");
  await here.close();
});

test("messages and attempts appear once each, as they happen", async () => {
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/live`);
  await state(page, "Connected");
  const one = await send("order.paid", { tags: ["eu"] });
  await row(page, one).waitFor();
  await until(async () => (await rows(page).locator(".pill.ok").count()) === 1, "its attempt");
  const two = await send("order.lost");
  await until(async () => (await rows(page).locator(".pill.bad").count()) === 3, "three attempts that failed");
  equal(await shown(page), [two, one], "messages");
  equal(await audit(page), [], "what axe finds");
  await row(page, one).getByRole("link").click();
  await page.waitForURL(url(`/dashboard/app/${app}/message/${one}`));
  await here.close();
});

test("filters are in the URL and exclude other rows", async () => {
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/live`);
  await page.getByLabel("Event type").fill("order.paid");
  await page.getByLabel("Show").selectOption("messages");
  await button(page, "Apply").click();
  await page.waitForURL((to) => to.search.includes("event_types=order.paid") && to.search.includes("what=messages"));
  await state(page, "Connected");
  await send("order.lost");
  const wanted = await send("order.paid");
  await row(page, wanted).waitFor();
  const texts = await rows(page).allInnerTexts();
  expect(texts.every((text) => text.includes("order.paid")), `only messages of that type: ${texts}`);
  await here.at(`/dashboard/app/${app}/live?what=attempts&endpoint=${good}&status=0`);
  await rows(page).first().waitFor();
  expect((await rows(page).allInnerTexts()).every((text) => text.includes("Delivered") && text.includes("/up")), "only its attempts");
  await here.close();
});

test("an interrupted live view resumes without duplicates", async () => {
  const here = await tab();
  const { page, context } = here;
  await here.at(`/dashboard/app/${app}/live?what=messages`);
  await state(page, "Connected");
  const before = await shown(page);
  await context.setOffline(true);
  // Going offline does not close an open stream, so the page is notified as the browser would do.
  await page.evaluate(() => document.getElementById("tail-pause").click());
  await state(page, "Paused");
  const missed = [await send("order.paid"), await send("order.paid")];
  await page.evaluate(() => document.getElementById("tail-pause").click());
  await state(page, "The connection was lost");
  here.faults.length = 0; // the browser says that it is offline, which it is
  await context.setOffline(false);
  await state(page, "Connected");
  await row(page, missed[1]).waitFor();
  equal(await shown(page), [...missed.reverse(), ...before], "messages");
  await here.close();
});

test("a paused live view makes no requests, and shows the missed rows when it resumes", async () => {
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/live?what=messages`);
  await state(page, "Connected");
  await button(page, "Pause").click();
  await state(page, "Paused");
  const meanwhile = await send("order.paid");
  equal(await row(page, meanwhile).count(), 0, "it shows");
  await button(page, "Resume").click();
  await row(page, meanwhile).waitFor();
  await here.close();
});

test("a hidden live view makes no requests, and shows the missed rows afterwards", async () => {
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/live?what=messages`);
  await state(page, "Connected");
  const look = (hidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await look(true);
  const meanwhile = await send("order.paid");
  await page.waitForTimeout(3_500); // longer than a tail takes to look twice
  equal(await row(page, meanwhile).count(), 0, "it shows");
  await look(false);
  await row(page, meanwhile).waitFor();
  await here.close();
});

test("a gap is reported with a link to the missing rows", async () => {
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/live?what=messages`);
  await state(page, "Connected");
  await button(page, "Pause").click();
  await Promise.all(Array.from({ length: 10 }, async () => {
    for (let n = 0; n < 25; n++) await send("order.paid");
  }));
  await button(page, "Resume").click();
  await page.locator("tr.gap", { hasText: "are missing: the live view was disconnected" }).waitFor();
  await page.locator("tr.gap a").click();
  await page.waitForURL((to) => to.pathname.endsWith("/messages") && to.search.includes("after="));
  await here.close();
});

test("signing out in another tab ends the stream", async () => {
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/live?what=messages`);
  await state(page, "Connected");
  await page.evaluate(async () => {
    const body = new URLSearchParams({ _proof: document.body.dataset.proof });
    await fetch("/dashboard/logout", { method: "POST", body, redirect: "manual" });
  });
  await state(page, "You are signed out");
  const after = await send("order.paid");
  await page.waitForTimeout(3_500); // longer than a tail takes to look twice
  equal(await row(page, after).count(), 0, "it shows");
  await here.close();
});

test("a source's live view shows accepted, delivered and rejected requests", async () => {
  const source = await api("POST", "ingest/source", { name: "Our code", type: "github", config: { secret: "our secret" } });
  await api("POST", `ingest/source/${source.id}/endpoint`, { url: at.at("/pushed") });
  const push = (body, secret) => fetch(source.ingestUrl, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", "x-github-event": "push", "x-github-delivery": body, "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}` },
  });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${source.id}`);
  await page.getByRole("link", { name: "Live", exact: true }).first().click();
  await state(page, "Connected");
  await push('{"ref":"one"}', "our secret");
  await until(async () => (await rows(page).locator(".pill.ok").count()) === 1, "its attempt");
  await push('{"ref":"two"}', "another");
  await rows(page).filter({ hasText: "Rejected" }).filter({ hasText: "signature" }).waitFor();
  equal(await rows(page).count(), 3, "rows");
  equal(await audit(page), [], "what axe finds");
  await rows(page).filter({ hasText: "Rejected" }).getByRole("link").click();
  await page.locator("pre", { hasText: '{"ref":"two"}' }).waitFor();
  await here.close();
});

test("a customer can follow only their own application", async () => {
  const other = (await api("POST", "app", { name: "Globex" })).id;
  const { url: link } = await api("POST", `auth/app-portal-access/${app}`, {});
  const here = await tab({ token: new URL(link).hash.slice("#key=".length) });
  here.expectRefusal();
  await here.at(`/dashboard/app/${app}/live?what=messages`);
  await state(here.page, "Connected");
  for (const path of [`/dashboard/app/${other}/live`, `/dashboard/app/${other}/live/events`]) {
    equal((await here.context.request.get(url(path), { maxRedirects: 0 })).status(), 404, path);
  }
  await here.close();
});

await run();
