// The palette: Ctrl-K or / opens it, arrows choose, Enter goes.

import { all, first, targetOf } from "./dom.mjs";

/**
 * What a key does to the palette.
 * @param {HTMLDialogElement} palette
 * @param {KeyboardEvent} event
 */
function onKey(palette, event) {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(targetOf(event)?.tagName ?? "");
  const command = event.ctrlKey || event.metaKey;
  if ((event.key === "k" && command) || (event.key === "/" && !typing && !event.ctrlKey)) {
    event.preventDefault();
    if (!palette.open) palette.showModal();
    const query = first("[name=q]", palette);
    if (query instanceof HTMLInputElement) query.select();
  } else if (palette.open) {
    move(palette, event);
  }
}

/**
 * @param {HTMLDialogElement} palette
 * @param {KeyboardEvent} event
 */
function move(palette, event) {
  const choices = all("li:not([hidden]) a", palette);
  const at = choices.findIndex((one) => one.classList.contains("on"));
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const next = event.key === "ArrowDown" ? at + 1 : at < 0 ? -1 : at - 1;
    const chosen = choices.at(next % choices.length);
    for (const one of choices) one.classList.toggle("on", one === chosen);
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    choices[at]?.click();
  }
}

/**
 * Shows what fits; what was found by the gateway belongs to a query.
 * @param {HTMLDialogElement} palette
 * @param {string} query
 */
function filter(palette, query) {
  const wanted = query.trim().toLowerCase();
  for (const one of all("ul:not(#found) li:has(a)", palette)) {
    one.hidden = !one.textContent?.toLowerCase().includes(wanted);
  }
  if (!wanted) first("#found")?.replaceChildren();
}

const palette = first("#palette");
if (palette instanceof HTMLDialogElement) {
  document.addEventListener("keydown", (event) => onKey(palette, event));
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close();
  });
  palette.addEventListener("input", ({ target }) => {
    if (target instanceof HTMLInputElement) filter(palette, target.value);
  });
}
