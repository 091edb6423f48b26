// Node's V8 as an engine for the tests: one request a line, one answer a line. It keeps one module and one instance.

import { createInterface } from "node:readline";
import { transcribe } from "../../src/transcribe.mjs";

let module;
let exports;

const view = new DataView(new ArrayBuffer(8));

// A value from its bits, and its bits as text; any NaN is `nan`.
const fromBits = ([type, bits]) => {
  if (type === "i32") return Number(bits) | 0;
  if (type === "i64") return BigInt.asIntN(64, BigInt(bits));
  if (type === "f32") return (view.setUint32(0, Number(bits)), view.getFloat32(0));
  return (view.setBigUint64(0, BigInt(bits)), view.getFloat64(0));
};
const toBits = (value, type) => {
  if (typeof value === "bigint") return BigInt.asUintN(64, value).toString();
  if (type === "i32") return (value >>> 0).toString();
  if (Number.isNaN(value)) return "nan";
  if (type === "f32") return (view.setFloat32(0, value), view.getUint32(0).toString());
  return (view.setFloat64(0, value), view.getBigUint64(0).toString());
};
// The type of a global cannot be asked for; a probe of its kind can be linked to it, or not.
const typeOfGlobal = (global) => {
  if (typeof global.value === "bigint") return "i64";
  return ["i32", "f32", "f64"].find((type) => {
    const code = { i32: 0x7f, f32: 0x7d, f64: 0x7c }[type];
    return [0, 1].some((mutable) => {
      const probe = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 2, 8, 1, 1, 0x61, 1, 0x62, 3, code, mutable];
      try {
        return new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(probe)), { a: { b: global } });
      } catch {
        return false;
      }
    });
  });
};
const fnv = (bytes) => {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
};

const does = {
  raw({ name, arguments: args, results, fuel, depth, meters }) {
    const { exports } = new WebAssembly.Instance(module, {});
    if (fuel !== null) {
      exports[meters[0]].value = BigInt(fuel);
      exports[meters[1]].value = depth;
    }
    const answer = { memory: [0, 0], globals: [], meters: ["0", "0", "0"] };
    try {
      const value = exports[name](...args.map(fromBits));
      const values = results.length === 0 ? [] : results.length === 1 ? [value] : [...value];
      answer.values = values.map((value, i) => toBits(value, results[i]));
    } catch (error) {
      answer.error = error.constructor.name;
      answer.message = error.message;
    }
    for (const [name, item] of Object.entries(exports)) {
      if (item instanceof WebAssembly.Memory)
        answer.memory = [item.buffer.byteLength, fnv(new Uint8Array(item.buffer))];
      if (!(item instanceof WebAssembly.Global)) continue;
      const at = meters.indexOf(name);
      if (at >= 0) answer.meters[at] = item.value.toString();
      else answer.globals.push([name, toBits(item.value, typeOfGlobal(item))]);
    }
    return answer;
  },
  load({ bytes }) {
    module = new WebAssembly.Module(Buffer.from(bytes, "hex"));
  },
  transcribe: ({ input, numbers }) =>
    Buffer.from(transcribe(module, Buffer.from(input, "hex"), ...numbers)).toString("hex"),
  // The same, for how long it takes, in milliseconds.
  timed({ input, numbers }) {
    const bytes = Buffer.from(input, "hex");
    const started = performance.now();
    transcribe(module, bytes, ...numbers);
    return performance.now() - started;
  },
  instantiate() {
    exports = new WebAssembly.Instance(module, {}).exports;
  },
  call({ name, args }) {
    const f = exports[name];
    return f === undefined ? 0 : (f(...args) ?? 0) >>> 0;
  },
  size: () => exports.memory.buffer.byteLength,
  read: ({ at, length }) => Buffer.from(exports.memory.buffer, at, length).toString("hex"),
  write({ at, bytes }) {
    new Uint8Array(exports.memory.buffer).set(Buffer.from(bytes, "hex"), at);
  },
  get: ({ name }) => exports[name].value.toString(),
  set({ name, value, big }) {
    exports[name].value = big ? BigInt(value) : Number(value);
  },
};

const answer = (request) => {
  try {
    return { ok: does[request.do](request) ?? null };
  } catch (error) {
    return { error: error.constructor.name, message: error.message };
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`);
}
