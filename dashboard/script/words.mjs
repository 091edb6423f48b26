// The script's few words, in the language of the page.

/** @type {Record<string, string>} */
const words = JSON.parse(document.body.dataset.words ?? "{}");

export const lang = document.documentElement.lang;

/**
 * A word or sentence in the language of the page.
 * @param {string} word in English
 */
export const t = (word) => words[word] ?? word;
