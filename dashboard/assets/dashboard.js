// The little that pages do by themselves: sign in from a link, say how long ago, search from the keyboard, copy, and mark
// what is wrong in a form. Every page can be read and used without it.
"use strict";

// The script's few words in the language of the page.
const words = JSON.parse(document.body.dataset.words ?? "{}");
const t = (word) => words[word] ?? word;
const lang = document.documentElement.lang;

// In a frame: light or dark as the page around it asks (`darkMode`), and that page is told how high this one is.
if (parent !== window) {
  const root = document.documentElement;
  root.classList.add("framed");
  try {
    const dark = new URLSearchParams(location.search).get("darkMode");
    if (dark) sessionStorage.setItem("theme", dark === "true" ? "dark" : "");
    const theme = sessionStorage.getItem("theme");
    if (theme) root.dataset.theme = theme;
  } catch {
    // A frame may be denied any storage.
  }
  const tell = () => parent.postMessage({ type: "svix.iframe-resizer-height", payload: { height: Math.ceil(document.body.getBoundingClientRect().height) } }, "*");
  new ResizeObserver(tell).observe(document.body);
  addEventListener("load", tell);
}

// A portal's link carries its token after the #, which browsers do not send: the form sends it. That is also so in a tab
// that shows the form already.
function signIn() {
  const login = document.getElementById("login");
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!login) return;
  // A page in a frame must not take the focus from the page around it.
  if (!key) return parent === window && login.elements.token.focus();
  history.replaceState(null, "", location.pathname);
  login.elements.token.value = key;
  login.requestSubmit();
}
signIn();
addEventListener("hashchange", signIn);

const units = [
  ["d", 86_400, "h", 3_600],
  ["h", 3_600, "min", 60],
  ["min", 60],
  ["s", 1],
];

