// Code samples of the API reference: one request as a program in curl, JavaScript, Python and Rust.
//
// Pure functions of the OpenAPI document and of the values in the form, without a page, so that tests run them in Node.

/** @typedef {import("./openapi.d.ts").ApiRequest} ApiRequest */

/** @typedef {"curl" | "JavaScript" | "Python" | "Rust"} Language */

/**
 * The languages, in the order in which they are offered.
 * @type {Language[]}
 */
export const LANGUAGES = ["curl", "JavaScript", "Python", "Rust"];

/**
 * Follows a reference within the document.
 * @template {{ $ref?: string }} T
 * @param {import("./openapi.d.ts").Api} api
 * @param {T | undefined} value
 * @returns {T} an empty object if there is nothing
 */
export const resolve = (api, value) =>
  value?.$ref
    ? value.$ref
        .slice(2)
        .split("/")
        .reduce((at, part) => at[part], /** @type {any} */ (api))
    : /** @type {T} */ (value ?? {});

/**
 * The request of an operation: its example, changed by `values` (parameters by `in:name`, and the text of the body).
 * @param {string} path
 * @param {string} method
 * @param {import("./openapi.d.ts").Operation} operation
 * @param {Record<string, string | undefined>} [values]
 * @returns {ApiRequest}
 */
export function requestOf(path, method, operation, values = {}) {
  /** @type {[string, string][]} */
  const query = [];
  /** @type {Record<string, string>} */
  const headers = {};
  let filled = path;
  for (const { name, in: place, example } of operation.parameters ?? []) {
    const value = values[`${place}:${name}`] ?? (place === "path" ? example : undefined);
    if (value === undefined || value === "") continue;
    if (place === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "header") headers[name] = value;
    else if (name === "metadata") query.push(...metadata(value));
    else query.push([name, value]);
  }
  const [media, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const example = content?.example === undefined ? "" : JSON.stringify(content.example, null, 2);
  const search = query
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");
  return {
    method: method.toUpperCase(),
    path: search ? `${filled}?${search}` : filled,
    headers,
    media,
    body: media === "application/json" ? (values.body ?? example) : undefined,
    needsToken: operation.security?.length !== 0,
    answersJson: Object.values(operation.responses).some((one) => one.content?.["application/json"]),
  };
}

/**
 * `plan=pro, region=eu` as parameters of a query.
 * @param {string} text
 * @returns {[string, string][]}
 */
function metadata(text) {
  const pairs = text.split(",").map((pair) => pair.split("=").map((part) => part.trim()));
  return pairs.filter(([key]) => key).map(([key, value = ""]) => [`metadata[${key}]`, value]);
}

/**
 * A request as programs, by language.
 * @param {ApiRequest} request
 * @param {string} origin
 */
export function samples(request, origin) {
  const url = origin + request.path;
  return {
    curl: curl(request, url),
    JavaScript: javascript(request, url),
    Python: python(request, url),
    Rust: rust(request, url),
  };
}

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
/** @param {string} text */
const string = (text) => JSON.stringify(text);
/** @param {ApiRequest} request */
const isModule = (request) => request.media === "application/wasm";
/**
 * @param {string} text
 * @param {number} by
 */
const indented = (text, by) => text.replaceAll("\n", `\n${" ".repeat(by)}`);

/**
 * @param {ApiRequest} request
 * @param {string} url
 */
function curl(request, url) {
  const head =
    request.method === "HEAD" ? "--head " : request.method === "GET" ? "" : `-X ${request.method} `;
  const lines = [`curl ${head}${quoted(url)}`];
  if (request.needsToken) lines.push('-H "Authorization: Bearer $WEIR_TOKEN"');
  for (const [name, value] of Object.entries(request.headers))
    lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.media) lines.push(`-H ${quoted(`Content-Type: ${request.media}`)}`);
  if (isModule(request)) lines.push("--data-binary @plugin.wasm");
  else if (request.body) lines.push(`-d ${quoted(request.body)}`);
  return lines.join(" \\\n  ");
}

/**
 * @param {ApiRequest} request
 * @param {string} url
 */
