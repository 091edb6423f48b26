// The live tail. It is disconnected while it is hidden or paused, and resumes after the last event's id.

import { first } from "./dom.mjs";
import { showTimes } from "./times.mjs";
import { t } from "./words.mjs";

/** The most rows that are shown. */
const MOST = 300;
/** After so long without an event the connection counts as lost. */
const SILENCE_MS = 20_000;
const FIRST_WAIT_MS = 1_000;
const LAST_WAIT_MS = 30_000;

class Tail {
  #table;
  #state = first("#tail-state");
  #pause = first("#tail-pause");
  #empty = first("#tail-empty");
  #dot = first("#tail-dot");
  /** @type {EventSource | undefined} */
  #source;
  /** The last event's id. */
  #from = "";
  #wait = FIRST_WAIT_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #paused = false;

  /** @param {HTMLTableElement} table */
  constructor(table) {
    this.#table = table;
    this.#pause?.addEventListener("click", () => this.#toggle());
    document.addEventListener("visibilitychange", () => this.#open());
    this.#say(t("Connecting…"));
    this.#open();
  }

  #say(text = "", live = false) {
    if (this.#state && this.#state.textContent !== text) this.#state.textContent = text;
    this.#dot?.classList.toggle("beat", live);
  }

  #close() {
    this.#source?.close();
    this.#source = undefined;
    clearTimeout(this.#timer);
  }

  #lost() {
    this.#close();
    this.#say(t("The connection was lost. Trying again…"));
    this.#timer = setTimeout(() => this.#open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LAST_WAIT_MS);
  }

  #open() {
    this.#close();
    if (this.#paused || document.hidden) return;
    const url = this.#table.dataset.src ?? "";
    const source = new EventSource(this.#from ? `${url}&from=${encodeURIComponent(this.#from)}` : url);
    this.#source = source;
    this.#timer = setTimeout(() => this.#lost(), SILENCE_MS);
    source.onerror = () => this.#lost();
    /**
     * @param {string} kind
     * @param {(data: string) => void} work
     */
    const on = (kind, work) =>
      source.addEventListener(kind, (event) => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#lost(), SILENCE_MS);
        this.#from = event.lastEventId || this.#from;
        this.#wait = FIRST_WAIT_MS;
        work(event.data);
      });
    on("rows", (html) => {
      this.#take(html);
      this.#say(t("Connected."), true);
    });
    on("tick", () => this.#say(t("Connected."), true));
    on("again", () => this.#open());
    on("over", (sentence) => {
      this.#close();
      this.#say(sentence);
    });
  }

  /** @param {string} html rows of the table, made by the gateway */
  #take(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const body = this.#table.tBodies[0];
    for (const row of [...template.content.children]) {
      // After a new connection the last seconds arrive again.
      if (row.id && document.getElementById(row.id)) continue;
      body?.prepend(row);
    }
    while (body && body.rows.length > MOST) body.lastElementChild?.remove();
    if (this.#empty) this.#empty.hidden = true;
    if (this.#table.tHead) this.#table.tHead.hidden = false;
    showTimes();
  }

  #toggle() {
    this.#paused = !this.#paused;
    if (this.#pause) {
      this.#pause.textContent = t(this.#paused ? "Resume" : "Pause");
      this.#pause.classList.toggle("i-pause", !this.#paused);
      this.#pause.classList.toggle("i-play", this.#paused);
    }
    this.#open();
    this.#say(t(this.#paused ? "Paused. New entries appear when you resume." : "Connecting…"));
  }
}

const table = first("#tail");
if (table instanceof HTMLTableElement) new Tail(table);
