/**
 * Marks of states of jobs, workers, databases, plans and cells: each has a word, a shape and a colour.
 *
 *   stateMark("running")      // ◐ running
 *   ago("2026-01-01T00:00:00Z")   // "3 min ago", with the full time in the tooltip
 */

import {coded, h} from "./dom.js";
import {duration} from "./format.js";

/** @type {Record<string, [shape: string, tone: string]>} */
const STATES = {
  queued: ["○", "quiet"],
  running: ["◐", "busy"],
  succeeded: ["✓", "good"],
  failed: ["✕", "bad"],
  parked: ["‖", "bad"],
  cancelled: ["⊘", "quiet"],
  stopped: ["◧", "quiet"],
  expired: ["◌", "quiet"],
  ready: ["✓", "good"],
  alive: ["✓", "good"],
  degraded: ["!", "bad"],
  unusable: ["✕", "bad"],
  silent: ["✕", "bad"],
  pilot: ["◔", "busy"],
  paused: ["‖", "bad"],
  finished: ["✓", "good"],
  sealed: ["■", "good"],
  growing: ["◐", "busy"],
  done: ["✓", "good"],
  diverged: ["≈", "bad"],
  outstanding: ["◐", "busy"],
  left: ["○", "quiet"],
};

/** States of jobs that are not final. */
export const UNFINISHED = ["queued", "running"];
/** All states of jobs, in order. */
export const JOB_STATES = Object.keys(STATES).slice(0, 8);

/** @param {string} state @param {string} [word] Text instead of its name. */
export function stateMark(state, word = state) {
  const [shape, tone] = STATES[state] ?? ["?", "quiet"];
  return h(
    "span",
    {class: `state ${tone}`, "data-state": state},
    h("span", {class: "shape", "aria-hidden": "true"}, shape),
    " ",
    coded(word),
  );
}

/**
 * Return a time relative to now.
 * @param {string | null} moment In ISO 8601.
 */
export function ago(moment) {
  if (!moment) return "–";
  const then = new Date(moment);
  const seconds = Math.round((Date.now() - then.getTime()) / 1000);
  const told = seconds < 1 ? "now" : `${duration(seconds, 2)} ago`;
  return h("time", {datetime: moment, title: then.toISOString()}, told);
}

/**
 * Return facts as a list of names and values, without those whose value is missing.
 * @param {[string, import("./dom.js").Child | import("./dom.js").Child[]][]} facts
 */
export function factList(facts) {
  return h(
    "dl",
    {class: "facts"},
    facts
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/**
 * Return a plain table; `table.js` is for tables of any length.
 * @param {string} label
 * @param {string[]} headings
 * @param {(import("./dom.js").Child | import("./dom.js").Child[])[][]} rows
 * @param {{keys?: string[], named?: boolean}} [how] `keys`: keys of the rows, if rows come and go; see
 *   `redraw`. `named`: whether the first cell is the heading of its row; true by default.
 */
export function plainTable(label, headings, rows, {keys, named = true} = {}) {
  const cell = (/** @type {any} */ content, /** @type {number} */ place) =>
    named && place === 0 ? h("th", {scope: "row"}, content) : h("td", {}, content);
  const body = rows.map((cells, place) => h("tr", {"data-key": keys?.[place]}, cells.map(cell)));
  return madeTable(label, headings, body, {class: "plain"}, h("caption", {class: "hidden-text"}, label));
}

/**
 * Return a table of row elements.
 * @param {string} label
 * @param {(string | Element)[]} heads Texts, "" for none, or cells.
 * @param {Element[]} rows
 * @param {Record<string, any>} [attributes]
 * @param {Element | null} [caption]
 */
export function madeTable(label, heads, rows, attributes = {}, caption = null) {
  const head = (/** @type {string | Element} */ one) =>
    one instanceof Element ? one : one ? h("th", {scope: "col"}, one) : h("td", {});
  return scrolled(label, h("table", attributes, caption, h("thead", {}, h("tr", {}, heads.map(head))), h("tbody", {}, rows)));
}

/** @param {string} label @param {Element} wide Return an element in a scrollable region, as it may be wider than the page. */
export function scrolled(label, wide) {
  return h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": label}, wide);
}

/** @param {string} id @param {string} summary @param {any} value Return a collapsed element that shows the value as JSON. */
export function asJson(id, summary, value) {
  return h("details", {}, h("summary", {}, summary), h("pre", {tabindex: "0", id}, JSON.stringify(value, null, 2)));
}
