// Who is running: an object, or one request of the Worker. Each has an event it was last given, a clock, and an account
// of what it has done and what kept it in memory.
//
// Everything an event leads to runs in its context (AsyncLocalStorage). What the platform charges to "the current
// event" is charged to the object's *most recent* one, whatever the code has in mind.

import { AsyncLocalStorage } from "node:async_hooks";
import { rules } from "./rules.mjs";

const storage = new AsyncLocalStorage();
const platformNow = Date.now.bind(Date);

/** The context that runs now; undefined outside of any, as while modules are evaluated. */
export const current = () => storage.getStore();

/** The real time, in milliseconds. */
export const realNow = platformNow;

/** Bytes that are on their way: messages of calls and bodies of requests, as long as they are not answered. */
export const traffic = {
  bytes: 0,
  most: 0,
  /** Of them, in calls between objects. */
  calls: 0,
  callsMost: 0,
  /** The largest message of a call, and what was asked. */
  largest: { bytes: 0, operation: "" },
  /** A message of a call: its arguments, or its return value. */
  message(bytes, operation) {
    if (bytes > this.largest.bytes) this.largest = { bytes, operation };
  },
  /** Counts so many bytes until what is returned is called. */
  carry(bytes) {
    this.bytes += bytes;
    this.most = Math.max(this.most, this.bytes);
    return () => (this.bytes -= bytes);
  },
  /** The same for a call between objects. */
  call(bytes) {
    const arrived = this.carry(bytes);
    this.calls += bytes;
    this.callsMost = Math.max(this.callsMost, this.calls);
    return () => {
      arrived();
      this.calls -= bytes;
    };
  },
};

const platformError = (message, properties) => Object.assign(new Error(message), properties);

/** Requests that wait for headers. The next one waits its turn. */
class Connections {
  waiting = 0;
  most = 0;
  queue = [];

  /** Resolves once there is a free connection, with what gives it back; rejects if `signal` aborts before. */
  async take(signal) {
    signal?.throwIfAborted();
    if (this.waiting >= rules.connections) {
      let turn;
      const free = new Promise((resolve, reject) => {
        turn = { resolve, aborted: () => reject(signal.reason) };
        this.queue.push(turn);
        signal?.addEventListener("abort", turn.aborted);
      });
      try {
        await free; // whoever gave it up has kept it counted for us
      } catch (error) {
        const at = this.queue.indexOf(turn);
        if (at >= 0) this.queue.splice(at, 1);
        else this.give();
        throw error;
      } finally {
        signal?.removeEventListener("abort", turn.aborted);
      }
    } else {
      this.waiting++;
      this.most = Math.max(this.most, this.waiting);
    }
    return () => this.give();
  }

  give() {
    const next = this.queue.shift();
    if (next) next.resolve();
    else this.waiting--;
  }
}

// Shared by everything one top-level event leads to. Calls carry its number; the newest ones are remembered.
const families = new Map();
let newest = 0;

function family(id) {
  const known = families.get(id);
  if (known) return known;
  const created = { id: id ?? ++newest, connections: new Connections() };
  families.set(created.id, created);
  if (families.size > 20_000) families.delete(families.keys().next().value);
  return created;
}

const COUNTS = {
  requests: 0, // events: calls of an object, requests of the Worker
  alarms: 0,
  external: 0,
  internal: 0,
  rowsWritten: 0,
  rowsRead: 0,
  syncs: 0, // waits until everything written is durable: group commits
  deletedAll: 0, // calls of deleteAll
  timers: 0,
  signals: 0,
  logLines: 0,
  opened: 0,
};

/** What an object has done since it was first seen or the last reset. */
export class Account {
  constructor(name) {
    this.name = name;
    this.reset();
  }

  reset() {
    Object.assign(this, COUNTS);
    this.refused = {};
    this.written = {};
    this.calls = {};
    this.deepest = 0;
    this.heldMs = 0;
    this.lastAnswer = 0;
    this.restedAt = 0;
  }

