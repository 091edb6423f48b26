// User actions: with the mouse, with the keyboard alone, and while data changes.

import { api, audit, button, copied, dialog, endpoint, equal, expect, loaded, open, receiver, result, run, send, signIn, stat, tab, test, toast, until, url } from "./lib.mjs";

const at = await receiver();
const NOT_SIGNED_IN = null;

test("signing in with a valid and an invalid token, and signing out for good", async () => {
  const here = await tab({ token: NOT_SIGNED_IN });
  const { page } = here;
  here.expectRefusal();
  await here.at("/dashboard");
  equal(new URL(page.url()).pathname, "/dashboard/login", "the redirect");
  await page.getByLabel("Token").fill("nonsense");
  await button(page, "Sign in").click();
  await page.getByRole("alert").getByText("not a JSON Web Token").waitFor();
  equal(await audit(page), [], "accessibility errors of the error message");
  await signIn(here, process.env.WEIR_TOKEN);
  const cookies = await here.context.cookies();
  const told = cookies.map(({ name, path, httpOnly, sameSite }) => [name, path, httpOnly, sameSite]).sort();
  equal(told, [["weir_here", "/", true, "Lax"], ["weir_session", "/dashboard", true, "Lax"]], "cookies");
  equal(cookies.find(({ name }) => name === "weir_here").value, "1", "the cookie that is visible outside of the dashboard");
  equal(await page.evaluate(() => document.cookie), "", "the cookies visible to scripts");
  await page.getByLabel("Account").click();
  await button(page, "Sign out").click();
  await page.getByLabel("Token").waitFor();
  await here.context.addCookies(cookies);
  await here.at("/dashboard");
  equal(new URL(page.url()).pathname, "/dashboard/login", "the redirect with the old cookie");
  await here.close();
});

test("a portal link signs in automatically and leaves no token in the address", async () => {
  const { app } = await endpoint(at, "/portal");
  const { url: link } = await api("POST", `auth/app-portal-access/${app}`, {});
  const here = await tab({ token: NOT_SIGNED_IN });
  await here.page.goto(link);
  await here.page.waitForURL(url(`/dashboard/app/${app}`));
  expect(!(await here.page.content()).includes(new URL(link).hash.slice(5)), "no token in the page");
  // The link of another application replaces the session; without a token the sign-in page leads back.
  const other = await endpoint(at, "/portal-2");
  const { url: second } = await api("POST", `auth/app-portal-access/${other.app}`, {});
  await here.page.goto(second);
  await here.page.waitForURL(url(`/dashboard/app/${other.app}`));
  await here.page.goto(url("/dashboard/login"));
  await here.page.waitForURL(url(`/dashboard/app/${other.app}`));
  await here.close();
});

test("from nothing to a delivered test event: application, endpoint, event, attempt", async () => {
  const here = await tab();
  const { page } = here;
  await here.at("/dashboard");
  // In a tenant with data the form is behind a button.
  if (await page.locator("[popovertarget=new-app]").count()) await open(page, "New application");
  await page.getByLabel("Name", { exact: true }).fill("Initech");
  await button(page, "Create").click();
  await page.getByRole("heading", { name: "Initech", level: 1 }).waitFor();
  await page.getByLabel("URL", { exact: true }).fill(at.at("/initech"));
  await page.getByLabel("Description").fill("the first");
  await button(page, "Create").click();
  await page.getByText("Enabled", { exact: true }).waitFor();
  await open(page, "Send test event");
  await page.getByLabel("Event type", { exact: true }).fill("order.paid");
  await page.getByLabel("Payload").fill('{"for": "a test"}');
  await button(page, "Send").click();
  await result(page).getByRole("link").click();
  await page.locator(".pill.ok").first().waitFor();
  equal(at.seen.filter(({ path }) => path === "/initech").map(({ body }) => JSON.parse(body)), [{ for: "a test" }], "what came");
  await here.close();
});

test("an endpoint is disabled, enabled, edited, and deleted after a confirmation", async () => {
  const there = await endpoint(at, "/change");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await page.getByLabel("More", { exact: true }).click();
  await button(page, "Disable").click();
  await page.getByText("Disabled: new messages are skipped.").waitFor();
  equal((await api("GET", there.api)).disabled, true, "disabled");
  await button(page, "Enable").first().click();
  await page.locator("#live").getByText("Enabled", { exact: true }).waitFor();
  equal((await api("GET", there.api)).disabled, false, "disabled");
  await page.getByRole("main").getByRole("link", { name: "Settings", exact: true }).click();
  await page.getByLabel("Description").fill("changed");
  await button(page, "Save").click();
  await page.getByRole("heading", { name: "changed", level: 1 }).waitFor();
  await open(page, "Delete endpoint");
  const question = dialog(page, "Delete this endpoint?");
  equal(await audit(page), [], "accessibility errors of the dialog");
  await button(question, "Close").click();
  equal((await api("GET", there.api)).description, "changed", "it is still there");
  await open(page, "Delete endpoint");
  await button(question, "Delete endpoint").click();
  await page.waitForURL(url(`/dashboard/app/${there.app}`));
  await api("GET", there.api, undefined, { wanted: 404 });
  await here.close();
});

