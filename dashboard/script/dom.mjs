// Helpers for the page's elements.

/**
 * The elements that a selector finds.
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {HTMLElement[]}
 */
export const all = (selector, within = document) => [...within.querySelectorAll(selector)].filter(isHtml);

/**
 * The first element that a selector finds.
 * @param {string} selector
 * @param {ParentNode | null} [within]
 */
export const first = (selector, within = document) => {
  const found = within?.querySelector(selector);
  return isHtml(found) ? found : undefined;
};

/**
 * The checkboxes that a selector finds.
 * @param {string} selector
 * @param {ParentNode} [within]
 */
export const boxes = (selector, within = document) =>
  [...within.querySelectorAll(selector)].filter((one) => one instanceof HTMLInputElement);

/**
 * The element that an event is about.
 * @param {Event} event
 */
export const targetOf = (event) => (event.target instanceof Element ? event.target : undefined);

/**
 * @param {unknown} node
 * @returns {node is HTMLElement}
 */
const isHtml = (node) => node instanceof HTMLElement;

/**
 * What htmx says with its events.
 * @typedef {{
 *   elt: Element, target?: Element, xhr: XMLHttpRequest, requestConfig: { verb: string },
 * }} HtmxDetail
 */

/**
 * Runs `work` on an event of htmx.
 * @param {"afterSwap" | "beforeRequest" | "afterRequest" | "sendError"} name
 * @param {(detail: HtmxDetail, event: Event) => void} work
 */
export const onHtmx = (name, work) =>
  document.addEventListener(`htmx:${name}`, (event) => {
    work(/** @type {CustomEvent<HtmxDetail>} */ (event).detail, event);
  });
