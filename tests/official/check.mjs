// Providers' own libraries, as they come from the registry, against requests that Weir signed.
//
// WEIR_CASES names a file with an array of cases: {library, secret, public, method, url, headers, body}. For each, one
// line: whether the library accepts it, whether it accepts it with one more byte in the body, and what the library
// itself signs (or, where it only verifies, what its provider documents, with Node's own cryptography). The time is
// WEIR_NOW, in milliseconds: some libraries allow a few seconds only, and loading all of them takes longer.

import { readFileSync } from "node:fs";
import crypto from "node:crypto";
import { createRequire } from "node:module";

const NOW = Number(process.env.WEIR_NOW);
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [NOW]));
  }
  static now() {
    return NOW;
  }
};

const require = createRequire(import.meta.url);
const now = () => Math.floor(Date.now() / 1000);
const hmac = (algorithm, key, text, encoding) =>
  crypto.createHmac(algorithm, key).update(text).digest(encoding);
const lacking = async (verify) => {
  const found = await verify;
  if (found === false) throw new Error("refused");
};
const form = (text) => Object.fromEntries(new URLSearchParams(text));

const libraries = {
  stripe: async () => {
    const Stripe = (await import("stripe")).default;
    const { webhooks } = new Stripe("sk_test_x");
    return {
      verify: (c) => webhooks.constructEvent(c.body, c.headers["stripe-signature"], c.secret),
      sign: (c) => ({
        headers: {
          "stripe-signature": webhooks.generateTestHeaderString({ payload: c.body, secret: c.secret }),
        },
      }),
    };
  },
  "@octokit/webhooks-methods": async () => {
    const { sign, verify } = await import("@octokit/webhooks-methods");
    return {
      verify: (c) => verify(c.secret, c.body, c.headers["x-hub-signature-256"]),
      sign: async (c) => ({ headers: { "x-hub-signature-256": await sign(c.secret, c.body) } }),
    };
  },
  svix: async () => standard((await import("svix")).Webhook, "svix"),
  standardwebhooks: async () => standard((await import("standardwebhooks")).Webhook, "webhook"),
  twilio: async () => {
    const twilio = (await import("twilio")).default;
    const { getExpectedTwilioSignature } = require("twilio/lib/webhooks/webhooks");
    return {
      verify: (c) => twilio.validateRequest(c.secret, c.headers["x-twilio-signature"], c.url, form(c.body)),
      sign: (c) => ({
        headers: { "x-twilio-signature": getExpectedTwilioSignature(c.secret, c.url, form(c.body)) },
      }),
    };
  },
  "twilio (JSON)": async () => {
    const twilio = (await import("twilio")).default;
    const { getExpectedTwilioSignature, getExpectedBodyHash } = require("twilio/lib/webhooks/webhooks");
    return {
      verify: (c) => twilio.validateRequestWithBody(c.secret, c.headers["x-twilio-signature"], c.url, c.body),
      sign: (c) => {
        const url = `https://example.com/in?bodySHA256=${getExpectedBodyHash(c.body)}`;
        return { url, headers: { "x-twilio-signature": getExpectedTwilioSignature(c.secret, url, {}) } };
      },
    };
  },
  "@sendgrid/eventwebhook": async () => {
    const { EventWebhook } = await import("@sendgrid/eventwebhook");
    const library = new EventWebhook();
    const name = "x-twilio-email-event-webhook-";
    return {
      verify: (c) =>
        library.verifySignature(
          library.convertPublicKeyToECDSA(c.public),
          c.body,
          c.headers[`${name}signature`],
          c.headers[`${name}timestamp`],
        ),
      sign: (c) => {
        const ts = String(now());
        const signature = crypto.sign("sha256", Buffer.from(ts + c.body), c.secret).toString("base64");
        return { headers: { [`${name}timestamp`]: ts, [`${name}signature`]: signature } };
      },
    };
  },
  "@slack/bolt": async () => {
    const { verifySlackRequest } = require("@slack/bolt/dist/receivers/verify-request.js");
    return {
      verify: (c) => {
        verifySlackRequest({ signingSecret: c.secret, body: c.body, headers: c.headers });
      },
      sign: (c) => {
        const ts = String(now());
        return {
          headers: {
            "x-slack-request-timestamp": ts,
            "x-slack-signature": `v0=${hmac("sha256", c.secret, `v0:${ts}:${c.body}`, "hex")}`,
          },
        };
      },
    };
  },
  square: async () => {
    const { WebhooksHelper } = await import("square");
    return {
      verify: (c) =>
        WebhooksHelper.verifySignature({
          requestBody: c.body,
          signatureHeader: c.headers["x-square-hmacsha256-signature"],
          signatureKey: c.secret,
          notificationUrl: c.url,
        }),
      sign: (c) => ({
        headers: { "x-square-hmacsha256-signature": hmac("sha256", c.secret, c.url + c.body, "base64") },
      }),
    };
  },
  "@line/bot-sdk": async () => {
    const { validateSignature } = await import("@line/bot-sdk");
    return {
      verify: (c) => validateSignature(c.body, c.secret, c.headers["x-line-signature"]),
      sign: (c) => ({ headers: { "x-line-signature": hmac("sha256", c.secret, c.body, "base64") } }),
    };
  },
  "@shopify/shopify-api": async () => {
    await import("@shopify/shopify-api/adapters/node");
    const { shopifyApi, ApiVersion } = await import("@shopify/shopify-api");
    return {
      verify: async (c) => {
        const shopify = shopifyApi({
          apiKey: "key",
          apiSecretKey: c.secret,
          hostName: "example.com",
          apiVersion: Object.values(ApiVersion)[0],
          isEmbeddedApp: false,
          logger: { level: 0 },
        });
        const headers = {
          ...c.headers,
          "x-shopify-api-version": "2026-01",
          "x-shopify-shop-domain": "a.myshopify.com",
        };
        const found = await shopify.webhooks.validate({
          rawBody: c.body,
          rawRequest: { method: "POST", url: "/in", headers },
          rawResponse: {},
        });
        return found.valid;
      },
      sign: (c) => ({ headers: { "x-shopify-hmac-sha256": hmac("sha256", c.secret, c.body, "base64") } }),
    };
  },
  "@paddle/paddle-node-sdk": async () => {
    const { Paddle } = await import("@paddle/paddle-node-sdk");
    const { webhooks } = new Paddle("key");
    return {
      verify: (c) => webhooks.isSignatureValid(c.body, c.secret, c.headers["paddle-signature"]),
      sign: (c) => ({
        headers: {
          "paddle-signature": `ts=${now()};h1=${hmac("sha256", c.secret, `${now()}:${c.body}`, "hex")}`,
        },
      }),
    };
  },
  razorpay: async () => {
    const Razorpay = (await import("razorpay")).default;
    return {
      verify: (c) => Razorpay.validateWebhookSignature(c.body, c.headers["x-razorpay-signature"], c.secret),
      sign: (c) => ({ headers: { "x-razorpay-signature": hmac("sha256", c.secret, c.body, "hex") } }),
    };
  },
  "discord-interactions": async () => {
    const { verifyKey } = await import("discord-interactions");
    return {
      verify: (c) =>
        verifyKey(c.body, c.headers["x-signature-ed25519"], c.headers["x-signature-timestamp"], c.public),
      sign: (c) => {
        const ts = String(now());
        return {
          headers: {
            "x-signature-timestamp": ts,
            "x-signature-ed25519": ed25519(c.secret, ts + c.body, "hex"),
          },
        };
      },
    };
  },
  telnyx: async () => {
    const Telnyx = (await import("telnyx")).default;
    return {
      verify: (c) =>
        new Telnyx({ apiKey: "x", publicKey: c.public }).webhooks.unwrap(c.body, { headers: c.headers }),
      sign: (c) => {
        const ts = String(now());
        return {
          headers: {
            "telnyx-timestamp": ts,
            "telnyx-signature-ed25519": ed25519(c.secret, `${ts}|${c.body}`, "base64"),
          },
        };
      },
    };
  },
  "@mux/mux-node": async () => {
    const Mux = (await import("@mux/mux-node")).default;
    const { webhooks } = new Mux({ tokenId: "a", tokenSecret: "b" });
    return {
      verify: (c) => webhooks.verifySignature(c.body, c.headers, c.secret),
      sign: (c) => ({
        headers: {
          "mux-signature": `t=${now()},v1=${hmac("sha256", c.secret, `${now()}.${c.body}`, "hex")}`,
        },
      }),
    };
  },
  "@workos-inc/node": async () => {
    const { WorkOS } = await import("@workos-inc/node");
    const { webhooks } = new WorkOS("sk_x");
    return {
      verify: (c) =>
        webhooks.verifyHeader({
          payload: JSON.parse(c.body),
          sigHeader: c.headers["workos-signature"],
          secret: c.secret,
        }),
      sign: async (c) => {
        const ts = Date.now();
        return {
          headers: {
            "workos-signature": `t=${ts}, v1=${await webhooks.computeSignature(ts, JSON.parse(c.body), c.secret)}`,
          },
        };
      },
      changed: (body) => body.replace('"c"', '"d"'),
    };
  },
  "@sanity/webhook": async () => {
    const { assertValidSignature, encodeSignatureHeader } = await import("@sanity/webhook");
    return {
      verify: (c) => assertValidSignature(c.body, c.headers["sanity-webhook-signature"], c.secret),
      sign: async (c) => ({
        headers: { "sanity-webhook-signature": await encodeSignatureHeader(c.body, Date.now(), c.secret) },
      }),
    };
  },
  pusher: async () => {
    const Pusher = (await import("pusher")).default;
    return {
      verify: (c) => {
        const pusher = new Pusher({ appId: "1", key: "key", secret: c.secret, cluster: "eu" });
        const headers = { ...c.headers, "x-pusher-key": "key", "content-type": "application/json" };
        return pusher.webhook({ headers, rawBody: c.body }).isValid();
      },
      sign: (c) => ({ headers: { "x-pusher-signature": hmac("sha256", c.secret, c.body, "hex") } }),
      changed: (body) => body.replace('"c"', '"d"'),
    };
  },
  "@linear/sdk": async () => {
    const { LinearWebhookClient } = await import("@linear/sdk/webhooks");
    return {
      verify: (c) =>
        new LinearWebhookClient(c.secret).verify(Buffer.from(c.body), c.headers["linear-signature"]),
      sign: (c) => {
        const body = JSON.stringify({ ...JSON.parse(c.body), webhookTimestamp: Date.now() });
        return { body, headers: { "linear-signature": hmac("sha256", c.secret, body, "hex") } };
      },
    };
  },
  openai: async () => {
    const OpenAI = (await import("openai")).default;
    const { webhooks } = new OpenAI({ apiKey: "x" });
    return {
      verify: (c) => webhooks.verifySignature(c.body, c.headers, c.secret),
      sign: (c) => {
        const id = "wh_1",
          ts = String(now());
        const key = Buffer.from(c.secret.replace("whsec_", ""), "base64");
        return {
          headers: {
            "webhook-id": id,
            "webhook-timestamp": ts,
            "webhook-signature": `v1,${hmac("sha256", key, `${id}.${ts}.${c.body}`, "base64")}`,
          },
        };
      },
    };
  },
  "@contentful/node-apps-toolkit": async () => {
    const { signRequest, verifyRequest } = await import("@contentful/node-apps-toolkit");
    const request = (c) => ({
      method: c.method,
      path: new URL(c.url).pathname + new URL(c.url).search,
      body: c.body,
    });
    return {
      verify: (c) => verifyRequest(c.secret, { ...request(c), headers: c.headers }),
      sign: (c) => ({ headers: signRequest(c.secret, { ...request(c), headers: {} }, Date.now()) }),
    };
  },
  plivo: async () => {
    const plivo = (await import("plivo")).default;
    const name = "x-plivo-signature-v3";
    return {
      verify: (c) =>
        plivo.validateV3Signature(
          c.method,
          c.url,
          c.headers[`${name}-nonce`],
          c.secret,
          c.headers[name],
          form(c.body),
        ),
    };
  },
  "@adyen/api-library": async () => {
    const { hmacValidator } = await import("@adyen/api-library");
    const library = new hmacValidator();
    const items = (body) => JSON.parse(body).notificationItems.map((item) => item.NotificationRequestItem);
    return {
      verify: (c) => items(c.body).every((item) => library.validateHMAC(item, c.secret)),
      sign: (c) => {
        const body = JSON.parse(c.body);
        for (const { NotificationRequestItem: item } of body.notificationItems) {
          item.additionalData = { hmacSignature: library.calculateHmac(item, c.secret) };
        }
        return { body: JSON.stringify(body), headers: {} };
      },
      changed: (body) => body.replace("1130", "1131"),
    };
  },
  "@adyen/api-library (platform)": async () => {
    const { hmacValidator } = await import("@adyen/api-library");
    const library = new hmacValidator();
    return {
      verify: (c) => library.validateHMACSignature(c.secret, c.headers["hmacsignature"], c.body),
      sign: (c) => ({ headers: { hmacsignature: library.calculateHmac(c.body, c.secret) } }),
    };
  },
  "coinbase-commerce-node": async () => {
    const { Webhook } = (await import("coinbase-commerce-node")).default;
    return {
      verify: (c) => Webhook.verifySigHeader(c.body, c.headers["x-cc-webhook-signature"], c.secret),
      sign: (c) => ({ headers: { "x-cc-webhook-signature": hmac("sha256", c.secret, c.body, "hex") } }),
    };
  },
  braintree: async () => {
    const braintree = (await import("braintree")).default;
    const gateway = (c) =>
      new braintree.BraintreeGateway({
        environment: braintree.Environment.Sandbox,
        merchantId: "m",
        publicKey: "public_key",
        privateKey: c.secret,
      });
    return {
      verify: (c) => {
        const { bt_signature, bt_payload } = form(c.body);
        return gateway(c)
          .webhookNotification.parse(bt_signature, bt_payload)
          .then(() => true);
      },
      sign: async (c) => ({
        body: String(
          new URLSearchParams(
            await gateway(c).webhookTesting.sampleNotification(
              braintree.WebhookNotification.Kind.Check,
              "id",
            ),
          ),
        ),
        headers: {},
      }),
      changed: (body) => body.replace("bt_payload=P", "bt_payload=Q"),
    };
  },
  "@easypost/api": async () => {
    const EasyPost = (await import("@easypost/api")).default;
    return {
      verify: (c) =>
        new EasyPost("key").Utils.validateWebhook(
          Buffer.from(c.body),
          { "X-Hmac-Signature": c.headers["x-hmac-signature"] },
          c.secret,
        ),
      sign: (c) => ({
        headers: {
          "x-hmac-signature": `hmac-sha256-hex=${hmac("sha256", c.secret.normalize("NFKD"), c.body, "hex")}`,
        },
      }),
    };
  },
  "@vonage/jwt": async () => {
    const { verifySignature } = await import("@vonage/jwt");
    return {
      verify: (c) => {
        const token = c.headers.authorization.replace("Bearer ", "");
        const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
        return (
          verifySignature(token, c.secret) &&
          claims.payload_hash === crypto.createHash("sha256").update(c.body).digest("hex")
        );
      },
    };
  },
  messagebird: async () => {
    const { verify } = require("messagebird/lib/webhook-signature-jwt.js");
    return {
      verify: (c) =>
        verify(c.url, c.body, c.headers["messagebird-signature-jwt"], new TextEncoder().encode(c.secret)),
    };
  },
  "@upstash/qstash": async () => {
    const { Receiver } = await import("@upstash/qstash");
    return {
      verify: (c) =>
        new Receiver({ currentSigningKey: c.secret, nextSigningKey: "next" }).verify({
          signature: c.headers["upstash-signature"],
          body: c.body,
          url: c.url,
        }),
    };
  },
  "@hubspot/api-client (v3)": async () => hubspot("v3"),
  "@hubspot/api-client (v2)": async () => hubspot("v2"),
  "@hubspot/api-client (v1)": async () => hubspot("v1"),
};