test("the secret is shown on demand, copied, and rotated with the chosen overlap", async () => {
  const there = await endpoint(at, "/secret");
  const { key } = await api("GET", `${there.api}/secret`);
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  expect(!(await page.content()).includes(key), "no secret before it is asked for");
  await button(page, "Show secret").click();
  await result(page).getByText(key).waitFor();
  equal(await copied(here, result(page).locator(".secret")), key, "what is copied");
  const rotate = async ({ api: of }, grace) => {
    const { key } = await api("GET", `${of}/secret`);
    await open(page, "Rotate secret");
    await page.getByLabel("The previous secret stays valid for").selectOption(grace);
    await button(page, "Rotate").click();
    await result(page).getByText("The new secret").waitFor();
    const rotated = (await api("GET", `${of}/secret`)).key;
    expect(rotated !== key && (await result(page).innerText()).includes(rotated), "the new one");
  };
  await rotate(there, "an hour");
  // The end of the overlap is shown, also on later visits.
  await here.at(there.page);
  const clock = page.locator(".old-secret");
  await clock.getByText(/in (5\d min|1 h)/).waitFor();
  await send(there.app);
  await until(() => there.came().length === 1, "a delivery");
  equal(there.came()[0].headers["svix-signature"].split(" ").length, 2, "signatures while both sign");
  // A leaked secret: it is invalid immediately.
  const other = await endpoint(at, "/leaked");
  await here.at(other.page);
  await rotate(other, "not at all");
  await here.at(other.page);
  equal(await clock.count(), 0, "clocks of what signs no longer");
  await send(other.app);
  await until(() => other.came().length === 1, "another delivery");
  equal(other.came()[0].headers["svix-signature"].split(" ").length, 1, "signatures after that");
  await here.close();
});

test("ids are copied, and a copy keeps the focus while the page changes", async () => {
  const there = await endpoint(at, "/copied");
  const here = await tab();
  await here.at(there.page);
  equal(await copied(here, here.page.locator("h1 ~ *, .sub").locator(`[title="${there.id}"]`)), there.id, "what is copied");
  await here.page.waitForResponse((response) => response.url().startsWith(here.page.url()));
  await until(() => here.page.evaluate((id) => document.activeElement.id === `copy-${id}`, there.id), "the focus");
  await here.close();
});

test("a paused endpoint receives new messages when it resumes", async () => {
  const there = await endpoint(at, "/paused");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await button(page, "Pause").click();
  await page.locator("#live").getByText("Paused", { exact: true }).waitFor();
  await send(there.app);
  await until(async () => (await stat(page, "Waiting")) === "1", "one that waits, on the page");
  equal(there.came().length, 0, "deliveries while it is paused");
  await button(page, "Resume").first().click();
  await page.locator("#live").getByText("Healthy", { exact: true }).waitFor();
  await until(() => there.came().length === 1, "the delivery");
  await until(async () => (await stat(page, "Delivered")) === "1", "it, on the page");
  await here.close();
});

test("an endpoint's events are selected by group, and a plugin is attached with its failure behavior", async () => {
  for (const name of ["order.paid", "order.lost", "user.created"]) await api("POST", "event-type", { name, description: name });
  const there = await endpoint(at, "/chosen");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await page.getByRole("main").getByRole("link", { name: "Settings", exact: true }).click();
  await page.getByLabel("order", { exact: true }).check();
  expect(await page.locator("[name=event][value='order.lost']").isChecked(), "the group ticks its events");
  await page.locator("[name=event][value='order.lost']").uncheck();
  expect(await page.getByLabel("order", { exact: true }).evaluate((box) => box.indeterminate), "some of the group");
  await button(page, "Save").click();
  await page.locator("#live .tag", { hasText: "order.paid" }).waitFor();
  equal((await api("GET", there.api)).eventTypes, ["order.paid"], "events");

  await page.getByRole("main").getByRole("link", { name: "Plugins", exact: true }).click();
  await open(page, "Attach a plugin");
  await dialog(page, "Attach a plugin").getByRole("link", { name: "redact", exact: true }).click();
  const attach = page.locator("#attaching");
  await attach.getByLabel("On failure").selectOption("Drop the delivery");
  // The form is generated from the schema in the manifest.
  await attach.getByLabel("with", { exact: false }).first().fill("x".repeat(65));
  here.expectRefusal();
  await button(attach, "Attach").click();
  await result(page).getByRole("alert").waitFor();
  await attach.getByLabel("with", { exact: false }).first().fill("");
  await attach.getByLabel("emails").selectOption("Yes");
  await button(attach, "Attach").click();
  await page.getByText("when it fails: drop").waitFor();
  const [{ name, onError, config }] = (await api("GET", `${there.api}/plugins`)).plugins;
  equal([name, onError, config], ["redact", "drop", { emails: true }], "what is attached");
  await send(there.app, { to: "ann@example.com" });
  await until(() => there.came().length === 1, "a delivery");
  expect(!there.came()[0].body.includes("ann@"), "it has passed the plugin");
  await here.close();
});

