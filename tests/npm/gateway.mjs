// The package weir-gateway, from its tarball, on a PATH without Rust.
//
// HOME_DIR has `node_modules/weir-gateway`; PLUGIN is a plugin as its author built it; WRANGLER the script of wrangler; DOCS the book.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { receiver, test, until } from "./lib.mjs";

const { DOCS, HOME_DIR, PLUGIN, WRANGLER } = process.env;
const PACKAGE = join(HOME_DIR, "node_modules/weir-gateway");
const COMMAND = join(PACKAGE, "bin/weir-gateway.mjs");
const scratch = (name) => mkdtempSync(join(HOME_DIR, `${name}-`));

/** Everything that was started, to be ended whatever happens. */
const started = new Set();
// Whatever hangs: the script ends, and everything with it.
setTimeout(() => process.exit(1), 240_000).unref();
process.on("exit", () => started.forEach((child) => child.kill("SIGKILL")));

/** Runs a command to its end. */
function run(args, { cwd = HOME_DIR, env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: HOME_DIR, ...env },
    encoding: "utf8",
  });
  return { status, out: stdout.trim(), error: stderr.trim() };
}

/** Starts a gateway and waits until it says where it is. */
async function start(args, { cwd = HOME_DIR, env = {}, program, ...more } = {}) {
  const child = spawn(program ?? process.execPath, program ? args : [COMMAND, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: HOME_DIR, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    ...more,
  });
  started.add(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (said += bytes));
  const ended = new Promise((done) => child.once("exit", (code, signal) => done({ code, signal })));
  void ended.then(() => started.delete(child));
  const url = await Promise.race([
    until(() => /is running at (http:\/\/\S+?)\. /.exec(said)?.[1], "the gateway's address", 60_000),
    ended.then(() => Promise.reject(new Error(said))),
  ]);
  return {
    url,
    child,
    ended,
    said: () => said,
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      return await ended;
    },
  };
}

