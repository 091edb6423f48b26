// Bearer tokens: JSON Web Tokens signed with HMAC-SHA256, as the gateway's API takes them.

import { createHmac, randomBytes } from "node:crypto";
import { Fault } from "./fault.mjs";

/** The default tenant of tokens. */
export const ORG = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
/** The default number of days until a token expires. */
const DAYS = 30;

/**
 * The secret that signs: of several between commas, the newest, which is the first.
 * @param {string} value
 */
function signing(value) {
  const values = value.split(",").map((part) => part.trim());
  return values.find((part) => part !== "") ?? value;
}

/**
 * @param {string} secret `JWT_SECRET`, which may hold several
 * @param {string} org
 * @param {number} [days]
 */
export function tokenFor(secret, org, days = DAYS) {
  if (!/^org_[A-Za-z0-9_.-]{1,64}$/.test(org)) {
    throw new Fault(
      `\`${org}\` is not a tenant id. A tenant id is org_ followed by 1 to 64 letters, digits, _, - or .`,
    );
  }
  if (!(days > 0 && days <= 36500))
    throw new Fault("--days needs a number greater than 0 and at most 36500.");
  const now = Math.floor(Date.now() / 1000);
  const encoded = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  // By its id it can be revoked.
  const jti = `jti_${now.toString(16)}${randomBytes(8).toString("hex")}`;
  const claims = { sub: org, jti, iat: now, exp: now + Math.ceil(days * 86400) };
  const signed = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  return `${signed}.${createHmac("sha256", signing(secret)).update(signed).digest("base64url")}`;
}
