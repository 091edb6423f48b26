// The sender's name and color on every page, with sufficient contrast. WEIR_NAME and WEIR_COLOR are the settings.

import { audit, equal, expect, run, tab, test } from "./lib.mjs";
import { PAGES, world } from "./world.mjs";

/// Pages with every use of the color.
const COLORFUL = ["application", "message", "endpoint"];

/// An attempt shows the name in its headers.
const SAYS_BY_WHOM = ["attempt", "long answer"];

const there = await world();

for (const dark of [false, true]) {
  test(`the customers' portal is the sender's, ${dark ? "dark" : "light"}`, async () => {
    const here = await tab({ token: there.portal, dark });
    const { page } = here;
    for (const { name, path } of PAGES.filter((one) => one.portal && !one.status)) {
      await here.at(path(there));
      equal(await page.locator(".side .brand").innerText(), process.env.WEIR_NAME, name);
      expect((await page.title()).endsWith(process.env.WEIR_NAME), `${name}: a title of the sender's`);
      const text = await page.locator(SAYS_BY_WHOM.includes(name) ? ".side" : "body").innerText();
      expect(!text.includes("Weir"), `${name} names nobody else`);
      if (COLORFUL.includes(name)) equal(await audit(page), [], `what axe finds on ${name}`);
    }
    const color = await page.evaluate(() => getComputedStyle(document.querySelector(".bar")).borderTopColor);
    equal(color, process.env.WEIR_COLOR, "the color");
    await here.close();
  });
}

test("the sign-in page is the sender's", async () => {
  const here = await tab({ token: null });
  await here.at("/dashboard/login");
  expect((await here.page.title()).endsWith(process.env.WEIR_NAME), "its title");
  equal(await audit(here.page), [], "what axe finds");
  await here.close();
});

await run();