function api(url, token) {
  return async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(`${url}/api/v1/${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
}

/** The processes whose command line names a directory. */
function processesAt(dir) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const line = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      return "";
    }
  };
  return pids.filter((pid) => line(pid).includes(`${dir}/gateway.capnp`));
}

await test("there is no Rust on the PATH, and nothing is run when the packages are installed", () => {
  for (const program of ["cargo", "rustc", "rustup"])
    assert.ok(spawnSync(program, ["--version"]).error, program);
  for (const name of ["weir-gateway", "weir-presets"]) {
    const manifest = JSON.parse(readFileSync(join(HOME_DIR, "node_modules", name, "package.json"), "utf8"));
    assert.equal(manifest.scripts, undefined, name);
    for (const file of ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "sbom.cdx.json"]) {
      assert.ok(existsSync(join(HOME_DIR, "node_modules", name, file)), `${name}/${file}`);
    }
  }
});

await test("dev answers within 15 seconds, prints a token, delivers, and keeps its data to itself", async () => {
  const cwd = scratch("dev");
  const begun = performance.now();
  const first = await start(["dev", "--port", "0", "--data", "data"], { cwd });
  assert.ok(performance.now() - begun < 15_000, `it took ${performance.now() - begun} ms`);
  const token = /WEIR_TOKEN=(\S+)/.exec(first.said())[1];
  assert.equal(run(["token", "--data", "data"], { cwd }).out.split(".")[0], token.split(".")[0]);
  assert.equal(statSync(join(cwd, "data")).mode & 0o777, 0o700);
  assert.equal(statSync(join(cwd, "data/jwt-secret")).mode & 0o777, 0o600);
  const config = readFileSync(join(cwd, "data/gateway.capnp"), "utf8");
  assert.match(config, /address = "127\.0\.0\.1:0"/);
  assert.ok(
    !config.includes(readFileSync(join(cwd, "data/jwt-secret"), "utf8")),
    "no secret in the configuration",
  );

  const to = await receiver();
  const call = api(first.url, token);
  const app = await call("POST", "app", { name: "First" });
  await call("POST", `app/${app.id}/endpoint`, { url: `${to.url}/hook` });
  const message = await call("POST", `app/${app.id}/msg`, {
    eventType: "user.created",
    payload: { name: "Ada" },
  });
  await until(() => to.got.length > 0, "the webhook");
  assert.equal(to.got[0].headers["svix-id"], message.id);
  to.close();
  assert.deepEqual(await first.stop("SIGINT"), { code: 0, signal: null });
  assert.deepEqual(processesAt(join(cwd, "data")), [], "workerd is gone");

  const second = await start(["dev", "--port", "0", "--data", "data"], { cwd });
  const again = await api(second.url, token)("GET", `app/${app.id}/msg/${message.id}`);
  assert.equal(again.eventType, "user.created");
  await second.stop();
});

await test("a data directory has one gateway, a port that is taken is told, and so is a setting that is none", async () => {
  const data = join(scratch("one"), "data");
  const running = await start(["dev", "--port", "0", "--data", data]);
  const second = run(["dev", "--port", "0", "--data", data]);
  assert.equal(second.status, 1);
  assert.match(second.error, /Another gateway is using the data directory/);
  const port = new URL(running.url).port;
  const third = run(["dev", "--port", port, "--data", join(scratch("other"), "data")]);
  assert.match(third.error, new RegExp(`Port ${port} is in use\\. .*--port ${Number(port) + 1}`));
  assert.match(run(["dev", "--var", "MAX_INFLIGHT=8"]).error, /^Unknown setting: `MAX_INFLIGHT`/);
  assert.match(run(["dev", "--fast"]).error, /`dev` has no option `--fast`/);
  assert.equal(run(["nonsense"]).status, 2);
  await running.stop();
});

await test("workerd does not outlive the gateway, and of many that start on what it left one runs", async () => {
  const data = join(scratch("killed"), "data");
  const first = await start(["serve", "--port", "0", "--data", data]);
  assert.equal(processesAt(data).length, 1);
  await first.stop("SIGKILL");
  await until(() => processesAt(data).length === 0, "the end of workerd");
  // One of them may have been killed while it took the directory.
  mkdirSync(join(data, "gateway.taking"));
  utimesSync(join(data, "gateway.taking"), 0, 0);
  const next = await Promise.allSettled(
    Array.from({ length: 6 }, () => start(["serve", "--port", "0", "--data", data])),
  );
  const running = next.filter(({ status }) => status === "fulfilled");
  assert.equal(running.length, 1);
  for (const { reason } of next.filter(({ status }) => status === "rejected"))
    assert.match(reason.message, /Another gateway/);
  await running[0].value.stop();
});

await test("serve takes its settings from the environment and from files, and drains on SIGTERM", async () => {
  const dir = scratch("serve");
  const secret = run(["secret"]).out;
  assert.match(secret, /^[0-9a-f]{64}$/);
  writeFileSync(join(dir, "jwt"), `${secret}\n`);
  const env = { JWT_SECRET_FILE: join(dir, "jwt"), MASTER_KEY: run(["secret"]).out, RETRY_SCHEDULE: "1,2" };
  const running = await start(["serve", "--port", "0", "--data", join(dir, "data")], { env });
  assert.doesNotMatch(running.said(), /warning/);
  assert.match(readFileSync(join(dir, "data/gateway.capnp"), "utf8"), /allow = \["public"\]/);
  const token = run(["token"], { env: { JWT_SECRET: secret } }).out;
  const call = api(running.url, token);
  const app = await call("POST", "app", { name: "Drained" });
  assert.equal(run(["health", "--url", running.url]).status, 0);

  // A request whose body is still on its way when the signal comes.
  const body = JSON.stringify({ eventType: "late", payload: {} });
  const { hostname, port } = new URL(running.url);
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "content-length": body.length,
  };
  const late = request({ hostname, port, method: "POST", path: `/api/v1/app/${app.id}/msg`, headers });
  const answered = new Promise((done, failed) =>
    late.on("response", (answer) => done(answer.statusCode)).on("error", failed),
  );
  late.write(body.slice(0, 5));
  await new Promise((done) => setTimeout(done, 200));
  running.child.kill("SIGTERM");
  await new Promise((done) => setTimeout(done, 200));
  late.end(body.slice(5));
  assert.equal(await answered, 202);
  assert.deepEqual(await running.ended, { code: 0, signal: null });
  assert.equal(run(["health", "--url", running.url]).status, 1);
  assert.match(run(["serve"], { env: { JWT_SECRET: "x", JWT_SECRET_FILE: "y" } }).error, /both set/);
});

await test("an ordinary user runs it, on a root file system that nobody can write", async () => {
  if (process.getuid() !== 0) return;
  const [dir, uid] = [scratch("user"), 65534];
  chmodSync(dir, 0o755);
  const data = join(dir, "data");
  const args = [COMMAND, "serve", "--port", "0", "--data", data];
  if (spawnSync("unshare", ["-m", "mount", "--make-rprivate", "/"]).status === 0) {
    // As a container has it: all is read only but the volume.
    const script = `mount --make-rprivate / && mount -t tmpfs -o mode=755 none ${dir} && mkdir ${data} && chown ${uid} ${data} &&
      mount -o remount,bind,ro / && ! touch ${HOME_DIR}/x 2>/dev/null && cd / &&
      exec setpriv --reuid=${uid} --regid=${uid} --clear-groups "$0" "$@"`;
    const running = await start(["-m", "sh", "-c", script, process.execPath, ...args], {
      program: "unshare",
    });
    const token = run(["token"], {
      env: { JWT_SECRET: readFileSync(`/proc/${running.child.pid}/root${data}/jwt-secret`, "utf8") },
    }).out;
    await api(running.url, token)("POST", "app", { name: "Read only" });
    assert.deepEqual(await running.stop(), { code: 0, signal: null });
    return;
  }
  mkdirSync(data);
  chownSync(data, uid, uid);
  const running = await start(args.slice(1), { uid, gid: uid, cwd: "/" });
  assert.equal(statSync(join(data, "jwt-secret")).uid, uid);
  await running.stop();
});

await test("workerd itself reaches private networks only where it is told to", async () => {
  const { Gateway } = await import(join(PACKAGE, "lib/gateway.mjs"));
  const worker = scratch("worker");
  const entry = `
    import { DurableObject } from "cloudflare:workers";
    export class Directory extends DurableObject {}
    export class App extends DurableObject {}
    export class Endpoint extends DurableObject {}
    export class Lane extends DurableObject {}
    export default { fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname !== "/out") return new Response("ok");
      return new Response(await fetch(search.slice(1)).then(() => "reached", () => "refused"));
    } };`;
  writeFileSync(join(worker, "entry.mjs"), entry);
  const to = await receiver();
  const port = new URL(to.url).port;
  for (const [networks, verdict] of [
    [[], "refused"],
    [["127.0.0.0/8"], "reached"],
  ]) {
    const gateway = await Gateway.start({
      worker,
      data: scratch("net"),
      host: "127.0.0.1",
      port: 0,
      vars: {},
      networks,
    });
    for (const host of ["127.0.0.1", "localhost"]) {
      const answer = await fetch(`${gateway.url}/out?http://${host}:${port}/`);
      assert.equal(await answer.text(), verdict, `${host} with ${networks}`);
    }
    gateway.kill();
    await gateway.ended;
  }
  to.close();
});

