// The gateway under the rules of deployed Cloudflare: the main module of a gateway that is tested under a production
// profile. It wraps the unmodified build, whose modules stand beside it; README.md says what it enforces and how a test
// talks to it.

import { wasmBytes } from "./globals.mjs"; // before the build: it takes the names it finds
import * as build from "../entry.mjs";
import { Account, Context, realNow, traffic } from "./context.mjs";
import * as faults from "./faults.mjs";
import * as control from "./objects.mjs";
import { rules } from "./rules.mjs";
import { setCapacity } from "./storage.mjs";

export const App = control.emulated("App", build.App);
export const Directory = control.emulated("Directory", build.Directory);
export const Endpoint = control.emulated("Endpoint", build.Endpoint);

/** What all requests of the Worker have done together. */
const worker = new Account("Worker");
let wrapped;

export default {
  async fetch(request, env, ctx) {
    if (request.url.includes("/__prod/")) return await answer(request, env);
    wrapped ??= control.bindings(env);
    const context = new Context(worker);
    return await context.deliver({ depth: 0 }, () => build.default.fetch(request, wrapped, ctx));
  },
};

/** The routes of the emulator itself. */
async function answer(request, env) {
  const route = new URL(request.url).pathname.split("/__prod/")[1];
  const body = request.method === "POST" ? await request.json().catch(() => ({})) : {};
  // The service with the App objects has an isolate, and with it counts and rules, of its own.
  const apart = env.APART && (await env.APART.fetch(request.url, { method: "POST", body: JSON.stringify(body) }));
  switch (route) {
    case "stats":
      return Response.json(withApart(await apart?.json(), {
        rules,
        at: realNow(),
        wasmBytes: wasmBytes(),
        inFlightBytes: traffic.bytes,
        inFlightMost: traffic.most,
        callsMost: traffic.callsMost,
        largest: traffic.largest,
        worker: { ...worker, heldMs: undefined, kind: "Worker" },
        objects: control.report(),
      }));
    case "reset":
      worker.reset();
      traffic.most = traffic.bytes;
      traffic.callsMost = traffic.calls;
      traffic.largest = { bytes: 0, operation: "" };
      for (const { context } of control.objects.values()) context.reset();
      return new Response(null, { status: 204 });
    case "rules":
      Object.assign(rules, body);
      return Response.json(rules);
    case "clock":
      await control.clock(env, body.shiftMs ?? 0);
      return new Response(null, { status: 204 });
    case "faults":
      faults.ask(body);
      return new Response(null, { status: 204 });
    case "faults/none":
      faults.forget();
      return new Response(null, { status: 204 });
    case "capacity":
      setCapacity(body.object ?? "", body.bytes ?? undefined);
      return new Response(null, { status: 204 });
    case "stored":
      return Response.json({ ...(await apart?.json()), ...(await control.stored(env)) });
    case "deploy":
      return Response.json({ objects: await control.deploy(env) });
    default:
      return new Response("no such route of the emulator\n", { status: 404 });
  }
}

/** What was counted here, with what the service of the App objects counted. */
function withApart(apart, here) {
  if (!apart) return here;
  const callsMost = Math.max(here.callsMost, apart.callsMost);
  const largest = apart.largest.bytes > here.largest.bytes ? apart.largest : here.largest;
  return { ...here, callsMost, largest, appsWasmBytes: apart.wasmBytes, objects: [...here.objects, ...apart.objects] };
}
