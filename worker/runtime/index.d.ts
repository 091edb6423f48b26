// What the build makes of the Rust crate. The entry gets the classes from instance.mjs, which is bundled with what
// wasm-bindgen made; both have the name index.js where they are imported.

/** A Durable Object, written in Rust. */
export interface RustObject {
  call(op: string, frame: Uint8Array, depth: number): Promise<Uint8Array>;
  /** Stores a message. `reply` is called once the message is durable, or was refused. */
  accept(frame: Uint8Array, reply: (answer: Uint8Array) => void, depth: number): void;
  alarm(): Promise<void>;
}

type RustClass = new (state: DurableObjectState, env: unknown) => RustObject;
export const App: RustClass;
export const Directory: RustClass;
export const Endpoint: RustClass;

/** Of wasm-bindgen's alone: the state of the instance, and what replaces it. */
export function __worker_init_state(): { criticalError: unknown; instanceId: unknown };
export function __wbg_reset_state(): void;

/** The front of the Worker; see worker/src/front.rs. */
export class Front {
  constructor(env: unknown);
  admit(parts: string): number;
  admitIngest(incoming: string): number | Promise<number>;
  begin(parts: string, body?: Uint8Array): Promise<Response> | [called: Promise<Uint8Array>, ticket: number];
  ingest(incoming: string, body?: Uint8Array): Promise<Response>;
  finish(ticket: number, answer: Uint8Array): Response | Promise<Response>;
  failed(ticket: number, error: unknown): Response;
}
