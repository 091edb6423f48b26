// A tenant with data of every kind, so that no page is empty; and the list of all pages.

import { createHmac } from "node:crypto";
import { api, receiver, until } from "./lib.mjs";

/// Text that becomes longest in HTML.
const LONG = `"<&>`.repeat(20_000);

/// Creates the tenant. `say` transforms user-provided text, for example into hostile text.
export async function world(say = (text) => text) {
  const at = await receiver({
    "/orders": { body: say("thank you") },
    "/long": { body: LONG.slice(0, 16_384) },
    "/down": { status: 503, headers: { "content-type": "text/html", "x-request-id": say("r-1") }, body: say("overloaded") },
  });
  const events = [
    ["email.delivered", "Email", "The mail was taken by the receiver's server."],
    ["email.bounced", "Email", "The mail came back."],
    ["contact.created", "Contacts", "Somebody was added to a list."],
    ["report.ready", "Reports", "A report was made."],
  ];
  for (const [name, groupName, description] of events) {
    const schemas = { 1: { title: say(name), type: "object", properties: { id: { type: "string", description: say("an id") } } } };
    await api("POST", "event-type", { name, groupName: say(groupName), description: say(description), schemas });
  }
  const app = (await api("POST", "app", { name: say("Acme Shop"), uid: `acme-${Date.now()}` })).id;
  const empty = (await api("POST", "app", { name: say("Initech") })).id;
  const other = (await api("POST", "app", { name: say("Globex") })).id;
  const endpoint = async (of, path, more) =>
    (await api("POST", `app/${of}/endpoint`, { url: at.at(path), ...more })).id;
  const good = await endpoint(app, "/orders", { description: say("Orders, in production"), throttleRate: 50 });
  const bad = await endpoint(app, "/down", { description: say("The warehouse"), eventTypes: ["email.bounced"] });
  const verbose = await endpoint(app, "/long", { eventTypes: ["report.ready"] });
  const foreign = await endpoint(other, "/foreign", {});
  const header = say("customer 42").replace(/[^\x20-\x7e]/g, "");
  await api("PUT", `app/${app}/endpoint/${good}/headers`, { headers: { "x-customer": header, authorization: "Bearer hush" } });
  await api("PUT", `app/${app}/endpoint/${good}/plugins`, { plugins: [{ name: "redact", config: { emails: true } }] });
  const messages = [];
  for (let n = 0; n < 12; n++) {
    const payload = { id: `msg-${n}`, to: say(`customer-${n}@example.com`), subject: say("Your order has shipped"), size: n * 512 };
    const eventType = events[n % 3][0];
    const body = { eventType, payload, eventId: `ev-${n}`, tags: ["eu", n % 2 ? "odd" : "even"], channels: ["shop"] };
    messages.push((await api("POST", `app/${app}/msg`, body)).id);
  }
  const long = (await api("POST", `app/${app}/msg`, { eventType: "report.ready", payload: { text: LONG } })).id;
  const strange = (await api("POST", `app/${other}/msg`, { eventType: "email.delivered", payload: { foreign: true } })).id;
  const message = messages[1]; // it bounces, so both endpoints get it
  const attempts = await until(async () => {
    const { data } = await api("GET", `app/${app}/attempt/msg/${message}?limit=50`);
    return data.some((one) => one.statusText === "success") && data.filter((one) => one.statusText === "fail").length === 3 && data;
  }, "one success and three failures");
  const answered = await until(async () => {
    const { data } = await api("GET", `app/${app}/attempt/msg/${long}?endpoint_id=${verbose}`);
    return data[0]?.id;
  }, "the attempt with the long answer");
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const task = (await api("POST", `app/${app}/endpoint/${good}/bulk-replay`, { since })).id;
  const portal = new URL((await api("POST", `auth/app-portal-access/${app}`, {})).url).hash.slice("#key=".length);
  // A source with a valid and an invalid event.
  const config = { secret: "the provider's secret" };
  const source = await api("POST", "ingest/source", { name: say("Our code"), type: "github", config });
  const push = (body, signature) => fetch(source.ingestUrl, {
    method: "POST", body, headers: { "content-type": "application/json", "x-github-event": "push", "x-github-delivery": "d-1", "x-hub-signature-256": signature },
  });
  const pushed = JSON.stringify({ ref: say("refs/heads/main") });
  await push(pushed, `sha256=${createHmac("sha256", config.secret).update(pushed).digest("hex")}`);
  await push(pushed, "sha256=00");
  const rejected = (await api("GET", `ingest/source/${source.id}/rejected`)).data[0].id;
  await api("POST", "operational-webhook/endpoint", { url: at.at("/operational") });
  return { source: source.id, rejected, app, empty, other, long, answered, good, bad, foreign, message, strange, messages, attempts, task, portal, at };
}

