/**
 * The state of a page as the query of its address, which is the one place where it is kept.
 *
 *   const state = new AddressState(["x", "y", "sel"], ["min_", "max_", "op."]);
 *   state.get("x");  state.all("arch");
 *   state.set({x: "flops", sel: null});             // a step: back undoes it
 *   state.set({view: "0,1,2,3"}, {replace: true});  // the end of a drag: no step of its own
 *   state.link({name: null}, "All plans")           // a link that changes the state
 *   state.onChange(draw);                           // steps, back and forward
 *
 * Parameters that the page does not know are kept where they are and told: `state.unknown`. An
 * address is never cut: what would make it longer than `LONGEST` is refused with `TooLong`.
 */

import {h} from "./dom.js";

/** Characters of an address, of which some programs cut the rest. */
const LONGEST = 2000;

/** The state would not fit into an address. */
export class TooLong extends Error {}

/**
 * Return the query that a change makes of another.
 * @param {string} search With or without `?`.
 * @param {Record<string, string | number | string[] | null | undefined>} changes Null takes a
 *   parameter away.
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
 * Return a query as people read it: commas, colons and bars stand for themselves.
 * @param {URLSearchParams} query
 */
function readable(query) {
  return query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%40", "@");
}

/**
 * Return the parameters of a query that a page does not know.
 * @param {string} search
 * @param {readonly string[]} names
 * @param {readonly string[]} starts What the names of a family begin with.
 */
export function unknownIn(search, names, starts) {
  const known = (/** @type {string} */ name) =>
    names.includes(name) || starts.some((start) => name.startsWith(start));
  return [...new Set(new URLSearchParams(search).keys())].filter((name) => !known(name));
}

export class AddressState {
  /**
   * @param {readonly string[]} names Parameters that the page knows.
   * @param {readonly string[]} [starts] What the names of families of them begin with.
   */
  constructor(names, starts = []) {
    this.names = ["theme", ...names];
    /** Further names, which a page learns of the service. @type {Set<string>} */
    this.known = new Set();
    this.starts = starts;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    addEventListener("popstate", () => this.tell());
  }

  get query() {
    return new URLSearchParams(location.search);
  }

  /** Parameters that the page does not know, which it keeps. */
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
      throw new TooLong(`the address would be longer than ${LONGEST} characters`);
    }
    if (url !== location.pathname + location.search) {
      if (replace) history.replaceState(null, "", url);
      else history.pushState(null, "", url);
    }
    this.tell();
  }

  /**
   * Return a link that changes the state and leaves the page where it is.
   * @param {Record<string, string | null>} changes
   * @param {string} text
   * @param {Record<string, any>} [attributes]
   * @returns {HTMLAnchorElement}
   */
  link(changes, text, attributes = {}) {
    const click = (/** @type {MouseEvent} */ event) => {
      // With such a key the browser opens it beside the page.
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
