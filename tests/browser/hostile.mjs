// Text from customers and providers is escaped, and other tenants' data is out of reach.

import { api, equal, expect, run, tab, test, unfold } from "./lib.mjs";
import { PAGES, world } from "./world.mjs";

const EVIL = `<img src=x onerror="alert(1)"><script>alert(2)</script>"'><a hx-get=/x hx-trigger=load>`;
const evil = await world((text) => text + EVIL);

for (const [role, token] of [["tenant", undefined], ["customer", evil.portal]]) {
  test(`hostile text has no effect on any page of a ${role}`, async () => {
    const here = await tab({ token });
    let shown = 0;
    for (const { name, path, status = 200, still = true } of PAGES.filter((page) => !page.alone && (!token || page.portal))) {
      if (status >= 400) here.expectRefusal();
      equal((await here.at(path(evil))).status(), status, name);
      await unfold(here.page); // what is fetched when it is opened is there, too
      if (!still) await here.page.locator("#tail tbody tr").first().waitFor();
      equal(await here.page.locator("img, main script, main [onerror], [hx-get='/x']").count(), 0, `${name}: elements`);
      shown += (await here.page.locator("body").innerText()).includes("<script>alert(2)</script>") ? 1 : 0;
    }
    expect(shown >= 4, `most pages to show it as text (${shown} do)`);
    await here.close();
  });
}

test("an injected script does not run", async () => {
  const here = await tab();
  await here.at("/dashboard");
  const ran = await here.page.evaluate(async () => {
    const script = Object.assign(document.createElement("script"), { textContent: "window.ran = true" });
    const image = Object.assign(document.createElement("div"), { innerHTML: `<img src="data:," onerror="window.ran = true">` });
    document.body.append(script, image);
    await new Promise((done) => setTimeout(done, 200));
    return window.ran === true;
  });
  equal(ran, false, "it ran");
  expect(here.faults.some((fault) => fault.includes("Content Security Policy")), "the policy to have stopped it");
  await here.context.close();
});

test("a customer cannot access another application, by URL or by form", async () => {
  const here = await tab({ token: evil.portal });
  here.expectRefusal();
  const { page } = here;
  const foreign = PAGES.filter((one) => one.portal && one.path(evil).includes(evil.app)).map((one) =>
    one.path({ ...evil, app: evil.other, good: evil.foreign, bad: evil.foreign, message: evil.strange, long: evil.strange }),
  );
  const mixed = [`/dashboard/app/${evil.app}/message/${evil.strange}`, `/dashboard/app/${evil.app}/endpoint/${evil.foreign}`];
  const tenants = PAGES.filter((one) => !one.portal && !one.alone && one.path(evil).startsWith("/dashboard/")).map((one) => one.path(evil));
  for (const path of [...foreign, ...mixed, ...tenants]) {
    const answer = await here.at(path);
    expect([403, 404].includes(answer.status()), `${path} to be refused, not ${answer.status()}`);
    const text = await page.content();
    expect(!text.includes("Globex") && !text.includes("/foreign"), `${path} to say nothing of it`);
    expect(await page.getByRole("alert").isVisible(), `${path} to say why`);
  }
  await here.at("/dashboard");
  equal(new URL(page.url()).pathname, `/dashboard/app/${evil.app}`, "its own first page");
  const endpoint = `app/${evil.other}/endpoint/${evil.foreign}`;
  const before = [await api("GET", endpoint), await api("GET", `${endpoint}/secret`)];
  for (const action of ["toggle", "edit", "delete", "secret", "rotate", "test", "replay"]) {
    const status = await page.evaluate(async (to) => {
      const body = new URLSearchParams({ _proof: document.body.dataset.proof, disabled: "true", url: "https://example.com" });
      return (await fetch(to, { method: "POST", body, redirect: "manual" })).status;
    }, `/dashboard/${endpoint}/${action}`);
    expect([403, 404, 422].includes(status), `${action} to be refused, not ${status}`);
  }
  equal([await api("GET", endpoint), await api("GET", `${endpoint}/secret`)], before, "the endpoint");
  await here.close();
});

await run();
