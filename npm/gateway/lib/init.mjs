// `init`: a project that `npx wrangler deploy` deploys.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ROOT, deployment } from "./deployment.mjs";
import { Fault } from "./fault.mjs";
import { manifest } from "./info.mjs";

/** Files of the project that npm would not keep under their own names. */
const NAMES = new Map([
  ["gitignore", ".gitignore"],
  ["dev.vars.example", ".dev.vars.example"],
]);

/**
 * Makes the project, and gives its directory.
 * @param {string} to
 */
export function init(to) {
  const dir = resolve(to);
  const name = basename(dir);
  // Also a Worker's name.
  if (!/^[a-z0-9][a-z0-9-]{0,53}$/.test(name)) {
    throw new Fault(
      `\`${name}\` cannot be the name of a Worker. Use at most 54 of the characters a-z, 0-9 and -.`,
    );
  }
  if (existsSync(dir) && readdirSync(dir).length > 0)
    throw new Fault(`${dir} is not empty. Choose another directory.`);
  const from = join(ROOT, "templates");
  const files = /** @type {string[]} */ (readdirSync(from, { recursive: true }));
  for (const file of files.filter((file) => statSync(join(from, file)).isFile())) {
    const target = join(dir, dirname(file), NAMES.get(basename(file)) ?? basename(file));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(from, file), target);
  }
  const readme = join(dir, "README.md");
  writeFileSync(readme, readFileSync(readme, "utf8").replaceAll("{{name}}", name));
  writeFileSync(join(dir, "wrangler.jsonc"), wrangler(name));
  writeFileSync(join(dir, "package.json"), packageJson(name));
  return dir;
}

/** @param {string} name */
function packageJson(name) {
  const { version, weir } = manifest();
  const text = {
    name,
    private: true,
    type: "module",
    scripts: {
      dev: "weir-gateway dev",
      build: "weir-gateway build",
      deploy: "wrangler deploy",
      token: "weir-gateway token --data .weir/production",
    },
    dependencies: { "weir-gateway": `^${version}` },
    devDependencies: { wrangler: `^${weir.wrangler}` },
    // What the "Deploy to Cloudflare" button says beside the fields.
    cloudflare: {
      bindings: {
        JWT_SECRET: {
          description: "Signs the API's tokens: 64 random hexadecimal digits (`npx weir-gateway secret`).",
        },
        MASTER_KEY: { description: "Encrypts stored secrets: 64 random hexadecimal digits. Keep a copy." },
      },
    },
  };
  return `${JSON.stringify(text, null, 2)}\n`;
}

/** @param {string} name */
function wrangler(name) {
  const { date, flags, objects, migrations, observability, settings } = deployment();
  const json = (/** @type {unknown} */ value) => JSON.stringify(value);
  const bindings = objects.map(({ binding, className }) => json({ name: binding, class_name: className }));
  const defaults = settings.map(
    ({ name, value, meaning }) => `    // ${json(name)}: ${json(value)},${meaning && ` // ${meaning}`}`,
  );
  return `{
  "$schema": "node_modules/wrangler/config-schema.json",
  "name": ${json(name)},
  // Written by the build command: the prebuilt Worker of the package weir-gateway, and the plugins in plugins/.
  "main": "build/entry.mjs",
  "build": { "command": "npx weir-gateway build", "watch_dir": "plugins" },
  "compatibility_date": ${json(date)},
  "compatibility_flags": ${json(flags)},
  "durable_objects": {
    "bindings": [
      ${bindings.join(",\n      ")}
    ]
  },
  // Never change a migration that was deployed.
  "migrations": [
    ${migrations.map(json).join(",\n    ")}
  ],
  "observability": ${json(observability)},
  // Your own domain, instead of workers.dev:
  // "routes": [{ "pattern": "hooks.example.com", "custom_domain": true }],
  // On a paid plan, uploaded plugins can have isolates of their own:
  // "worker_loaders": [{ "binding": "LOADER" }],
  // Settings with their defaults; uncomment to change one. Secrets do not belong here (see README.md).
  "vars": {
${defaults.join("\n")}
  }
}
`;
}
