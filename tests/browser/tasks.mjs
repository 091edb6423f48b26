// Five tasks of a support engineer, each within five clicks. Typing is not counted.

import { api, button, copied, each, endpoint, equal, expect, open, receiver, result, run, send, tab, test, until } from "./lib.mjs";

const at = await receiver();
const MOST = 5;

/// A tab that counts clicks.
async function counted() {
  const here = await tab();
  here.clicks = 0;
  await here.page.exposeFunction("countClick", () => here.clicks++);
  await here.page.addInitScript(() => addEventListener("click", (event) => event.isTrusted && event.detail > 0 && window.countClick(), true));
  here.done = async (what) => {
    expect(here.clicks > 0 && here.clicks <= MOST, `at most ${MOST} clicks to ${what}, not ${here.clicks}`);
    await here.close();
  };
  return here;
}

/// Searches with the keyboard and opens the first result with a click.
async function find(page, wanted) {
  await page.keyboard.press("Control+k");
  await page.keyboard.insertText(wanted);
  await page.locator("#found a").first().click();
}

test("why a customer did not get an event", async () => {
  const uid = `contoso-${Date.now()}`;
  for (const name of ["order.paid", "order.lost"]) await api("POST", "event-type", { name, description: name });
  const app = (await api("POST", "app", { name: "Contoso", uid })).id;
  await api("POST", `app/${app}/endpoint`, { url: at.at("/contoso"), description: "Contoso's server", eventTypes: ["order.lost"] });
  await api("POST", `app/${app}/msg`, { eventType: "order.paid", eventId: "ord-4711", payload: {} });
  const here = await counted();
  const { page } = here;
  await here.at("/dashboard");
  await find(page, uid);
  await page.getByRole("link", { name: "Messages", exact: true }).first().click();
  await page.locator("tr", { hasText: "ord-4711" }).getByRole("link", { name: "order.paid" }).click();
  await page.getByText("Listens to").waitFor();
  expect((await page.getByRole("main").innerText()).includes("order.lost"), "what it listens to");
  await here.done("see why");
});

test("a range of messages is resent", async () => {
  at.answers["/range"] = { status: 500 };
  const there = await endpoint(at, "/range", { retrySchedule: [3_600] });
  for (let n = 0; n < 3; n++) await send(there.app, { n });
  await until(() => there.came().length === 3, "three failures");
  at.answers["/range"] = { status: 200 };
  const here = await counted();
  const { page } = here;
  await here.at("/dashboard");
  await find(page, there.id);
  await button(page, "Resend…").click();
  await page.getByLabel("Accepted since").fill(new Date(Date.now() - 3_600_000).toISOString().slice(0, 16));
  await button(page, "Preview").click();
  await page.getByText("messages would be resent").waitFor();
  await button(page, "Resend them").click();
  await until(() => there.came().length >= 6, "all three again");
  await here.done("resend a range");
});

test("a secret is rotated", async () => {
  const there = await endpoint(at, "/rotated");
  const before = (await api("GET", `${there.api}/secret`)).key;
  const here = await counted();
  const { page } = here;
  await here.at("/dashboard");
  await find(page, there.id);
  await open(page, "Rotate secret");
  await button(page, "Rotate").click();
  await result(page).getByText("The new secret").waitFor();
  expect((await api("GET", `${there.api}/secret`)).key !== before, "another secret");
  await here.done("rotate a secret");
});

test("GitHub is connected", async () => {
  const here = await counted();
  const { page } = here;
  await here.at("/dashboard");
  await page.getByRole("link", { name: "Sources", exact: true }).first().click();
  await page.getByRole("link", { name: "New source" }).first().click();
  await page.getByLabel("Search providers").fill("github");
  await page.locator('.tile[href$="type=github"]').click();
  await page.getByLabel("Name", { exact: true }).fill("Our repositories");
  await page.getByLabel("Secret").fill("the provider's secret");
  await button(page, "Create source").click();
  await page.getByRole("heading", { name: "Our repositories", level: 1 }).waitFor();
  expect((await copied(here, page.locator(".secret").first())).includes("/in/"), "the URL for GitHub");
  await here.done("connect GitHub");
});

test("the failing endpoints of a tenant with 500 applications are found", async () => {
  at.answers["/broken"] = { status: 500 };
  const apps = [];
  await each(Array.from({ length: 500 }, (_, n) => n), async (n) => (apps[n] = (await api("POST", "app", { name: `Customer ${n}` })).id), 8);
  // An old one and one in the middle, which are not among the newest.
  const broken = await Promise.all([3, 250].map(async (n) => {
    const id = (await api("POST", `app/${apps[n]}/endpoint`, { url: at.at("/broken"), retrySchedule: [3_600] })).id;
    for (let m = 0; m < 2; m++) await send(apps[n]);
    return { n, id };
  }));
  await until(async () => {
    const reported = (await api("GET", "overview")).endpoints.map(({ endpointId }) => endpointId);
    return broken.every(({ id }) => reported.includes(id));
  }, "both to be reported", 60_000);
  const here = await counted();
  const { page } = here;
  await here.at("/dashboard");
  const stat = page.locator(".stat", { has: page.locator(".l", { hasText: "Failing endpoints" }) });
  await until(async () => {
    await here.at("/dashboard");
    return Number(await stat.locator(".v").innerText()) >= 2;
  }, "the number of all applications");
  await stat.click();
  for (const { n, id } of broken) {
    equal(await page.locator("tr", { hasText: `Customer ${n}` }).locator(`a[href$="${id}"]`).count(), 1, `Customer ${n}`);
  }
  await page.locator("tr", { hasText: "Customer 250" }).getByRole("link").first().click();
  await page.getByRole("main").getByText("Failing").first().waitFor();
  await here.done("find them");
});

await run();
