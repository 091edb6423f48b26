// One timer for a group of requests. It ends with the last of them: an object with a timer stays in memory, and is billed.

export class Deadline {
  #timeout;
  #until;
  #open = 0;
  #timer;
  #controller = new AbortController();
  signal = this.#controller.signal;

  /**
   * @param {number} timeout of each request, in milliseconds
   * @param {number} now
   * @param {number} slack for how long requests may join; the timer fires that much late
   */
  constructor(timeout, now, slack) {
    this.#timeout = timeout;
    this.#until = now + slack;
    this.#timer = setTimeout(() => this.#controller.abort(), Math.ceil(timeout + slack));
  }

  /**
   * Whether a request that starts now can join.
   * @param {number} timeout
   * @param {number} now
   */
  takes(timeout, now) {
    return this.#timeout === timeout && now < this.#until && this.#open > 0;
  }

  join() {
    this.#open += 1;
    return this;
  }

  leave() {
    this.#open -= 1;
    if (this.#open === 0) clearTimeout(this.#timer);
  }
}
