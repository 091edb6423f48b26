// Visual regression tests: pages are compared with small reference pictures, so that design changes show up in review.
//
// The pages are rendered from fixed data. Pictures are compared by the mean color of their cells: another font version changes
// no cell much, another design changes many. WEIR_PAGES is a directory of pages and assets, WEIR_LOOKS the directory of the
// pictures; WEIR_WRITE_LOOKS updates them.

import { createServer } from "node:http";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { WEIR_PAGES, WEIR_LOOKS, WEIR_WRITE_LOOKS, CHROMIUM } = process.env;
/// The size of a reference picture, and the number of cells.
const SMALL = { width: 300, height: 200 };
const CELLS = { width: 30, height: 20 };
/// The largest difference of a cell's color, of 255, and the percentage of cells that may differ more.
const OFF = 28;
const MOST = 12;

const TYPES = { css: "text/css", js: "text/javascript", svg: "image/svg+xml", html: "text/html; charset=utf-8" };
const server = createServer((request, response) => {
  const path = new URL(request.url, "http://localhost").pathname.replace("/dashboard/assets/", "/").replaceAll("..", "");
  const file = `${WEIR_PAGES}${path}`;
  if (!existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[path.split(".").pop()] ?? "text/plain" }).end(readFileSync(file));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const at = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const blank = await (await browser.newContext()).newPage();

/// Scales a picture, as WebP, and computes the mean colors of its cells.
const reduce = (bytes, kind) =>
  blank.evaluate(
    async ({ from, small, cells }) => {
      const image = Object.assign(new Image(), { src: from });
      await image.decode();
      const draw = ({ width, height }) => {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const to = canvas.getContext("2d", { willReadFrequently: true });
        to.imageSmoothingQuality = "high";
        to.drawImage(image, 0, 0, width, height);
        return { canvas, pixels: [...to.getImageData(0, 0, width, height).data] };
      };
      const { canvas } = draw(small);
      return { webp: canvas.toDataURL("image/webp", 0.6).split(",")[1], cells: draw(cells).pixels };
    },
    { from: `data:image/${kind};base64,${bytes.toString("base64")}`, small: SMALL, cells: CELLS },
  );

/// The percentage of cells that differ.
function differs(left, right) {
  let off = 0;
  for (let at = 0; at < left.length; at += 4) {
    if ([0, 1, 2].some((part) => Math.abs(left[at + part] - right[at + part]) > OFF)) off++;
  }
  return (100 * off) / (CELLS.width * CELLS.height);
}

mkdirSync(WEIR_LOOKS, { recursive: true });
let good = true;
for (const name of readdirSync(WEIR_PAGES).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5))) {
  const begun = Date.now();
  const faults = [];
  for (const [look, options] of [["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }]]) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, reducedMotion: "reduce", ...options });
    const page = await context.newPage();
    await page.goto(`${at}/${name}.html`);
    const made = await reduce(await page.screenshot({ animations: "disabled", caret: "hide" }), "png");
    await context.close();
    const file = `${WEIR_LOOKS}/${name}-${look}.webp`;
    if (WEIR_WRITE_LOOKS) {
      writeFileSync(file, Buffer.from(made.webp, "base64"));
      continue;
    }
    if (!existsSync(file)) {
      faults.push(`${name}, ${look}: there is no picture; WEIR_WRITE_LOOKS=1 writes it`);
      continue;
    }
    // Both sides are compressed, so that compression does not count as a difference.
    const before = await reduce(readFileSync(file), "webp");
    const now = await reduce(Buffer.from(made.webp, "base64"), "webp");
    const off = differs(before.cells, now.cells);
    if (off > MOST) {
      writeFileSync(`${WEIR_PAGES}/${name}-${look}.webp`, Buffer.from(made.webp, "base64"));
      faults.push(`${name}, ${look}: ${off.toFixed(1)} % of it looks different. See ${WEIR_PAGES}/${name}-${look}.webp; WEIR_WRITE_LOOKS=1 keeps it`);
    }
  }
  good &&= faults.length === 0;
  console.log(JSON.stringify({ test: `${name} looks as before`, ok: faults.length === 0, ms: Date.now() - begun, error: faults.join("\n") }));
}
// The comparison must be able to fail.
const [one, two] = ["light", "dark"].map((look) => readFileSync(`${WEIR_LOOKS}/overview-${look}.webp`));
const apart = differs((await reduce(one, "webp")).cells, (await reduce(two, "webp")).cells);
console.log(JSON.stringify({ test: "another design is noticed", ok: apart > MOST, ms: 0, error: `${apart} %` }));
await browser.close();
server.close();
process.exit(good && apart > MOST ? 0 : 1);
