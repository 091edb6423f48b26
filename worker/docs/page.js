// Renders the API reference from the OpenAPI document. All content is inserted as text, never as HTML, and every request goes
// to this gateway.

import { LANGUAGES, requestOf, resolve, samples } from "./samples.js";
import { limits, settled, typeOf } from "./schema.js";

/** @typedef {import("./openapi.d.ts").Schema} Schema */
/** @typedef {import("./openapi.d.ts").Content} Content */
/** @typedef {import("./openapi.d.ts").Operation} Operation */
/** @typedef {import("./openapi.d.ts").Parameter} Parameter */
/** @typedef {import("./openapi.d.ts").ApiRequest} ApiRequest */
/** @typedef {Node | string | null | undefined} Child */

/** @type {import("./openapi.d.ts").Api} */
const api = await (await fetch("/api/v1/openapi.json")).json();

/**
 * An element of the page itself.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} Class
 */
function element(id, Class) {
  const found = document.getElementById(id);
  if (!(found instanceof Class)) throw new Error(`the page has no ${id}`);
  return found;
}

const token = element("token", HTMLInputElement);

/**
 * @template {{ $ref?: string }} T
 * @param {T | undefined} value
 */
const target = (value) => resolve(api, value);

/** @param {{ $ref?: string }} value */
const nameOf = (value) => value.$ref?.split("/").pop();

/**
 * The language of the samples, the same for all operations.
 * @type {import("./samples.js").Language}
 */
let language = "curl";
/** How much of a response's body is shown. */
const SHOWN = 100_000;

/**
 * An element with properties and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {object} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/**
 * @param {string} className
 * @param {string | undefined} content
 */
const text = (className, content) => (content ? make("span", { className }, ` ${content}`) : null);

/**
 * A sentence whose `words` are code.
 * @param {string | undefined} sentence
 */
const prose = (sentence) =>
  (sentence ?? "").split("`").map((part, n) => (n % 2 ? make("code", {}, part) : part));

/**
 * What each value of an enumeration means.
 * @param {Schema} schema
 */
function choices(schema) {
  const whole = target(settled(schema)[0]);
  const described = (whole.oneOf ?? []).filter((one) => one.const !== undefined && one.description);
  if (!described.length) return null;
  /** @param {Schema} one */
  const line = ({ const: value, description }) =>
    make("li", {}, make("code", {}, value), ": ", ...prose(description));
  return make("ul", { className: "choices" }, described.map(line));
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {boolean | undefined} required
 * @param {string} [about]
 * @returns {HTMLElement}
 */
function field(name, schema, required, about) {
  return make(
    "li",
    {},
    make("span", { className: "name" }, name),
    text("type", typeOf(api, schema)),
    text("mark", required ? "required" : ""),
    text("mark", limits(api, schema)),
    make("div", { className: "about" }, prose(about ?? schema.description)),
    choices(schema),
    fields(schema, 1),
  );
}

/**
 * The fields of an object, of a list's items, or of what a reference leads to; folded if they are inside another object.
 * @param {Schema} schema
 * @param {number} depth
 * @returns {HTMLElement | null}
 */
function fields(schema, depth) {
  const [inner] = settled(schema);
  let whole = target(inner);
  let name = nameOf(inner);
  if (whole.items) {
    name = nameOf(whole.items);
    whole = target(whole.items);
  }
  const { properties } = whole;
  if (!properties) return null;
  const list = () =>
    Object.entries(properties).map(([key, value]) => field(key, value, whole.required?.includes(key)));
  if (depth === 0) return make("ul", {}, list());
  // Rendered when it is opened: a schema may contain itself.
  const details = make("details", {}, make("summary", {}, name ?? "fields"));
  details.addEventListener("toggle", () => details.append(make("ul", {}, list())), { once: true });
  return details;
}

/** @param {Content} described */
const content = (described) =>
  Object.entries(described.content ?? {}).flatMap(([media, { schema }]) => [
    make("p", {}, make("code", {}, media), text("type", nameOf(schema) ?? typeOf(api, schema))),
    fields(schema, 0),
  ]);

/**
 * The successful responses of an operation.
 * @param {Operation} operation
 */
function responses(operation) {
  const successes = Object.entries(operation.responses).filter(([status]) => Number(status) < 400);
  return successes.map(([status, response]) => {
    const whole = target(response);
    return make(
      "details",
      { className: "response" },
      make("summary", {}, make("code", {}, status), " ", ...prose(whole.description)),
      content(whole),
    );
  });
}

/**
 * The errors of an operation, by their codes.
 * @param {Operation} operation
 */
function errors(operation) {
  const codes = operation["x-errors"].flatMap((code) => {
    const known = api.components["x-errors"][code];
    return known ? [{ code, ...known }] : [];
  });
  if (operation.responses["422"]) {
    const about = {
      when: "The input is invalid.",
      action: "Correct what `detail` lists: each error has its place.",
    };
    codes.push({ code: "", status: 422, ...about });
  }
  if (!codes.length) return null;
  codes.sort((one, other) => one.status - other.status);
  /** @param {import("./openapi.d.ts").ErrorCode & { code: string }} error */
  const row = ({ code, status, when, action }) =>
    make(
      "tr",
      {},
      ...[String(status), code ? make("code", {}, code) : "", prose(when), prose(action)].map((cell) =>
        make("td", {}, cell),
      ),
    );
  const titles = ["Status", "Code", "When", "What to do"].map((title) => make("th", { scope: "col" }, title));
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, titles)),
    make("tbody", {}, codes.map(row)),
  );
  return make("details", { className: "errors" }, make("summary", {}, `Errors (${codes.length})`), table);
}