function javascript(request, url) {
  const headers = [];
  if (request.needsToken) headers.push("Authorization: `Bearer ${process.env.WEIR_TOKEN}`");
  for (const [name, value] of Object.entries(request.headers))
    headers.push(`${string(name)}: ${string(value)}`);
  if (request.media) headers.push(`"Content-Type": ${string(request.media)}`);
  const options = [];
  if (request.method !== "GET") options.push(`method: ${string(request.method)}`);
  if (headers.length) options.push(`headers: {\n    ${headers.join(",\n    ")},\n  }`);
  if (isModule(request)) options.push('body: await readFile("plugin.wasm")');
  else if (json(request.body) !== undefined)
    options.push(`body: JSON.stringify(${indented(pretty(request.body), 2)})`);
  else if (request.body) options.push(`body: ${string(request.body)}`);
  const start = isModule(request) ? 'import { readFile } from "node:fs/promises";\n\n' : "";
  const given = options.length ? `, {\n  ${options.join(",\n  ")},\n}` : "";
  const read = request.answersJson ? "json" : "text";
  return `${start}const response = await fetch(${string(url)}${given});\nconsole.log(response.status, await response.${read}());`;
}

/**
 * @param {ApiRequest} request
 * @param {string} url
 */
function python(request, url) {
  const headers = [];
  if (request.needsToken) headers.push(`"Authorization": f"Bearer {os.environ['WEIR_TOKEN']}"`);
  for (const [name, value] of Object.entries(request.headers))
    headers.push(`${string(name)}: ${string(value)}`);
  const value = json(request.body);
  if (request.media && value === undefined) headers.push(`"Content-Type": ${string(request.media)}`);
  const given = [string(url)];
  if (headers.length) given.push(`headers={${headers.join(", ")}}`);
  if (isModule(request)) given.push('data=open("plugin.wasm", "rb")');
  else if (value !== undefined) given.push(`json=${indented(literal(value, 0), 4)}`);
  else if (request.body) given.push(`data=${string(request.body)}`);
  const imports = request.needsToken ? "import os\n\nimport requests" : "import requests";
  const call = `requests.${request.method.toLowerCase()}`;
  return `${imports}\n\nresponse = ${call}(\n    ${given.join(",\n    ")},\n)\nprint(response.status_code, response.text)`;
}

/**
 * @param {ApiRequest} request
 * @param {string} url
 */
function rust(request, url) {
  const value = json(request.body);
  const lines = [`.${request.method.toLowerCase()}(${string(url)})`];
  if (request.needsToken) lines.push('.bearer_auth(std::env::var("WEIR_TOKEN")?)');
  for (const [name, text] of Object.entries(request.headers))
    lines.push(`.header(${string(name)}, ${string(text)})`);
  if (request.media && value === undefined) lines.push(`.header("content-type", ${string(request.media)})`);
  if (isModule(request)) lines.push('.body(std::fs::read("plugin.wasm")?)');
  else if (value !== undefined) lines.push(`.json(&serde_json::json!(${indented(pretty(request.body), 8)}))`);
  else if (request.body) lines.push(`.body(${string(request.body)})`);
  return `fn main() -> Result<(), Box<dyn std::error::Error>> {
    let response = reqwest::blocking::Client::new()
        ${lines.join("\n        ")}
        .send()?;
    println!("{} {}", response.status(), response.text()?);
    Ok(())
}`;
}

/**
 * The value of a JSON text; undefined if it is empty or not JSON (yet).
 * @param {string | undefined} text
 */
function json(text) {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string | undefined} text */
const pretty = (text) => JSON.stringify(json(text), null, 2);

/**
 * A JSON value as Python writes it.
 * @param {any} value
 * @param {number} depth
 * @returns {string}
 */
function literal(value, depth) {
  const inner = "    ".repeat(depth + 1);
  const close = "    ".repeat(depth);
  /**
   * @param {string} open
   * @param {string[]} parts
   * @param {string} end
   */
  const several = (open, parts, end) =>
    parts.length ? `${open}\n${inner}${parts.join(`,\n${inner}`)},\n${close}${end}` : open + end;
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value))
    return several(
      "[",
      value.map((one) => literal(one, depth + 1)),
      "]",
    );
  if (typeof value !== "object") return JSON.stringify(value);
  return several(
    "{",
    Object.entries(value).map(([key, one]) => `${string(key)}: ${literal(one, depth + 1)}`),
    "}",
  );
}
