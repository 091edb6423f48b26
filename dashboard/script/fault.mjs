// Which field a sentence of a refused form is about: the sentence begins with its name.

/**
 * @param {string} sentences
 * @param {string} field
 */
export function isAbout(sentences, field) {
  const name = field.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return new RegExp(`(^|[ .])${name}(\\.[^ ]*)?:|field ${name} `).test(sentences);
}
