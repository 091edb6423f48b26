// The objects, and calls between them: every call goes through one method of the wrapped class, which says what depth
// and which top-level event it comes from.

import { Account, Context, current, realNow, traffic } from "./context.mjs";
import { DEPLOYED, KINDS, ofReset, take } from "./faults.mjs";
import { rules } from "./rules.mjs";
import { moveAlarm, watch } from "./storage.mjs";

/** Every object that was ever opened, by class and name. */
export const objects = new Map();

/** The class as the platform sees it: `Class`, under the platform's rules. */
export const emulated = (kind, Class) =>
  class extends Class {
    #context;

    constructor(ctx, env) {
      const context = opened(kind, ctx);
      context.run(() => super(ctx, bindings(env)));
      this.#context = context;
    }

    /** One event; without a header, what the emulator itself asks. */
    production(header, method, args) {
      if (header) return this.#context.deliver(header, () => super[method](...args));
      if (method === "moved") return moveAlarm(this.ctx.storage, args[0]);
      return method === "deploy" ? this.#deploy() : tables(this.ctx.storage.sql);
    }

    alarm(info) {
      this.#context.account.alarms++;
      this.#context.alarmAt = undefined;
      return this.#context.deliver({ depth: 0 }, () => super.alarm(info));
    }

    #deploy() {
      this.#context.reopen();
      this.ctx.abort(DEPLOYED);
    }
  };

function opened(kind, ctx) {
  const name = `${kind}:${ctx.id.name ?? ctx.id}`;
  let known = objects.get(name);
  if (!known) objects.set(name, (known = { kind, context: new Context(new Account(name)) }));
  known.id = ctx.id;
  known.context.reopen();
  known.context.account.opened++;
  watch(ctx.storage, known.context);
  return known.context;
}

/** What a database holds: its size, and rows by table. */
function tables(sql) {
  const names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'";
  const rows = {};
  for (const [name] of sql.exec(names).raw()) rows[name] = [...sql.exec(`SELECT count(*) FROM "${name}"`).raw()][0][0];
  return { bytes: sql.databaseSize, rows };
}

/** The bindings with their namespaces under the rules. */
export function bindings(env) {
  const wrapped = { ...env };
  delete wrapped.PRODUCTION;
  delete wrapped.APART;
  for (const [name, binding] of Object.entries(env)) {
    if (typeof binding?.idFromName === "function") wrapped[name] = namespace(binding, name);
  }
  return wrapped;
}

function namespace(real, binding) {
  return new Proxy(real, {
    get(target, name) {
      if (name === "get") return (id, ...rest) => stub(target.get(id, ...rest), objectName(binding, id));
      if (name === "getByName") return (id, ...rest) => stub(target.getByName(id, ...rest), objectName(binding, id));
      if (name === "jurisdiction") return (...args) => namespace(target.jurisdiction(...args), binding);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const objectName = (binding, id) => {
  const kind = binding.charAt(0) + binding.slice(1).toLowerCase();
  return `${kind}:${typeof id === "string" ? id : (id.name ?? id)}`;
};

function stub(real, object) {
  return new Proxy(real, {
    get(target, method) {
      if (method === "id" || method === "name" || method === "then" || typeof method === "symbol") {
        return Reflect.get(target, method);
      }
      return (...args) => call(target, object, method, args);
    },
  });
}

async function call(real, object, method, args) {
  const caller = current();
  if (!caller) throw new Error("a call outside of any event");
  // The gateway's objects have one method, whose first argument says which operation is asked for.
  const operation = typeof args[0] === "string" ? args[0] : method;
  const header = caller.countCall(operation);
  const bytes = message(args, operation, caller);
  const fault = take(object, operation);
  const release = caller.hold("call");
  const arrived = traffic.call(bytes);
  try {
    if (fault && fault !== "lost") throw caller.account.refuse(fault, ...said(fault));
    const answer = await real.production(header, method, args);
    if (fault) throw caller.account.refuse(fault, ...said(fault));
    message(answer, `answer of ${operation}`, caller);
    return answer;
  } catch (error) {
    throw ofReset(error);
  } finally {
    arrived();
    caller.turn();
    release();
  }
}

const said = (fault) => {
  const error = KINDS[fault]();
  return [error.message, { ...error }];
};

/** What a message of a call takes, its arguments or its return value; refused where that is too much. */
function message(value, operation, caller) {
  const bytes = sizeOf(value);
  traffic.message(bytes, operation);
  if (bytes <= rules.messageBytes) return bytes;
  const limit = "Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: ";
  throw caller.account.refuse("messageBytes", `${limit}${bytes} bytes.`);
}

function sizeOf(value) {
  if (typeof value === "string") return value.length;
  if (value === null || typeof value !== "object") return 8;
  if (value.byteLength !== undefined) return value.byteLength;
  return Object.values(value).reduce((sum, part) => sum + sizeOf(part), 8);
}

/** Resets every object as a deployment does: what they had in memory is gone, calls under way fail. */
export async function deploy(env) {
  return (await askAll(env, "deploy")).length;
}

/** What every object's database holds, by the object's name. */
export async function stored(env) {
  return Object.fromEntries((await askAll(env, "tables")).map(([name, { value }]) => [name, value]));
}

/** Moves all clocks, and the alarms with them. */
export async function clock(env, shiftMs) {
  const byMs = shiftMs - rules.shiftMs;
  rules.shiftMs = shiftMs;
  await askAll(env, "moved", byMs);
}

async function askAll(env, what, ...args) {
  const names = [...objects.keys()];
  const asked = [...objects.values()].map(({ kind, id }) => env[kind.toUpperCase()].get(id).production(undefined, what, args));
  const answers = await Promise.allSettled(asked);
  return names.map((name, at) => [name, answers[at]]);
}

/** What has been counted, an entry for each object. */
export function report() {
  return [...objects.values()].map(({ kind, context }) => ({
    ...context.account,
    kind,
    heldMs: context.heldMs,
    pending: context.pending,
    alarmAt: context.alarmAt,
    mostConnections: context.own.most,
    at: realNow(),
  }));
}
