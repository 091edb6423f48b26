// A portal's link carries its token after the #, which browsers do not send: the form sends it, also in a tab that shows
// the form already.

import { first } from "./dom.mjs";

function signIn() {
  const login = first("form#login");
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!(login instanceof HTMLFormElement)) return;
  const token = login.elements.namedItem("token");
  if (!(token instanceof HTMLInputElement)) return;
  if (!key) {
    // A page in a frame must not take the focus from the page around it.
    if (parent === window) token.focus();
    return;
  }
  history.replaceState(null, "", location.pathname);
  token.value = key;
  login.requestSubmit();
}

signIn();
addEventListener("hashchange", signIn);
