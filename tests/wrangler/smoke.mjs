// The built Worker under miniflare, which is what `npx wrangler dev` runs: with the bindings, flags and migrations of
// wrangler.toml as wrangler itself reads them, so that a deployment finds what this finds.
//
// CONFIG is the path of wrangler.toml, WORKER_DIR holds the built Worker, WEIR_TOKEN is a tenant's token that is signed
// with JWT_SECRET. Prints what happened as a line of JSON; the test that runs this judges it.

import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { Webhook } from "svix";
import { unstable_getMiniflareWorkerOptions as workerOptions } from "wrangler";

const { CONFIG, WORKER_DIR, WEIR_TOKEN, JWT_SECRET } = process.env;
const say = (value) => console.log(JSON.stringify(value));

// Whatever hangs: the script ends, and without its last line.
setTimeout(() => process.exit(1), 60_000).unref();

// The receiver: the first request fails, the next one succeeds.
const got = [];
const receiver = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  got.push({
    at: performance.now(),
    method: request.method,
    url: request.url,
    headers: request.headers,
    body,
  });
  response.statusCode = got.length === 1 ? 500 : 200;
  response.end();
});
receiver.listen(0, "127.0.0.1");
await once(receiver, "listening");

const kinds = { mjs: "ESModule", js: "ESModule", wasm: "CompiledWasm" };
const modules = readdirSync(WORKER_DIR)
  .map((name) => ({ type: kinds[name.split(".").at(-1)], path: join(WORKER_DIR, name) }))
  .filter((module) => module.type)
  // The first module is the main one.
  .sort((a, b) => b.path.endsWith("entry.mjs") - a.path.endsWith("entry.mjs"));

const options = workerOptions(CONFIG).workerOptions;
const vars = { JWT_SECRET, ALLOWED_NETWORKS: "127.0.0.0/8", RETRY_SCHEDULE: "0.5" };
const worker = {
  ...options,
  name: "weir",
  modulesRoot: WORKER_DIR,
  modules,
  bindings: { ...options.bindings, ...vars },
};
// wrangler's own options are those of miniflare 4, and it converts them so itself.
const gateway = new Miniflare(convertV4MiniflareOptions({ workers: [worker], host: "127.0.0.1", port: 0 }));

try {
  const url = await gateway.ready;
  const call = async (method, path, body) => {
    const answer = await fetch(new URL(`/api/v1/${path}`, url), {
      method,
      headers: { authorization: `Bearer ${WEIR_TOKEN}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  };
  const until = async (what, done) => {
    for (const end = performance.now() + 20_000; performance.now() < end;) {
      const value = await done();
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`waited in vain for ${what}; the receiver got ${JSON.stringify(got)}`);
  };

  const app = await call("POST", "app", { name: "under miniflare" });
  const port = receiver.address().port;
  const endpoint = await call("POST", `app/${app.id}/endpoint`, { url: `http://127.0.0.1:${port}/hook` });
  const { key } = await call("GET", `app/${app.id}/endpoint/${endpoint.id}/secret`);
  const message = await call("POST", `app/${app.id}/msg`, { eventType: "smoke.test", payload: { n: 1 } });

  await until("the retry", () => got.length >= 2);
  for (const request of got) new Webhook(key).verify(request.body, request.headers);
  const attempts = await until("both attempts on record", async () => {
    const page = await call("GET", `app/${app.id}/attempt/msg/${message.id}`);
    return page.data.length >= 2 && page.data;
  });
  const event = { eventType: "smoke.test", payload: { amount: 5 } };
  const plugin = await call("POST", "plugin/filter/test", { config: { when: "body.amount >= 100" }, event });
  say({
    message: message.id,
    requests: got.map(({ method, url, headers, body }) => ({ method, url, id: headers["svix-id"], body })),
    gap: got[1].at - got[0].at,
    codes: attempts.map((attempt) => attempt.responseStatusCode),
    objects: Object.keys(options.durableObjects).sort(),
    flags: options.compatibilityFlags,
    plugin,
  });
} finally {
  await gateway.dispose();
  receiver.close();
  receiver.closeAllConnections();
}
