// Puts a greeting before a text body, in AssemblyScript: `ann` becomes `Hello, ann!`, in the configured language, with the header
// `x-greeting`. A body that is empty is dropped.
//
// Configuration: the text of the greeting, as a JSON string: `"Guten Tag"`.

import { Key, Level, Patch, drop, log, text } from "./weir";

export { weir_abi_v1, weir_input } from "./weir";

export function weir_transform(length: u32): u32 {
  const name = text(Key.BODY);
  if (name.length == 0) return drop("nobody to greet");
  if (name.length > 100) throw new Error("a name of " + name.length.toString() + " characters");
  const config = text(Key.CONFIG);
  const greeting = config.length > 2 ? config.substring(1, config.length - 1) : "Hello";
  log(Level.INFO, "greeting " + name);
  return new Patch().body(greeting + ", " + name + "!").header("x-greeting", greeting).replace();
}
