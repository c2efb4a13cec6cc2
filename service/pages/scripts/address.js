/**
 * The state of a page, kept only in the query of its URL.
 *
 *   const state = new AddressState(["x", "y", "sel"], ["min_", "max_", "op."]);
 *   state.get("x");  state.all("arch");
 *   state.set({x: "flops", sel: null});             // a history entry
 *   state.set({view: "0,1,2,3"}, {replace: true});  // no history entry, such as after a drag
 *   state.link({name: null}, "All plans")           // a link that changes the state
 *   state.onChange(draw);                           // changes, back and forward
 *
 * Unknown parameters are kept and listed in `state.unknown`. A change that would make the URL longer
 * than `LONGEST` throws `TooLong`.
 */

import {h} from "./dom.js";

/** Largest length of a URL, as some programs truncate longer ones. */
const LONGEST = 2000;

/** The state is too long for a URL. */
export class TooLong extends Error {}

/**
 * Return a query with changed parameters.
 * @param {string} search With or without `?`.
 * @param {Record<string, string | number | string[] | null | undefined>} changes Null removes a
 *   parameter.
 */
export function changed(search, changes) {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    const values = value === null || value === undefined ? [] : [value].flat();
    if (values.length === 1 && query.getAll(name).length === 1) {
      query.set(name, String(values[0]));
      continue;
    }
    query.delete(name);
    for (const one of values) query.append(name, String(one));
  }
  return readable(query);
}

/**
 * Return a query as text with unescaped commas, colons and bars.
 * @param {URLSearchParams} query
 */
function readable(query) {
  return query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%40", "@");
}

/**
 * Return the unknown parameters of a query.
 * @param {string} search
 * @param {readonly string[]} names
 * @param {readonly string[]} starts Prefixes of parameter families.
 */
export function unknownIn(search, names, starts) {
  const known = (/** @type {string} */ name) =>
    names.includes(name) || starts.some((start) => name.startsWith(start));
  return [...new Set(new URLSearchParams(search).keys())].filter((name) => !known(name));
}

export class AddressState {
  /**
   * @param {readonly string[]} names Known parameters.
   * @param {readonly string[]} [starts] Prefixes of known parameter families.
   */
  constructor(names, starts = []) {
    this.names = ["theme", ...names];
    /** Further names, which a page gets from the service. @type {Set<string>} */
    this.known = new Set();
    this.starts = starts;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    addEventListener("popstate", () => this.tell());
  }

  get query() {
    return new URLSearchParams(location.search);
  }

  /** The unknown parameters, which are kept. */
  get unknown() {
    return unknownIn(location.search, [...this.names, ...this.known], this.starts);
  }

  /** @param {string} name */
  get(name) {
    return this.query.get(name);
  }

  /** @param {string} name */
  all(name) {
    return this.query.getAll(name);
  }

  /** @param {string} start @returns {[string, string][]} The parameters of a family. */
  family(start) {
    return [...this.query].filter(([name]) => name.startsWith(start));
  }

  /**
   * Change the state.
   * @param {Record<string, string | number | string[] | null | undefined>} changes
   * @param {{replace?: boolean}} [how]
   */
  set(changes, {replace = false} = {}) {
    const query = changed(location.search, changes);
    const url = location.pathname + (query ? `?${query}` : "");
    if (location.origin.length + url.length >= LONGEST) {
      throw new TooLong(`The URL would be longer than ${LONGEST} characters`);
    }
    if (url !== location.pathname + location.search) {
      if (replace) history.replaceState(null, "", url);
      else history.pushState(null, "", url);
    }
    this.tell();
  }

  /**
   * Return a link that changes the state without reloading the page.
   * @param {Record<string, string | null>} changes
   * @param {string} text
   * @param {Record<string, any>} [attributes]
   * @returns {HTMLAnchorElement}
   */
  link(changes, text, attributes = {}) {
    const click = (/** @type {MouseEvent} */ event) => {
      // With a modifier key the browser opens a new tab or window.
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.set(changes);
    };
    return h("a", {href: `?${changed(location.search, changes)}`, ...attributes, on: {click}}, text);
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.listeners.add(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
