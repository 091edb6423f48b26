// Stands in front of the unmodified Worker, behind the production emulator: counts and spoils the calls between its parts, and
// resets its objects as a deployment does. Told by POST /__faults, asked by GET /__faults; see tests/src/faults.rs.

import * as weir from "./weir.mjs";

const KINDS = ["DIRECTORY", "APP", "ENDPOINT"];

// What to do to calls: { kind, op, skip, times, when, error }. `when` is "before" (the call is not made), "after" (it is
// made, and its answer lost) or "reset" (the object is reset while the call is under way).
let rules = [];
let calls = {};
// How namespaces were asked for objects: by jurisdiction and location hint.
let places = {};
const known = new Map();

function ruleFor(kind, op) {
  for (const rule of rules) {
    if (rule.kind !== kind || (rule.op !== undefined && rule.op !== op)) continue;
    if (rule.skip > 0) {
      rule.skip -= 1;
    } else if (rule.times > 0) {
      rule.times -= 1;
      return rule;
    }
  }
  return undefined;
}

const failure = (error) => Object.assign(new Error(error.message), error);

async function called(kind, stub, args) {
  const op = String(args[0]);
  calls[`${kind} ${op}`] = (calls[`${kind} ${op}`] ?? 0) + 1;
  const rule = ruleFor(kind, op);
  if (rule?.when === "before") throw failure(rule.error);
  try {
    const answer = stub.call(...args);
    if (rule?.when === "reset") stub.reset().catch(() => {});
    const told = await answer;
    if (rule?.when === "after") throw failure(rule.error);
    return told;
  } catch (error) {
    // As the platform marks it; the local runtime does not.
    if (error.durableObjectReset) error.retryable = true;
    throw error;
  }
}

function space(namespace, kind, jurisdiction) {
  return {
    jurisdiction: (where) => space(namespace, kind, where),
    idFromName: (name) => namespace.idFromName(name),
    get(id, options) {
      const place = `${kind} ${jurisdiction ?? "-"} ${options?.locationHint ?? "-"}`;
      places[place] = (places[place] ?? 0) + 1;
      known.set(`${kind} ${id.name}`, () => namespace.get(id));
      return { call: (...args) => called(kind, namespace.get(id, options), args) };
    },
  };
}

const wrapped = new WeakMap();
function wrap(env) {
  if (!wrapped.has(env)) {
    const spaces = Object.fromEntries(KINDS.map((kind) => [kind, space(env[kind], kind)]));
    wrapped.set(env, { ...env, ...spaces });
  }
  return wrapped.get(env);
}

const resettable = (Class) =>
  class extends Class {
    constructor(state, env) {
      super(state, wrap(env));
    }
    reset() {
      this.ctx.abort("Durable Object reset because its code was updated.");
    }
  };

export const App = resettable(weir.App);
export const Directory = resettable(weir.Directory);
export const Endpoint = resettable(weir.Endpoint);

async function control(request) {
  if (request.method === "POST") {
    const told = await request.json();
    rules = told.rules ?? rules;
    if (told.forget) [calls, places] = [{}, {}];
    if (told.deploy) {
      const resets = [...known.values()].map((stub) =>
        stub()
          .reset()
          .catch(() => {}),
      );
      await Promise.all(resets);
    }
  }
  return Response.json({ calls, places, left: rules.reduce((sum, rule) => sum + rule.times, 0) });
}

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === "/__faults") return await control(request);
    return await weir.default.fetch(request, wrap(env), context);
  },
};
