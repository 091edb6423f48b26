// An object's storage: sizes, capacity, and the rows that are billed.

import { current } from "./context.mjs";
import { rules } from "./rules.mjs";

/** Capacities that a test has set: the start of an object's name, and bytes. */
const capacities = [];

/** Objects whose name starts so hold at most that many bytes. */
export function setCapacity(object, bytes) {
  const at = capacities.findIndex((entry) => entry.object === object);
  if (at >= 0) capacities.splice(at, 1);
  if (bytes !== undefined) capacities.unshift({ object, bytes });
}

/** The platform's own methods of a storage. */
const platform = {};

/** The clocks are moved by so much: an object's alarm goes off that much earlier. */
export async function moveAlarm(storage, byMs) {
  const at = await platform.getAlarm.call(storage);
  if (at === null) return;
  const earlier = Math.max(at - byMs, 1);
  await platform.setAlarm.call(storage, earlier);
  const context = contexts.get(storage);
  if (context) context.alarmAt = earlier;
}

const contexts = new WeakMap(); // by storage and by its sql
const storages = new WeakMap(); // by its sql
let patched = false;

/** Binds an object's storage to its context. */
export function watch(storage, context) {
  contexts.set(storage, context);
  contexts.set(storage.sql, context);
  storages.set(storage.sql, storage);
  if (patched) return;
  patched = true;
  const sql = Object.getPrototypeOf(storage.sql);
  const exec = sql.exec;
  sql.exec = function (text, ...values) {
    const context = contexts.get(this);
    if (!context) return exec.call(this, text, ...values);
    settle(context);
    const kind = check(this, context, text, values);
    const cursor = kind.table && bound(values) >= WATCHED_BYTES
      ? storeRows(context, exec.bind(this), storages.get(this), kind, text, values)
      : exec.call(this, text, ...values);
    context.account.wrote(kind.what, cursor.rowsWritten);
    keep(context, cursor, kind.what, cursor.rowsWritten);
    return cursor;
  };
  const prototype = Object.getPrototypeOf(storage);
  for (const name of ["setAlarm", "getAlarm", "deleteAlarm", "sync", "deleteAll"]) {
    const real = prototype[name];
    platform[name] = real;
    prototype[name] = function (...args) {
      const context = contexts.get(this);
      if (context && name === "setAlarm") {
        context.account.wrote("alarm", 1);
        args[0] = context.alarmAt = Math.max(Number(args[0]) - rules.shiftMs, 1);
      }
      if (context && name === "sync") context.account.syncs++;
      if (context && name === "deleteAll") context.account.deletedAll++;
      if (context && (name === "deleteAlarm" || name === "deleteAll")) context.alarmAt = undefined;
      let result = real.apply(this, args);
      if (context && name === "sync" && rules.commitMs > 0) {
        result = result.then(() => new Promise((done) => setTimeout(done, rules.commitMs)));
      }
      if (context && name === "getAlarm") result = result.then((at) => (at === null ? null : at + rules.shiftMs));
      return context ? context.io(undefined, result) : result;
    };
  }
}

// Rows are read while a cursor is: what it counts at the end is known by the next statement, or when the turn ends.
const settled = Promise.resolve();

function keep(context, cursor, what, written) {
  const first = context.cursor === undefined;
  context.cursor = { cursor, what, written };
  if (first) settled.then(() => settle(context));
}

function settle(context) {
  if (!context.cursor) return;
  const { cursor, what, written } = context.cursor;
  context.cursor = undefined;
  context.account.rowsRead += cursor.rowsRead;
  context.account.wrote(what, cursor.rowsWritten - written);
}

const WRITES = /(^|;)\s*(insert|replace|update|create|alter|with)\b/i;
const statements = new Map();

// A statement that binds less is not asked how large its rows became.
const WATCHED_BYTES = 16_384;
// Only what begins with its verb: the table is the first name after it, which no name of a CTE is.
const STORES = /^\s*(?:(?:insert|replace)(?:\s+or\s+\w+)?\s+into|update(?:\s+or\s+\w+)?)\s+"?(\w+)"?/i;

const bound = (values) => values.reduce((sum, value) => sum + size(value), 0);

/** Runs a statement that stores rows, and undoes it if one of them, all columns together, is larger than a row may be. */
function storeRows(context, exec, storage, kind, text, values) {
  if (/\breturning\b/i.test(text)) return exec(text, ...values);
  const columns = exec(`PRAGMA table_info("${kind.table}")`).toArray();
  const bytes = columns.map(({ name }) => `iif(typeof("${name}") IN ('text', 'blob'), length(CAST("${name}" AS BLOB)), 0)`).join(" + ");
  return storage.transactionSync(() => {
    const cursor = exec(`${text.replace(/[;\s]+$/, "")} RETURNING ${bytes} AS bytes`, ...values);
    for (const row of cursor) {
      if (row.bytes <= rules.valueBytes) continue;
      throw context.account.refuse("valueBytes", "string or blob too big: SQLITE_TOOBIG");
    }
    return cursor;
  });
}

/** What a statement is, found out once: whether and where it stores anything, and how many rows it lists. */
function kindOf(text) {
  let kind = statements.get(text);
  if (kind === undefined) {
    const writes = WRITES.test(text);
    const listed = /\bvalues\s*(\([\s\S]*)/i.exec(text)?.[1] ?? "";
    let [depth, rows] = [0, 0];
    for (const c of listed) {
      if (c === "(" && depth++ === 0) rows++;
      else if (c === ")") depth--;
    }
    const table = STORES.exec(text)?.[1];
    const what = table ?? text.trim().split(/\s+/, 3).join(" ").toLowerCase();
    kind = { writes, table, what, rows: Math.max(rows, 1), bytes: size(text) };
    if (statements.size > 10_000) statements.clear();
    statements.set(text, kind);
  }
  return kind;
}

const encoder = new TextEncoder();

function size(value) {
  if (typeof value === "string") return value.length < 500_000 ? value.length : encoder.encode(value).length;
  if (value === null || value === undefined || typeof value !== "object") return 8;
  return value.byteLength ?? 8;
}

function check(sql, context, text, values) {
  const { account } = context;
  const kind = kindOf(text);
  if (kind.bytes > rules.statementBytes) throw account.refuse("statementBytes", "statement too long: SQLITE_TOOBIG");
  if (values.length > rules.parameters) {
    throw account.refuse("parameters", "too many SQL variables: SQLITE_ERROR");
  }
  let row = 0;
  const perRow = Math.ceil(values.length / kind.rows);
  for (const [at, value] of values.entries()) {
    if (at % perRow === 0) row = 0;
    row += size(value);
    if (size(value) > rules.valueBytes || (kind.writes && row > rules.valueBytes)) {
      throw account.refuse("valueBytes", "string or blob too big: SQLITE_TOOBIG");
    }
  }
  if (kind.writes && sql.databaseSize > capacityOf(context)) {
    throw account.refuse("storageBytes", "database or disk is full: SQLITE_FULL");
  }
  return kind;
}

function capacityOf({ account }) {
  for (const { object, bytes } of capacities) if (account.name.startsWith(object)) return bytes;
  return rules.storageBytes;
}
