// Measures what Cloudflare does that no document states and local workerd does not do, and prints it as a table.
//
// `GET /` streams one line for each question; `GET /?json` gives one JSON object a line; `?only=name` asks one question.
// Every question is asked of objects that nobody used before, so that no answer depends on another.

import { DurableObject } from "cloudflare:workers";

/** A request takes that long, so that what waits for it can be told from what does not. */
const SLOW_MS = 1_500;
/** The most calls that are tried before the limit counts as not found. */
const MOST_CALLS = 10_200;
const BATCH = 100;

const said = (error) => String(error?.message ?? error).split("\n")[0];
const later = (ms) => new Promise((done) => setTimeout(done, ms));
const fresh = (env) => env.PROBE.get(env.PROBE.newUniqueId());

// ---- The questions, in the order of the table. Each gives an answer, and what it follows from.

const QUESTIONS = {
  depth: {
    ask: "How many calls may a chain between two objects have?",
    async measure({ env }) {
      const [a, b] = [fresh(env), fresh(env)];
      const ids = [a.id.toString(), b.id.toString()];
      const { reached, error } = await a.bounce(ids, 0, 40);
      return {
        answer: reached >= 40 ? "more than 40" : String(reached + 1),
        because: error ?? "none was refused",
      };
    },
  },
  "depth-alarm": {
    ask: "Does an alarm begin a new chain?",
    async measure({ env }) {
      const object = fresh(env);
      const peer = fresh(env);
      const { reached, error } = await object.inAlarm("bounce", [
        [object.id.toString(), peer.id.toString()],
        0,
        40,
      ]);
      return {
        answer: reached > 0 ? "yes" : "no",
        because: `${reached} calls from an alarm; ${error ?? "none refused"}`,
      };
    },
  },
  "calls-per-event": {
    ask: "How many calls of objects may one event make?",
    async measure({ env }) {
      const { done, error } = await fresh(env).callMany(MOST_CALLS);
      return { answer: error ? String(done) : `more than ${done}`, because: error ?? "none was refused" };
    },
  },
  "requests-per-event": {
    ask: "Is the 51st request to the outside in one event refused?",
    async measure({ env, origin }) {
      const { done, error } = await fresh(env).fetchMany(`${origin}/slow?ms=0`, 51);
      return { answer: error ? `yes, after ${done}` : "no", because: error ?? "51 were answered" };
    },
  },
  "count-reset": {
    ask: "Does an object's next event have a new count of subrequests?",
    async measure({ env }) {
      // From alarms, so that each is a top-level event; a timer keeps the object in memory between the two.
      const limit = (await fresh(env).callMany(MOST_CALLS)).done;
      const object = fresh(env);
      await object.stayAwake(60_000);
      const share = Math.floor(limit * 0.7);
      const first = await object.inAlarm("callMany", [share]);
      const second = await object.inAlarm("callMany", [share]);
      await object.stayAwake(0);
      const counts = `${first.done} and ${second.done} of ${share} calls each`;
      if (limit >= MOST_CALLS) return { answer: "unknown", because: "no limit was found" };
      return {
        answer: second.error ? "no" : "yes",
        because: `${counts}; ${second.error ?? "none was refused"}`,
      };
    },
  },
  "count-owner": {
    ask: "Do two events of one request to the Worker share a count?",
    async measure({ env }) {
      const limit = (await fresh(env).callMany(MOST_CALLS)).done;
      const object = fresh(env);
      const share = Math.floor(limit * 0.7);
      await object.callMany(share);
      const second = await object.callMany(share);
      if (limit >= MOST_CALLS) return { answer: "unknown", because: "no limit was found" };
      return {
        answer: second.error ? "yes" : "no",
        because: second.error ?? `twice ${share} calls were answered`,
      };
    },
  },
  connections: {
    ask: "How many requests of one object wait for headers at the same time?",
    async measure({ env, origin }) {
      const ms = await fresh(env).slowly(`${origin}/slow?ms=${SLOW_MS}`, 12);
      const rounds = Math.round(ms / SLOW_MS);
      const answer =
        rounds <= 1 ? "at least 12" : rounds === 2 ? "6 to 11" : `about ${Math.ceil(12 / rounds)}`;
      return { answer, because: `12 requests of ${SLOW_MS} ms took ${ms} ms` };
    },
  },
  "connections-owner": {
    ask: "Do two objects that one request called share their connections?",
    async measure({ env, origin }) {
      const [a, b] = [fresh(env), fresh(env)];
      const url = `${origin}/slow?ms=${SLOW_MS}`;
      const took = await Promise.all([a.slowly(url, 6), b.slowly(url, 6)]);
      const shared = Math.max(...took) > SLOW_MS * 1.7;
      return {
        answer: shared ? "yes" : "no",
        because: `6 requests of ${SLOW_MS} ms in each took ${took.join(" and ")} ms`,
      };
    },
  },
  "connections-alarm": {
    ask: "Do two objects that run their alarms share their connections?",
    async measure({ env, origin }) {
      const [a, b] = [fresh(env), fresh(env)];
      const args = [`${origin}/slow?ms=${SLOW_MS}`, 6];
      const took = await Promise.all([a.inAlarm("slowly", args), b.inAlarm("slowly", args)]);
      const shared = Math.max(...took) > SLOW_MS * 1.7;
      return {
        answer: shared ? "yes" : "no",
        because: `6 requests of ${SLOW_MS} ms in each took ${took.join(" and ")} ms`,
      };
    },
  },
  "value-bytes": {
    ask: "How long may a text in a column be?",
    async measure({ env }) {
      const { most, error } = await fresh(env).longestValue();
      return { answer: `${most} bytes`, because: error ?? "none was refused" };
    },
  },
  "row-bytes": {
    ask: "May a row of two columns be longer than that?",
    async measure({ env }) {
      const error = await fresh(env).storeRow([1_500_000, 1_500_000]);
      return {
        answer: error ? "no" : "yes",
        because: error ?? "1,500,000 bytes in each of two columns were stored",
      };
    },
  },
  "drop-rows": {
    ask: "Does DROP TABLE count as rows written?",
    async measure({ env }) {
      const { dropped, deleted } = await fresh(env).dropTable(10_000);
      const because = `DROP of 10,000 rows: ${dropped}; DELETE of 10,000 rows: ${deleted} (README: compare the bill)`;
      return { answer: dropped >= 10_000 ? "yes" : "no", because };
    },
  },
  clock: {
    ask: "Is the time in a late timer's callback its scheduled time?",
    async measure({ env }) {
      const { moved, timer } = await fresh(env).clock();
      return {
        answer: timer <= 6 ? "yes" : "no",
        because: `a timer of 5 ms saw ${timer} ms; computing moved it by ${moved} ms`,
      };
    },
  },
  address: {
    ask: "What is answered for an IP address?",
    async measure() {
      return await answered("http://1.1.1.1/");
    },
  },
  "unknown-name": {
    ask: "What is answered for a name that nobody has?",
    async measure() {
      return await answered("http://nobody.invalid/");
    },
  },
  cpu: {
    ask: "How much processor time may one event of an object take?",
    async measure({ env, quick }) {
      // The clock does not move while computing: how much work a millisecond is, is measured across calls.
      const steps = quick ? [1, 10] : [10, 30, 100, 300, 1_000, 3_000, 10_000, 25_000, 40_000];
      const unit = 20_000_000;
      const begun = Date.now();
      await fresh(env).compute(unit);
      const perMs = unit / Math.max(Date.now() - begun, 1);
      let most = 0;
      for (const ms of steps) {
        const from = Date.now();
        try {
          await fresh(env).compute(Math.round(perMs * ms));
        } catch (error) {
          return { answer: `more than ${most} ms, less than about ${ms} ms`, because: said(error) };
        }
        most = Date.now() - from;
      }
      return { answer: `more than ${most} ms`, because: "none was refused" };
    },
  },
};

