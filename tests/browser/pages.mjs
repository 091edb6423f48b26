// Every page as a tenant and as a customer: without errors, accessible, usable on a phone, and small.

import { mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { audit, auditDialogs, each, expect, equal, run, tab, test, unfold, url } from "./lib.mjs";
import { PAGES, world } from "./world.mjs";

/// The most bytes of a page, without the assets that all pages share.
const MOST_BYTES = 50_000;
/// The most bytes that a browser without a cache transfers for the first page, assets included. gzip is an upper bound of
/// what the platform does.
// 70 KB are allowed; 38 KB are used.
const FIRST_PAGE_BYTES = 45_000;

const there = await world();
const roles = { tenant: undefined, portal: there.portal };
const seen = (role) => PAGES.filter((page) => !page.alone && (role === "tenant" || page.portal));

for (const [role, token] of Object.entries(roles)) {
  test(`axe finds nothing serious on any page of a ${role}, light or dark`, async () => {
    const wrong = [];
    const browsers = await Promise.all([0, 1, 2].map(() => tab({ token })));
    await each(seen(role), async ({ name, path, status = 200 }) => {
      const here = browsers.pop();
      if (status >= 400) here.expectRefusal();
      const answer = await here.at(path(there));
      equal(answer.status(), status, name);
      await unfold(here.page);
      for (const colorScheme of ["light", "dark"]) {
        await here.page.emulateMedia({ colorScheme });
        wrong.push(...(await audit(here.page)).map((fault) => `${name}, ${colorScheme}: ${fault}`));
      }
      wrong.push(...(await auditDialogs(here.page)).map((fault) => `${name}, a dialog: ${fault}`));
      browsers.push(here);
    });
    for (const here of browsers) await here.close();
    equal(wrong, [], "accessibility errors");
  });
}

test("axe finds nothing serious on the sign-in page", async () => {
  for (const dark of [false, true]) {
    const here = await tab({ token: null, dark });
    for (const { path } of PAGES.filter((page) => page.alone)) {
      await here.at(path(there));
      equal(await audit(here.page), [], "accessibility errors");
    }
    await here.close();
  }
});

test("charts have a description for screen readers and a table", async () => {
  const here = await tab();
  await here.at("/dashboard");
  const chart = here.page.locator("svg.plot");
  await chart.locator("path.f-ok").first().waitFor();
  const said = await chart.getAttribute("aria-label");
  expect(/\d+ delivered, \d+ failed/.test(said), `a description: ${said}`);
  await here.page.locator("summary", { hasText: "As a table" }).click();
  expect((await here.page.locator(".astable tbody tr").count()) > 0, "rows of the table");
  await here.close();
});

test("no page is wider than a phone", async () => {
  const wide = [];
  const here = await tab({ phone: true });
  for (const { name, path, status = 200 } of seen("tenant")) {
    if (status >= 400) here.expectRefusal();
    await here.at(path(there));
    await unfold(here.page);
    const width = await here.page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 360) wide.push(`${name}: ${width}`);
  }
  await here.close();
  equal(wide, [], "pages that scroll horizontally");
});

for (const [what, options, most] of [
  ["a tablet", { viewport: { width: 820, height: 1180 } }, 820],
  ["a page that is zoomed to 200 %", { zoom: 2 }, 600],
]) {
  test(`no page is wider than ${what}, and its navigation is available`, async () => {
    const wide = [];
    const here = await tab(options);
    for (const { name, path, status = 200 } of seen("tenant")) {
      if (status >= 400) here.expectRefusal();
      await here.at(path(there));
      await unfold(here.page);
      const width = await here.page.evaluate(() => document.documentElement.scrollWidth);
      if (width > most) wide.push(`${name}: ${width}`);
      const menu = here.page.getByLabel("Menu", { exact: true });
      if (await menu.isVisible()) await menu.click();
      expect(await here.page.locator("nav.side a").first().isVisible(), `${name}: the navigation`);
    }
    await here.close();
    equal(wide, [], "pages that scroll horizontally");
  });
}

test("nothing moves with reduced motion", async () => {
  const here = await tab();
  for (const { name, path } of PAGES.filter((page) => page.screen)) {
    await here.at(path(there));
    const moving = await here.page.evaluate(() => document.getAnimations().filter((one) => one.playState === "running").length);
    equal(moving, 0, `${name}: what moves`);
  }
  await here.close();
});