test("a message is resent, and the attempt appears automatically", async () => {
  const there = await endpoint(at, "/again");
  const message = await send(there.app);
  await until(() => at.seen.some(({ path }) => path === "/again"), "the first delivery");
  const here = await tab();
  await here.at(`/dashboard/app/${there.app}/message/${message}`);
  await here.page.locator(".attempt").first().waitFor();
  await button(here.page, "Resend").first().click();
  await toast(here.page).getByText("Resent.").waitFor();
  await until(async () => (await here.page.locator(".attempt").count()) === 2, "two attempts on the page");
  await here.close();
});

test("an attempt shows request and response headers, plugin results, the response body, and the next attempt", async () => {
  at.answers["/later"] = { status: 500, headers: { "content-type": "text/plain", "x-request-id": "r-7", "set-cookie": "a=b" }, body: "out of paper" };
  const there = await endpoint(at, "/later", { retrySchedule: [3_600] });
  await api("PUT", `${there.api}/headers`, { headers: { "x-source": "shop", "x-customer": "42", authorization: "Bearer hush" } });
  await api("PUT", `${there.api}/plugins`, { plugins: [{ name: "redact", config: { emails: true } }] });
  const message = await send(there.app, { to: "ann@example.com" });
  const here = await tab();
  const { page } = here;
  await here.at(`/dashboard/app/${there.app}/message/${message}`);
  await page.locator(".next").getByText(/in (\d\d min|1 h)/).waitFor();
  await page.locator(".attempt summary").click();
  const attempt = page.locator(".attempt[open]");
  await attempt.locator("pre", { hasText: "out of paper" }).waitFor();
  const text = (await attempt.innerText()).replace(/\s+/g, " ");
  for (const part of ["Failed 500", "redact", "replaced", "x-source shop", "x-customer (hidden)", "authorization (hidden)", "svix-signature v1,", "x-request-id r-7", "set-cookie (hidden)"]) {
    expect(text.includes(part), `${part} in ${text}`);
  }
  const sent = at.seen.find(({ path }) => path === "/later");
  expect(text.includes(sent.headers["svix-signature"]) && !sent.body.includes("ann@"), "it is what came");
  await here.close();
});

test("a toast reports what was done, is announced once, and stays while it is used", async () => {
  const there = await endpoint(at, "/toast");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  await button(page, "Pause").click();
  await toast(page).getByText("Endpoint paused.").waitFor();
  await until(async () => (await page.locator("#said").textContent()) === "Endpoint paused.", "the announcement");
  equal(await page.locator("#said").getAttribute("aria-live"), "polite", "how it is announced");
  equal(await audit(page), [], "accessibility errors of the toast");
  await page.reload();
  await page.locator("#live").getByText("Paused", { exact: true }).waitFor();
  equal(await page.locator("#toasts .toast, main .note[data-toast]").count(), 0, "toasts of the same page later");

  // It disappears by itself, but not under the pointer or the focus.
  await page.clock.install();
  await here.at(there.page);
  await page.locator(".copy").first().click();
  await toast(page).hover();
  await page.clock.runFor(20_000);
  equal(await page.locator("#toasts .toast").count(), 1, "toasts under the pointer");
  await page.mouse.move(0, 0);
  await page.clock.runFor(20_000);
  equal(await page.locator("#toasts .toast").count(), 0, "toasts after a while");

  // An error stays, above the dialog that it is about, until it is closed.
  await open(page, "Send test event");
  await page.getByLabel("Event type", { exact: true }).fill("order.paid");
  await page.route("**/test", (route) => route.abort());
  await button(page, "Send").click();
  await toast(page).getByText("did not respond").waitFor();
  await page.clock.runFor(20_000);
  await button(toast(page), "Close").click();
  equal(await page.locator("#toasts .toast").count(), 0, "closed toasts");
  here.faults.splice(0, here.faults.length, ...here.faults.filter((fault) => !/ERR_FAILED|htmx:(afterRequest|sendError)/.test(fault)));
  await here.close();
});

