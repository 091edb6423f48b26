// What takes longer than a moment to load is replaced by a skeleton in the shape of its rows: the page, when a link or a
// form leads to another part of the same list; and what htmx loads into a part of it.

import { all, onHtmx, targetOf } from "./dom.mjs";

const AFTER_MS = 200;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {Element[]} parts */
function wait(parts) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    for (const part of parts) part.setAttribute("aria-busy", "true");
  }, AFTER_MS);
}

function arrived() {
  clearTimeout(timer);
  for (const part of all("[data-part][aria-busy]")) part.removeAttribute("aria-busy");
}

/**
 * Whether an address is another part of this list.
 * @param {string} url
 */
function isHere(url) {
  const { origin, pathname, search } = new URL(url, location.href);
  return origin === location.origin && pathname === location.pathname && search !== location.search;
}

document.addEventListener("click", (event) => {
  const link = targetOf(event)?.closest("a[href]");
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!(link instanceof HTMLAnchorElement) || !plain || event.defaultPrevented) return;
  if (!link.target && !link.hasAttribute("download") && isHere(link.href)) wait(all("main[data-part]"));
});

document.addEventListener("submit", (event) => {
  const form = targetOf(event);
  if (!(form instanceof HTMLFormElement) || form.method !== "get" || event.defaultPrevented) return;
  if (new URL(form.action).pathname === location.pathname) wait(all("main[data-part]"));
});

// A page that the browser kept shows what it had.
addEventListener("pageshow", ({ persisted }) => persisted && arrived());

const polls = "[hx-trigger^=every]";
onHtmx("beforeRequest", ({ elt, target, requestConfig }) => {
  if (requestConfig.verb === "get" && !elt.matches(polls) && target?.matches("[data-part]")) wait([target]);
});
onHtmx("afterRequest", ({ elt, requestConfig }) => {
  if (requestConfig.verb === "get" && !elt.matches(polls)) arrived();
});
