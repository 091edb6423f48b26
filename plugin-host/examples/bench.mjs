// Times a plugin on V8, bare and metered in turns: node bench.mjs bare.wasm metered.wasm input
// `event` is what the gateway does: an instance for each event, and its calls. `calls` is the calls alone.

import { readFileSync } from "node:fs";

const [bareFile, meteredFile, inputFile] = process.argv.slice(2);
const input = readFileSync(inputFile);
const modules = {
  bare: new WebAssembly.Module(readFileSync(bareFile)),
  metered: new WebAssembly.Module(readFileSync(meteredFile)),
};

const start = (module) => {
  const { exports } = new WebAssembly.Instance(module, {});
  refuel(exports);
  exports._initialize?.();
  exports.weir_abi_v1();
  return exports;
};
const refuel = (exports) => {
  if (!exports["weir:fuel"]) return;
  exports["weir:fuel"].value = 10_000_000n;
  exports["weir:depth"].value = 16384;
};
const deliver = (exports) => {
  refuel(exports);
  const at = exports.weir_input(input.length);
  new Uint8Array(exports.memory.buffer).set(input, at);
  return exports.weir_transform(input.length);
};

const RUNS = 200;
// Both answer with the microseconds of one run.
const kinds = {
  event: (module) => timed(() => deliver(start(module))),
  calls: (module) => {
    const instances = Array.from({ length: RUNS }, () => start(module));
    return timed((i) => deliver(instances[i]));
  },
};
const timed = (run) => {
  const began = process.hrtime.bigint();
  for (let i = 0; i < RUNS; i++) run(i);
  return Number(process.hrtime.bigint() - began) / 1000 / RUNS;
};

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
const result = {};
for (const [kind, time] of Object.entries(kinds)) {
  const times = { bare: [], metered: [] };
  const ratios = [];
  for (let round = 0; round < 60; round++) {
    const took = {};
    // In turns, so that a busy machine is busy for both.
    for (const which of round % 2 ? ["bare", "metered"] : ["metered", "bare"]) took[which] = time(modules[which]);
    // The first rounds are for the optimising compiler.
    if (round < 20) continue;
    for (const which of Object.keys(times)) times[which].push(took[which]);
    ratios.push(took.metered / took.bare);
  }
  result[kind] = { bare: median(times.bare), metered: median(times.metered), ratio: median(ratios) };
}
console.log(JSON.stringify(result));
