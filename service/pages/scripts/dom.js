/**
 * Elements. All text goes in as text: nothing here, and nothing that uses it, reads markup.
 *
 *   h("button", {type: "button", class: "chip", on: {click: remove}}, "flops ≤ 150")
 *   replace(list, items.map((item) => h("li", {}, item.title)))
 *   redraw(list, items.map((item) => h("li", {}, item.title)))    // what is equal stays, with its focus
 *
 * An attribute that is `false`, `null` or `undefined` is left out, `true` is an empty one.
 */

/** @typedef {Node | string | number | null | undefined | false} Child Lists of them may nest. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, (event: any) => void>} Listeners By event. */
/** What elements listen with: looked up when an event comes, so that `redraw` can renew it. @type {WeakMap<Node, Listeners>} */
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
 * Return a form of choices that take effect at once.
 * @param {Record<string, any>} attributes
 * @param {...(Child | Child[])} children
 */
export function bar(attributes, ...children) {
  const submit = (/** @type {Event} */ event) => event.preventDefault();
  return h("form", {class: "bar", ...attributes, on: {submit}}, ...children);
}

/**
 * Return a paragraph of our own words, in which `code` stands between backticks.
 * @param {string} text
 * @returns {HTMLParagraphElement}
 */
export function prose(text) {
  return h("p", {}, coded(text));
}

/** @param {string} text @returns {Child[]} Its parts, in which `code` stands between backticks. */
export function coded(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, place) => (place % 2 ? h("code", {}, part) : part)) : [text];
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
 * Put other children into an element that shows something alive, and keep what is equal: who points
 * at a button, or has come to it by keyboard, still has it when the next figures arrive. What is kept
 * listens as the new child would. Children are compared by their places; those of a list in which
 * some come and go have a `data-key` each, by which they stay even where their attributes change.
 * Only for children that nothing else refers to.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function redraw(element, ...children) {
  const fresh = new DocumentFragment();
  append(fresh, children);
  merge(element, fresh);
}

/**
 * Put other buttons into an element. Who had one that is gone comes to what tells how things are now.
 * @param {Element} element
 * @param {HTMLElement} after What takes the focus.
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
    // Nothing that is kept is moved, which would take its focus: what stands before it goes.
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

/** @param {Node | null} old @param {Node} child Return whether one with the key of a child follows. */
function isBelow(old, child) {
  const key = keyOf(child);
  for (let one = old; one && key !== undefined; one = one.nextSibling) if (keyOf(one) === key) return true;
  return false;
}

/** @param {ChildNode} old Remove it, and return what followed it. */
function dropped(old) {
  const next = old.nextSibling;
  old.remove();
  return next;
}

/** @param {Node} old @param {Node} fresh Return whether they differ at most in their children. */
function alike(old, fresh) {
  const copy = old.cloneNode(false);
  // Whoever opened it wants to go on reading.
  if (copy instanceof HTMLDetailsElement) copy.open = /** @type {HTMLDetailsElement} */ (fresh).open;
  // What was checked is no attribute.
  if (old instanceof HTMLInputElement && old.checked !== /** @type {any} */ (fresh).checked) return false;
  return copy.isEqualNode(fresh.cloneNode(false)) && eventsOf(old) === eventsOf(fresh);
}

/** @param {Node} old @param {Node} fresh Return whether both are of one key, and so one thing in two states. */
function isSame(old, fresh) {
  const key = keyOf(fresh);
  return key !== undefined && keyOf(old) === key && old.nodeName === fresh.nodeName && eventsOf(old) === eventsOf(fresh);
}

/** @param {Node} node */
function eventsOf(node) {
  return Object.keys(LISTENERS.get(node) ?? {}).join();
}

/** @param {Node} old @param {Node} fresh Give a keyed element the attributes that it would have now. */
function takeAttributes(old, fresh) {
  if (!(old instanceof HTMLElement && fresh instanceof HTMLElement) || keyOf(fresh) === undefined) return;
  for (const {name} of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

const FOCUSABLE = "a, button, input, select, summary, [tabindex]";

/**
 * Draw something anew, and leave the focus where it was: on what has its place afterwards. Where new
 * children may be compared with the old ones, `redraw` does more.
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
