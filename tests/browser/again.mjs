// Resending: the number of deliveries is shown first, then the progress.

import { api, audit, button, each, endpoint, equal, expect, open, receiver, result, run, send, tab, test, toast, until, url } from "./lib.mjs";

const at = await receiver();
const since = (ms) => new Date(Date.now() - ms).toISOString();

/// Fills in the form that resends an endpoint's messages, and requests the count.
async function count(page, what) {
  await open(page, "Resend…");
  const form = page.locator("form", { has: page.locator("[name=what]") });
  await form.getByLabel("Accepted since").fill(since(600_000).slice(0, 16));
  await form.getByLabel("Messages to resend", { exact: true }).selectOption(what);
  await button(form, "Preview").click();
}

test("a replay shows the number of messages, then its progress", async () => {
  const there = await endpoint(at, "/replayed");
  for (let n = 0; n < 5; n++) await send(there.app, { n });
  await until(() => there.came().length === 5, "five deliveries");
  await until(async () => (await api("GET", `${there.api}/stats`)).success === 5, "five on record");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await count(page, "bulk-replay");
  await result(page).getByText("5 messages would be resent").waitFor();
  equal(there.came().length, 5, "deliveries after counting");
  await button(page, "Resend them").click();
  await page.locator(".task", { hasText: "Finished" }).first().waitFor();
  await until(() => there.came().length === 10, "five more");
  await here.close();
});

test("failed messages are recovered", async () => {
  at.answers["/broken"] = { status: 500 };
  const there = await endpoint(at, "/broken", { retrySchedule: [] });
  for (let n = 0; n < 3; n++) await send(there.app, { n });
  await until(async () => (await api("GET", `${there.api}/stats`)).fail === 3, "three failures");
  delete at.answers["/broken"];
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await count(page, "recover");
  await result(page).getByText("3 messages would be resent").waitFor();
  await button(page, "Resend them").click();
  await page.locator(".task", { hasText: "Finished" }).first().waitFor();
  await until(() => there.came().length === 6, "three more");
  await here.close();
});

test("a replay shows its progress and is canceled", async () => {
  const app = (await api("POST", "app", { name: "Busy" })).id;
  await each([...Array(4_000).keys()], (n) => send(app, { n }), 16);
  const endpoints = [];
  for (let n = 0; n < 9; n++) endpoints.push((await api("POST", `app/${app}/endpoint`, { url: at.at("/long") })).id);
  for (const id of endpoints) await api("PATCH", `app/${app}/endpoint/${id}`, { paused: true });
  const [own, ...others] = endpoints;
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${app}/endpoint/${own}`);
  await count(page, "replay-missing");
  await result(page).getByText("would be resent").waitFor();
  // Alone it takes half a second, too short to cancel it.
  await page.evaluate(() => {
    const observer = new MutationObserver(() => {
      const cancel = [...document.querySelectorAll(".out .task button")].find((it) => it.textContent === "Cancel");
      if (!cancel) return;
      observer.disconnect();
      window.progressWas = cancel.closest(".task").querySelector("progress").value;
      setTimeout(() => cancel.click(), 30); // when htmx knows it
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
  await button(page, "Resend them").click();
  await Promise.all(others.map((id) => api("POST", `app/${app}/endpoint/${id}/replay-missing`, { since: since(600_000) })));
  await result(page).getByText("Canceled").waitFor();
  expect((await page.evaluate(() => window.progressWas)) < 100, "progress before that");
  equal(await button(page, "Cancel").count(), 0, "buttons of what is over");
  const id = (await result(page).locator("[id^=task-]").first().getAttribute("id")).slice("task-".length);
  const { data } = await api("GET", `background-task/${id}`);
  expect(data.canceled && data.messages < 4_000, `it to have stopped before its end: ${JSON.stringify(data)}`);
  await here.at("/dashboard/tasks");
  await page.locator(".task", { hasText: "Canceled" }).first().waitFor();
  await until(async () => (await page.goto(url("/dashboard/tasks"))) && (await page.locator(".task", { hasText: "Finished" }).count()) >= others.length, "the others go on");
  equal(at.seen.filter(({ path }) => path === "/long").length, 0, "deliveries to what is paused");
  await here.close();
});

test("selected messages are resent to all of their endpoints", async () => {
  const there = await endpoint(at, "/ticked");
  await api("POST", `app/${there.app}/endpoint`, { url: at.at("/ticked-too") });
  const [one, two, three] = [await send(there.app, { n: 1 }), await send(there.app, { n: 2 }), await send(there.app, { n: 3 })];
  const both = () => at.seen.filter(({ path }) => path.startsWith("/ticked")).length;
  await until(() => both() === 6, "six deliveries");
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${there.app}/messages`);
  await page.getByLabel(`Select ${one}`).check();
  await page.getByLabel(`Select ${three}`).check();
  equal(await audit(page), [], "what axe finds");
  // The selection is kept when new messages arrive.
  const newest = await send(there.app, { n: 4 });
  await until(() => both() === 8, "two more deliveries");
  await page.waitForTimeout(2_500);
  expect(await page.getByLabel(`Select ${three}`).isChecked(), "it stays ticked");
  equal(await page.getByLabel(`Select ${newest}`).count(), 0, "rows that came under what is ticked");
  await button(page, "Resend selected (2)").click();
  await result(page).getByText("4 deliveries would be resent").waitFor();
  equal(both(), 8, "deliveries after counting");
  await button(page, "Resend them").click();
  await toast(page).getByText("4 of 4 are resent").waitFor();
  await until(() => both() === 12, "four more");
  const again = at.seen.slice(-4).map(({ headers }) => headers["svix-id"]).sort();
  equal(again, [one, one, three, three].sort(), "what was sent again");
  expect(!again.includes(two), "what was not ticked is not");
  await here.close();
});

test("all failures of an endpoint are selected at once, and messages that cannot be sent are reported", async () => {
  at.answers["/failing"] = { status: 500 };
  const there = await endpoint(at, "/failing", { retrySchedule: [] });
  await api("POST", `app/${there.app}/endpoint`, { url: at.at("/fine") });
  for (let n = 0; n < 3; n++) await send(there.app, { n });
  await until(async () => (await api("GET", `${there.api}/stats`)).fail === 3, "three failures");
  delete at.answers["/failing"];
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await open(page, "Resend…");
  await page.getByRole("link", { name: "Or select single messages" }).click();
  await page.waitForURL((to) => to.search.includes(there.id));
  here.expectRefusal();
  await button(page, "Resend selected").click();
  await result(page).getByRole("alert").getByText("Select messages to resend").waitFor();
  await page.getByLabel("Select all on this page").check();
  await button(page, "Resend selected (3)").click();
  await result(page).getByText("3 deliveries would be resent").waitFor();
  await api("PATCH", there.api, { disabled: true });
  await button(page, "Resend them").click();
  await result(page).getByText("The endpoint is disabled").waitFor();
  await api("PATCH", there.api, { disabled: false });
  await button(page, "Resend selected (3)").click();
  await result(page).getByText("3 deliveries would be resent").waitFor();
  await button(page, "Resend them").click();
  await toast(page).getByText("3 of 3 are resent").waitFor();
  await until(() => there.came().length === 6, "three more, to this endpoint alone");
  equal(at.seen.filter(({ path }) => path === "/fine").length, 3, "to the other one");
  await here.close();
});

await run();
