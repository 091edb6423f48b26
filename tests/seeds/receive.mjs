// Receivers as the five services' pages tell their users to write them. For each request of the file WEIR_REQUESTS,
// one line: whether it is accepted as it came, and whether it would be with one byte changed.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { Webhook } from "svix";

const equal = (a, b) => {
  const [left, right] = [Buffer.from(a ?? "", "utf-8"), Buffer.from(b, "utf-8")];
  return left.length === right.length && timingSafeEqual(left, right);
};

// Reloop and Resend sign as Svix does, and point to its library.
const svix = (body, headers, secret) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

const receivers = {
  reloop: svix,
  resend: svix,

  // "To verify webhooks, you need to create a signature of the received request and match that to the provided
  // signature in the request's headers." The headers: Webhook-Id, Webhook-Timestamp (seconds), Webhook-Signature (a list).
  loops: (body, headers, secret) => {
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const key = Buffer.from(secret.split("_")[1], "base64");
    const expected = createHmac("sha256", key).update(signed).digest("base64");
    return headers["webhook-signature"]
      .split(" ")
      .some((signature) => equal(signature.split(",")[1], expected));
  },

  // "a SHA-256 hash of the concatenation of the app-secret for your application and the body of the webhook request"
  mailabl: (body, headers, secret) =>
    equal(
      headers["x-mailabl-signature"],
      createHash("sha256")
        .update(secret + body)
        .digest("hex"),
    ),

  // The page's own function.
  relaypost: (body, headers, secret, header) => {
    const expected = createHmac("sha256", secret).update(body).digest("hex");
    return equal(headers[header ?? "x-relaypost-signature"], expected);
  },
};

for (const { preset, body, headers, secret, header } of JSON.parse(
  readFileSync(process.env.WEIR_REQUESTS, "utf-8"),
)) {
  const changed = body.replace(/[a-z]/, (letter) => (letter === "a" ? "b" : "a"));
  const verify = (text) => receivers[preset](text, headers, secret, header);
  console.log(JSON.stringify({ preset, accepted: verify(body), changed: verify(changed) }));
}
