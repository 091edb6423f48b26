// The reference library of Standard Webhooks verifies a delivery: SECRET, and DELIVERED as the receiver got it.

import { Webhook } from "standardwebhooks";

const { headers, body } = JSON.parse(process.env.DELIVERED);
const webhook = new Webhook(process.env.SECRET);
const payload = webhook.verify(body, headers);
let refused = false;
try {
  webhook.verify(body.replace("1", "2"), headers);
} catch {
  refused = true;
}
console.log(JSON.stringify({ payload, refused }));
