/** Headers as a `Headers` object, as Node's `request.headers`, or as pairs. */
export type HeadersLike = Iterable<[string, string]> | Record<string, string | string[] | undefined>;

/** A webhook as it arrived. */
export interface WebhookRequest {
  headers: HeadersLike;
  /** The raw body, exactly as it arrived. Never a parsed and re-encoded one. */
  body: string | Uint8Array | ArrayBuffer;
  /** The secret, or several, newest first. */
  secret?: string | string[];
  /** `POST` where it is left out. */
  method?: string;
  /** The URL as the provider has it. Some providers sign it. */
  url?: string;
  /** What the preset needs besides, such as the name of a header. */
  params?: Record<string, string>;
  /** The time to judge by; now, where it is left out. */
  now?: Date | string | number;
  /** What is at `keyUrl`, for providers that publish public keys. */
  keys?: string;
}

export interface Verdict {
  /** Whether the webhook is the provider's: `verified` or `authenticated`. */
  ok: boolean;
  /**
   * `verified`: a signature over the body matches. `authenticated`: the sender knows the secret, but nothing protects the
   * body. `failed`: see `reason`. `unattempted`: the preset has no signature.
   */
  verdict: "verified" | "authenticated" | "failed" | "unattempted";
  /** Why it failed, with what to do about it. */
  reason: { code: string; detail: string } | null;
  /** Which of the secrets matched. */
  secretIndex: number | null;
  /** How long before now it was signed. */
  ageMs: number | null;
  /** How old a signature may be, in seconds. */
  tolerance: number | null;
  /** What to answer, where the request is a handshake and not an event. */
  handshake: { status: number; headers: Record<string, string>; body: string } | null;
  /** What the provider says of the event. */
  event: { type: string | null; id: string | null; timestamp: string | null } | null;
}

/** A preset in the list. */
export interface PresetSummary {
  name: string;
  title: string;
  docs: string;
  confidence: "verified" | "documented" | "unconfirmed";
  scheme: "signature" | "jwt" | "token" | "basic" | "none";
  bindsBody: boolean;
  bindsUrl: boolean;
  /** What stops a recorded request that is sent again: its age, its id (remember ids yourself), or nothing. */
  replayGuard: "age" | "id" | "nothing";
  /** What identifies an event: places in the request. */
  eventId: string[] | null;
  /** How the secret is written. */
  secret: string | null;
  eventTypes: number;
}

/** A webhook to sign. */
export interface OutgoingWebhook {
  body: string | Uint8Array | ArrayBuffer;
  secret?: string | string[];
  headers?: HeadersLike;
  method?: string;
  url?: string;
  params?: Record<string, string>;
  now?: Date | string | number;
  /** The event's id; made where it is left out. */
  id?: string;
  eventType?: string;
}

export interface SignedWebhook {
  headers: Record<string, string>;
  /** The body, where the signature stands in it. */
  body?: Uint8Array;
  /** The URL, where the signature stands in it. */
  url?: string;
}

/** The call itself is wrong: there is no such preset, or a parameter is missing. */
export class PresetError extends Error {
  code: string;
}

/** All presets. */
export function list(): PresetSummary[];

/** A preset's data, as in the file `presets/NAME.json` of Weir. */
export function get(name: string): Record<string, unknown>;

/** Verifies a webhook. Asks nobody: where a provider publishes its keys, pass them as `keys`, or use `verifyRequest`. */
export function verify(preset: string, request: WebhookRequest): Verdict;

/** Verifies a `Request` of the fetch API, and fetches the provider's public keys where it publishes them. The body stays readable. */
export function verifyRequest(
  preset: string,
  request: Request,
  options?: Partial<WebhookRequest> & { fetch?: typeof fetch },
): Promise<Verdict>;

/** Where the provider's public keys for this request are: on a host of the provider's, whatever the request says. */
export function keyUrl(preset: string, request: WebhookRequest): string | undefined;

/** Signs a webhook as the provider does. For tests. */
export function sign(preset: string, webhook: OutgoingWebhook): SignedWebhook;
