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

// What was open stays open when a list is fetched again, and nothing is fetched while nobody looks.
const opened = new Set();
document.addEventListener(
  "toggle",
  (event) => {
    const id = event.target.querySelector("p code")?.textContent;
    if (id) event.target.open ? opened.add(id) : opened.delete(id);
  },
  true,
);
document.addEventListener("htmx:afterSwap", () => {
  for (const details of document.querySelectorAll("details.attempt")) {
    if (opened.has(details.querySelector("p code")?.textContent)) details.open = true;
  }
  tellTimes();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const polled = event.detail.requestConfig.verb === "get";
  const reading = document.activeElement?.closest?.("#live, #list");
  if (polled && (document.hidden || reading)) event.preventDefault();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// The box of a group ticks all of its events, and shows whether all are ticked.
function showGroups() {
  for (const all of document.querySelectorAll("input[data-group]")) {
    const boxes = [...all.closest("fieldset").querySelectorAll("input[data-of]")].filter((box) => box.dataset.of === all.dataset.group);
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
}
document.addEventListener("change", (event) => {
  const { group } = event.target.dataset;
  if (group !== undefined) {
    for (const box of event.target.closest("fieldset").querySelectorAll("input[data-of]")) {
      if (box.dataset.of === group) box.checked = event.target.checked;
    }
  }
  showGroups();
});
showGroups();
