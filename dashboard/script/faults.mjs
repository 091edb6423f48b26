// What is wrong with a field of a form is marked at the field, too.

import { all, first, onHtmx } from "./dom.mjs";
import { isAbout } from "./fault.mjs";

onHtmx("afterRequest", ({ elt: form, xhr, target }) => {
  if (!form.matches?.("form")) return;
  for (const field of all("[aria-invalid]", form)) field.removeAttribute("aria-invalid");
  if (xhr.status !== 422 || !target) return;
  const fault = first("[role=alert]", target);
  if (!fault) return;
  for (const field of all("[name]:not([type=hidden])", form)) {
    if (!isAbout(fault.textContent ?? "", field.getAttribute("name") ?? "")) continue;
    field.setAttribute("aria-invalid", "true");
    fault.id ||= `${field.id}-fault`;
    field.setAttribute("aria-describedby", fault.id);
  }
});
