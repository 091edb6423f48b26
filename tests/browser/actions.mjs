// What people do: with the mouse, by the keyboard alone, and while things change.

import { api, audit, equal, expect, receiver, run, signIn, tab, test, until, url } from "./lib.mjs";

const at = await receiver();
const NOT_SIGNED_IN = null;

/// An application with an endpoint, and where its page is.
async function endpoint(path, more = {}) {
  const app = (await api("POST", "app", { name: "Acme Shop" })).id;
  const id = (await api("POST", `app/${app}/endpoint`, { url: at.at(path), ...more })).id;
  return { app, id, page: `/dashboard/app/${app}/endpoint/${id}`, api: `app/${app}/endpoint/${id}` };
}

const send = async (app, payload = { id: 1 }) => (await api("POST", `app/${app}/msg`, { eventType: "order.paid", payload })).id;
const button = (page, name) => page.getByRole("button", { name, exact: true });
const open = (page, summary) => page.locator("summary", { hasText: summary }).first().click();
const result = (page) => page.locator("#result");

test("one signs in with a token, hears why not with a wrong one, and signs out for good", async () => {
  const here = await tab({ token: NOT_SIGNED_IN });
  const { page } = here;
  here.expectRefusal();
  await here.at("/dashboard");
  equal(new URL(page.url()).pathname, "/dashboard/login", "where one is sent");
  await page.getByLabel("Token").fill("nonsense");
  await button(page, "Sign in").click();
  await page.getByRole("alert").getByText("not a JSON Web Token").waitFor();
  equal(await audit(page), [], "what axe finds of the refusal");
  await signIn(here, process.env.WEIR_TOKEN);
  const cookies = await here.context.cookies();
  equal(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]), [["weir_session", true, "Lax"]], "cookies");
  equal(await page.evaluate(() => document.cookie), "", "what scripts see of it");
  await button(page, "Sign out").click();
  await page.getByLabel("Token").waitFor();
  await here.context.addCookies(cookies);
  await here.at("/dashboard");
  equal(new URL(page.url()).pathname, "/dashboard/login", "where the old cookie leads");
  await here.close();
});

test("a portal's link signs in by itself, and leaves no token in the address", async () => {
  const { app } = await endpoint("/portal");
  const { url: link } = await api("POST", `auth/app-portal-access/${app}`, {});
  const here = await tab({ token: NOT_SIGNED_IN });
  await here.page.goto(link);
  await here.page.waitForURL(url(`/dashboard/app/${app}`));
  expect(!(await here.page.content()).includes(new URL(link).hash.slice(5)), "no token in the page");
  await here.close();
});

test("from nothing to a delivered test event: application, endpoint, event, attempt", async () => {
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard");
  const details = page.locator("details", { hasText: "New application" });
  if (!(await details.evaluate((it) => it.open))) await open(page, "New application");
  await page.getByLabel("Name", { exact: true }).fill("Initech");
  await button(page, "Create").click();
  await page.getByRole("heading", { name: "Initech", level: 1 }).waitFor();
  await page.getByLabel("URL", { exact: true }).fill(at.at("/initech"));
  await page.getByLabel("Description").fill("the first");
  await button(page, "Create").click();
  await page.getByText("enabled", { exact: true }).waitFor();
  await open(page, "Send a test event");
  await page.getByLabel("Event type", { exact: true }).fill("order.paid");
  await page.getByLabel("Payload").fill('{"for": "a test"}');
  await button(page, "Send").click();
  await result(page).getByRole("link").click();
  await page.locator(".status.success").first().waitFor();
  equal(at.seen.filter(({ path }) => path === "/initech").map(({ body }) => JSON.parse(body)), [{ for: "a test" }], "what came");
  await here.close();
});

test("an endpoint is disabled and enabled, changed, and deleted after a question", async () => {
  const there = await endpoint("/change");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await button(page, "Disable").click();
  await button(page, "Enable").click();
  await button(page, "Disable").waitFor();
  equal((await api("GET", there.api)).disabled, false, "disabled");
  await open(page, "Change it");
  await page.getByLabel("Description").fill("changed");
  await button(page, "Save").click();
  await page.locator("main > p", { hasText: "changed" }).waitFor();
  here.agree(false);
  await button(page, "Delete").click();
  equal((await api("GET", there.api)).description, "changed", "it is still there");
  here.agree(true);
  await button(page, "Delete").click();
  await page.waitForURL(url(`/dashboard/app/${there.app}`));
  await api("GET", there.api, undefined, { wanted: 404 });
  equal(here.asked.length, 2, "questions");
  await here.close();
});

