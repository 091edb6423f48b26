// A customer in the portal: a verified test event within a minute, in their language, and in a frame on a page of the sender.
// WEIR_EMBEDDER is the origin of that page, as in PORTAL_ORIGINS.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { api, audit, button, copied, equal, expect, open, receiver, result, run, tab, test, until } from "./lib.mjs";

const at = await receiver();
const portal = async (app) => (await api("POST", `auth/app-portal-access/${app}`, {})).url;
const customer = async () => {
  const app = (await api("POST", "app", { name: "Acme" })).id;
  return { app, link: await portal(app) };
};

for (const [name, description] of [["order.paid", "Paid"], ["order.lost", "Lost"]]) {
  const schemas = { 1: { type: "object", examples: [{ id: "ord_1" }] } };
  await api("POST", "event-type", { name, description, schemas });
}

test("within a minute: an endpoint, its events, its secret with code, and a test event that verifies", async () => {
  const { app, link } = await customer();
  const began = Date.now();
  const here = await tab({ token: null });
  const { page } = here;
  await page.goto(link);
  await page.getByLabel("URL", { exact: true }).fill(at.at("/customer"));
  await page.locator("[name=event][value='order.paid']").check();
  await button(page, "Create").click();
  await page.getByText("Enabled", { exact: true }).waitFor();
  const [{ id, eventTypes }] = (await api("GET", `app/${app}/endpoint`)).data;
  equal(eventTypes, ["order.paid"], "the events");

  await button(page, "Show secret").click();
  const secret = await copied(here, result(page).locator(".secret"));
  equal(secret, (await api("GET", `app/${app}/endpoint/${id}/secret`)).key, "the secret");
  await open(page, "Verify signatures");
  const dialog = page.locator("#verify");
  const languages = await dialog.locator("summary").allInnerTexts();
  equal(languages, ["Node.js", "Python", "Go", "Ruby", "PHP", "Rust"], "languages of the code");
  equal(await audit(page, "#verify"), [], "what axe finds of the code");
  await button(dialog, "Close").click();

  await open(page, "Send test event");
  await button(page, "Send").click();
  await result(page).getByRole("link").waitFor();
  await until(() => at.seen.some(({ path }) => path === "/customer"), "the test event");
  const { headers, body } = at.seen.find(({ path }) => path === "/customer");
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signed = createHmac("sha256", key).update(`${headers["svix-id"]}.${headers["svix-timestamp"]}.${body}`).digest("base64");
  expect(headers["svix-signature"].split(" ").includes(`v1,${signed}`), "a signature that verifies");
  equal(JSON.parse(body), { id: "ord_1" }, "the event type's example");
  expect(Date.now() - began < 60_000, "less than a minute");
  await here.close();
});

test("a read-only link cannot send", async () => {
  const { app } = await customer();
  const id = (await api("POST", `app/${app}/endpoint`, { url: at.at("/looked-at") })).id;
  const { token } = await api("POST", `auth/app-portal-access/${app}`, { readOnly: true });
  await api("POST", `app/${app}/endpoint/${id}/send-example`, { eventType: "order.paid" }, { token, wanted: 403 });
});

for (const [code, word, button] of [["de", "Endpunkt hinzufügen", "Deutsch"], ["fr", "Ajouter un point de terminaison", "Français"], ["es", "Añadir endpoint", "Español"], ["ja", "エンドポイントを追加", "日本語"]]) {
  test(`the portal is in ${button}, by the browser's language and by choice`, async () => {
    const { app, link } = await customer();
    await api("POST", `app/${app}/endpoint`, { url: at.at("/spoken") });
    const here = await tab({ token: null, locale: code });
    const { page } = here;
    await page.goto(link);
    await page.getByText(word, { exact: true }).first().waitFor();
    equal(await page.locator("html").getAttribute("lang"), code, "the page's language");
    equal(await audit(page), [], "what axe finds");
    await page.locator("details.menu:has(.who) summary").click();
    await page.getByRole("button", { name: "English", exact: true }).click();
    await page.getByText("Add endpoint", { exact: true }).first().waitFor();
    await page.locator("details.menu:has(.who) summary").click();
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.getByText(word, { exact: true }).first().waitFor();
    await here.close();
  });
}

