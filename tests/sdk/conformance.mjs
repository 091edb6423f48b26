// Calls every method of Svix's JavaScript SDK that `calls.json` knows, and fails for one that it does not.
//
// The methods are taken from the client object itself. Each is called as it should be and, at least once, as it should
// not; one without a route has to fail with an error of the API. One line is printed for each method.

import { readFileSync } from "node:fs";

const imported = await import(process.env.SVIX_PACKAGE);
const { Svix } = imported.Svix ? imported : imported.default; // the older generation is CommonJS
const table = JSON.parse(readFileSync(new URL("calls.json", import.meta.url), "utf8"));
const client = (token) => new Svix(token, { serverUrl: process.env.WEIR_URL });
const clients = { org: client(process.env.WEIR_TOKEN), stranger: client("nonsense") };
const known = { uid: process.env.NAME, type: `sdk.${process.env.NAME}`, receiver: process.env.RECEIVER_URL };

// The methods of an object and of the objects that it leads to.
function* methods(object, path) {
  for (
    let proto = Object.getPrototypeOf(object);
    proto !== Object.prototype;
    proto = Object.getPrototypeOf(proto)
  ) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(proto))) {
      if (name === "constructor" || name.startsWith("_")) continue;
      if (property.get) yield* methods(object[name], [...path, name]);
      else if (typeof property.value === "function") yield [...path, name].join(".");
    }
  }
}

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const at = (value, path) => path.split(".").reduce((inner, key) => inner?.[key], value);

function filled(value) {
  if (typeof value === "string" && value.startsWith("$")) return at(known, value.slice(1));
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== "object") return value;
  if ("$ago" in value) return new Date(Date.now() - value.$ago);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, filled(inner)]));
}

const QUERY = [
  "limit",
  "expunge",
  "iterator",
  "order",
  "after",
  "channel",
  "eventType",
  "productType",
  "includeArchived",
];

// Whatever a method wants to be given: it only has to get as far as sending a request. What goes into the query is left
// out: it has to be of a type that the SDK knows.
const anything = new Proxy(() => {}, {
  get(_, name) {
    if (name === Symbol.toPrimitive) return () => "x";
    if (name === "toJSON" || name === "toString") return () => "x";
    if (name === "toISOString") return () => "2026-01-01T00:00:00Z";
    if (name === "map") return () => [];
    if (QUERY.includes(name)) return undefined;
    return typeof name === "string" && name !== "then" ? anything : undefined;
  },
});

async function call(method, as, args) {
  const names = method.split(".");
  const group = names.slice(0, -1).reduce((object, name) => object[name], clients[as ?? "org"]);
  return await group[names.at(-1)](...args);
}

async function failure(method, as, args) {
  try {
    await call(method, as, args);
  } catch (error) {
    const detail = error.body?.detail;
    if (error.code === undefined || !detail) throw error;
    return error.code;
  }
  return "no error";
}

async function check(method, entry) {
  for (let tries = 0; ; tries++) {
    const value = await call(method, entry.as, filled(entry.args));
    if (entry.save) known[entry.save] = value;
    if (!entry.until || at(value, entry.until) !== undefined) break;
    if (tries > 200) throw new Error(`${entry.until} never came`);
    await new Promise((later) => setTimeout(later, 50));
  }
  if (entry.save === "portal") clients.customer = client(known.portal.token);
  if (!entry.error) return;
  const code = await failure(method, entry.error.as, filled(entry.error.args));
  if (code !== entry.error.code) throw new Error(`expected the error ${entry.error.code}, got ${code}`);
}

async function report(method, kind, work) {
  try {
    await work();
    console.log(JSON.stringify({ method, kind, ok: true }));
  } catch (error) {
    const why = `${error.stack ?? error} ${JSON.stringify(error.body ?? null)}`;
    console.log(JSON.stringify({ method, kind, ok: false, why }));
  }
}

const there = new Map(
  [...methods(clients.org, [])].map((path) => [path.split(".").map(camel).join("."), path]),
);
const has = (method) => there.has(method) && there.get(method);
const done = new Set();
for (const entry of table.calls) {
  for (const method of entry.call.filter(has)) {
    done.add(method);
    // What two names of one method would both delete is deleted under the last.
    const twice = entry.keep && has("operationalWebhook.endpoint.delete");
    await report(method, "route", () =>
      twice ? failure(method, "org", ["nobody"]) : check(there.get(method), entry),
    );
  }
}
const matches = (pattern, method) =>
  pattern.endsWith(".*") ? method.startsWith(pattern.slice(0, -1)) : pattern === method;
for (const [method, path] of there) {
  if (done.has(method)) continue;
  if (!table.no_route.some((pattern) => matches(pattern, method))) {
    await report(method, "unknown", () => Promise.reject(new Error("calls.json does not know this method")));
    continue;
  }
  await report(method, "none", async () => {
    const code = await failure(path, "org", Array(6).fill(anything));
    if (code !== 404 && code !== 405) throw new Error(`expected the error 404, got ${code}`);
  });
}
