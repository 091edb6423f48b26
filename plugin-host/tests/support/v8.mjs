// Node's V8 as an engine for the tests: one request a line, one answer a line. It keeps one module and one instance.

import { createInterface } from "node:readline";

let module;
let exports;

const does = {
  load({ bytes }) {
    module = new WebAssembly.Module(Buffer.from(bytes, "hex"));
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
