// What the emulator's own tests put under its rules: three classes that do what they are told. `POST /do` with
// `{object, do, ...}` asks an object, by the Worker; `POST /here` does the same in the Worker itself.

import { DurableObject } from "cloudflare:workers";

const failure = (error) => ({
  error: String(error?.message ?? error),
  retryable: error?.retryable,
  overloaded: error?.overloaded,
  reset: error?.durableObjectReset,
});

const timer = (ms) => new Promise((done) => setTimeout(done, ms));

/** Calls the object that is named `Class:name`. */
function ask(env, object, step) {
  const [kind, name] = object.split(":");
  const namespace = env[kind.toUpperCase()];
  return namespace.get(namespace.idFromName(name)).act(step);
}

const steps = {
  /** Calls the other object, which calls this one, and so on. */
  async pingPong({ env, name, step }) {
    if (step.left === 0) return { left: 0 };
    const next = { do: "pingPong", peer: name, left: step.left - 1 };
    return await ask(env, step.peer, next).catch((error) => ({ ...failure(error), left: step.left }));
  },
  /** Many requests or calls, at the same time or one after another. */
  async fetches({ step }) {
    const once = async () => {
      const response = await fetch(step.url, { redirect: "manual", signal: step.ms && AbortSignal.timeout(step.ms) });
      return { status: response.status, text: (await response.text()).slice(0, 100) };
    };
    return await many(step, once);
  },
  async calls({ env, step }) {
    return await many(step, () => ask(env, step.peer, step.step ?? { do: "nothing" }));
  },
  /** Asks several objects at the same time. */
  async spread({ env, step }) {
    return await Promise.all(step.peers.map((peer) => ask(env, peer, step.step)));
  },
  /** Calls another object after a while. */
  async later({ env, step }) {
    await timer(step.ms);
    return await ask(env, step.peer, { do: "nothing" }).catch(failure);
  },
  nothing: () => ({}),
  async sleep({ step }) {
    await timer(step.ms);
    return {};
  },
  /** SQL with `{fill: n}` for a text of n bytes. */
  sql({ ctx, step }) {
    const values = (step.values ?? []).map((value) => (value?.fill === undefined ? value : "x".repeat(value.fill)));
    const text = step.sql + " ".repeat(step.pad ?? 0);
    return { rows: ctx.storage.sql.exec(text, ...values).toArray().length, size: ctx.storage.sql.databaseSize };
  },
  /** What the clock says over a turn of so many real milliseconds of computing, and after a timer. */
  async clock() {
    const begun = Date.now();
    for (let n = 0; n < 3e7; n++) Math.sqrt(n);
    const later = [Date.now(), new Date().getTime()];
    const asked = Date.now();
    await new Promise((done) => {
      setTimeout(done, 5);
      queueMicrotask(() => { for (let n = 0; n < 1e8; n++) Math.sqrt(n); });
    });
    return { moved: later.map((at) => at - begun), timer: Date.now() - asked };
  },
  /** Starts something and answers at once. */
  async leave({ step }) {
    if (step.what === "timer") setTimeout(() => {}, step.ms);
    if (step.what === "signal") AbortSignal.timeout(step.ms);
    if (step.what === "cleared") clearTimeout(setTimeout(() => {}, step.ms));
    if (step.what === "fetch") void fetch(step.url).catch(() => {});
    return {};
  },
  async alarm({ ctx, step }) {
    await ctx.storage.put("then", step.then);
    await ctx.storage.setAlarm(Date.now());
    return {};
  },
  /** Sets an alarm so much later; when it is due, and the time. */
  async alarmIn({ ctx, step }) {
    if (step.ms !== null) await ctx.storage.setAlarm(Date.now() + step.ms);
    return { in: (await ctx.storage.getAlarm()) - Date.now() };
  },
  async result({ ctx }) {
    return (await ctx.storage.get("result")) ?? { waiting: true };
  },
  async send({ env, step }) {
    return { size: await ask(env, step.peer, { do: "size", bytes: new Uint8Array(step.bytes) }) };
  },
  size: ({ step }) => step.bytes.byteLength,
  /** Gets an answer of so many bytes. */
  async receive({ env, step }) {
    return { size: (await ask(env, step.peer, { do: "give", bytes: step.bytes })).byteLength };
  },
  give: ({ step }) => new Uint8Array(step.bytes),
  async deleteAll({ ctx }) {
    await ctx.storage.deleteAll();
    return {};
  },
  say: () => {
    console.log("a line");
    return {};
  },
};

async function many({ count, serially }, once) {
  const guarded = () => once().catch(failure);
  if (!serially) return await Promise.all(Array.from({ length: count }, guarded));
  const results = [];
  for (let n = 0; n < count; n++) results.push(await guarded());
  return results;
}

class Actor extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT, b TEXT) STRICT");
  }
  async act(step) {
    const name = `${this.constructor.kind}:${this.ctx.id.name}`;
    return await steps[step.do]({ ctx: this.ctx, env: this.env, name, step });
  }
  async alarm() {
    const step = await this.ctx.storage.get("then");
    await this.ctx.storage.put("result", await this.act(step).catch(failure));
  }
}

export class App extends Actor {
  static kind = "App";
}
export class Directory extends Actor {
  static kind = "Directory";
}
export class Endpoint extends Actor {
  static kind = "Endpoint";
}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response(null, { status: 204 });
    const step = await request.json();
    const done = step.object
      ? ask(env, step.object, step)
      : Promise.resolve().then(() => steps[step.do]({ env, name: "Worker:", step }));
    return Response.json(await done.catch(failure));
  },
};
