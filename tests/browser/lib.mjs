// What the scripts of this directory share: the API, a receiver, a browser that forgives nothing, and tests.
//
// A script says what it tests with `test`, and prints one JSON object a line for each: its name, whether it held, how long
// it took. WEIR_URL is a gateway, WEIR_TOKEN a tenant's token, CHROMIUM the browser.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { WEIR_URL, WEIR_TOKEN, CHROMIUM } = process.env;
export const url = (path) => WEIR_URL + path;

/// Calls the API; an answer that is no success is an error unless it is waited for.
export async function api(method, path, body, { token = WEIR_TOKEN, wanted } = {}) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(url(`/api/v1/${path}`), { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (wanted ? answer.status !== wanted : !answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/// Asks again until what is looked for is there.
export async function until(look, what, ms = 10_000) {
  for (const end = Date.now() + ms; ; ) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/// A receiver of webhooks. `answers[path]` is what a path answers: status, headers, body; 200 where nothing is said.
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

/// An application with an endpoint of this receiver, and where its page is.
export async function endpoint(at, path, more = {}) {
  const app = (await api("POST", "app", { name: "Acme Shop" })).id;
  const id = (await api("POST", `app/${app}/endpoint`, { url: at.at(path), ...more })).id;
  const came = () => at.seen.filter((one) => one.path === path);
  return { app, id, came, page: `/dashboard/app/${app}/endpoint/${id}`, api: `app/${app}/endpoint/${id}` };
}

/// Sends an event; its message's id.
export const send = async (app, payload = { id: 1 }) => (await api("POST", `app/${app}/msg`, { eventType: "order.paid", payload })).id;

// What is on most pages: a button by its word, a form to open, where things report, a fact by its name.
export const button = (page, name) => page.getByRole("button", { name, exact: true });
/// Opens the dialog behind a button, which may be in the menu of what else can be done.
export const open = async (page, name) => {
  const opener = page.locator("[popovertarget]:not([popovertargetaction])", { hasText: name }).first();
  const menu = page.locator("main details.menu").filter({ has: opener });
  if (await menu.count()) await menu.locator("summary").click();
  await opener.click();
};
/// Opens what is folded.
export const fold = (page, summary) => page.locator("summary", { hasText: summary }).first().click();
/// The dialog of this title.
export const dialog = (page, title) => page.locator(".dialog", { has: page.getByRole("heading", { name: title }) }).first();
/// Where things report: on the page, and in the dialog that is open.
export const result = (page) => page.locator(".out:not(:empty)").last();
export const fact = (on, name) => on.locator(`.facts div:has(dt:has-text(${JSON.stringify(name)})) dd`).first().innerText();
/// A number of a page by the word above it.
export const stat = async (page, name) => (await page.locator(".stat", { has: page.locator(".l", { hasText: name }) }).locator(".v").first().innerText()).trim();

/// What the button behind this puts on the clipboard.
export async function copied(here, from) {
  await here.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await from.locator("+ [data-copy]").or(from.locator("[data-copy]")).first().click();
  await here.page.locator("[data-copy].done").first().waitFor();
  return here.page.evaluate(() => navigator.clipboard.readText());
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

/// A tab with a session of its own. What no page may do is kept as a fault: a dialog, an error in the console (a breach of the
/// page's policy is one), a request to another origin. `at(path)` goes there; `close` throws the faults.
export async function tab({ token = WEIR_TOKEN, dark = false, phone = false, scripts = true, elsewhere = false, locale, viewport, motion = "reduce", zoom = 1 } = {}) {
  const context = await browser.newContext({
    colorScheme: dark ? "dark" : "light",
    viewport: viewport ?? (phone ? { width: 360, height: 740 } : { width: 1200 / zoom, height: 800 / zoom }),
    // A page that is zoomed has as many pixels, and fewer of CSS's.
    deviceScaleFactor: zoom,
    javaScriptEnabled: scripts,
    reducedMotion: motion,
    locale,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const faults = [];
  const own = { refused: false };
  page.on("dialog", async (dialog) => {
    faults.push(`a dialog of the browser: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(`an error: ${error.message}`));
  page.on("console", (message) => {
    // What the gateway refuses, the browser calls an error, too.
    const refused = /Failed to load resource: .* status of (4\d\d)/.test(message.text());
    if (message.type() === "error" && !(refused && own.refused)) faults.push(`the console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const to = request.url();
    if (!elsewhere && !to.startsWith(WEIR_URL + "/") && !to.startsWith("data:")) faults.push(`a request to ${to}`);
  });
  const at = async (path) => {
    // What was done just before may still be on its way to a page of its own: that comes first.
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
  /// That an answer of 4xx is what is wanted now.
  here.expectRefusal = () => (own.refused = true);
  if (token) await signIn(here, token);
  return here;
}

/// Signs in as people do.
export async function signIn({ page, at }, token) {
  await at("/dashboard/login");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((to) => !to.pathname.endsWith("/login"));
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// What axe finds that is serious, in words. (The page's policy is for its own scripts; this one comes by the debugger.)
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

/// What axe finds in each dialog of a page, as it looks when it is open.
export async function auditDialogs(page) {
  const found = [];
  for (const id of await page.locator(".dialog[popover]").evaluateAll((all) => all.map((it) => it.id))) {
    await page.evaluate((id) => document.getElementById(id).showPopover(), id);
    found.push(...(await audit(page, `[id="${id}"]`)));
    await page.evaluate((id) => document.getElementById(id).hidePopover(), id);
  }
  return found;
}

/// Opens whatever is folded, so that it is looked at, too.
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

/// Does several things, a few at a time.
export async function each(list, work, width = 3) {
  const rest = [...list];
  const one = async () => {
    while (rest.length) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: width }, one));
}

const tests = [];
/// The longest that one test may take.
const LONGEST_MS = 180_000;
export const test = (name, work) => tests.push({ name, work });

/// Runs what was said (or what ONLY names a part of), in order, and ends the process.
export async function run() {
  let good = true;
  for (const { name, work } of tests.filter(({ name }) => name.includes(process.env.ONLY ?? ""))) {
    const begun = Date.now();
    let error;
    try {
      await Promise.race([work(), new Promise((_, fail) => setTimeout(fail, LONGEST_MS, new Error("it takes too long")))]);
    } catch (thrown) {
      error = String(thrown?.stack ?? thrown);
      good = false;
    }
    console.log(JSON.stringify({ test: name, ok: !error, ms: Date.now() - begun, error }));
  }
  await browser.close();
  process.exit(good ? 0 : 1);
}
