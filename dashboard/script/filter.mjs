// A list that is complete is filtered as one types.

import { first, targetOf } from "./dom.mjs";

document.addEventListener("input", (event) => {
  const input = targetOf(event);
  if (!(input instanceof HTMLInputElement) || !input.dataset.filter) return;
  const wanted = input.value.trim().toLowerCase();
  for (const one of first(input.dataset.filter)?.children ?? []) {
    if (one instanceof HTMLElement) one.hidden = !one.textContent?.toLowerCase().includes(wanted);
  }
});
