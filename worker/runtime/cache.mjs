// A bounded cache: a new entry takes the place of the oldest one.

/**
 * @template K, V
 */
export class Cache {
  /** @type {Map<K, V>} */
  #entries = new Map();
  #most;

  /** @param {number} most how many entries it holds */
  constructor(most) {
    this.#most = most;
  }

  get size() {
    return this.#entries.size;
  }

  /**
   * The value of a key; `make` makes it if there is none.
   * @param {K} key
   * @param {() => V} make
   */
  get(key, make) {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const value = make();
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#most) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, value);
    return value;
  }
}
