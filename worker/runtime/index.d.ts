// What `worker-build` makes of the Rust crate, as far as the entry uses it.

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