/**
 * An input for a parameter.
 * @param {Parameter} parameter
 */
function input(parameter) {
  const schema = target(parameter.schema);
  const options = schema.type === "boolean" ? [true, false] : schema.enum;
  const key = `${parameter.in}:${parameter.name}`;
  if (options) {
    const choices = ["", ...options].map((value) => make("option", { value: String(value) }, String(value)));
    return make("select", { name: key }, choices);
  }
  return make("input", { name: key, value: parameter.example ?? "", autocomplete: "off", spellcheck: false });
}

/**
 * @param {string} name
 * @param {HTMLElement} control
 */
const labeled = (name, control) => make("label", {}, make("span", { className: "name" }, name), control);

/**
 * The form with which an operation is tried, and the samples that follow what is in it.
 * @param {string} path
 * @param {string} method
 * @param {Operation} operation
 */
function trial(path, method, operation) {
  const parameters = (operation.parameters ?? []).map((one) =>
    labeled(`${one.name} (${one.in})`, input(one)),
  );
  const first = requestOf(path, method, operation);
  const file = first.media === "application/wasm" ? make("input", { type: "file", accept: ".wasm" }) : null;
  const value = first.body ?? "";
  const rows = Math.min(16, value.split("\n").length + 1);
  const body =
    file ?? (first.media ? make("textarea", { name: "body", rows, value, spellcheck: false }) : null);
  const send = make("button", { type: "submit" }, "Send request");
  const form = make("form", { className: "try" }, parameters, body ? labeled("body", body) : null, send);
  const code = make("code");
  const request = () => {
    /** @type {Record<string, string>} */
    const values = {};
    for (const [name, value] of new FormData(form)) if (typeof value === "string") values[name] = value;
    return requestOf(path, method, operation, values);
  };
  const show = () => (code.textContent = samples(request(), location.origin)[language]);
  const result = make("div", { className: "result" });
  result.setAttribute("role", "status");
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    call(request(), file?.files?.[0], send, result);
  });
  const shown = make("pre", { tabIndex: 0 }, code);
  const sampleOf = make("div", { className: "samples" }, tabs(), shown);
  document.addEventListener("language", show);
  show();
  return [
    make("h3", {}, "Example"),
    sampleOf,
    make("details", { className: "trial" }, make("summary", {}, "Try it"), form, result),
  ];
}