test("the tab key reaches every control, the focus is visible, and there is no trap", async () => {
  const here = await tab();
  for (const { name, path } of PAGES.filter((page) => page.screen && page.still !== false)) {
    await here.at(path(there));
    const wanted = await here.page.evaluate(() => {
      // A hidden page does not refresh; see the page's script.
      Object.defineProperty(document, "hidden", { get: () => true });
      const all = document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary");
      const shown = [...all].filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && !one.closest("[popover]:not(:popover-open, .side)"));
      shown.forEach((one) => (one.dataset.wanted = ""));
      return shown.length;
    });
    const unseen = [];
    for (let step = 0; step < wanted + 60; step++) {
      await here.page.keyboard.press("Tab");
      const stop = await here.page.evaluate(() => {
        const one = document.activeElement;
        if (one === document.body) return "the end";
        delete one.dataset.wanted;
        return getComputedStyle(one).outlineStyle === "none" && getComputedStyle(one.parentElement).outlineStyle === "none" ? one.outerHTML.slice(0, 120) : "";
      });
      if (stop === "the end") break;
      if (stop) unseen.push(stop);
    }
    const left = await here.page.evaluate(() => [...document.querySelectorAll("[data-wanted]")].map((one) => one.outerHTML.slice(0, 120)));
    equal(unseen, [], `${name}: invisible focus`);
    equal(left, [], `${name}: controls that the tab key does not reach`);
  }
  await here.close();
});

test("every page is less than 50 KB without assets", async () => {
  const here = await tab();
  const heavy = [];
  for (const { name, path, status = 200 } of seen("tenant")) {
    if (status >= 400) here.expectRefusal();
    const answers = [];
    const note = (answer) => answers.push(answer);
    here.page.on("response", note);
    await here.at(path(there));
    here.page.off("response", note);
    let bytes = 0;
    for (const answer of answers) {
      if (!answer.url().startsWith(url("/dashboard/assets/"))) bytes += (await answer.body().catch(() => "")).length;
    }
    expect(bytes > 0, `${name} to be something`);
    if (bytes > MOST_BYTES) heavy.push(`${name}: ${bytes}`);
  }
  await here.close();
  equal(heavy, [], "heavy pages");
});

test("the first page is at most 45 KB with its styles and scripts, compressed as the platform does", async () => {
  for (const [role, token, first] of [["tenant", undefined, "/dashboard"], ["portal", there.portal, `/dashboard/app/${there.app}`]]) {
    const here = await tab({ token });
    // Signing in has filled the cache, so the resources are requested again without it.
    const paths = [first, ...(await here.page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name)))];
    const assets = paths.filter((path) => path.includes("/dashboard/assets/") || path === first);
    const sizes = [];
    for (const path of new Set(assets)) {
      const body = await (await here.context.request.get(path.startsWith("/") ? url(path) : path)).body();
      sizes.push([path, gzipSync(body, { level: 6 }).length]);
    }
    const total = sizes.reduce((sum, [, size]) => sum + size, 0);
    console.error(`${role}: ${total} bytes, ${JSON.stringify(sizes)}`);
    expect(sizes.length >= 5, "the page, styles, icons and two scripts");
    expect(total <= FIRST_PAGE_BYTES, `at most ${FIRST_PAGE_BYTES} bytes, not ${total}: ${JSON.stringify(sizes)}`);
    await here.close();
  }
});

test("every page works without scripts", async () => {
  const here = await tab({ scripts: false });
  for (const { name, path, status = 200 } of seen("tenant")) {
    if (status >= 400) here.expectRefusal();
    equal((await here.at(path(there))).status(), status, name);
    expect(await here.page.locator("h1").isVisible(), `${name} has a heading`);
  }
  await here.close();
});

// Pictures for the documentation, if a directory is given.
const screens = process.env.WEIR_SCREENS;

/// Converts a picture to WebP in the browser.
async function small(context, png) {
  const blank = await context.newPage();
  const webp = await blank.evaluate(async (png) => {
    const image = Object.assign(new Image(), { src: `data:image/png;base64,${png}` });
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.7).split(",")[1];
  }, png.toString("base64"));
  await blank.close();
  return Buffer.from(webp, "base64");
}

if (screens) {
  mkdirSync(screens, { recursive: true });
  for (const dark of [false, true]) {
    test(`pictures of the main pages, ${dark ? "dark" : "light"}`, async () => {
      const here = await tab({ dark });
      await here.page.setViewportSize({ width: 1000, height: 620 });
      for (const { path, screen } of PAGES.filter((page) => page.screen)) {
        await here.at(path(there));
        if (screen === "live") await here.page.locator("#tail tbody tr").nth(5).waitFor();
        const attempt = here.page.locator("details.attempt").first();
        if (screen === "message") {
          await attempt.locator("summary").click();
          await attempt.locator(".headers").first().waitFor();
          await attempt.scrollIntoViewIfNeeded();
          await here.page.mouse.wheel(0, 400);
          await here.page.waitForTimeout(100);
        }
        writeFileSync(`${screens}/${screen}${dark ? "-dark" : ""}.webp`, await small(here.context, await here.page.screenshot()));
      }
      await here.close();
    });
  }
}

await run();
