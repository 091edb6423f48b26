// Copies to the clipboard, and confirms it with a tick and a toast. Clicks elsewhere close menus.

import { first, targetOf } from "./dom.mjs";
import { closeMenus } from "./menus.mjs";
import { toast } from "./toasts.mjs";
import { t } from "./words.mjs";

const SHOWN_MS = 1_500;

/** @param {HTMLElement} button */
async function copy(button) {
  const { copy: text, copyFrom } = button.dataset;
  const beside = button.parentElement;
  try {
    if (copyFrom) {
      // What is long is fetched when it is wanted; the permission to copy belongs to the click.
      const plain = fetch(copyFrom)
        .then((response) => response.blob())
        .then((blob) => new Blob([blob], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": plain })]);
    } else {
      // A text that is beside the button is not in the page twice.
      await navigator.clipboard.writeText(text || (first("pre", beside)?.textContent ?? ""));
    }
  } catch {
    const shown = first("pre, .id", beside);
    if (shown) getSelection()?.selectAllChildren(shown);
    if (shown) toast([t("Press Ctrl+C to copy.")]);
    return;
  }
  button.classList.add("done");
  toast([t("Copied")]);
  setTimeout(() => button.classList.remove("done"), SHOWN_MS);
}

document.addEventListener("click", (event) => {
  const target = targetOf(event);
  closeMenus(target?.closest("details.menu"));
  const button = target?.closest("[data-copy], [data-copy-from]");
  if (button instanceof HTMLElement) copy(button);
  if (target?.closest("[popovertarget]")) closeMenus();
});
