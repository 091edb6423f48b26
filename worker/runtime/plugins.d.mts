// The plugins that are deployed with the Worker; plugin-bundle/src/lib.rs writes the module.

/** A plugin's metered module with what is known of it. */
interface Bundled {
  name: string;
  module: WebAssembly.Module;
}

export const bundled: Bundled[];
/** The text of plugin-host/src/transcribe.mjs. */
export const source: string;
/** Names the version of that text. */
export const stamp: string;
export function transcribe(module: WebAssembly.Module, input: Uint8Array, ...numbers: number[]): Uint8Array;
