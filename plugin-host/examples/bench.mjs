// Times a plugin on V8, bare and metered in turns: node bench.mjs bare.wasm metered.wasm input
// `event` is what the gateway does: an instance for each event, and its calls. `calls` is the calls alone.

import { readFileSync } from "node:fs";
import { deliver, start } from "./instance.mjs";

const [bareFile, meteredFile, inputFile] = process.argv.slice(2);
const input = readFileSync(inputFile);
const modules = {
  bare: new WebAssembly.Module(readFileSync(bareFile)),
  metered: new WebAssembly.Module(readFileSync(meteredFile)),
};

// Few, so that most rounds are not interrupted, however busy the machine is.
const RUNS = 5;
// Both answer with the microseconds of one run.
const kinds = {
  event: (module) => timed(() => deliver(start(module), input)),
  calls: (module) => {
    const instances = Array.from({ length: RUNS }, () => start(module));
    return timed((i) => deliver(instances[i], input));
  },
};
const timed = (run) => {
  const began = process.hrtime.bigint();
  for (let i = 0; i < RUNS; i++) run(i);
  return Number(process.hrtime.bigint() - began) / 1000 / RUNS;
};

const sorted = (list) => list.sort((a, b) => a - b);
const median = (list) => sorted(list)[list.length >> 1];
// What a busy machine adds is in the others.
const quartile = (list) => sorted(list)[list.length >> 2];
const result = {};
for (const [kind, time] of Object.entries(kinds)) {
  const times = { bare: [], metered: [] };
  const ratios = [];
  for (let round = 0; round < 1200; round++) {
    const took = {};
    // In turns, so that a busy machine is busy for both.
    for (const which of round % 2 ? ["bare", "metered"] : ["metered", "bare"])
      took[which] = time(modules[which]);
    // The first rounds are for the optimizing compiler.
    if (round < 400) continue;
    for (const which of Object.keys(times)) times[which].push(took[which]);
    ratios.push(took.metered / took.bare);
  }
  result[kind] = { bare: quartile(times.bare), metered: quartile(times.metered), ratio: median(ratios) };
}
console.log(JSON.stringify(result));
