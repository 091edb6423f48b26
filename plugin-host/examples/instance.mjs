// What the gateway does with a module for each event: an instance, fuel if it is metered, the input, the call.

export const start = (module) => {
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

export const deliver = (exports, input) => {
  refuel(exports);
  const at = exports.weir_input(input.length);
  new Uint8Array(exports.memory.buffer).set(input, at);
  return exports.weir_transform(input.length);
};