/// A page of the sender that embeds the portal and receives its height as svix-react's AppPortal does.
function embedder(port) {
  const page = `<!doctype html><title>Sender</title><iframe width="900" height="100"></iframe><script>
    const frame = document.querySelector("iframe");
    addEventListener("message", ({ source, data }) => {
      if (source === frame.contentWindow && data?.type === "svix.iframe-resizer-height" && typeof data.payload?.height === "number")
        frame.style.height = (window.told = data.payload.height) + "px";
    });
    frame.src = decodeURIComponent(location.search.slice(1));
  </script>`;
  const server = createServer((request, response) => response.writeHead(200, { "content-type": "text/html" }).end(page));
  return new Promise((done) => server.listen(port, "localhost", () => done(server)));
}

test("the sender's page can embed the portal, which reports its height; other pages cannot", async () => {
  const { app, link } = await customer();
  await api("POST", `app/${app}/endpoint`, { url: at.at("/framed") });
  const own = new URL(process.env.WEIR_EMBEDDER);
  const servers = await Promise.all([embedder(Number(own.port)), embedder(0)]);
  const here = await tab({ token: null, elsewhere: true });
  const { page } = here;
  const dark = link.replace("#", "?darkMode=true#");
  await page.goto(`${own.origin}/?${encodeURIComponent(dark)}`);
  const frame = page.frameLocator("iframe");
  await frame.getByText("Add endpoint", { exact: true }).first().waitFor();
  await page.waitForFunction(() => window.told > 200);
  const framed = (look) => page.frames()[1].evaluate(look);
  await until(() => framed(() => document.documentElement.scrollHeight <= document.documentElement.clientHeight + 1), "a frame without a scroll bar");
  equal(await framed(() => document.documentElement.dataset.theme), "dark", "its theme");
  // Forms work in the frame, which has its own session.
  await frame.getByLabel("More", { exact: true }).count();
  await frame.getByRole("link", { name: "Messages", exact: true }).first().click();
  await frame.getByRole("heading", { name: "Messages", level: 1 }).waitFor();
  // A page of another site.
  await page.goto(`http://localhost:${servers[1].address().port}/?${encodeURIComponent(link)}`);
  await until(async () => page.frames()[1] && (await page.frames()[1].content().catch(() => "")).length > 0, "the frame");
  equal(await page.frames()[1].getByText("Add endpoint").count(), 0, "what a stranger's page shows");
  // The tenant's pages cannot be embedded.
  const tenant = await tab();
  const policy = (await tenant.at("/dashboard")).headers()["content-security-policy"];
  expect(policy.includes("frame-ancestors 'none'"), policy);
  await tenant.close();
  for (const server of servers) server.close();
  await here.context.close();
});

test("the sender's page can call the API with a token, other origins cannot", async () => {
  const { app } = await customer();
  const { token } = await api("POST", `auth/app-portal-access/${app}`, {});
  const own = new URL(process.env.WEIR_EMBEDDER);
  const servers = await Promise.all([embedder(Number(own.port)), embedder(0)]);
  const here = await tab({ token: null, elsewhere: true });
  const call = async (origin) => {
    await here.page.goto(`${origin}/?about:blank`);
    const request = { to: new URL(`/api/v1/app/${app}/endpoint`, process.env.WEIR_URL).href, token };
    return here.page.evaluate(async ({ to, token }) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      return await fetch(to, { headers }).then((answer) => answer.status, () => "refused");
    }, request);
  };
  equal(await call(own.origin), 200, "the sender's");
  equal(await call(`http://localhost:${servers[1].address().port}`), "refused", "a stranger's");
  for (const server of servers) server.close();
  await here.context.close();
});

await run();
