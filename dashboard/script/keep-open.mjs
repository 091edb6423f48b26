// What was open stays open when a list is fetched again, by its summary's id.

import { all, onHtmx, targetOf } from "./dom.mjs";

/** @type {Set<string>} */
const opened = new Set();

document.addEventListener(
  "toggle",
  (event) => {
    const details = targetOf(event);
    const id = details?.querySelector("summary[id]")?.id;
    if (!id || !(details instanceof HTMLDetailsElement)) return;
    if (details.open) opened.add(id);
    else opened.delete(id);
  },
  true,
);

onHtmx("afterSwap", () => {
  for (const summary of all("summary[id]")) {
    const details = summary.parentElement;
    if (opened.has(summary.id) && details instanceof HTMLDetailsElement) details.open = true;
  }
});