async function answered(url) {
  try {
    const response = await fetch(url, { redirect: "manual" });
    return { answer: String(response.status), because: (await response.text()).trim().slice(0, 60) };
  } catch (error) {
    return { answer: "an exception", because: said(error) };
  }
}

// ---- What the objects do

export class Probe extends DurableObject {
  /** A chain of calls between two objects, each calling the other back; how many were made below this one. */
  async bounce(ids, made, most) {
    if (made >= most) return { reached: made };
    const next = this.env.PROBE.get(this.env.PROBE.idFromString(ids[(made + 1) % 2]));
    try {
      return await next.bounce(ids, made + 1, most);
    } catch (error) {
      return { reached: made, error: said(error) };
    }
  }

  async callMany(count) {
    const peer = fresh(this.env);
    return await this.#many(count, () => peer.nothing());
  }

  async fetchMany(url, count) {
    return await this.#many(count, async () => void (await (await fetch(url)).text()));
  }

  async #many(count, once) {
    let done = 0;
    while (done < count) {
      const batch = Math.min(BATCH, count - done);
      const results = await Promise.allSettled(Array.from({ length: batch }, once));
      const failed = results.find(({ status }) => status === "rejected");
      done += results.filter(({ status }) => status === "fulfilled").length;
      if (failed) return { done, error: said(failed.reason) };
    }
    return { done };
  }

  nothing() {}

  /** How long it takes until so many requests have been answered, at the same time. */
  async slowly(url, count) {
    const begun = Date.now();
    await Promise.all(Array.from({ length: count }, async () => void (await (await fetch(url)).text())));
    return Date.now() - begun;
  }

  /** Runs a method of this object in its alarm. */
  async inAlarm(method, args) {
    this.result = undefined;
    this.work = { method, args };
    await this.ctx.storage.setAlarm(Date.now());
    for (;;) {
      await later(20);
      if (this.result) return this.result.value;
    }
  }

  async alarm() {
    if (!this.work) return;
    const { method, args } = this.work;
    this.result = { value: await this[method](...args) };
  }

  stayAwake(ms) {
    clearTimeout(this.awake);
    this.awake = ms > 0 ? setTimeout(() => {}, ms) : undefined;
  }

  longestValue() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE value (a TEXT)");
    let most = 0;
    for (const bytes of [
      1_000_000, 1_900_000, 2_000_000, 2_000_001, 2_097_152, 3_000_000, 4_000_000, 4_194_304, 5_000_000,
    ]) {
      try {
        sql.exec("DELETE FROM value");
        sql.exec("INSERT INTO value VALUES (?)", "x".repeat(bytes));
        most = bytes;
      } catch (error) {
        return { most, error: `${bytes}: ${said(error)}` };
      }
    }
    return { most };
  }

  storeRow([a, b]) {
    const { sql } = this.ctx.storage;
    try {
      sql.exec("CREATE TABLE wide (a TEXT, b TEXT)");
      sql.exec("INSERT INTO wide VALUES (?, ?)", "x".repeat(a), "x".repeat(b));
      return undefined;
    } catch (error) {
      return said(error);
    }
  }

  dropTable(rows) {
    const { sql } = this.ctx.storage;
    const list = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) ";
    sql.exec("CREATE TABLE dropped (i INTEGER PRIMARY KEY)");
    sql.exec("CREATE TABLE deleted (i INTEGER PRIMARY KEY)");
    sql.exec(`INSERT INTO dropped ${list} SELECT i FROM n`, rows);
    sql.exec(`INSERT INTO deleted ${list} SELECT i FROM n`, rows);
    return {
      dropped: sql.exec("DROP TABLE dropped").rowsWritten,
      deleted: sql.exec("DELETE FROM deleted").rowsWritten,
    };
  }

  async clock() {
    const begun = Date.now();
    spin(30_000_000);
    const moved = Date.now() - begun;
    const timer = await new Promise((done) => {
      const asked = Date.now();
      setTimeout(() => done(Date.now() - asked), 5);
      spin(60_000_000);
    });
    return { moved, timer };
  }

  compute(rounds) {
    return spin(rounds);
  }
}

