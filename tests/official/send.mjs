// Providers' own libraries as senders: each signs an event and sends it to a source's URL.
//
// WEIR_SENDS names a file with an array: {library, url, secret, body, headers}. For each, one line: the library and what
// it was answered. Where a provider has no library, it is what its page says, with Node's own cryptography.

import { readFileSync } from "node:fs";
import crypto from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const now = () => Math.floor(Date.now() / 1000);
const hmac = (algorithm, key, text, encoding) =>
  crypto.createHmac(algorithm, key).update(text).digest(encoding);

async function standard(library, name, c) {
  const { Webhook } = await import(library);
  const at = new Date();
  const id = `msg_${crypto.randomUUID()}`;
  return {
    [`${name}-id`]: id,
    [`${name}-timestamp`]: String(Math.floor(at / 1000)),
    [`${name}-signature`]: new Webhook(c.secret).sign(id, at, c.body),
  };
}

const libraries = {
  stripe: async (c) => {
    const Stripe = (await import("stripe")).default;
    const { webhooks } = new Stripe("sk_test_x");
    return { "stripe-signature": webhooks.generateTestHeaderString({ payload: c.body, secret: c.secret }) };
  },
  "@octokit/webhooks-methods": async (c) => {
    const { sign } = await import("@octokit/webhooks-methods");
    return { "x-hub-signature-256": await sign(c.secret, c.body) };
  },
  svix: (c) => standard("svix", "svix", c),
  standardwebhooks: (c) => standard("standardwebhooks", "webhook", c),
  twilio: async (c) => {
    const { getExpectedTwilioSignature } = require("twilio/lib/webhooks/webhooks");
    const fields = Object.fromEntries(new URLSearchParams(c.body));
    return { "x-twilio-signature": getExpectedTwilioSignature(c.secret, c.url, fields) };
  },
  "@hubspot/api-client (v1)": async (c) => {
    const { Signature } = await import("@hubspot/api-client");
    const options = { clientSecret: c.secret, requestBody: c.body, url: c.url };
    return {
      "x-hubspot-signature": Signature.getSignature("POST", "v1", options),
      "x-hubspot-signature-version": "v1",
    };
  },
  // "v0:" + timestamp + ":" + body, as Slack's page has it: its library only verifies.
  slack: (c) => {
    const ts = String(now());
    return {
      "x-slack-request-timestamp": ts,
      "x-slack-signature": `v0=${hmac("sha256", c.secret, `v0:${ts}:${c.body}`, "hex")}`,
    };
  },
  // "SHA-256 over app secret + body".
  mailabl: (c) => ({
    "x-mailabl-signature": crypto
      .createHash("sha256")
      .update(c.secret + c.body)
      .digest("hex"),
  }),
  // The page's own Node example: createHmac('sha256', secret).update(body).digest('hex').
  relaypost: (c) => ({ "x-relaypost-signature": hmac("sha256", c.secret, c.body, "hex") }),
  basic: (c) => ({ authorization: `Basic ${Buffer.from(c.secret).toString("base64")}` }),
  token: (c) => ({ "x-my-token": c.secret }),
};

for (const given of JSON.parse(readFileSync(process.env.WEIR_SENDS))) {
  const headers = { ...given.headers, ...(await libraries[given.library](given)) };
  const answer = await fetch(given.url, { method: "POST", headers, body: given.body });
  console.log(JSON.stringify({ kind: given.kind, status: answer.status, body: await answer.text() }));
}
process.exit(0);
