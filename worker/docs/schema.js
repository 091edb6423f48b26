// What a schema of the OpenAPI document says, in words.

import { resolve } from "./samples.js";

/** @typedef {import("./openapi.d.ts").Schema} Schema */
/** @typedef {import("./openapi.d.ts").Api} Api */

/**
 * A schema without its "or null", and whether there was one.
 * @param {Schema} schema
 * @returns {[Schema, boolean]}
 */
export function settled(schema) {
  const [only, ...others] = schema.anyOf?.filter((part) => part.type !== "null") ?? [];
  if (only && !others.length) return [only, true];
  return [schema, Array.isArray(schema.type) && schema.type.includes("null")];
}

/**
 * The type of a value, such as `list of string, or null`.
 * @param {Api} api
 * @param {Schema} schema
 * @returns {string}
 */
export function typeOf(api, schema) {
  const [inner, nullable] = settled(schema);
  const whole = resolve(api, inner);
  const alternatives = whole.anyOf ?? whole.oneOf;
  const words = [whole.type ?? "any"].flat().filter((word) => word !== "null");
  let type = words.join(" or ");
  if (alternatives) type = alternatives.map((one) => typeOf(api, one)).join(" or ");
  if (type === "array") type = `list of ${typeOf(api, whole.items ?? {})}`;
  if (whole.enum) type = whole.enum.filter((value) => value !== null).join(", ");
  if (whole.const) type = whole.const;
  if (whole.format) type += ` (${whole.format})`;
  return nullable ? `${type}, or null` : type;
}

/**
 * What else is required of a value, and its default.
 * @param {Api} api
 * @param {Schema} schema
 */
export function limits(api, schema) {
  const whole = resolve(api, settled(schema)[0]);
  const found = [];
  if (whole.minimum !== undefined || whole.maximum !== undefined) {
    found.push(`${whole.minimum ?? "…"} to ${whole.maximum ?? "…"}`);
  }
  if (whole.maxLength) found.push(`up to ${whole.maxLength} characters`);
  if (whole.maxItems) found.push(`up to ${whole.maxItems} items`);
  if (whole.pattern) found.push(whole.pattern);
  if (schema.default !== undefined && typeof schema.default !== "object")
    found.push(`default ${schema.default}`);
  return found.join("; ");
}
