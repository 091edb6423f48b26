// V8's part of a run: takes a fresh instance of a metered module through the calls of ABI v1 and writes down what each
// came to. What follows from it is judged elsewhere, by the driver that judges for all engines (`transcript.rs`), so this
// only has to stop where the driver would, and to copy what it may ask for.
//
// One call, because every crossing between two wasm instances, and all the more between two isolates, has its price.
// It stands alone: the text of this file is also what an isolate of its own is loaded with.

const ABSENT = 0;
const RETURNED = 0;
const TRAPPED = 1;
const OVERFLOWED = 2;
const FAILED = 3;

const STEP = 32;
const MAILBOX = 32;
const NOTHING = new Uint8Array(0);

// `module` is a metered module, `input` the frame; then the fuel, the depth, and the most bytes of the output, of the log
// (its end is kept) and of the error text (its beginning).
export function transcribe(module, input, fuel, depth, output, log, error) {
  const { exports } = new WebAssembly.Instance(module, {});
  const { memory } = exports;
  const [left, deep, denied] = ["weir:fuel", "weir:depth", "weir:denied"].map((name) => exports[name]);
  left.value = BigInt(fuel);
  deep.value = depth;

  const steps = [];
  const note = (kind, value, text) => {
    const meters = [left.value, deep.value, denied.value, memory.buffer.byteLength];
    steps.push({ kind, value, text: new TextEncoder().encode(text), meters });
  };
  // Whether it goes on: the call has returned, and there is fuel.
  const call = (name, argument) => {
    try {
      note(RETURNED, (exports[name]?.(argument) ?? ABSENT) >>> 0, "");
    } catch (thrown) {
      const kind =
        thrown instanceof WebAssembly.RuntimeError
          ? TRAPPED
          : thrown instanceof RangeError
            ? OVERFLOWED
            : FAILED;
      note(kind, 0, String(thrown?.message ?? thrown));
      return false;
    }
    return left.value >= 0n;
  };
  // Every range is checked against the memory as it is now; growing detaches the buffer, so it is asked for anew.
  const copy = (address, length) =>
    address + length <= memory.buffer.byteLength
      ? new Uint8Array(memory.buffer, address, length).slice()
      : undefined;
  const value = () => steps.at(-1).value;

  let mailbox;
  let before = NOTHING;
  const run = () => {
    note(RETURNED, 0, "");
    if (!call("_initialize") || !call("weir_abi_v1")) return;
    const address = value();
    before = copy(address, MAILBOX) ?? NOTHING;
    if (before.length === 0) return;
    mailbox = address;
    if (!call("weir_input", input.length)) return;
    const at = value();
    if (at === 0 || at + input.length > memory.buffer.byteLength) return;
    new Uint8Array(memory.buffer).set(input, at);
    call("weir_transform", input.length);
  };
  run();

  const ranges = [];
  const keep = (address, length) => {
    const bytes = length > 0 ? copy(address, length) : undefined;
    if (bytes !== undefined) ranges.push([address, bytes]);
  };
  if (mailbox !== undefined) {
    keep(mailbox, MAILBOX);
    const words = new DataView(memory.buffer, mailbox, MAILBOX);
    const [out, outLength, logs, logLength, text, textLength] = [4, 8, 12, 16, 20, 24].map((at) =>
      words.getUint32(at, true),
    );
    if (outLength <= output) keep(out, outLength);
    const kept = Math.min(logLength, log);
    keep(logs + logLength - kept, kept);
    keep(text, Math.min(textLength, error));
  }
  return encode(steps, before, ranges);
}

// Little-endian: the number of steps; each step's kind, value, fuel (64 bits), depth, denied, memory and length of text;
// the texts; the length of the mailbox as it was first, and its bytes; and to the end ranges, each with address and length.
function encode(steps, before, ranges) {
  const sum = (list, length) => list.reduce((all, item) => all + length(item), 0);
  const size =
    4 +
    sum(steps, (step) => STEP + step.text.length) +
    4 +
    before.length +
    sum(ranges, ([, bytes]) => 8 + bytes.length);
  const all = new Uint8Array(size);
  const view = new DataView(all.buffer);
  let at = 0;
  const word = (number) => {
    view.setUint32(at, number, true);
    at += 4;
  };
  const put = (bytes) => {
    all.set(bytes, at);
    at += bytes.length;
  };
  word(steps.length);
  for (const { kind, value, text, meters } of steps) {
    const [left, deep, denied, memory] = meters;
    word(kind);
    word(value);
    view.setBigInt64(at, left, true);
    at += 8;
    for (const number of [deep, denied, memory, text.length]) word(number);
  }
  for (const { text } of steps) put(text);
  word(before.length);
  put(before);
  for (const [address, bytes] of ranges) {
    word(address);
    word(bytes.length);
    put(bytes);
  }
  return all;
}
