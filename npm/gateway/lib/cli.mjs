// The commands. Each returns the exit status. An error that the user can correct is one sentence.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, port, vars as pairs } from "./args.mjs";
import { backup, restore } from "./backup.mjs";
import { WORKER, build, pluginsOf } from "./bundle.mjs";
import * as data from "./data.mjs";
import { Fault } from "./fault.mjs";
import { Gateway, isHealthy } from "./gateway.mjs";
import { version } from "./info.mjs";
import { init } from "./init.mjs";
import { ORG, tokenFor } from "./token.mjs";
import { checkNames, fromEnvironment, fromFile, networks } from "./vars.mjs";

const USAGE = `Usage: npx weir-gateway <command>

  dev [options]          run the gateway on this machine
      --port N           listen on this port (8787); 0 picks a free one
      --data DIR         store the data in this directory (.weir)
      --var NAME=VALUE   change a setting; may be repeated
      --loader           run uploaded plugins in separate isolates
  init DIR               create a project that \`npx wrangler deploy\` deploys
  build [--out DIR]      write the Worker, with the plugins in plugins/, to build/
  token [options]        print a bearer token for the API
      --org ORG          the tenant (${ORG})
      --data DIR         sign with the secret of this data directory (.weir), unless JWT_SECRET is set
      --days N           days until it expires (30)
  secret                 print a random value for JWT_SECRET or MASTER_KEY

  serve [options]        run the gateway as a service; settings come from the environment
      --host ADDRESS     listen on this address (127.0.0.1)
      --port N           listen on this port (8787)
      --data DIR         store the data in this directory (.weir)
      --drain SECONDS    how long requests in flight may take after SIGTERM (20)
  health [--url URL]     check that a gateway responds (http://127.0.0.1:8787)
  backup DIR [--data DIR]
                         write a consistent copy of the data to DIR; the gateway may be running
  restore DIR [--data DIR]
                         restore a backup into an empty data directory

  version                print versions and checksums, and check the files
  help                   print this text
`;

/** The default data directory. */
const DATA = process.env.WEIR_DATA ?? ".weir";

/** @type {Record<string, (argv: string[]) => Promise<number> | number>} */
const COMMANDS = {
  dev,
  serve,
  init(argv) {
    const { positions } = parse("init", argv, { positions: 1 });
    if (!positions[0])
      throw new Fault("init needs a directory for the project: npx weir-gateway init my-gateway");
    const dir = init(positions[0]);
    say(
      `Created a project in ${dir}. Next:\n\n  cd ${positions[0]}\n  npm install\n  npx weir-gateway dev\n\nREADME.md describes how to deploy it.`,
    );
    return 0;
  },
  async build(argv) {
    const { values } = parse("build", argv, { values: ["out"] });
    const plugins = pluginsOf(".");
    const out = resolve(values.out ?? "build");
    await build(out, plugins);
    const names = plugins.map(({ name }) => name).join(", ");
    say(`Wrote the Worker to ${out}${names && `, with these plugins: ${names}`}.`);
    return 0;
  },
  token(argv) {
    const { values } = parse("token", argv, { values: ["org", "data", "days"] });
    const secret = values.data === undefined && process.env.JWT_SECRET;
    say(
      tokenFor(
        secret || data.jwtSecret(data.open(values.data ?? DATA)),
        values.org ?? ORG,
        values.days === undefined ? undefined : Number(values.days),
      ),
    );
    return 0;
  },
  secret(argv) {
    parse("secret", argv, {});
    say(data.newSecret());
    return 0;
  },
  async health(argv) {
    const { values } = parse("health", argv, { values: ["url"] });
    const healthy = await isHealthy((values.url ?? "http://127.0.0.1:8787").replace(/\/$/, ""));
    say(healthy ? "ok" : "no response");
    return healthy ? 0 : 1;
  },
  async backup(argv) {
    const { values, positions } = parse("backup", argv, { values: ["data"], positions: 1 });
    if (!positions[0]) throw new Fault("backup needs a directory to write to: weir-gateway backup DIR");
    const to = resolve(positions[0]);
    const dir = existing(values.data ?? DATA);
    const asked = await data.ask(dir, { do: "backup", to });
    const { files, bytes, heldMs } =
      asked ?? (await offline(dir, () => backup(dir, to, { hold() {}, goOn() {} })));
    say(
      `Copied ${files} files (${bytes} bytes) to ${to}. The gateway was paused for ${asked ? heldMs : 0} ms.`,
    );
    return 0;
  },
  async restore(argv) {
    const { values, positions } = parse("restore", argv, { values: ["data"], positions: 1 });
    if (!positions[0]) throw new Fault("restore needs the directory of a backup: weir-gateway restore DIR");
    const from = resolve(positions[0]);
    const dir = data.open(values.data ?? DATA);
    const { files, takenAt } = await offline(dir, () => restore(from, dir));
    say(`Restored ${files} files from ${takenAt} to ${dir}.`);
    return 0;
  },
  version(argv) {
    parse("version", argv, {});
    say(version());
    return 0;
  },
  help() {
    process.stdout.write(USAGE);
    return 0;
  },
};

/** @param {string[]} argv */
export async function main(argv) {
  const name =
    { "--help": "help", "-h": "help", "--version": "version", "-V": "version" }[argv[0] ?? ""] ?? argv[0];
  const command = name === undefined ? undefined : Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    process.stderr.write(
      `${name === undefined ? "No command was given." : `Unknown command: \`${name}\`.`}\n\n${USAGE}`,
    );
    return 2;
  }
  try {
    return await command(argv.slice(1));
  } catch (error) {
    process.stderr.write(
      `${error instanceof Fault ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
    );
    return 1;
  }
}

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

