// The ABI of Weir's plugins (version 1) for AssemblyScript. A plugin imports from here, and exports what the host calls:
//
//     export { weir_abi_v1, weir_input } from "./weir";
//     export function weir_transform(length: u32): u32 { … }
//
// The compiler's own `abort` would be an import, which a plugin cannot have: compile with `--use abort=weir/abort`, which
// leaves the message where the host reads it, and traps; with `--runtime stub`, which frees nothing: an instance lives for one
// event, and what the mailbox points to must stay; and with `--exportStart _initialize`, as a start function cannot be. The ABI is in `plugin-host/abi-v1.md`, and by hand in
// `plugin-host/abi-v1.wat`.

/** The verdicts. */
export namespace Verdict {
  export const UNCHANGED: u32 = 0;
  export const REPLACE: u32 = 1;
  export const DROP: u32 = 2;
  export const RETRY: u32 = 3;
  export const FAIL: u32 = 4;
}

/** The parts of an event. */
export namespace Key {
  export const EVENT_ID: u32 = 1;
  export const EVENT_TYPE: u32 = 2;
  export const TIMESTAMP: u32 = 3;
  export const ATTEMPT: u32 = 4;
  export const APP_ID: u32 = 5;
  export const ENDPOINT_ID: u32 = 6;
  export const HEADERS: u32 = 7;
  export const CONFIG: u32 = 8;
  export const BODY: u32 = 9;
}

/** The levels of log lines. */
export namespace Level {
  export const ERROR: u8 = 1;
  export const WARN: u8 = 2;
  export const INFO: u8 = 3;
  export const DEBUG: u8 = 4;
  export const TRACE: u8 = 5;
}

// Size; address and length of output, log and error text; flags. In static memory, which nothing moves.
const mailbox: usize = memory.data(32, 8);
const OUT: usize = 4, LOG: usize = 12, ERR: usize = 20;

let input: usize = 0;

export function weir_abi_v1(): usize {
  store<u32>(mailbox, 32);
  return mailbox;
}

export function weir_input(length: u32): usize {
  input = heap.alloc(length + 1);
  return input;
}

/** A part of the event, as bytes. The host promises that the keys are there, in this order. */
export function bytes(key: u32): Uint8Array {
  const length = load<u32>(input + 12 * key + 4);
  const part = new Uint8Array(length);
  memory.copy(part.dataStart, input + load<u32>(input + 12 * key), length);
  return part;
}

/** A part of the event, as text. */
export function text(key: u32): string {
  return String.UTF8.decodeUnsafe(input + load<u32>(input + 12 * key), load<u32>(input + 12 * key + 4));
}

/** Which attempt at the delivery this is, from 1. */
export function attempt(): u32 {
  return load<u32>(input + load<u32>(input + 12 * Key.ATTEMPT));
}

function publish(slot: usize, buffer: ArrayBuffer): void {
  store<u32>(mailbox + slot, changetype<usize>(buffer));
  store<u32>(mailbox + slot + 4, buffer.byteLength);
}

/** Logs a line. */
export function log(level: u8, line: string): void {
  const added = String.UTF8.encode(line);
  const before = load<u32>(mailbox + LOG + 4);
  const all = new ArrayBuffer(before + added.byteLength + 2);
  const at = changetype<usize>(all) + before;
  memory.copy(changetype<usize>(all), load<u32>(mailbox + LOG), before);
  store<u8>(at, level);
  memory.copy(at + 1, changetype<usize>(added), added.byteLength);
  store<u8>(at + 1 + added.byteLength, 10);
  publish(LOG, all);
}

/** Drops the event. */
export function drop(reason: string): u32 {
  publish(ERR, String.UTF8.encode(reason));
  return Verdict.DROP;
}

/** Fails for good. */
export function fail(why: string): u32 {
  drop(why);
  return Verdict.FAIL;
}

/** Changes to an event; what it does not name stays as it is. */
export class Patch {
  private names: string[] = [];
  private values: (string | null)[] = [];
  private newBody: ArrayBuffer | null = null;
  private newType: ArrayBuffer | null = null;

  /** Sets a header; `null` removes it. */
  header(name: string, value: string | null): this {
    this.names.push(name);
    this.values.push(value);
    return this;
  }

  /** Replaces the body. */
  body(body: string): this {
    this.newBody = String.UTF8.encode(body);
    return this;
  }

  /** Renames the event's type. */
  eventType(name: string): this {
    this.newType = String.UTF8.encode(name);
    return this;
  }

  /** Writes the output frame; the verdict. */
  replace(): u32 {
    const keys: u32[] = [];
    const parts: ArrayBuffer[] = [];
    if (this.newType != null) {
      keys.push(Key.EVENT_TYPE);
      parts.push(this.newType!);
    }
    if (this.names.length > 0) {
      keys.push(Key.HEADERS);
      parts.push(this.headerList());
    }
    if (this.newBody != null) {
      keys.push(Key.BODY);
      parts.push(this.newBody!);
    }
    let offset = 8 + 12 * <u32>keys.length;
    let length = offset;
    for (let i = 0; i < parts.length; i++) length += parts[i].byteLength;
    const output = new ArrayBuffer(length);
    const frame = changetype<usize>(output);
    store<u32>(frame, 1);
    store<u32>(frame + 4, keys.length);
    for (let i = 0; i < keys.length; i++) {
      const entry = frame + 8 + 12 * i;
      store<u32>(entry, keys[i]);
      store<u32>(entry + 4, offset);
      store<u32>(entry + 8, parts[i].byteLength);
      memory.copy(frame + offset, changetype<usize>(parts[i]), parts[i].byteLength);
      offset += parts[i].byteLength;
    }
    publish(OUT, output);
    return Verdict.REPLACE;
  }

  private headerList(): ArrayBuffer {
    let length = 4;
    for (let i = 0; i < this.names.length; i++) {
      const value = this.values[i];
      length += 8 + String.UTF8.byteLength(this.names[i]);
      if (value != null) length += String.UTF8.byteLength(value);
    }
    const list = new ArrayBuffer(length);
    let at = changetype<usize>(list);
    store<u32>(at, this.names.length);
    at += 4;
    for (let i = 0; i < this.names.length; i++) {
      const name = String.UTF8.encode(this.names[i]);
      const value = this.values[i];
      store<u32>(at, name.byteLength);
      memory.copy(at + 8, changetype<usize>(name), name.byteLength);
      if (value == null) {
        store<u32>(at + 4, 0xffffffff);
        at += 8 + name.byteLength;
        continue;
      }
      const encoded = String.UTF8.encode(value);
      store<u32>(at + 4, encoded.byteLength);
      memory.copy(at + 8 + name.byteLength, changetype<usize>(encoded), encoded.byteLength);
      at += 8 + name.byteLength + encoded.byteLength;
    }
    return list;
  }
}

/** What the compiler calls where a program fails: the message and its place, where the host finds them after the trap. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message == null ? "abort" : message;
  const where = file == null ? "" : ", " + file + ":" + line.toString() + ":" + column.toString();
  publish(ERR, String.UTF8.encode(what + where));
  unreachable();
}
