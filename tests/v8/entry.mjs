// Runs a plugin on workerd's own V8, bare or metered, as often as it is asked: `POST /bare?runs=1000` with the input. Whoever
// asks measures what that took; a Worker's clock stands still while it computes.

import { DurableObject } from "cloudflare:workers";
import bare from "./bare.wasm";
import metered from "./metered.wasm";
import { deliver, start } from "./instance.mjs";

const modules = { "/bare": bare, "/metered": metered };

// The classes that every configuration here binds.
export class Directory extends DurableObject {}
export class App extends DurableObject {}
export class Endpoint extends DurableObject {}

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const module = modules[pathname];
    if (module === undefined) return new Response(null, { status: 204 });
    const input = new Uint8Array(await request.arrayBuffer());
    let verdict;
    for (let i = Number(searchParams.get("runs")); i > 0; i--) verdict = deliver(start(module), input);
    return Response.json({ verdict });
  },
};