  /** Rows that were written to a table, or by another kind of statement. */
  wrote(what, rows) {
    if (rows === 0) return;
    this.rowsWritten += rows;
    this.written[what] = (this.written[what] ?? 0) + rows;
  }

  refuse(rule, message, properties) {
    this.refused[rule] = (this.refused[rule] ?? 0) + 1;
    return platformError(message, properties);
  }
}

const TOO_MANY = "Too many subrequests by single Worker invocation.";
const TOO_DEEP =
  "Subrequest depth limit exceeded. This request recursed through Workers too many times. This can happen e.g. if " +
  "you have a Worker or Durable Object that calls other Workers or objects recursively.";

export class Context {
  constructor(account) {
    this.account = account;
    this.own = new Connections();
    this.timers = new Map();
    this.now = platformNow();
    this.event = { depth: 0, external: 0, internal: 0, family: undefined };
    this.pending = {};
    this.holds = 0;
    this.heldSince = 0;
    /** When the next alarm is due, as far as it was set since the process started. */
    this.alarmAt = undefined;
    /** Rises when the object is constructed again: what the one before it had pending is gone. */
    this.life = 0;
  }

  /** A new instance of the object: nothing is pending. */
  reopen() {
    if (this.holds > 0) this.account.heldMs += platformNow() - this.heldSince;
    this.life++;
    this.holds = 0;
    this.pending = {};
    this.timers.clear();
    this.own = new Connections();
  }

  /** Delivers an event: `work` runs in this context, charged to an event of that depth and family. */
  async deliver({ depth, family: id }, work) {
    this.account.requests++;
    const { external, internal } = rules.countsPerEvent ? { external: 0, internal: 0 } : this.event;
    this.event = { depth, external, internal, family: family(id) };
    this.account.deepest = Math.max(this.account.deepest, depth);
    const release = this.hold("event");
    try {
      this.turn();
      return await storage.run(this, work);
    } finally {
      release();
    }
  }

  /** Runs `work` in this context, now. */
  run(work) {
    return storage.run(this, work);
  }

  // ---- What the object may do for an event

  countExternal() {
    this.account.external++;
    if (++this.event.external > rules.external) throw this.account.refuse("external", TOO_MANY);
  }

  /** Counts a call of another object; what the call carries. */
  countCall(operation) {
    this.account.internal++;
    this.account.calls[operation] = (this.account.calls[operation] ?? 0) + 1;
    if (++this.event.internal > rules.internal) throw this.account.refuse("internal", TOO_MANY);
    const depth = this.event.depth + 1;
    if (depth > rules.depth) throw this.account.refuse("depth", TOO_DEEP);
    return { depth, family: this.event.family?.id };
  }

  get connections() {
    return rules.connectionsOf === "event" && this.event.family ? this.event.family.connections : this.own;
  }

  // ---- The clock: it moves when I/O comes back, and only then

  turn(at = platformNow()) {
    this.now = Math.max(this.now, at);
  }

  /** The result of I/O: a new turn begins with it, and the object cannot hibernate until then. */
  async io(kind, promise) {
    const release = kind ? this.hold(kind) : undefined;
    try {
      return await promise;
    } finally {
      this.turn();
      release?.();
    }
  }

  // ---- What keeps the object in memory

  /** Something is pending that keeps the object from hibernating, until what is returned is called. */
  hold(kind) {
    const { life } = this;
    this.pending[kind] = (this.pending[kind] ?? 0) + 1;
    if (this.holds++ === 0) this.heldSince = platformNow();
    let open = true;
    return () => {
      if (!open || life !== this.life) return;
      open = false;
      if (--this.pending[kind] === 0) delete this.pending[kind];
      if (--this.holds > 0) return;
      this.account.restedAt = platformNow();
      this.account.heldMs += this.account.restedAt - this.heldSince;
    };
  }

  /** How long the object has been in memory, with the time that has not ended. */
  get heldMs() {
    return this.account.heldMs + (this.holds > 0 ? platformNow() - this.heldSince : 0);
  }

  reset() {
    this.account.reset();
    this.heldSince = platformNow();
  }
}
