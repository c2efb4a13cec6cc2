/**
 * Elements. All text goes in as text: nothing here, and nothing that uses it, reads markup.
 *
 *   h("button", {type: "button", class: "chip", on: {click: remove}}, "flops ≤ 150")
 *   replace(list, items.map((item) => h("li", {}, item.title)))
 *
 * An attribute that is `false`, `null` or `undefined` is left out, `true` is an empty one.
 */

/** @typedef {Node | string | number | null | undefined | false} Child Lists of them may nest. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Fill an element with attributes, listeners (`on`) and children.
 * @template {Element} E
 * @param {E} element
 * @param {Record<string, any>} attributes
 * @param {Array<Child | Child[]>} children
 * @returns {E}
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/** @param {Element} element @param {Array<Child | Child[]>} children */
function append(element, children) {
  for (const child of /** @type {Child[]} */ (children.flat(Infinity))) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Return a new element of HTML.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * Return a new element of SVG.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Return a paragraph of our own words, in which `code` stands between backticks.
 * @param {string} text
 * @returns {HTMLParagraphElement}
 */
export function prose(text) {
  return h("p", {}, text.split("`").map((part, place) => (place % 2 ? h("code", {}, part) : part)));
}

/**
 * Put other children into an element.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Return the element with an id, which the shell or the page has.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/**
 * Return a function that runs another at most once a frame, with the latest arguments.
 * @template {any[]} A
 * @param {(...given: A) => void} run
 * @returns {(...given: A) => void}
 */
export function onceAFrame(run) {
  /** @type {A | null} */
  let waiting = null;
  return (...given) => {
    if (!waiting) {
      requestAnimationFrame(() => {
        const latest = /** @type {A} */ (waiting);
        waiting = null;
        run(...latest);
      });
    }
    waiting = given;
  };
}
