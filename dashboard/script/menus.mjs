// Menus close when one goes elsewhere.

import { all, first } from "./dom.mjs";

/**
 * Closes all menus.
 * @param {Element | null} [but] one that stays open
 */
export function closeMenus(but) {
  for (const menu of all("details.menu[open]")) {
    if (menu !== but && menu instanceof HTMLDetailsElement) menu.open = false;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = first("details.menu[open]");
  closeMenus();
  first("summary", menu ?? null)?.focus();
});
