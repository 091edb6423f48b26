// Joins the chunks of a body. Memory is bounded by three times the bytes that came, however small the chunks are.

export class Gather {
  /**
   * The first chunk as it came, until there is a second.
   * @type {Uint8Array}
   */
  #bytes = new Uint8Array(0);
  #owned = false;
  size = 0;

  /** @param {Uint8Array} chunk */
  add(chunk) {
    const size = this.size + chunk.byteLength;
    if (this.size === 0) {
      this.#bytes = chunk;
      this.#owned = false;
    } else {
      if (!this.#owned || this.#bytes.byteLength < size) this.#grow(size);
      this.#bytes.set(chunk, this.size);
    }
    this.size = size;
  }

  /** @param {number} size */
  #grow(size) {
    const larger = new Uint8Array(Math.max(size * 2, 1024));
    larger.set(this.#bytes.subarray(0, this.size));
    this.#bytes = larger;
    this.#owned = true;
  }

  /** All bytes so far. */
  bytes() {
    return this.#bytes.subarray(0, this.size);
  }
}
