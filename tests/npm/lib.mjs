// What the scripts of this directory share. A script prints one JSON object a line for each test: its name, whether it held,
// how long it took. They run the npm packages as they are installed from their tarballs.

import { createServer } from "node:http";

/** Runs a test and tells what came of it. */
export async function test(name, work) {
  const begun = performance.now();
  const told = (ok, error) =>
    console.log(JSON.stringify({ test: name, ok, ms: Math.round(performance.now() - begun), error }));
  try {
    await work();
    told(true);
  } catch (error) {
    told(false, String(error?.stack ?? error));
    process.exitCode = 1;
  }
}

/** Asks again until what is looked for is there. */
export async function until(look, what, ms = 15_000) {
  for (const end = performance.now() + ms; ;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** A receiver of webhooks on this machine, and what it has got. */
export async function receiver() {
  const got = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    got.push({ url: request.url, headers: request.headers, body });
    response.end("thank you");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const close = () => (server.closeAllConnections(), server.close());
  return { got, close, url: `http://127.0.0.1:${server.address().port}` };
}