/// Every page: its name, its path in a `world`, whether customers see it (`portal`), whether it needs no session (`alone`), its
/// `status` if it is not 200, `still: false` if it keeps a connection open, and the name of its picture (`screen`). Pages that
/// are missing here are not tested.
export const PAGES = [
  { name: "sign-in", path: () => "/dashboard/login", alone: true },
  { name: "overview", path: () => "/dashboard", screen: "overview" },
  { name: "endpoints in trouble", path: () => "/dashboard/trouble" },
  { name: "applications", path: () => "/dashboard/apps" },
  { name: "applications, a search", path: () => "/dashboard/apps?q=acme" },
  { name: "a search", path: () => "/dashboard/find?q=acme", portal: true },
  { name: "overview of 28 days", path: () => "/dashboard?hours=672" },
  { name: "application", path: (w) => `/dashboard/app/${w.app}`, portal: true },
  { name: "messages", screen: "messages", path: (w) => `/dashboard/app/${w.app}/messages`, portal: true },
  { name: "messages that do not update", path: (w) => `/dashboard/app/${w.app}/messages?live=off`, portal: true },
  { name: "messages of a status", path: (w) => `/dashboard/app/${w.app}/messages?status=2`, portal: true },
  { name: "messages, none fits", path: (w) => `/dashboard/app/${w.app}/messages?tag=nobody-has-it`, portal: true },
  { name: "messages, a text", path: (w) => `/dashboard/app/${w.app}/messages?contains=id`, portal: true },
  { name: "message", path: (w) => `/dashboard/app/${w.app}/message/${w.message}`, portal: true, screen: "message" },
  { name: "attempt", path: (w) => `/dashboard/app/${w.app}/message/${w.message}/attempt/${w.attempts[0].id}`, portal: true },
  { name: "live", path: (w) => `/dashboard/app/${w.app}/live`, portal: true, still: false, screen: "live" },
  { name: "endpoint", path: (w) => `/dashboard/app/${w.app}/endpoint/${w.good}`, portal: true },
  { name: "endpoint that fails", screen: "endpoint", path: (w) => `/dashboard/app/${w.app}/endpoint/${w.bad}`, portal: true },
  { name: "attempts that failed", path: (w) => `/dashboard/app/${w.app}/endpoint/${w.bad}?status=2`, portal: true },
  { name: "settings of an endpoint", path: (w) => `/dashboard/app/${w.app}/endpoint/${w.good}/settings`, portal: true },
  { name: "headers of an endpoint", path: (w) => `/dashboard/app/${w.app}/endpoint/${w.good}/headers`, portal: true },
  { name: "plugins of an endpoint", path: (w) => `/dashboard/app/${w.app}/endpoint/${w.good}/plugins` },
  { name: "event types", path: () => "/dashboard/event-types", portal: true },
  { name: "event types with archived ones", path: () => "/dashboard/event-types?archived=true", portal: true },
  { name: "event type", path: () => "/dashboard/event-type/email.bounced", portal: true },
  { name: "sources", path: () => "/dashboard/sources" },
  { name: "new source, its secret", path: () => "/dashboard/sources/new?type=github" },
  { name: "new source", path: () => "/dashboard/sources/new" },
  { name: "source", path: (w) => `/dashboard/app/${w.source}` },
  { name: "messages of a source", path: (w) => `/dashboard/app/${w.source}/messages` },
  { name: "live of a source", path: (w) => `/dashboard/app/${w.source}/live`, still: false },
  { name: "rejected request", path: (w) => `/dashboard/app/${w.source}/rejected/${w.rejected}` },
  { name: "plugins", path: () => "/dashboard/plugins" },
  { name: "plugin", path: () => "/dashboard/plugin/redact" },
  { name: "plugin with a message", path: (w) => `/dashboard/plugin/redact?app=${w.app}&message=${w.message}&endpoint=${w.good}` },
  { name: "settings", path: () => "/dashboard/settings" },
  { name: "tasks", path: () => "/dashboard/tasks" },
  { name: "long message", path: (w) => `/dashboard/app/${w.app}/message/${w.long}`, portal: true },
  { name: "long answer", path: (w) => `/dashboard/app/${w.app}/message/${w.long}/attempt/${w.answered}`, portal: true },
  { name: "application with nothing", path: (w) => `/dashboard/app/${w.empty}` },
  { name: "messages, none yet", path: (w) => `/dashboard/app/${w.empty}/messages` },
  { name: "live, nothing yet", path: (w) => `/dashboard/app/${w.empty}/live` },
  { name: "no such page", path: () => "/dashboard/nothing", portal: true, status: 404 },
  { name: "what is not there", path: (w) => `/dashboard/app/${w.app}/message/msg_none`, portal: true, status: 404 },
];
