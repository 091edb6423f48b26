// The rules of deployed Cloudflare that workerd does not enforce, as data.
//
// Sources: Cloudflare's limits pages for Workers and Durable Objects (November 2026). A test or a run overrides single
// rules; `PRODUCTION`, a JSON text among the bindings, says which profile applies and what differs from it.

import { env } from "cloudflare:workers";

const PAID = {
  /** The longest chain of calls between objects. */
  depth: 16,
  /** Requests to the outside for each event. */
  external: 10_000,
  /** Calls of objects for each event. */
  internal: 10_000,
  /** Whether a new event resets both counts. (No document says so; the probe asks.) */
  countsPerEvent: true,
  /** Requests that may wait for their response's headers at the same time; the next one queues. */
  connections: 6,
  /** Whose connections they are: each `object` has its own, or all that one top-level `event` leads to share them. */
  connectionsOf: "object",
  /** The longest text or blob, and the longest row. */
  valueBytes: 2_000_000,
  /** Values bound to one statement. */
  parameters: 100,
  /** The longest SQL statement. */
  statementBytes: 100_000,
  /** What one object's database may hold. */
  storageBytes: 10_000_000_000,
  /** The largest message of a call: its arguments, and its return value. */
  messageBytes: 32 * 1024 * 1024,
  /** How much longer than here a commit takes, in milliseconds: writes are replicated before they count as durable. */
  commitMs: 0,
  /** Time stands still during a turn, and a timer's callback runs at its scheduled time. */
  frozenClock: true,
  /** How far all clocks are ahead, in milliseconds: the route `clock` sets it, and moves all alarms. */
  shiftMs: 0,
  /** `fetch` of an IP address is refused. */
  refuseAddresses: true,
  /** Receivers that cannot be reached are answered for, with 52x and 530, instead of thrown. */
  answerFailures: true,
};

const PROFILES = {
  paid: PAID,
  free: { ...PAID, external: 50, internal: 1_000, storageBytes: 1_000_000_000 },
};

const { profile = "paid", ...overrides } = JSON.parse(env.PRODUCTION ?? "{}");
if (!Object.hasOwn(PROFILES, profile)) throw new Error(`PRODUCTION names no profile: ${profile}`);
for (const [name, value] of Object.entries(overrides)) {
  if (typeof value !== typeof PAID[name]) throw new Error(`PRODUCTION has no such rule: ${name}=${value}`);
}

export const rules = { profile, ...PROFILES[profile], ...overrides };