test("without scripts a notice at the top of the page reports what was done, once", async () => {
  const there = await endpoint(at, "/notice");
  const here = await tab({ scripts: false });
  const { page } = here;
  await here.at(there.page);
  await button(page, "Pause").first().click();
  const notice = page.locator("main > .note", { hasText: "Endpoint paused." });
  await notice.waitFor();
  expect((await notice.boundingBox()).y < 150, "it is at the top");
  await here.at(there.page);
  equal(await notice.count(), 0, "notices of the same page later");
  await here.close();
});

test("errors in a form are shown in place", async () => {
  const there = await endpoint(at, "/wrong");
  const here = await tab();
  here.expectRefusal();
  await here.at(there.page);
  await open(here.page, "Send test event");
  await here.page.getByLabel("Event type", { exact: true }).fill("order.paid");
  await here.page.getByLabel("Payload").fill("{");
  await button(here.page, "Send").click();
  await result(here.page).getByRole("alert").getByText("not JSON").waitFor();
  equal(await here.page.getByLabel("Payload").getAttribute("aria-invalid"), "true", "the field that is wrong");
  equal(await here.page.getByLabel("Payload").inputValue(), "{", "what was typed");
  equal(new URL(here.page.url()).pathname, there.page, "the page");
  await here.close();
});

test("the numbers follow while an endpoint fails and recovers", async () => {
  at.answers["/flaky"] = { status: 503, body: "not now" };
  const there = await endpoint(at, "/flaky");
  const here = await tab();
  const { page } = here;
  await here.at(there.page);
  equal(await stat(page, "Delivered"), "0", "delivered at first");
  await send(there.app);
  await until(async () => (await stat(page, "Failed attempts")) === "3", "three failures on the page");
  delete at.answers["/flaky"];
  await send(there.app);
  await until(async () => (await stat(page, "Delivered")) === "1", "one delivery on the page");
  await here.close();
});

test("a hidden page makes no requests", async () => {
  const there = await endpoint(at, "/hidden");
  const here = await tab();
  await here.at(there.page);
  const asked = [];
  await here.page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  // A request made before may still arrive.
  await here.page.waitForLoadState("networkidle");
  here.page.on("request", (request) => asked.push(request.url()));
  await here.page.waitForTimeout(3_500);
  equal(asked, [], "what was asked");
  await here.close();
});

/// Presses the tab key until the element has the focus.
async function tabTo(page, locator) {
  await locator.waitFor();
  await loaded(page);
  for (let n = 0; n < 80; n++) {
    if (await locator.evaluate((it) => it === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the tab key does not lead to ${locator}`);
}

test("the main tasks work with the keyboard alone", async () => {
  const here = await tab({ token: NOT_SIGNED_IN });
  const { page } = here;
  const { keyboard } = page;
  await here.at("/dashboard/login");
  await page.locator("#token:focus").waitFor(); // without a key pressed
  await keyboard.insertText(process.env.WEIR_TOKEN);
  await keyboard.press("Enter");
  await page.waitForURL(url("/dashboard"));
  await keyboard.press("Tab");
  equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content", "the first stop");
  await keyboard.press("Enter");
  const opener = page.locator("[popovertarget=new-app]").first();
  if (await opener.count()) {
    await tabTo(page, opener);
    await keyboard.press("Enter");
  }
  await tabTo(page, page.getByLabel("Name", { exact: true }));
  await keyboard.type("By keyboard");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "By keyboard", level: 1 }).waitFor();
  await tabTo(page, page.getByLabel("URL", { exact: true }));
  await keyboard.type(at.at("/keys"));
  await keyboard.press("Enter");
  await page.getByText("Enabled", { exact: true }).waitFor();
  await tabTo(page, button(page, "Send test event"));
  await keyboard.press("Enter");
  await tabTo(page, page.getByLabel("Event type", { exact: true }));
  await keyboard.type("order.paid");
  await keyboard.press("Tab");
  await keyboard.type('{"by": "keyboard"}');
  await keyboard.press("Tab");
  await keyboard.press("Space");
  await tabTo(page, result(page).getByRole("link"));
  await keyboard.press("Enter");
  await page.locator(".pill.ok").first().waitFor();
  const attempt = page.locator(".attempt summary").first();
  await attempt.waitFor();
  await tabTo(page, attempt);
  const outlined = () => page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  expect((await outlined()) !== "none", "one sees where the focus is");
  await keyboard.press("Enter");
  const shown = page.locator(".attempt[open]");
  await shown.locator("pre", { hasText: "thank you" }).waitFor();
  await shown.getByText("svix-signature").waitFor();
  // It stays open while the list refreshes.
  await page.waitForResponse((response) => response.url() === page.url());
  expect(await shown.locator("pre", { hasText: "thank you" }).isVisible(), "it stays open");
  await here.close();
});

await run();
