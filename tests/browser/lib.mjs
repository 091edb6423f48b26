// Shared by the scripts of this directory: API calls, a webhook receiver, a strict browser tab, and a test runner.
//
// A script registers tests with `test` and prints one JSON object per line for each: its name, whether it passed, and its
// duration. WEIR_URL is a gateway, WEIR_TOKEN a tenant's token, CHROMIUM the browser. WEIR_SLOW=600 delays every script, and what scripts
// request, by so many milliseconds, to find tests that pass only because the machine is fast.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { WEIR_URL, WEIR_TOKEN, CHROMIUM } = process.env;
const SLOW = Number(process.env.WEIR_SLOW ?? 0);
export const url = (path) => WEIR_URL + path;

/// Calls the API. A status other than 2xx, or than `wanted`, is an error.
export async function api(method, path, body, { token = WEIR_TOKEN, wanted } = {}) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(url(`/api/v1/${path}`), { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (wanted ? answer.status !== wanted : !answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/// Polls until `look` returns a truthy value.
export async function until(look, what, ms = 10_000) {
  for (const end = Date.now() + ms; ; ) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/// A webhook receiver. `answers[path]` is the response of a path: status, headers, body. The default is 200.
export async function receiver(answers = {}) {
  const seen = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      seen.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
      const { status = 200, headers = { "content-type": "text/plain" }, body = "thank you" } = answers[request.url] ?? {};
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const at = (path) => `http://127.0.0.1:${server.address().port}${path}`;
  return { at, answers, seen, close: () => (server.closeAllConnections(), server.close()) };
}

/// Creates an application with an endpoint at this receiver, and returns its page.
export async function endpoint(at, path, more = {}) {
  const app = (await api("POST", "app", { name: "Acme Shop" })).id;
  const id = (await api("POST", `app/${app}/endpoint`, { url: at.at(path), ...more })).id;
  const came = () => at.seen.filter((one) => one.path === path);
  return { app, id, came, page: `/dashboard/app/${app}/endpoint/${id}`, api: `app/${app}/endpoint/${id}` };
}

/// Sends an event and returns the message id.
export const send = async (app, payload = { id: 1 }) => (await api("POST", `app/${app}/msg`, { eventType: "order.paid", payload })).id;

// Elements of most pages: a button by its label, a dialog to open, the result of an action, a fact by its name.
export const button = (page, name) => page.getByRole("button", { name, exact: true });
/// Opens the dialog of a button, which may be in the menu of further actions.
export const open = async (page, name) => {
  const opener = page.locator("[popovertarget]:not([popovertargetaction])", { hasText: name }).first();
  const menu = page.locator("main details.menu").filter({ has: opener });
  if (await menu.count()) await menu.locator("summary").click();
  await opener.click();
};
/// Opens a folded section.
export const fold = (page, summary) => page.locator("summary", { hasText: summary }).first().click();
/// The dialog with this title.
export const dialog = (page, title) => page.locator(".dialog", { has: page.getByRole("heading", { name: title }) }).first();
/// The result of an action, on the page or in the open dialog.
export const result = (page) => page.locator(".out:not(:empty)").last();
/// The newest toast.
export const toast = (page) => page.locator("#toasts .toast").last();
export const fact = (on, name) => on.locator(`.facts div:has(dt:has-text(${JSON.stringify(name)})) dd`).first().innerText();
/// A key number by its label.
export const stat = async (page, name) => (await page.locator(".stat", { has: page.locator(".l", { hasText: name }) }).locator(".v").first().innerText()).trim();

/// The text that the copy button next to an element puts on the clipboard.
export async function copied(here, from) {
  await here.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await from.locator("+ [data-copy]").or(from.locator("[data-copy]")).first().click();
  await here.page.locator("[data-copy].done").first().waitFor();
  return here.page.evaluate(() => navigator.clipboard.readText());
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

/// A tab with its own session. It records faults: browser dialogs, console errors (including violations of the content security
/// policy) and requests to other origins. `at(path)` navigates; `close` throws the faults.
export async function tab({ token = WEIR_TOKEN, dark = false, phone = false, scripts = true, elsewhere = false, locale, viewport, motion = "reduce", zoom = 1 } = {}) {
  const context = await browser.newContext({
    colorScheme: dark ? "dark" : "light",
    viewport: viewport ?? (phone ? { width: 360, height: 740 } : { width: 1200 / zoom, height: 800 / zoom }),
    // A zoomed page has the same number of device pixels and fewer CSS pixels.
    deviceScaleFactor: zoom,
    javaScriptEnabled: scripts,
    reducedMotion: motion,
    locale,
  });
  if (SLOW) {
    await context.route("**/*", async (route) => {
      if (["script", "xhr", "fetch"].includes(route.request().resourceType())) await new Promise((done) => setTimeout(done, SLOW));
      await route.continue().catch(() => {}); // the tab may be closed by then
    });
  }
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  actsOnLoadedPages(page);
  const faults = [];
  const own = { refused: false };
  page.on("dialog", async (dialog) => {
    faults.push(`a dialog of the browser: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(`an error: ${error.message}`));
  page.on("console", (message) => {
    // The browser also logs 4xx responses as errors.
    const refused = /Failed to load resource: .* status of (4\d\d)/.test(message.text());
    if (message.type() === "error" && !(refused && own.refused)) faults.push(`the console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const to = request.url();
    if (!elsewhere && !to.startsWith(WEIR_URL + "/") && !to.startsWith("data:")) faults.push(`a request to ${to}`);
  });
  const at = async (path) => {
    // A previous action may still be navigating: wait for it.
    for (let tries = 1; ; tries += 1) {
      try {
        return await page.goto(url(path));
      } catch (fault) {
        if (tries === 5 || !/interrupted by another navigation|ERR_ABORTED/.test(fault.message)) throw fault;
        await page.waitForLoadState();
      }
    }
  };
  const close = async () => {
    await context.close();
    if (faults.length) throw new Error(faults.join("\n"));
  };
  const here = { page, context, faults, at, close };
  /// Expects a 4xx response from now on.
  here.expectRefusal = () => (own.refused = true);
  if (token) await signIn(here, token);
  return here;
}

/// Waits until the page and its frames have loaded.
export const loaded = (page) => Promise.all(page.frames().map((frame) => frame.waitForLoadState().catch(() => {}))); // a frame may go

let patched = false;
/// Locators act once the page and its frames have loaded, and with them their scripts: before that, forms work as they do without
/// scripts. (`goto` waits for this, the click on a link does not.)
function actsOnLoadedPages(page) {
  if (patched) return;
  patched = true;
  const locators = Object.getPrototypeOf(page.locator("html"));
  for (const act of ["click", "check", "uncheck", "fill", "press", "selectOption", "setInputFiles"]) {
    const plain = locators[act];
    locators[act] = async function (...how) {
      await this.waitFor({ state: "attached" });
      await loaded(this.page());
      return plain.apply(this, how);
    };
  }
}

/// Signs in with the form.
export async function signIn({ page, at }, token) {
  await at("/dashboard/login");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((to) => !to.pathname.endsWith("/login"));
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// The serious accessibility errors that axe finds. (axe is injected by the debugger, so the page's policy does not apply.)
export async function audit(page, within) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((within) =>
    window.axe.run(within ?? document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }),
    within,
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} (${failureSummary})`).join("; ")}`);
}

/// The errors that axe finds in each dialog of a page while it is open.
export async function auditDialogs(page) {
  const found = [];
  for (const id of await page.locator(".dialog[popover]").evaluateAll((all) => all.map((it) => it.id))) {
    await page.evaluate((id) => document.getElementById(id).showPopover(), id);
    found.push(...(await audit(page, `[id="${id}"]`)));
    await page.evaluate((id) => document.getElementById(id).hidePopover(), id);
  }
  return found;
}

/// Opens all folded sections so that they are checked, too.
export async function unfold(page) {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  await page.waitForTimeout(50); // what is fetched when it is opened has been asked for by then
  await page.waitForFunction(() => !document.querySelector(".htmx-request"));
}

export function expect(truth, what) {
  if (!truth) throw new Error(`expected ${what}`);
}

export function equal(left, right, what) {
  const [one, two] = [left, right].map((value) => JSON.stringify(value));
  if (one !== two) throw new Error(`${what}: ${one} is not ${two}`);
}

/// Runs `work` for every item with limited concurrency.
export async function each(list, work, width = 3) {
  const rest = [...list];
  const one = async () => {
    while (rest.length) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: width }, one));
}

const tests = [];
/// The time limit of a test.
const LONGEST_MS = 180_000;
export const test = (name, work) => tests.push({ name, work });

/// Runs the registered tests (or those whose names contain ONLY) in order, and ends the process.
export async function run() {
  let good = true;
  for (const { name, work } of tests.filter(({ name }) => name.includes(process.env.ONLY ?? ""))) {
    const begun = Date.now();
    let error;
    try {
      await Promise.race([work(), new Promise((_, fail) => setTimeout(fail, LONGEST_MS, new Error("the test timed out")))]);
    } catch (thrown) {
      error = String(thrown?.stack ?? thrown);
      good = false;
    }
    console.log(JSON.stringify({ test: name, ok: !error, ms: Date.now() - begun, error }));
  }
  await browser.close();
  process.exit(good ? 0 : 1);
}
