// Timers.

/**
 * Runs `work` after `ms` milliseconds, unless it is stopped before.
 * @param {number} ms
 * @param {() => void} work
 */
export function later(ms, work) {
  return setTimeout(work, ms);
}

/** @param {ReturnType<typeof later>} timer */
export function stop(timer) {
  clearTimeout(timer);
}
