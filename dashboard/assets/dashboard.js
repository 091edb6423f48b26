// The little that pages do by themselves: sign in from a link, say how long ago, ask before what cannot be undone.
"use strict";

// A portal's link carries its token after the #, which browsers do not send: the form sends it.
const login = document.getElementById("login");
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (login && key) {
  history.replaceState(null, "", location.pathname);
  login.elements.token.value = key;
  login.requestSubmit();
}

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

function ago(seconds) {
  const distance = Math.abs(seconds);
  if (distance < 1) return "now";
  const [unit, size] = units.find(([, size]) => distance >= size);
  const text = `${Math.floor(distance / size)} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

function tellTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}
tellTimes();
setInterval(tellTimes, 1000);

// What was open stays open when a list is fetched again; what has the focus keeps it, by its id.
const opened = new Set();
document.addEventListener(
  "toggle",
  (event) => {
    const id = event.target.querySelector("summary[id]")?.id;
    if (id) event.target.open ? opened.add(id) : opened.delete(id);
  },
  true,
);
document.addEventListener("htmx:afterSwap", () => {
  for (const summary of document.querySelectorAll("summary[id]")) {
    if (opened.has(summary.id)) summary.parentElement.open = true;
  }
  tellTimes();
});

// Nothing is fetched while nobody looks, or under a text that is being selected, or a box that was ticked.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, requestConfig } = event.detail;
  const selection = getSelection();
  const reading = (!selection.isCollapsed && elt.contains(selection.anchorNode)) || elt.querySelector("input:checked");
  const polled = requestConfig.verb === "get" && elt.matches("[hx-trigger^=every]");
  if (polled && (document.hidden || reading)) event.preventDefault();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// The box of a group ticks all of its events, and shows whether all are ticked.
function showGroups() {
  for (const all of document.querySelectorAll("input[data-group]")) {
    const boxes = [...all.closest("fieldset, form").querySelectorAll("input[data-of]")].filter((box) => box.dataset.of === all.dataset.group);
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
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

// What is taken elsewhere is copied by the button behind it.
document.addEventListener("click", async ({ target }) => {
  if (!target.matches(".copy")) return;
  const text = target.previousElementSibling.textContent;
  try {
    await navigator.clipboard.writeText(text);
    target.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(target.previousElementSibling);
  }
});

// The live tail. It is cut off while nobody looks or wants it, and goes on from the last event's id.
const tail = document.getElementById("tail");
if (tail) {
  const MOST = 300;
  const SILENCE = 20_000;
  const [state, pause, empty] = ["tail-state", "tail-pause", "tail-empty"].map((id) => document.getElementById(id));
  let source;
  let from = "";
  let wait = 1_000;
  let timer;
  let paused = false;

  const say = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  const close = () => {
    source?.close();
    source = undefined;
    clearTimeout(timer);
  };
  const lost = () => {
    close();
    say(`The connection was lost${wait > 4_000 ? " and does not come back: if you were signed out, reload the page" : ""}. Trying again…`);
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
    while (tail.rows.length > MOST) tail.tBodies[0].lastElementChild.remove();
    empty.hidden = true;
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
    on("rows", (html) => (take(html), say("Connected.")));
    on("tick", () => say("Connected."));
    on("again", open);
    on("over", (sentence) => (close(), say(sentence)));
  }
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    open();
    say(paused ? "Paused: what comes meanwhile shows when it goes on." : "Connecting…");
  });
  document.addEventListener("visibilitychange", open);
  say("Connecting…");
  open();
}