test("the secret is shown on demand, and rotated after a question", async () => {
  const there = await endpoint("/secret");
  const { key } = await api("GET", `${there.api}/secret`);
  const here = await tab();
  await here.at(there.page);
  expect(!(await here.page.content()).includes(key), "no secret before it is asked for");
  await button(here.page, "Show the secret").click();
  await result(here.page).getByText(key).waitFor();
  here.agree(true);
  await button(here.page, "Rotate the secret").click();
  await result(here.page).getByText("The new secret").waitFor();
  const rotated = (await api("GET", `${there.api}/secret`)).key;
  expect(rotated !== key && (await result(here.page).innerText()).includes(rotated), "the new one");
  // The clock of the overlap shows, also for who comes later.
  await here.page.locator(".facts div", { hasText: "Old secret signs, too" }).getByText(/in 23 h|in 1 d/).waitFor();
  await here.close();
});

test("a message is sent again, and the attempt shows by itself", async () => {
  const there = await endpoint("/again");
  const message = await send(there.app);
  await until(() => at.seen.some(({ path }) => path === "/again"), "the first delivery");
  const here = await tab();
  await here.at(`/dashboard/app/${there.app}/message/${message}`);
  await here.page.locator(".attempt").first().waitFor();
  await button(here.page, "Send again").click();
  await result(here.page).getByRole("status").waitFor();
  await until(async () => (await here.page.locator(".attempt").count()) === 2, "two attempts on the page");
  await here.close();
});

test("an attempt shows both sides' headers, what plugins did, the answer, and when the next one is", async () => {
  at.answers["/later"] = { status: 500, headers: { "content-type": "text/plain", "x-request-id": "r-7", "set-cookie": "a=b" }, body: "out of paper" };
  const there = await endpoint("/later", { retrySchedule: [3_600] });
  await api("PUT", `${there.api}/headers`, { headers: { "x-customer": "42", authorization: "Bearer hush" } });
  await api("PUT", `${there.api}/plugins`, { plugins: [{ name: "redact", config: { emails: true } }] });
  const message = await send(there.app, { to: "ann@example.com" });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${there.app}/message/${message}`);
  await page.locator(".next").getByText(/in (\d\d min|1 h)/).waitFor();
  await page.locator(".attempt summary").click();
  const attempt = page.locator(".attempt[open]");
  await attempt.getByText("out of paper").waitFor();
  const text = (await attempt.innerText()).replace(/\s+/g, " ");
  for (const part of ["fail 500", "redact", "replaced", "x-customer 42", "authorization (hidden)", "svix-signature v1,", "x-request-id r-7", "set-cookie (hidden)"]) {
    expect(text.includes(part), `${part} in ${text}`);
  }
  const sent = at.seen.find(({ path }) => path === "/later");
  expect(text.includes(sent.headers["svix-signature"]) && !sent.body.includes("ann@"), "it is what came");
  await here.close();
});

test("a replay says how many it touches, then what it does while it runs", async () => {
  const there = await endpoint("/replayed");
  for (let n = 0; n < 5; n++) await send(there.app, { n });
  await until(() => at.seen.filter(({ path }) => path === "/replayed").length === 5, "five deliveries");
  await until(async () => (await api("GET", `${there.api}/stats`)).success === 5, "five on record");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await open(page, "Send again");
  const form = page.locator("form", { has: page.locator("[name=what]") });
  await form.getByLabel("Since").fill(new Date(Date.now() - 600_000).toISOString());
  await form.getByLabel("What").selectOption("bulk-replay");
  await button(form, "Count").click();
  await result(page).getByText("5 messages would be sent again").waitFor();
  equal(at.seen.filter(({ path }) => path === "/replayed").length, 5, "deliveries after counting");
  await button(page, "Send them again").click();
  await page.locator(".task", { hasText: "finished" }).first().waitFor();
  await until(() => at.seen.filter(({ path }) => path === "/replayed").length === 10, "five more");
  await here.close();
});

test("what is wrong in a form is said in place", async () => {
  const there = await endpoint("/wrong");
  const here = await tab();
  here.expectRefusal();
  await here.at(there.page);
  await open(here.page, "Send a test event");
  await here.page.getByLabel("Event type", { exact: true }).fill("order.paid");
  await here.page.getByLabel("Payload").fill("{");
  await button(here.page, "Send").click();
  await result(here.page).getByRole("alert").getByText("not JSON").waitFor();
  equal(new URL(here.page.url()).pathname, there.page, "the page");
  await here.close();
});

test("an endpoint fails and recovers while its page is open, and the numbers follow", async () => {
  at.answers["/flaky"] = { status: 503, body: "not now" };
  const there = await endpoint("/flaky");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  const number = (name) => page.locator(".facts div", { hasText: name }).locator("dd").first().innerText();
  equal(await number("Delivered"), "0", "delivered at first");
  await send(there.app);
  await until(async () => (await number("Failed")) === "3", "three failures on the page");
  delete at.answers["/flaky"];
  await send(there.app);
  await until(async () => (await number("Delivered")) === "1", "one delivery on the page");
  await here.close();
});

test("nothing is asked while nobody looks", async () => {
  const there = await endpoint("/hidden");
  const here = await tab();
  await here.at(there.page);
  const asked = [];
  await here.page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  // One that had been asked before may still come.
  await here.page.waitForLoadState("networkidle");
  here.page.on("request", (request) => asked.push(request.url()));
  await here.page.waitForTimeout(3_500);
  equal(asked, [], "what was asked");
  await here.close();
});

/// Goes on with the tab key until the element has the focus.
async function tabTo(page, locator) {
  await locator.waitFor();
  for (let n = 0; n < 80; n++) {
    if (await locator.evaluate((it) => it === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the tab key does not lead to ${locator}`);
}