/** The choice of language, and a button that copies the sample. */
function tabs() {
  const bar = make("div", { className: "tabs" });
  const mark = () => {
    for (const one of bar.querySelectorAll("[data-language]")) {
      one.setAttribute("aria-pressed", String(one.getAttribute("data-language") === language));
    }
  };
  for (const name of LANGUAGES) {
    const tab = make("button", { type: "button" }, name);
    tab.dataset.language = name;
    tab.addEventListener("click", () => {
      language = name;
      document.dispatchEvent(new Event("language"));
    });
    bar.append(tab);
  }
  const copy = make("button", { type: "button", className: "copy" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(bar.parentElement?.querySelector("pre")?.textContent ?? "");
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  bar.append(copy);
  document.addEventListener("language", mark);
  mark();
  return bar;
}

/**
 * Sends a request and shows what the gateway returns.
 * @param {ApiRequest} request
 * @param {File | undefined} file
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} result
 */
async function call(request, file, button, result) {
  /** @type {Record<string, string>} */
  const headers = { ...request.headers };
  if (request.needsToken) headers.authorization = `Bearer ${token.value.trim()}`;
  if (request.media) headers["content-type"] = request.media;
  if (request.needsToken && !token.value.trim()) {
    result.replaceChildren(make("p", {}, "Paste a token at the top of this page first."));
    token.focus();
    return;
  }
  button.disabled = true;
  const start = performance.now();
  try {
    const body = file ?? request.body ?? null;
    const response = await fetch(request.path, { method: request.method, headers, body, redirect: "manual" });
    const received = await response.text();
    const took = Math.round(performance.now() - start);
    const noted = ["content-type", "retry-after", "weir-warning"].filter((name) =>
      response.headers.has(name),
    );
    result.replaceChildren(
      make("p", {}, make("strong", {}, `${response.status} ${response.statusText}`), ` in ${took} ms`),
      make(
        "ul",
        {},
        noted.map((name) => make("li", {}, make("code", {}, `${name}: ${response.headers.get(name)}`))),
      ),
      received
        ? make("pre", { tabIndex: 0 }, make("code", {}, readable(received)))
        : make("p", {}, "The response has no body."),
    );
  } catch (error) {
    result.replaceChildren(
      make("p", {}, `The request failed: ${error instanceof Error ? error.message : error}`),
    );
  } finally {
    button.disabled = false;
  }
}

/**
 * A body as it is shown.
 * @param {string} received
 */
function readable(received) {
  let shown = received;
  try {
    shown = JSON.stringify(JSON.parse(received), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  return shown.length > SHOWN ? `${shown.slice(0, SHOWN)}\n… ${shown.length - SHOWN} more characters` : shown;
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Operation} it
 */
function operationOf(path, method, it) {
  const node = make("details", { className: "operation", id: it.operationId });
  node.classList.toggle("deprecated", Boolean(it.deprecated));
  const marks = [it.deprecated ? "deprecated" : "", it.security?.length === 0 ? "no token" : ""];
  node.append(
    make(
      "summary",
      {},
      make("span", { className: `method ${method}` }, method.toUpperCase()),
      make("span", { className: "path" }, path),
      ...marks.map((mark) => text("mark", mark)),
      make("span", { className: "summary" }, it.summary),
    ),
  );
  const draw = () => {
    const link = make("a", { href: `#${it.operationId}` }, it.operationId);
    const body = make(
      "div",
      {},
      make("p", {}, prose(it.description)),
      make("p", { className: "note" }, "Link: ", link),
    );
    if (it.parameters) {
      const list = it.parameters.map((one) =>
        field(`${one.name} (${one.in})`, one.schema, one.required, one.description),
      );
      body.append(make("h3", {}, "Parameters"), make("ul", {}, list));
    }
    if (it.requestBody) {
      body.append(make("h3", {}, it.requestBody.required ? "Body" : "Body (optional)"));
      body.append(...content(it.requestBody).filter((part) => part !== null));
    }
    body.append(make("h3", {}, "Responses"), ...responses(it));
    const table = errors(it);
    if (table) body.append(table);
    body.append(...trial(path, method, it));
    node.append(body);
  };
  node.addEventListener("toggle", draw, { once: true });
  return node;
}

/**
 * Everything by which an operation can be found, in lower case.
 * @param {string} path
 * @param {string} method
 * @param {Operation} it
 */
function wordsOf(path, method, it) {
  /** @type {string[]} */
  const words = [method, path, it.summary, it.description, it.operationId, it.tags[0], ...it["x-errors"]];
  for (const parameter of it.parameters ?? []) words.push(parameter.name);
  for (const { schema } of Object.values(it.requestBody?.content ?? {}))
    words.push(...Object.keys(target(schema).properties ?? {}));
  return words.join(" ").toLowerCase();
}

const all = Object.entries(api.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, it]) => ({
    tag: it.tags[0],
    words: wordsOf(path, method, it),
    node: operationOf(path, method, it),
    link: make("a", { href: `#${it.operationId}` }, it.summary),
    isHidden: Boolean(it.deprecated) || method === "head",
  })),
);

element("about", HTMLElement).textContent = api.info.description;
const main = element("operations", HTMLElement);
const nav = element("tags", HTMLElement);
for (const { name, description } of api.tags) {
  const id = `tag-${name.replaceAll(" ", "-")}`;
  const own = all.filter((one) => one.tag === name);
  const links = own.filter((one) => !one.isHidden).map((one) => make("li", {}, one.link));
  nav.append(make("details", {}, make("summary", {}, name), make("ul", {}, links)));
  main.append(
    make(
      "section",
      {},
      make("h2", { id }, make("a", { href: `#${id}` }, name)),
      make("p", {}, prose(description)),
      own.map((one) => one.node),
    ),
  );
}

const find = element("find", HTMLInputElement);
const count = element("count", HTMLElement);
/** Shows the operations that have all words of the search. */
function search() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { node, link, words: have } of all) {
    node.hidden = !words.every((word) => have.includes(word));
    if (link.parentElement) link.parentElement.hidden = node.hidden;
  }
  for (const section of main.querySelectorAll("section"))
    section.hidden = !section.querySelector(".operation:not([hidden])");
  for (const group of nav.querySelectorAll("details"))
    group.hidden = !group.querySelector("li:not([hidden])");
  const found = all.filter(({ node }) => !node.hidden).length;
  const outcome = found ? `${found} of ${all.length} operations` : "No operation matches. Try fewer words.";
  count.textContent = words.length ? outcome : "";
}
find.addEventListener("input", search);
// Somebody may have typed before the operations were here, and browsers fill in a form again when one goes back.
search();
addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "")) return;
  event.preventDefault();
  find.focus();
});

/** A link to an operation opens it. */
function follow() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (node instanceof HTMLDetailsElement) node.open = true;
  node?.scrollIntoView();
}
addEventListener("hashchange", follow);
follow();
