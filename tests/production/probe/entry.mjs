// The probe (`probe/worker.mjs`) with the classes of a gateway, so that it runs under the emulator.

import worker, { Probe } from "./worker.mjs";

const bound = (env) => ({ ...env, PROBE: env.APP });

class Bound extends Probe {
  constructor(ctx, env) {
    super(ctx, bound(env));
  }
}

export class App extends Bound {}
export class Directory extends Bound {}
export class Endpoint extends Bound {}

export default {
  fetch: (request, env) => worker.fetch(request, bound(env)),
};
