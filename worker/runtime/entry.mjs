// The Worker's main module: its classes (index.js), behind the guard against panics. The build bundles it
// with the modules that it imports from here.

import "./microtask.mjs";
import * as gateway from "./index.js";
import * as plugins from "./plugins.mjs";
import { allowedOrigin, preflight, withCors } from "./cors.mjs";
import { watch } from "./guard.mjs";
import { guardedObject } from "./object.mjs";
import { respond } from "./serve.mjs";

watch(globalThis.__worker_init_state);

// For plugin.mjs, which is part of index.js and cannot import what the build writes beside it.
globalThis.__weir_plugins = plugins;

export const App = guardedObject(gateway.App);
export const Directory = guardedObject(gateway.Directory);
export const Endpoint = guardedObject(gateway.Endpoint);

export default {
  /**
   * @param {Request} request
   * @param {import("./env.d.ts").Env} env
   */
  async fetch(request, env) {
    const origin = allowedOrigin(request, env);
    if (origin === undefined) return await respond(request, env);
    if (request.method === "OPTIONS") return preflight(origin);
    return withCors(await respond(request, env), origin);
  },
};
