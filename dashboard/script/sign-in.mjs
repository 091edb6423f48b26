// A portal's link carries its token after the #, which browsers do not send: the form sends it, also in a tab that shows
// the form already.

import { first } from "./dom.mjs";

/** What a page that embeds the portal may change of its look: the properties of svix-react's `<AppPortal>`. */
const LOOK = ["primaryColor", "fontFamily", "icon"];

/**
 * Adds what the embedding page asks for to the form. Which pages may embed the portal is the operator's choice; outside a
 * frame a link cannot change its look.
 * @param {HTMLFormElement} login
 */
function addLook(login) {
  if (parent === window) return;
  const asked = new URLSearchParams(location.search);
  for (const name of LOOK) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value: asked.get(name) ?? "" });
    login.append(field);
  }
}

function signIn() {
  const login = first("form#login");
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!(login instanceof HTMLFormElement)) return;
  const token = login.elements.namedItem("token");
  if (!(token instanceof HTMLInputElement)) return;
  if (!key) {
    const { home } = login.dataset;
    if (home) location.replace(home);
    // A page in a frame must not take the focus from the page around it.
    if (parent === window) token.focus();
    return;
  }
  addLook(login);
  history.replaceState(null, "", location.pathname);
  token.value = key;
  login.requestSubmit();
}

signIn();
addEventListener("hashchange", signIn);
