// svix-react against the gateway: its AppPortal shows the portal, and its hooks read the API from the browser.
// WEIR_EMBEDDER is the origin of the sender's page, as in PORTAL_ORIGINS.

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { api, button, copied, equal, expect, open, receiver, result, run, send, tab, test, until } from "./lib.mjs";

const own = new URL(process.env.WEIR_EMBEDDER);
const at = await receiver();

/// The sender's page, whose `window.show` renders the portal or the hooks.
const PAGE = `
  import { createElement as h } from "react";
  import { createRoot } from "react-dom/client";
  import { AppPortal, SvixProvider, useEndpoints, useMessages, useNewEndpoint } from "svix-react";

  function Lists() {
    const endpoints = useEndpoints();
    const messages = useMessages();
    const { url, createEndpoint } = useNewEndpoint();
    if (endpoints.error || messages.error) return h("p", { role: "alert" }, String(endpoints.error ?? messages.error));
    const add = async () => {
      await createEndpoint();
      endpoints.reload();
    };
    return h("div", null,
      h("ul", null, endpoints.data?.map((one) => h("li", { key: one.id }, one.url))),
      h("ol", null, messages.data?.map((one) => h("li", { key: one.id }, one.eventType))),
      h("input", { "aria-label": "URL", value: url.value, onChange: (event) => url.setValue(event.target.value) }),
      h("button", { onClick: add }, "Add"));
  }

  const root = createRoot(document.getElementById("root"));
  window.portal = (props) => root.render(h(AppPortal, props));
  window.hooks = ({ token, appId, serverUrl }) => root.render(h(SvixProvider, { token, appId, options: { serverUrl } }, h(Lists)));
`;
const bundle = await build({
  stdin: { contents: PAGE, resolveDir: fileURLToPath(new URL("../..", import.meta.url)) },
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  define: { "process.env.NODE_ENV": '"production"' },
});
const files = { "/page.js": ["text/javascript", bundle.outputFiles[0].text], "/": ["text/html", '<!doctype html><meta charset="utf-8"><title>Sender</title><div id="root"></div><script src="/page.js"></script>'] };
const server = createServer((request, response) => {
  const [type, body] = files[request.url] ?? ["text/plain", ""];
  response.writeHead(body ? 200 : 404, { "content-type": type }).end(body);
});
await new Promise((done) => server.listen(Number(own.port), own.hostname, done));

/// An application with an endpoint, its portal's link and token.
async function customer() {
  const app = (await api("POST", "app", { name: "Acme" })).id;
  const id = (await api("POST", `app/${app}/endpoint`, { url: at.at("/acme") })).id;
  return { app, id, ...(await api("POST", `auth/app-portal-access/${app}`, {})) };
}

/// A picture elsewhere, of one pixel.
const ICON = "https://cdn.example/icon.png";
const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");

/// The sender's page in a tab.
async function sender() {
  const here = await tab({ token: null, elsewhere: true });
  await here.context.route("https://cdn.example/**", (route) => route.fulfill({ contentType: "image/png", body: PIXEL }));
  await here.page.goto(`${own.origin}/`);
  return here;
}

for (const [name, props, theme] of [
  ["in a box", {}, undefined],
  ["at full size, dark", { fullSize: true, darkMode: true }, "dark"],
  ["in the colors of the system", { fullSize: true, darkMode: "auto" }, undefined],
  ["in the sender's look", { primaryColor: "112233", fontFamily: "Inter, serif", icon: ICON }, undefined],
  ["without a look that is not valid", { primaryColor: "red;}", fontFamily: "a;}b", icon: "http://cdn.example/icon.png" }, undefined],
]) {
  test(`AppPortal shows the portal ${name}`, async () => {
    const { app, url } = await customer();
    const here = await sender();
    const { page } = here;
    await page.evaluate((props) => window.portal(props), { url, ...props });
    const frame = page.frameLocator("iframe");
    await frame.getByText("Add endpoint", { exact: true }).first().waitFor();
    const inner = page.frames()[1];
    const look = await inner.evaluate(() => ({
      accent: getComputedStyle(document.documentElement).getPropertyValue("--accent"),
      font: getComputedStyle(document.body).fontFamily,
      icon: document.querySelector("img.mark")?.src,
      wide: document.querySelector("img.mark")?.naturalWidth,
    }));
    const dressed = props.icon === ICON;
    expect(look.accent.includes("#112233") === dressed, `the accent ${look.accent}`);
    expect(/^"?Inter"?, serif, system-ui/.test(look.font) === dressed, `the font ${look.font}`);
    equal([look.icon, look.wide], dressed ? [ICON, 1] : [undefined, undefined], "the icon");
    // A deferred script sets the theme.
    await until(async () => (await inner.evaluate(() => document.documentElement.dataset.theme)) === theme, `the theme ${theme}`);
    if (props.fullSize) {
      await until(() => inner.evaluate(() => document.documentElement.scrollHeight <= document.documentElement.clientHeight + 1), "a frame as high as its page");
    } else {
      expect((await page.locator("iframe").boundingBox()).height >= 600, "a box of its usual height");
    }
    // A customer can work in it.
    await frame.getByText("Add endpoint", { exact: true }).first().click();
    await frame.getByLabel("URL", { exact: true }).fill(at.at("/added"));
    await button(frame, "Create").click();
    const added = await until(async () => (await api("GET", `app/${app}/endpoint`)).data.find((one) => one.url === at.at("/added")), "the new endpoint");
    await button(frame, "Show secret").click();
    const secret = (await api("GET", `app/${app}/endpoint/${added.id}/secret`)).key;
    await frame.locator(".out .secret").getByText(secret).waitFor();
    await here.close();
  });
}

test("a secret is copied from within AppPortal", async () => {
  const { app, id, url } = await customer();
  const here = await sender();
  const { page } = here;
  await here.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.evaluate((props) => window.portal(props), { url });
  const frame = page.frameLocator("iframe");
  await frame.getByRole("link", { name: at.at("/acme") }).first().click();
  await button(frame, "Show secret").click();
  await frame.locator(".out [data-copy]").first().click();
  await frame.locator("[data-copy].done").first().waitFor();
  await page.bringToFront();
  await page.evaluate(() => window.focus());
  equal(await page.evaluate(() => navigator.clipboard.readText()), (await api("GET", `app/${app}/endpoint/${id}/secret`)).key, "what is copied");
  await here.close();
});

test("the hooks list and add endpoints and list messages", async () => {
  const { app, token } = await customer();
  await send(app);
  const here = await sender();
  const { page } = here;
  await page.evaluate((props) => window.hooks(props), { token, appId: app, serverUrl: new URL(process.env.WEIR_URL).origin });
  await page.locator("ul li", { hasText: at.at("/acme") }).waitFor();
  await page.locator("ol li", { hasText: "order.paid" }).waitFor();
  await page.getByLabel("URL").fill(at.at("/hooked"));
  await page.getByRole("button", { name: "Add" }).click();
  await page.locator("ul li", { hasText: at.at("/hooked") }).waitFor();
  await here.close();
});

await run();
