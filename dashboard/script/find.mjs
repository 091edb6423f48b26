// Finds a text in a payload: the matching lines are marked, and the folds around them open.

import { all, first, targetOf } from "./dom.mjs";
import { t } from "./words.mjs";

/** @param {Element} line */
function unfold(line) {
  for (let fold = line.closest("details"); fold; fold = fold.parentElement?.closest("details") ?? null) {
    fold.open = true;
  }
}

/**
 * Marks the lines that contain `wanted`, and scrolls to the first.
 * @param {HTMLElement} code
 * @param {string} wanted in lower case
 */
function mark(code, wanted) {
  const matches = all(".ln", code).filter((line) => {
    const found = wanted !== "" && (line.textContent ?? "").toLowerCase().includes(wanted);
    return line.classList.toggle("hit", found);
  });
  matches.forEach(unfold);
  matches[0]?.scrollIntoView({ block: "nearest" });
  return matches.length;
}

document.addEventListener("input", (event) => {
  const input = targetOf(event);
  if (!(input instanceof HTMLInputElement) || !input.dataset.find) return;
  const code = first(input.dataset.find);
  if (!code) return;
  const wanted = input.value.trim().toLowerCase();
  const matches = mark(code, wanted);
  const found = first("#payload-found");
  if (!found) return;
  found.dataset.was ??= found.textContent ?? "";
  found.textContent = wanted ? t("Matching lines: {}").replace("{}", String(matches)) : found.dataset.was;
});
