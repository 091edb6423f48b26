// The floor: the hops of one event in bare JavaScript on the same workerd, with none of Weir's features.
//
//   Worker: token (cached), JSON.parse, id  ->  App object: insert, grouped by macrotask, 202; pushes batches
//   ->  Endpoint object: due row, HMAC, POST, response body, attempt row and deletion of the due row, grouped.
//
// What it leaves out is what a benchmark against it measures: retries, leases and alarms, cursors, pacing, filters,
// idempotency, tenants, byte-exact payloads. It speaks just enough of the API for the load generator.

import { DurableObject } from "cloudflare:workers";

const encoder = new TextEncoder();
const tokens = new Map();

export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/api/v1/health/ping") return new Response(null, { status: 204 });
    if (!(await authenticate(request.headers.get("authorization"), env.JWT_SECRET))) {
      return Response.json({ code: "authentication_failed", detail: "Invalid token" }, { status: 401 });
    }
    const [, , , , app, what] = path.split("/");
    if (app === undefined) return Response.json({ id: "app_floor" }, { status: 201 });
    const body = JSON.parse(await request.text());
    const object = env.APP.get(appId(env, app));
    if (what === "endpoint") {
      await object.configure(body.url);
      return Response.json({ id: "ep_floor" }, { status: 201 });
    }
    const id = `msg_${crypto.randomUUID()}`;
    await object.accept(id, body.eventType, JSON.stringify(body.payload));
    const answer = { id, eventId: null, eventType: body.eventType, payload: {}, timestamp: new Date() };
    return Response.json(answer, { status: 202 });
  },
};

const ids = new Map();
function appId(env, app) {
  let id = ids.get(app);
  if (id === undefined) ids.set(app, (id = env.APP.idFromName(app)));
  return id;
}

async function authenticate(header, secret) {
  const known = tokens.get(header);
  if (known !== undefined) return known > Date.now();
  if (!header?.startsWith("Bearer ")) return false;
  const [head, claims, signature] = header.slice(7).split(".");
  const key = await hmacKey(encoder.encode(secret), "verify");
  const signed = encoder.encode(`${head}.${claims}`);
  if (!(await crypto.subtle.verify("HMAC", key, bytes(signature), signed))) return false;
  const expires = JSON.parse(new TextDecoder().decode(bytes(claims))).exp * 1000;
  tokens.set(header, expires);
  return expires > Date.now();
}

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const hmacKey = (raw, use) =>
  crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, [use]);

// Calls `flush` once in a macrotask with everything that was added since.
class Group {
  constructor(flush) {
    this.flush = flush;
    this.items = [];
    this.done = null;
  }
  add(item) {
    this.items.push(item);
    this.done ??= new Promise((resolve, reject) => {
      setTimeout(() => {
        const items = this.items;
        this.items = [];
        this.done = null;
        try {
          this.flush(items);
          resolve();
        } catch (error) {
          reject(error);
        }
      }, 0);
    });
    return this.done;
  }
}

export class App extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, type TEXT, body TEXT) STRICT, WITHOUT ROWID",
    );
    this.outbox = [];
    this.pushing = false;
    this.inserts = new Group((messages) => {
      this.sql.exec(
        "INSERT INTO message SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
        JSON.stringify(messages),
      );
      this.outbox.push(...messages);
      if (!this.pushing) this.push();
    });
  }

  async configure(url) {
    this.endpoint = this.env.ENDPOINT.get(this.env.ENDPOINT.idFromName(this.ctx.id.toString()));
    await this.endpoint.configure(url);
  }

  async accept(id, type, body) {
    await this.inserts.add([id, type, body]);
  }

  async push() {
    this.pushing = true;
    while (this.outbox.length > 0) {
      const batch = this.outbox;
      this.outbox = [];
      await this.endpoint.push(batch);
    }
    this.pushing = false;
  }
}

export class Endpoint extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS due (id TEXT PRIMARY KEY, at INTEGER, body TEXT) STRICT, WITHOUT ROWID",
    );
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS attempt (id TEXT PRIMARY KEY, status INTEGER, ms INTEGER, response TEXT) STRICT, WITHOUT ROWID",
    );
    this.queue = [];
    this.inFlight = 0;
    this.most = Number(env.MAX_IN_FLIGHT ?? 6);
    this.results = new Group((results) => {
      const rows = JSON.stringify(results);
      this.sql.exec(
        "INSERT INTO attempt SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?)",
        rows,
      );
      this.sql.exec("DELETE FROM due WHERE id IN (SELECT value->>0 FROM json_each(?))", rows);
    });
  }

  async configure(url) {
    this.url = url;
    this.key = await hmacKey(crypto.getRandomValues(new Uint8Array(24)), "sign");
  }

  push(batch) {
    const now = Date.now();
    this.sql.exec(
      "INSERT INTO due SELECT value->>0, ?, value->>2 FROM json_each(?)",
      now,
      JSON.stringify(batch),
    );
    this.queue.push(...batch);
    this.start();
  }

  start() {
    while (this.inFlight < this.most && this.queue.length > 0) {
      this.inFlight++;
      this.deliver(this.queue.shift());
    }
  }

  async deliver([id, , body]) {
    const begun = Date.now();
    let status = 0;
    let response = "";
    try {
      const timestamp = Math.floor(begun / 1000).toString();
      const mac = await crypto.subtle.sign("HMAC", this.key, encoder.encode(`${id}.${timestamp}.${body}`));
      const answer = await fetch(this.url, {
        method: "POST",
        redirect: "manual",
        headers: {
          "content-type": "application/json",
          "user-agent": "floor",
          "svix-id": id,
          "svix-timestamp": timestamp,
          "svix-signature": `v1,${btoa(String.fromCharCode(...new Uint8Array(mac)))}`,
        },
        body,
      });
      status = answer.status;
      response = await answer.text();
    } catch (error) {
      response = String(error);
    }
    this.inFlight--;
    this.start();
    await this.results.add([id, status, Date.now() - begun, response]);
  }
}

// The gateway's third object, which the floor has no use for.
export class Directory extends DurableObject {}
