// What the Worker's JavaScript reads of a deployment's variables and secrets. Rust reads the rest.
export interface Env {
  JWT_SECRET?: string;
  MASTER_KEY?: string;
  PORTAL_ORIGINS?: string;
  SECURITY_CONTACT?: string;
}

declare global {
  /** Kept by the `worker` crate and instance.mjs. */
  var __worker_init_state: { criticalError: unknown };
  /** Set by entry.mjs for plugin.mjs. */
  var __weir_plugins: typeof import("./plugins.mjs");
}
