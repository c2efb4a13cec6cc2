/**
 * DOM elements. Text is always inserted as text and never parsed as HTML.
 *
 *   h("button", {type: "button", class: "chip", on: {click: remove}}, "flops ≤ 150")
 *   replace(list, items.map((item) => h("li", {}, item.title)))
 *   redraw(list, items.map((item) => h("li", {}, item.title)))    // equal elements stay, with their focus
 *
 * Attributes that are `false`, `null` or `undefined` are omitted; `true` is an empty attribute.
 */

/** @typedef {Node | string | number | null | undefined | false} Child Lists may be nested. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, (event: any) => void>} Listeners By event name. */
/** Listeners of elements, looked up at each event, so that `redraw` can replace them. @type {WeakMap<Node, Listeners>} */
const LISTENERS = new WeakMap();

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
      LISTENERS.set(element, value);
      for (const type of Object.keys(value)) {
        element.addEventListener(type, (event) => LISTENERS.get(element)?.[type]?.(event));
      }
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/** @param {Element | DocumentFragment} element @param {Array<Child | Child[]>} children */
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
 * Return a form of inputs that take effect at once.
 * @param {Record<string, any>} attributes
 * @param {...(Child | Child[])} children
 */
export function bar(attributes, ...children) {
  const submit = (/** @type {Event} */ event) => event.preventDefault();
  return h("form", {class: "bar", ...attributes, on: {submit}}, ...children);
}

/**
 * Return a paragraph of fixed text with `code` in backticks.
 * @param {string} text
 * @returns {HTMLParagraphElement}
 */
export function prose(text) {
  return h("p", {}, coded(text));
}

/** @param {string} text @returns {Child[]} Its parts, with `code` in backticks as elements. */
export function coded(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, place) => (place % 2 ? h("code", {}, part) : part)) : [text];
}

/**
* Replace the children of an element.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Replace the children of an element that is updated repeatedly, but keep equal ones, so that buttons
 * keep focus and hover. Kept children get the listeners of the new ones. Children are compared by
 * position; children of lists whose items come and go need a `data-key`, by which they are kept even
 * if their attributes change. Only for children that nothing else refers to.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function redraw(element, ...children) {
  const fresh = new DocumentFragment();
  append(fresh, children);
  merge(element, fresh);
}

/**
 * Replace the buttons in an element; if the focused one is removed, the focus moves to `after`.
 * @param {Element} element
 * @param {HTMLElement} after The element that gets the focus.
 * @param {...(Child | Child[])} children
 */
export function redrawActions(element, after, ...children) {
  const had = element.contains(document.activeElement);
  redraw(element, ...children);
  if (had && !element.contains(document.activeElement)) after.focus();
}

/** @param {Node} kept @param {Node} fresh */
function merge(kept, fresh) {
  let old = kept.firstChild;
  for (const child of [...fresh.childNodes]) {
    // Kept children are never moved, as they would lose the focus; those before them are removed.
    if (isBelow(old, child)) while (old && keyOf(old) !== keyOf(child)) old = dropped(old);
    if (old && (alike(old, child) || isSame(old, child))) {
      takeAttributes(old, child);
      const listeners = LISTENERS.get(child);
      if (listeners) LISTENERS.set(old, listeners);
      merge(old, child);
      old = old.nextSibling;
    } else {
      kept.insertBefore(child, old);
      if (old && keyOf(child) === undefined) old = dropped(old);
    }
  }
  while (old) old = dropped(old);
}

/** @param {Node} node */
function keyOf(node) {
  return node instanceof HTMLElement ? node.dataset.key : undefined;
}

/** @param {Node | null} old @param {Node} child Return whether a later sibling has the key of a child. */
function isBelow(old, child) {
  const key = keyOf(child);
  for (let one = old; one && key !== undefined; one = one.nextSibling) if (keyOf(one) === key) return true;
  return false;
}

/** @param {ChildNode} old Remove a node and return its next sibling. */
function dropped(old) {
  const next = old.nextSibling;
  old.remove();
  return next;
}

/** @param {Node} old @param {Node} fresh Return whether two nodes are equal except for their children. */
function alike(old, fresh) {
  const copy = old.cloneNode(false);
  // Opened details stay open.
  if (copy instanceof HTMLDetailsElement) copy.open = /** @type {HTMLDetailsElement} */ (fresh).open;
  // The checked state is not an attribute.
  if (old instanceof HTMLInputElement && old.checked !== /** @type {any} */ (fresh).checked) return false;
  return copy.isEqualNode(fresh.cloneNode(false)) && eventsOf(old) === eventsOf(fresh);
}

/** @param {Node} old @param {Node} fresh Return whether both have the same key, and so are two states of one item. */
function isSame(old, fresh) {
  const key = keyOf(fresh);
  return key !== undefined && keyOf(old) === key && old.nodeName === fresh.nodeName && eventsOf(old) === eventsOf(fresh);
}

/** @param {Node} node */
function eventsOf(node) {
  return Object.keys(LISTENERS.get(node) ?? {}).join();
}

/** @param {Node} old @param {Node} fresh Copy the attributes of the new element to the kept one. */
function takeAttributes(old, fresh) {
  if (!(old instanceof HTMLElement && fresh instanceof HTMLElement) || keyOf(fresh) === undefined) return;
  for (const {name} of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

const FOCUSABLE = "a, button, input, select, summary, [tabindex]";

/**
 * Redraw an element and restore the focus to the element at the same position. `redraw` does more, if
 * new children can be compared with the old ones.
 * @param {Element} element
 * @param {() => void} draw
 */
export function keepingFocus(element, draw) {
  const before = [...element.querySelectorAll(FOCUSABLE)];
  const place = document.activeElement ? before.indexOf(document.activeElement) : -1;
  draw();
  const now = /** @type {HTMLElement | undefined} */ (element.querySelectorAll(FOCUSABLE)[place]);
  if (place >= 0 && now?.tagName === before[place].tagName) now.focus({preventScroll: true});
}

/**
 * Return the element with an id, which must exist.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/**
 * Return a function that calls another at most once per frame, with the latest arguments.
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