function ago(seconds) {
  const distance = Math.abs(seconds);
  if (distance < 1) return lang === "en" ? "now" : new Intl.RelativeTimeFormat(lang, { numeric: "auto" }).format(0, "second");
  const [unit, size, part, partSize] = units.find(([, size]) => distance >= size);
  if (lang !== "en") {
    const name = { d: "day", h: "hour", min: "minute", s: "second" }[unit];
    return new Intl.RelativeTimeFormat(lang, { style: "short" }).format(-Math.sign(seconds) * Math.floor(distance / size), name);
  }
  let text = `${Math.floor(distance / size)} ${unit}`;
  const rest = partSize ? Math.floor((distance % size) / partSize) : 0;
  if (rest) text += ` ${rest} ${part}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

function tellTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const text = ago("next" in time.dataset ? Math.min(seconds, 0) : seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}
tellTimes();
setInterval(tellTimes, 1000);

// The times of an axis are the reader's own.
function tellClocks() {
  for (const text of document.querySelectorAll("text[data-clock]")) {
    const at = new Date(text.dataset.clock);
    const clock = text.textContent.includes(":") ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
    text.textContent = new Intl.DateTimeFormat(lang === "en" ? undefined : lang, clock).format(at);
    text.removeAttribute("data-clock");
  }
}
tellClocks();

// What was open stays open when a list is fetched again; what has the focus keeps it, by its id.
const opened = new Set();
document.addEventListener(
  "toggle",
  (event) => {
    const id = event.target.querySelector?.("summary[id]")?.id;
    if (id) event.target.open ? opened.add(id) : opened.delete(id);
  },
  true,
);
document.addEventListener("htmx:afterSwap", () => {
  for (const summary of document.querySelectorAll("summary[id]")) {
    if (opened.has(summary.id)) summary.parentElement.open = true;
  }
  tellTimes();
  tellClocks();
});

// Nothing is fetched while nobody looks, or under a text that is being selected, a box that was ticked, or a menu that is
// open.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, requestConfig } = event.detail;
  const selection = getSelection();
  const reading = (!selection.isCollapsed && elt.contains(selection.anchorNode)) || elt.querySelector("input:checked, details.astable[open], details.menu[open]");
  const polled = requestConfig.verb === "get" && elt.matches("[hx-trigger^=every]");
  if (polled && (document.hidden || reading)) event.preventDefault();
});

// What is wrong with a field is said at the field, too: the sentence begins with its name.
document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, target } }) => {
  if (!elt.matches?.("form")) return;
  for (const field of elt.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  if (xhr.status !== 422) return;
  const fault = target?.querySelector("[role=alert]");
  for (const field of fault ? elt.querySelectorAll("[name]:not([type=hidden])") : []) {
    if (!new RegExp(`(^|[ .])${field.name}(\\.[^ ]*)?:|field ${field.name} `).test(fault.textContent)) continue;
    field.setAttribute("aria-invalid", "true");
    fault.id ||= `${field.id}-fault`;
    field.setAttribute("aria-describedby", fault.id);
  }
});

// The box of a group ticks all of its events, and shows whether all are ticked.
function showGroups() {
  for (const all of document.querySelectorAll("input[data-group]")) {
    const boxes = [...all.closest("fieldset, form").querySelectorAll("input[data-of]")].filter((box) => box.dataset.of === all.dataset.group);
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
  for (const picked of document.querySelectorAll("[data-picked]")) {
    const chosen = picked.closest("fieldset").querySelectorAll("input[data-of]:checked").length;
    picked.textContent = chosen ? t("{} selected.").replace("{}", chosen) : t("None selected: the endpoint receives all events.");
  }
  const ticked = document.querySelectorAll("#ticked [name=one]:checked").length;
  const send = document.querySelector("#ticked [type=submit]");
  if (send) send.textContent = t("Resend selected") + (ticked ? ` (${ticked})` : "");
}
document.addEventListener("change", (event) => {
  const { group } = event.target.dataset;
  if (group !== undefined) {
    for (const box of event.target.closest("fieldset, form").querySelectorAll("input[data-of]")) {
      if (box.dataset.of === group) box.checked = event.target.checked;
    }
  }
  showGroups();
});
showGroups();
document.addEventListener("htmx:afterSwap", showGroups);

// A list that is all there is filtered as one types.
document.addEventListener("input", ({ target }) => {
  const list = target.dataset.filter && document.querySelector(target.dataset.filter);
  for (const one of list?.children ?? []) one.hidden = !one.textContent.toLowerCase().includes(target.value.trim().toLowerCase());
});

// A text is found in a payload: its lines are marked, and the first one is shown, whatever was folded.
document.addEventListener("input", ({ target }) => {
  const code = target.dataset.find && document.querySelector(target.dataset.find);
  if (!code) return;
  const wanted = target.value.trim().toLowerCase();
  const hits = [...code.querySelectorAll(".ln")].filter((line) => line.classList.toggle("hit", wanted !== "" && line.textContent.toLowerCase().includes(wanted)));
  for (const hit of hits) for (let fold = hit.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  hits[0]?.scrollIntoView({ block: "nearest" });
  const found = document.getElementById("payload-found");
  found.dataset.was ??= found.textContent;
  found.textContent = wanted ? t("Matching lines: {}").replace("{}", hits.length) : found.dataset.was;
});

// Copying. What was copied is said for a moment, by a tick or by the word.
async function copy(button) {
  const { copy, copyFrom } = button.dataset;
  try {
    if (copyFrom) {
      // What is long is fetched when it is wanted; the permission to copy is of the click.
      const text = fetch(copyFrom).then((answer) => answer.blob()).then((blob) => new Blob([blob], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
    } else {
      // A text that stands beside the button is not in the page twice.
      await navigator.clipboard.writeText(copy || button.parentElement.querySelector("pre").textContent);
    }
  } catch {
    const shown = button.parentElement.querySelector("pre, .id");
    if (shown) getSelection().selectAllChildren(shown);
    return;
  }
  button.classList.add("done");
  const word = button.textContent;
  if (word) button.textContent = t("Copied");
  setTimeout(() => (button.classList.remove("done"), word && (button.textContent = word)), 1_500);
}

// Menus close when one goes elsewhere.
function closeMenus(but) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== but) menu.open = false;
}
document.addEventListener("click", ({ target }) => {
  closeMenus(target.closest("details.menu"));
  const button = target.closest("[data-copy], [data-copy-from]");
  if (button) copy(button);
  if (target.closest("[popovertarget]")) closeMenus();
});

// The palette: Ctrl-K or / opens it, arrows choose, Enter goes.
const palette = document.getElementById("palette");
const choices = () => [...palette.querySelectorAll("li:not([hidden]) a")];
const choose = (at) => choices().forEach((one, nth, all) => one.classList.toggle("on", nth === (at + all.length) % all.length));
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (palette && ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing && !event.ctrlKey))) {
    event.preventDefault();
    if (!palette.open) palette.showModal();
    palette.querySelector("[name=q]").select();
    return;
  }
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    closeMenus();
    menu?.querySelector("summary").focus();
  }
  if (!palette?.open) return;
  const all = choices();
  const at = all.findIndex((one) => one.classList.contains("on"));
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(event.key === "ArrowDown" ? at + 1 : at < 0 ? -1 : at - 1);
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    all[at].click();
  }
});
palette?.addEventListener("click", (event) => {
  if (event.target === palette) palette.close();
});
palette?.addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const one of palette.querySelectorAll("ul:not(#found) li:has(a)")) one.hidden = !one.textContent.toLowerCase().includes(wanted);
  if (!wanted) document.getElementById("found").replaceChildren();
});

// The live tail. It is cut off while nobody looks or wants it, and goes on from the last event's id.
const tail = document.getElementById("tail");
if (tail) {
  const MOST = 300;
  const SILENCE = 20_000;
  const [state, pause, empty, dot] = ["tail-state", "tail-pause", "tail-empty", "tail-dot"].map((id) => document.getElementById(id));
  let source;
  let from = "";
  let wait = 1_000;
  let timer;
  let paused = false;

  const say = (text, live = false) => {
    if (state.textContent !== text) state.textContent = text;
    dot.classList.toggle("beat", live);
  };
  const close = () => {
    source?.close();
    source = undefined;
    clearTimeout(timer);
  };
  const lost = () => {
    close();
    say(t("The connection was lost. Trying again…"));
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, 30_000);
  };
  const take = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    for (const row of [...template.content.children]) {
      // After a new connection the last seconds come again.
      if (row.id && document.getElementById(row.id)) continue;
      tail.tBodies[0].prepend(row);
    }
    while (tail.tBodies[0].rows.length > MOST) tail.tBodies[0].lastElementChild.remove();
    empty.hidden = true;
    tail.tHead.hidden = false;
    tellTimes();
  };
  function open() {
    close();
    if (paused || document.hidden) return;
    source = new EventSource(from ? `${tail.dataset.src}&from=${encodeURIComponent(from)}` : tail.dataset.src);
    timer = setTimeout(lost, SILENCE);
    source.onerror = lost;
    const on = (kind, work) =>
      source.addEventListener(kind, (event) => {
        clearTimeout(timer);
        timer = setTimeout(lost, SILENCE);
        from = event.lastEventId || from;
        wait = 1_000;
        work(event.data);
      });
    on("rows", (html) => (take(html), say(t("Connected."), true)));
    on("tick", () => say(t("Connected."), true));
    on("again", open);
    on("over", (sentence) => (close(), say(sentence)));
  }
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = t(paused ? "Resume" : "Pause");
    pause.classList.toggle("i-pause", !paused);
    pause.classList.toggle("i-play", paused);
    open();
    say(t(paused ? "Paused. New entries appear when you resume." : "Connecting…"));
  });
  document.addEventListener("visibilitychange", open);
  say(t("Connecting…"));
  open();
}
