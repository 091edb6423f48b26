// Toasts: what was just done, above everything else for a few seconds. Errors stay until they are closed. A polite live
// region announces each toast once.
//
// The gateway marks notices with `data-toast`. Without this script they stay where they are.

import { all, first, onHtmx } from "./dom.mjs";
import { t } from "./words.mjs";

const SHOWN_MS = 6_000;
/** The most toasts at once. */
const MOST = 3;
/** A live region announces what changes a moment after it was emptied. */
const ANNOUNCED_MS = 100;

const box = first("#toasts");
const said = first("#said");

/** @param {string} text */
function announce(text) {
  if (!said) return;
  said.textContent = "";
  setTimeout(() => {
    said.textContent = text;
  }, ANNOUNCED_MS);
}

/** @param {HTMLElement} one */
function remove(one) {
  one.remove();
  if (box && !box.firstElementChild && box.matches(":popover-open")) box.hidePopover();
}

/**
 * Removes a toast after a while in which nobody points at it or has the focus in it.
 * @param {HTMLElement} one
 */
function expire(one) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = () => clearTimeout(timer);
  const start = () => {
    stop();
    timer = setTimeout(() => remove(one), SHOWN_MS);
  };
  one.addEventListener("pointerenter", stop);
  one.addEventListener("focusin", stop);
  one.addEventListener("pointerleave", start);
  one.addEventListener("focusout", start);
  start();
}

/** Puts the toasts above a dialog that was opened after them. */
function raise() {
  if (!box || box.contains(document.activeElement)) return;
  if (box.matches(":popover-open")) box.hidePopover();
  box.showPopover();
}

/**
 * Shows a toast.
 * @param {Array<Node | string>} content
 * @param {boolean} [bad] whether it reports an error
 */
export function toast(content, bad = false) {
  if (!box) return;
  const one = document.createElement("div");
  one.className = `toast ${bad ? "bad i-bad" : "ok i-check"}`;
  const text = document.createElement("div");
  text.className = "grow";
  text.append(...content);
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn ghost icon sm i-x";
  close.ariaLabel = t("Close");
  close.addEventListener("click", () => remove(one));
  one.append(text, close);
  box.append(one);
  while (box.children.length > MOST) box.firstElementChild?.remove();
  raise();
  announce(text.textContent ?? "");
  if (!bad) expire(one);
}

/**
 * Removes what asked for the action that a notice reports: a count to be confirmed, or a dialog.
 * @param {HTMLElement} notice
 */
function clear(notice) {
  notice.closest(".out")?.parentElement?.closest(".out")?.replaceChildren();
  const dialog = notice.closest("[popover]");
  if (dialog instanceof HTMLElement) dialog.hidePopover();
  notice.remove();
}

function collect() {
  for (const notice of all("[data-toast]")) {
    clear(notice);
    toast([...(first(".grow", notice)?.childNodes ?? [])]);
  }
}

collect();
onHtmx("afterSwap", collect);
onHtmx("sendError", ({ requestConfig }) => {
  if (requestConfig.verb === "get") return;
  toast([t("The gateway did not respond. Check your connection and try again.")], true);
});