await test("a backup under load is of one moment: every message that was acknowledged before is in it", async () => {
  const dir = scratch("backup");
  const [data, kept] = [join(dir, "data"), join(dir, "kept")];
  const running = await start(["dev", "--port", "0", "--data", data, "--var", "RETRY_SCHEDULE=60"]);
  const token = run(["token", "--data", data]).out;
  const call = api(running.url, token);
  const app = await call("POST", "app", { name: "Kept" });
  await call("POST", `app/${app.id}/endpoint`, { url: "http://127.0.0.1:9/hook" });
  const acknowledged = [];
  let going = true;
  const load = Array.from({ length: 4 }, async () => {
    while (going)
      acknowledged.push((await call("POST", `app/${app.id}/msg`, { eventType: "a.b", payload: {} })).id);
  });
  await until(() => acknowledged.length > 50, "some messages");
  const before = [...acknowledged];
  const backup = spawn(process.execPath, [COMMAND, "backup", kept, "--data", data], {
    env: { PATH: process.env.PATH },
  });
  let said = "";
  backup.stdout.on("data", (bytes) => (said += bytes));
  backup.stderr.on("data", (bytes) => (said += bytes));
  assert.equal(await new Promise((done) => backup.once("exit", done)), 0, said);
  assert.match(said, /paused for \d+ ms/);
  const after = acknowledged.length;
  await until(() => acknowledged.length > after + 20, "the gateway to go on");
  going = false;
  await Promise.all(load);
  assert.equal(statSync(kept).mode & 0o777, 0o700);
  assert.match(run(["backup", kept, "--data", data]).error, /already exists/);
  assert.match(run(["backup", join(data, "in"), "--data", data]).error, /is in the data directory/);
  await running.stop("SIGKILL");

  const restored = join(dir, "restored");
  assert.match(run(["restore", kept, "--data", restored]).out, /^Restored \d+ files from .* to /);
  assert.match(run(["restore", kept, "--data", restored]).error, /is not empty/);
  const second = await start(["dev", "--port", "0", "--data", restored]);
  const there = api(second.url, token);
  for (const id of before) assert.equal((await there("GET", `app/${app.id}/msg/${id}`)).id, id);
  await second.stop();

  // Of a gateway that does not run, too; and what is damaged is refused.
  assert.equal(run(["backup", join(dir, "cold"), "--data", restored]).status, 0);
  const file = readdirSync(join(kept, "weir-app")).find((name) => name.endsWith(".sqlite"));
  appendFileSync(join(kept, "weir-app", file), "x");
  const damaged = run(["restore", kept, "--data", join(dir, "none")]);
  assert.match(damaged.error, /^The backup is damaged: weir-app\//);
});

await test("init makes a project that wrangler deploys, with the plugins in it; dev runs them", async () => {
  const project = join(scratch("init"), "my-gateway");
  assert.equal(run(["init", project]).status, 0);
  assert.match(run(["init", project]).error, /is not empty/);
  assert.match(run(["init", "My Gateway"]).error, /cannot be the name of a Worker/);
  for (const file of [
    ".gitignore",
    ".dev.vars.example",
    "README.md",
    "package.json",
    "wrangler.jsonc",
    "plugins/README.md",
  ]) {
    assert.ok(existsSync(join(project, file)), file);
  }
  copyFileSync(PLUGIN, join(project, "plugins/mine.wasm"));
  copyFileSync(join(project, ".dev.vars.example"), join(project, ".dev.vars"));
  // What `npm install` there would do.
  symlinkSync(join(HOME_DIR, "node_modules"), join(project, "node_modules"));

  const running = await start(["dev", "--port", "0"], { cwd: project });
  const token = /WEIR_TOKEN=(\S+)/.exec(running.said())[1];
  const call = api(running.url, token);
  const ran = await call("POST", "plugin/mine/test", { event: { eventType: "a.b", payload: {} } });
  assert.equal(ran.engine, "v8");
  assert.ok((await call("GET", "plugin/filter")).name === "filter", "the shipped ones are there, too");
  await running.stop();

  const wrangler = spawnSync(
    process.execPath,
    [WRANGLER, "deploy", "--dry-run", "--outdir", join(project, "out")],
    {
      cwd: project,
      encoding: "utf8",
      env: {
        PATH: process.env.PATH,
        HOME: HOME_DIR,
        XDG_CONFIG_HOME: HOME_DIR,
        WRANGLER_SEND_METRICS: "false",
        CI: "true",
      },
    },
  );
  assert.equal(wrangler.status, 0, wrangler.stdout + wrangler.stderr);
  assert.match(wrangler.stdout, /env\.DIRECTORY/);
  const bundle = readdirSync(join(project, "out"));
  assert.ok(
    bundle.some((name) => name.includes("own-plugin-mine.wasm")),
    bundle.join(),
  );

  writeFileSync(join(project, "plugins/broken.wasm"), "no wasm");
  assert.match(run(["build"], { cwd: project }).error, /broken\.wasm: refused \(malformed\)/);
});

await test("version prints checksums, and finds a file that is not the one that was released", () => {
  const { status, out } = run(["version"]);
  assert.equal(status, 0);
  assert.match(out, /^weir-gateway \d+\.\d+\.\d+\nworkerd 1\.\d+/);
  assert.match(out, /^[0-9a-f]{64} {2}entry\.mjs$/m);
  const changed = join(scratch("changed"), "node_modules");
  cpSync(join(HOME_DIR, "node_modules/weir-gateway"), join(changed, "weir-gateway"), { recursive: true });
  for (const name of ["workerd", "@cloudflare"])
    symlinkSync(join(HOME_DIR, "node_modules", name), join(changed, name));
  appendFileSync(join(changed, "weir-gateway/worker/entry.mjs"), "\n");
  const again = spawnSync(process.execPath, [join(changed, "weir-gateway/bin/weir-gateway.mjs"), "version"], {
    encoding: "utf8",
  });
  assert.equal(again.status, 1);
  assert.match(again.stderr, /entry\.mjs does not match the released file/);
});