function standard(Webhook, name) {
  return {
    verify: (c) => new Webhook(c.secret).verify(c.body, c.headers),
    sign: (c) => {
      const at = new Date(),
        id = "msg_theirs";
      return {
        headers: {
          [`${name}-id`]: id,
          [`${name}-timestamp`]: String(Math.floor(at / 1000)),
          [`${name}-signature`]: new Webhook(c.secret).sign(id, at, c.body),
        },
      };
    },
  };
}

async function hubspot(version) {
  const { Signature } = await import("@hubspot/api-client");
  const options = (c, timestamp) => ({ clientSecret: c.secret, requestBody: c.body, url: c.url, timestamp });
  const name = version === "v3" ? "x-hubspot-signature-v3" : "x-hubspot-signature";
  return {
    verify: (c) =>
      Signature.isValid({
        ...options(c, Number(c.headers["x-hubspot-request-timestamp"])),
        method: c.method,
        signatureVersion: version,
        signature: c.headers[name],
      }),
    sign: (c) => {
      const ts = Date.now();
      const headers = { [name]: Signature.getSignature(c.method, version, options(c, ts)) };
      if (version === "v3") headers["x-hubspot-request-timestamp"] = String(ts);
      else headers["x-hubspot-signature-version"] = version;
      return { headers };
    },
  };
}

function ed25519(pem, text, encoding) {
  return crypto.sign(null, Buffer.from(text), pem).toString(encoding);
}

for (const given of JSON.parse(readFileSync(process.env.WEIR_CASES))) {
  const line = { library: given.library, accepts: false, accepts_changed: false, signed: null, error: null };
  try {
    const library = await libraries[given.library]();
    await lacking(library.verify(given));
    line.accepts = true;
    const changed = library.changed ?? ((body) => `${body} `);
    try {
      await lacking(library.verify({ ...given, body: changed(given.body) }));
      line.accepts_changed = true;
    } catch {}
    if (library.sign) line.signed = await library.sign(given);
  } catch (error) {
    line.error = String(error?.stack ?? error);
  }
  console.log(JSON.stringify(line));
}
process.exit(0);
