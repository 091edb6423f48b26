// Times say how long ago they are, and an axis is in the reader's own time zone.

import { ago } from "./ago.mjs";
import { all, onHtmx } from "./dom.mjs";
import { lang } from "./words.mjs";

export function showTimes() {
  for (const time of all("time[datetime]")) {
    if (!(time instanceof HTMLTimeElement)) continue;
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const text = ago("next" in time.dataset ? Math.min(seconds, 0) : seconds, lang);
    if (time.textContent !== text) time.textContent = text;
  }
}

function showClocks() {
  for (const text of document.querySelectorAll("text[data-clock]")) {
    if (!(text instanceof SVGElement)) continue;
    const at = new Date(text.dataset.clock ?? "");
    /** @type {Intl.DateTimeFormatOptions} */
    const clock = text.textContent?.includes(":")
      ? { hour: "2-digit", minute: "2-digit" }
      : { day: "numeric", month: "short" };
    text.textContent = new Intl.DateTimeFormat(lang === "en" ? undefined : lang, clock).format(at);
    text.removeAttribute("data-clock");
  }
}

showTimes();
showClocks();
setInterval(showTimes, 1000);
onHtmx("afterSwap", () => {
  showTimes();
  showClocks();
});
