// Draws the API's description. Everything is put in as text, nothing as HTML, and nothing is asked of anyone else.

const api = await (await fetch("/api/v1/openapi.json")).json();

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

const text = (className, content) => (content ? make("span", { className }, ` ${content}`) : null);

// What a reference stands for.
const target = (value) =>
  value?.$ref ? value.$ref.slice(2).split("/").reduce((at, part) => at[part], api) : (value ?? {});
const nameOf = (value) => value?.$ref?.split("/").pop();

// A schema without its "or null", and whether there was one.
function settled(schema) {
  const parts = schema.anyOf?.filter((part) => part.type !== "null") ?? [];
  if (parts.length === 1) return [parts[0], true];
  return [schema, Array.isArray(schema.type) && schema.type.includes("null")];
}

function typeOf(schema) {
  const [inner, nullable] = settled(schema);
  const whole = target(inner);
  const alternatives = whole.anyOf ?? whole.oneOf;
  let type = [whole.type ?? "any"].flat().filter((word) => word !== "null").join(" or ");
  if (alternatives) type = alternatives.map(typeOf).join(" or ");
  if (type === "array") type = `list of ${typeOf(whole.items ?? {})}`;
  if (whole.enum) type = whole.enum.filter((value) => value !== null).join(", ");
  if (whole.const) type = whole.const;
  if (whole.format) type += ` (${whole.format})`;
  return nullable ? `${type}, or null` : type;
}

function limits(schema) {
  const whole = target(settled(schema)[0]);
  const said = [];
  if (whole.minimum !== undefined || whole.maximum !== undefined) {
    said.push(`${whole.minimum ?? "…"} to ${whole.maximum ?? "…"}`);
  }
  if (whole.maxLength) said.push(`up to ${whole.maxLength} bytes`);
  if (whole.maxItems) said.push(`up to ${whole.maxItems} items`);
  if (whole.pattern) said.push(whole.pattern);
  if (schema.default !== undefined && typeof schema.default !== "object") said.push(`default ${schema.default}`);
  return said.join("; ");
}

function field(name, schema, required, about) {
  return make(
    "li",
    {},
    make("span", { className: "name" }, name),
    text("type", typeOf(schema)),
    text("mark", required ? "required" : ""),
    text("mark", limits(schema)),
    make("div", { className: "about" }, about ?? schema.description ?? ""),
    fields(schema, 1),
  );
}

// The fields of an object, of a list's items, or of what a reference leads to; closed where they are inside another.
function fields(schema, depth) {
  const [inner] = settled(schema);
  let whole = target(inner);
  let name = nameOf(inner);
  if (whole.items) {
    name = nameOf(whole.items);
    whole = target(whole.items);
  }
  if (!whole.properties) return null;
  const list = () =>
    Object.entries(whole.properties).map(([key, value]) => field(key, value, whole.required?.includes(key)));
  if (depth === 0) return make("ul", {}, ...list());
  // Drawn when it is opened: a schema may contain itself.
  const details = make("details", {}, make("summary", {}, name ?? "its fields"));
  details.addEventListener("toggle", () => details.append(make("ul", {}, ...list())), { once: true });
  return details;
}

function content(described) {
  return Object.entries(described.content ?? {}).flatMap(([media, { schema }]) => [
    make("p", {}, make("code", {}, media), text("type", nameOf(schema) ?? typeOf(schema))),
    fields(schema, 0),
  ]);
}

function answers(responses) {
  return Object.entries(responses).map(([status, response]) => {
    const whole = target(response);
    const details = make("details", {}, make("summary", {}, make("code", {}, status), ` ${whole.description}`));
    details.append(...content(whole).filter((node) => node !== null));
    return details;
  });
}

function operation(path, method, it) {
  const node = make("details", { className: "operation", id: it.operationId });
  node.classList.toggle("deprecated", Boolean(it.deprecated));
  const marks = [it.deprecated ? "deprecated" : "", it.security?.length === 0 ? "no token" : ""];
  node.append(
    make(
      "summary",
      {},
      make("span", { className: "method" }, method.toUpperCase()),
      make("span", { className: "path" }, path),
      ...marks.map((mark) => text("mark", mark)).filter((mark) => mark !== null),
      make("span", { className: "summary" }, it.summary),
    ),
  );
  const draw = () => {
    const body = make("div", {}, make("p", {}, it.description ?? it.summary), make("p", {}, make("code", {}, it.operationId)));
    if (it.parameters) {
      const list = it.parameters.map((one) => field(`${one.name} (${one.in})`, one.schema, one.required, one.description));
      body.append(make("h3", {}, "Parameters"), make("ul", {}, ...list));
    }
    if (it.requestBody) {
      body.append(make("h3", {}, it.requestBody.required ? "Body" : "Body, may be left out"));
      body.append(...content(it.requestBody).filter((part) => part !== null));
    }
    body.append(make("h3", {}, "Answers"), ...answers(it.responses));
    node.append(body);
  };
  node.addEventListener("toggle", draw, { once: true });
  return node;
}

const all = Object.entries(api.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, it]) => ({
    tag: it.tags[0],
    words: `${method} ${path} ${it.summary} ${it.operationId}`.toLowerCase(),
    node: operation(path, method, it),
  })),
);
document.getElementById("about").textContent = api.info.description;
const main = document.getElementById("operations");
const nav = document.getElementById("tags");
for (const { name } of api.tags) {
  const id = `tag-${name.replaceAll(" ", "-")}`;
  nav.append(make("a", { href: `#${id}` }, name));
  main.append(make("section", {}, make("h2", { id }, name), ...all.filter((one) => one.tag === name).map((one) => one.node)));
}

document.getElementById("find").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const { node, words: have } of all) node.hidden = !words.every((word) => have.includes(word));
  for (const section of main.querySelectorAll("section")) section.hidden = !section.querySelector("details:not([hidden])");
});

// A link to an operation opens it.
function follow() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (node?.tagName === "DETAILS") node.open = true;
  node?.scrollIntoView();
}
addEventListener("hashchange", follow);
follow();
