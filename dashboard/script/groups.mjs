// The box of a group ticks all of its events, and shows whether all are ticked. Counts of ticked boxes follow.

import { all, boxes, first, onHtmx, targetOf } from "./dom.mjs";
import { t } from "./words.mjs";

/**
 * The boxes of the group that `box` stands for.
 * @param {HTMLInputElement} box
 */
function groupOf(box) {
  const within = box.closest("fieldset, form");
  return within ? boxes("input[data-of]", within).filter((one) => one.dataset.of === box.dataset.group) : [];
}

function showGroups() {
  for (const box of boxes("input[data-group]")) {
    const group = groupOf(box);
    const ticked = group.filter((one) => one.checked).length;
    box.checked = ticked > 0 && ticked === group.length;
    box.indeterminate = ticked > 0 && ticked < group.length;
  }
  for (const picked of all("[data-picked]")) {
    const fieldset = picked.closest("fieldset");
    const chosen = fieldset ? boxes("input[data-of]:checked", fieldset).length : 0;
    picked.textContent = chosen
      ? t("{} selected.").replace("{}", String(chosen))
      : t("None selected: the endpoint receives all events.");
  }
  const ticked = boxes("#ticked [name=one]:checked").length;
  const send = first("#ticked [type=submit]");
  if (send) send.textContent = t("Resend selected") + (ticked ? ` (${ticked})` : "");
}

document.addEventListener("change", (event) => {
  const box = targetOf(event);
  if (box instanceof HTMLInputElement && box.dataset.group !== undefined) {
    for (const one of groupOf(box)) one.checked = box.checked;
  }
  showGroups();
});
showGroups();
onHtmx("afterSwap", showGroups);
