// Reads as much of TOML as wrangler.toml needs: tables, arrays of tables, strings, numbers, booleans, and arrays of them.
// Anything else is refused, so that nothing is ever read wrongly.

/** @typedef {string | number | boolean | Array<string | number | boolean>} Value */
/** @typedef {{ [name: string]: Value | Table | Table[] }} Table */

/**
 * @param {string} text
 * @returns {Table}
 */
export function parse(text) {
  /** @type {Table} */
  const root = {};
  let table = root;
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    let line = stripped(lines[at] ?? "");
    if (line === "") continue;
    const header = /^(\[\[?)([A-Za-z0-9_.-]+)(\]\]?)$/.exec(line);
    if (header) {
      table = enter(root, (header[2] ?? "").split("."), header[1] === "[[");
      continue;
    }
    const equals = line.indexOf("=");
    const name = line.slice(0, equals).trim();
    if (equals < 0 || !/^[A-Za-z0-9_-]+$/.test(name))
      throw new Error(`line ${at + 1} is not understood: ${line}`);
    let value = line.slice(equals + 1).trim();
    while (value.startsWith("[") && !value.endsWith("]") && at + 1 < lines.length)
      value += stripped(lines[++at] ?? "");
    table[name] = read(value);
  }
  return root;
}

/**
 * @param {Table} root
 * @param {string[]} path
 * @param {boolean} array
 */
function enter(root, path, array) {
  let table = root;
  path.forEach((name, depth) => {
    const there = table[name];
    const last = depth === path.length - 1;
    if (last && array) {
      const list = /** @type {Table[]} */ (there ?? []);
      /** @type {Table} */
      const next = {};
      list.push(next);
      table[name] = list;
      table = next;
    } else {
      const next = Array.isArray(there) ? there.at(-1) : (there ?? {});
      if (there === undefined) table[name] = /** @type {Table} */ (next);
      table = /** @type {Table} */ (next);
    }
  });
  return table;
}

/**
 * A line without its comment.
 * @param {string} line
 */
function stripped(line) {
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"' && line[at - 1] !== "\\") quoted = !quoted;
    if (line[at] === "#" && !quoted) return line.slice(0, at).trim();
  }
  return line.trim();
}

/**
 * A value: JSON has the same form, but for a comma after the last item.
 * @param {string} text
 * @returns {Value}
 */
function read(text) {
  return JSON.parse(text.replace(/,\s*\]$/, "]"));
}
