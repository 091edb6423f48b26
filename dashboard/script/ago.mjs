// How long ago something was, in words.

/** @typedef {{ name: Intl.RelativeTimeFormatUnit, short: string, size: number, part?: { short: string, size: number } }} Unit */

/** @type {Unit[]} */
const UNITS = [
  { name: "day", short: "d", size: 86_400, part: { short: "h", size: 3_600 } },
  { name: "hour", short: "h", size: 3_600, part: { short: "min", size: 60 } },
  { name: "minute", short: "min", size: 60 },
  { name: "second", short: "s", size: 1 },
];

/**
 * How long ago something was, or how long it takes until it is.
 * @param {number} seconds ago; negative in the future
 * @param {string} lang
 */
export function ago(seconds, lang) {
  const distance = Math.abs(seconds);
  const unit = UNITS.find(({ size }) => distance >= size);
  if (unit === undefined) {
    return lang === "en" ? "now" : new Intl.RelativeTimeFormat(lang, { numeric: "auto" }).format(0, "second");
  }
  const { name, short, size, part } = unit;
  const whole = Math.floor(distance / size);
  if (lang !== "en") {
    return new Intl.RelativeTimeFormat(lang, { style: "short" }).format(-Math.sign(seconds) * whole, name);
  }
  let text = `${whole} ${short}`;
  const rest = part ? Math.floor((distance % size) / part.size) : 0;
  if (part && rest) text += ` ${rest} ${part.short}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}
