// What the package weir-gateway reads in its wrangler.toml.

import { join } from "node:path";

const { deployment } = await import(
  join(process.env.HOME_DIR, "node_modules/weir-gateway/lib/deployment.mjs")
);
console.log(JSON.stringify({ test: "wrangler.toml is understood", ok: true, deployment: deployment() }));
