// Headers as one text, a line each: name, colon, value. One text crosses between wasm and JavaScript more cheaply than
// many. Rust writes such texts without line breaks in names and values (worker/src/js.rs, `lines`).

/** How much of a response's headers is passed on: more than is stored of them. */
const MOST = 4096;
const NAME = 100;

/**
 * Reads a text of headers; none of an empty text.
 * @param {string} text
 * @returns {[string, string][]}
 */
export function fieldsOf(text) {
  if (text === "") return [];
  return text.split("\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
}

/**
 * Writes headers, each followed by a line break. A header that does not fit ends the text: the start of its name, and
 * `:...`.
 * @param {Iterable<[string, string]>} headers
 */
export function linesOf(headers) {
  let text = "";
  for (const [name, value] of headers) {
    if (text.length + name.length + value.length > MOST) return `${text}${name.slice(0, NAME)}:...`;
    text += `${name}:${value}\n`;
  }
  return text;
}