test("the main job is done by the keyboard alone", async () => {
  const here = await tab({ token: NOT_SIGNED_IN });
  const { page } = here;
  const { keyboard } = page;
  await here.at("/dashboard/login");
  await page.locator("#token:focus").waitFor(); // without a key pressed
  await keyboard.insertText(process.env.WEIR_TOKEN);
  await keyboard.press("Enter");
  await page.waitForURL(url("/dashboard"));
  await keyboard.press("Tab");
  equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content", "the first stop");
  await keyboard.press("Enter");
  const summary = page.locator("summary", { hasText: "New application" });
  await tabTo(page, summary);
  if (!(await page.locator("details", { has: summary }).evaluate((it) => it.open))) await keyboard.press("Enter");
  await tabTo(page, page.getByLabel("Name", { exact: true }));
  await keyboard.type("By keyboard");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "By keyboard", level: 1 }).waitFor();
  await tabTo(page, page.getByLabel("URL", { exact: true }));
  await keyboard.type(at.at("/keys"));
  await keyboard.press("Enter");
  await page.getByText("enabled", { exact: true }).waitFor();
  await tabTo(page, page.locator("summary", { hasText: "Send a test event" }));
  await keyboard.press("Enter");
  await tabTo(page, page.getByLabel("Event type", { exact: true }));
  await keyboard.type("order.paid");
  await keyboard.press("Tab");
  await keyboard.type('{"by": "keyboard"}');
  await keyboard.press("Tab");
  await keyboard.press("Space");
  await tabTo(page, result(page).getByRole("link"));
  await keyboard.press("Enter");
  await page.locator(".status.success").first().waitFor();
  const attempt = page.locator(".attempt summary").first();
  await attempt.waitFor();
  await tabTo(page, attempt);
  const outlined = () => page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  expect((await outlined()) !== "none", "one sees where the focus is");
  await keyboard.press("Enter");
  const shown = page.locator(".attempt[open]");
  await shown.getByText("thank you").waitFor();
  await shown.getByText("svix-signature").waitFor();
  // It stays as it is while the list is fetched again.
  await page.waitForResponse((response) => response.url() === page.url());
  expect(await shown.getByText("thank you").isVisible(), "it stays open");
  await here.close();
});

await run();