/** @param {string} path */
function existing(path) {
  if (!existsSync(path))
    throw new Fault(`The data directory ${resolve(path)} does not exist. Set it with --data.`);
  return data.open(path);
}

/**
 * @template T
 * @param {string} dir
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
async function offline(dir, work) {
  const giveBack = await data.claim(dir);
  try {
    return await work();
  } finally {
    giveBack();
  }
}

/** @param {string[]} argv */
async function dev(argv) {
  const { values, lists, flags } = parse("dev", argv, {
    values: ["port", "data"],
    repeated: ["var"],
    flags: ["loader"],
  });
  const own = Object.fromEntries(pairs(lists.var ?? []));
  checkNames(own);
  // Receivers run on this machine.
  const defaults = {
    ALLOWED_NETWORKS: "127.0.0.0/8,::1/128",
    ALLOW_IP_ADDRESSES: "true",
    MAX_IN_FLIGHT: "32",
  };
  const dotVars = fromFile(".dev.vars");
  checkNames(dotVars);
  const plugins = pluginsOf(".");
  const dir = data.open(values.data ?? DATA);
  const vars = { JWT_SECRET: data.jwtSecret(dir), ...defaults, ...dotVars, ...own };
  return await run(dir, plugins, {
    vars,
    host: "127.0.0.1",
    port: port(values.port ?? "8787"),
    loader: flags.has("loader"),
    drainMs: 0,
    started: (url) => welcome(url, tokenFor(vars.JWT_SECRET, ORG), dir),
  });
}

/** @param {string[]} argv */
async function serve(argv) {
  const { values, flags } = parse("serve", argv, {
    values: ["host", "port", "data", "drain"],
    flags: ["loader"],
  });
  const drain = Number(values.drain ?? "20");
  if (!(drain >= 0 && drain <= 3600)) throw new Fault("--drain needs a number of seconds from 0 to 3600.");
  const vars = fromEnvironment(process.env);
  const plugins = pluginsOf(".");
  const dir = data.open(values.data ?? DATA);
  if (!vars.JWT_SECRET) {
    vars.JWT_SECRET = data.jwtSecret(dir);
    warn(
      `JWT_SECRET is not set, so tokens are signed with ${join(dir, "jwt-secret")}. \`weir-gateway token\` creates a token.`,
    );
  }
  if (!vars.MASTER_KEY) {
    warn(
      "MASTER_KEY is not set, so signing secrets are stored unencrypted. `weir-gateway secret` creates a key. Keep a copy of it.",
    );
  }
  return await run(dir, plugins, {
    vars,
    host: values.host ?? "127.0.0.1",
    port: port(values.port ?? "8787"),
    loader: flags.has("loader"),
    proxied: true,
    drainMs: drain * 1000,
    started: (url) => `The gateway is running at ${url}. Data is stored in ${dir}.`,
  });
}

/** @param {string} text */
function warn(text) {
  process.stderr.write(`warning: ${text}\n`);
}

/**
 * Runs a gateway until it exits or receives a signal.
 * @param {string} dir
 * @param {Array<{name: string, path: string}>} plugins
 * @param {{vars: import("./vars.mjs").Vars, host: string, port: number, loader: boolean, proxied?: boolean, drainMs: number, started: (url: string) => string}} how
 */
async function run(dir, plugins, how) {
  /** @type {Gateway | undefined} */
  let gateway;
  const giveBack = await data.claim(dir, ({ do: what, to }) => {
    if (what !== "backup" || typeof to !== "string" || !gateway)
      throw new Fault("The gateway is not ready. Try again in a moment.");
    return backup(dir, to, gateway);
  });
  let worker = WORKER;
  if (plugins.length > 0) {
    worker = join(dir, "worker");
    await build(worker, plugins);
  }
  gateway = await Gateway.start({ worker, data: dir, networks: networks(how.vars), ...how });
  const running = gateway;
  const signaled = new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => done(signal));
  });
  say(how.started(running.url));
  const ended = await Promise.race([running.ended, signaled.then(() => undefined)]);
  if (ended !== undefined) {
    giveBack();
    process.stderr.write(`${ended} See its output above.\n`);
    return 1;
  }
  // A second signal stops it immediately.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => running.kill());
  if (how.drainMs > 0) await running.drain(how.drainMs);
  else running.kill();
  await running.ended;
  giveBack();
  return 0;
}

/**
 * What a new user needs in the first minute.
 * @param {string} url
 * @param {string} token
 * @param {string} dir
 */
function welcome(url, token, dir) {
  return `
The gateway is running at ${url}. Data is stored in ${dir}. Press Ctrl-C to stop it.

In a second terminal, start a receiver that prints what it receives:

  node -e 'require("http").createServer((q,r)=>{console.log(q.method,q.url,q.headers);q.pipe(process.stdout);q.on("end",()=>r.end())}).listen(9000,"127.0.0.1")'

In a third terminal, create an application with an endpoint and send a message:

  export WEIR_TOKEN=${token}
  post() { curl -sS "${url}/api/v1/$1" -H "Authorization: Bearer $WEIR_TOKEN" -H 'Content-Type: application/json' -d "$2"; echo; }
  post 'app?get_if_exists=true' '{"name": "My first application", "uid": "first"}'
  post app/first/endpoint '{"url": "http://127.0.0.1:9000/webhooks"}'
  post app/first/msg '{"eventType": "user.created", "payload": {"name": "Ada"}}'

To see the delivery, sign in at ${url}/dashboard with the token above.
`;
}
