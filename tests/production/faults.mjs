// Faults on demand: what a test has asked the platform to do to calls between objects.

/**
 * Each has a `kind`, and says of which calls: `object` is the start of the called object's name, `operation` what it is
 * asked, `count` how many, `skip` after how many.
 */
const asked = [];

export const KINDS = {
  /** The object has too much to do: the call is not delivered, and must not be repeated at once. */
  overloaded: () => error("Durable Object is overloaded. Too many requests queued.", { overloaded: true }),
  /** The call is not delivered, and may be repeated. */
  retryable: () => error("Network connection lost.", { retryable: true }),
  /** The call is delivered and done; its answer is lost. */
  lost: () => error("Network connection lost.", { retryable: true }),
  /** What the object did for its latest event is used up: the call is not delivered. */
  deep: () => error("Subrequest depth limit exceeded. This request recursed through Workers too many times."),
  /** The platform's own fault, of which nothing is known. */
  internal: () => error("internal error; reference = 0123456789abcdef0123456789abcdef"),
};

const error = (message, properties) => Object.assign(new Error(message), { remote: false }, properties);

export const DEPLOYED = "Durable Object reset because its code was updated.";

/** How callers see that the object they called was reset. */
export function ofReset(cause) {
  if (!String(cause?.message).includes(DEPLOYED)) return cause;
  return error(DEPLOYED, { retryable: true, durableObjectReset: true });
}

export function ask(fault) {
  if (!Object.hasOwn(KINDS, fault.kind)) throw new Error(`no such fault: ${fault.kind}`);
  asked.push({ object: "", count: 1, skip: 0, ...fault });
}

export function forget() {
  asked.length = 0;
}

/** The fault that this call has, if any. */
export function take(object, operation) {
  for (const [at, fault] of asked.entries()) {
    if (!object.startsWith(fault.object) || (fault.operation !== undefined && fault.operation !== operation)) continue;
    if (fault.skip > 0) {
      fault.skip--;
      continue;
    }
    if (--fault.count <= 0) asked.splice(at, 1);
    return fault.kind;
  }
  return undefined;
}