function spin(rounds) {
  let sum = 0;
  for (let n = 0; n < rounds; n++) sum = (sum * 31 + n) | 0;
  return sum;
}

// ---- The table

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/slow") {
      await later(Number(url.searchParams.get("ms")) || 0);
      return new Response("done");
    }
    if (url.pathname !== "/") return new Response("not found\n", { status: 404 });
    const json = url.searchParams.has("json");
    const context = { env, origin: url.origin, quick: url.searchParams.has("quick") };
    const only = url.searchParams.get("only");
    const names = Object.keys(QUESTIONS).filter((name) => only === null || name === only);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      start(controller) {
        if (!json) controller.enqueue(encoder.encode("| Question | Answer | Because |\n|---|---|---|\n"));
      },
      async pull(controller) {
        const name = names.shift();
        if (name === undefined) return controller.close();
        const { ask, measure } = QUESTIONS[name];
        const found = await measure(context).catch((error) => ({ answer: "unknown", because: said(error) }));
        const line = json
          ? JSON.stringify({ name, ...found })
          : `| ${ask} | ${found.answer} | ${found.because} |`;
        controller.enqueue(encoder.encode(`${line}\n`));
      },
    });
    return new Response(body, { headers: { "content-type": json ? "application/x-ndjson" : "text/plain" } });
  },
};
