// Nothing is polled while the page is hidden or another one is loading, or below selected text, a checked box, or an open
// menu.

import { onHtmx } from "./dom.mjs";

onHtmx("beforeRequest", ({ elt, requestConfig }, event) => {
  if (requestConfig.verb !== "get" || !elt.matches("[hx-trigger^=every]")) return;
  const selection = getSelection();
  const selecting = selection !== null && !selection.isCollapsed && elt.contains(selection.anchorNode);
  const busy = "input:checked, details.astable[open], details.menu[open]";
  const loading = document.querySelector("main[aria-busy]");
  if (document.hidden || loading || selecting || elt.querySelector(busy)) event.preventDefault();
});
