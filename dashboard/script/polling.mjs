// Nothing is polled while the page is hidden, or below a text that is being selected, a box that is ticked, or a menu that
// is open.

import { onHtmx } from "./dom.mjs";

onHtmx("beforeRequest", ({ elt, requestConfig }, event) => {
  if (requestConfig.verb !== "get" || !elt.matches("[hx-trigger^=every]")) return;
  const selection = getSelection();
  const selecting = selection !== null && !selection.isCollapsed && elt.contains(selection.anchorNode);
  const busy = "input:checked, details.astable[open], details.menu[open]";
  if (document.hidden || selecting || elt.querySelector(busy)) event.preventDefault();
});
