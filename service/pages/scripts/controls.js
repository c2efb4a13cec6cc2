/** Controls of the main page: part, axes, scales, Pareto front; and the keyboard shortcuts. */

import {h, replace} from "./dom.js";
import {axisLabel} from "./format.js";

/**
 * @typedef {object} Told
 * @property {Set<number>} compared
 * @property {(changes: Record<string, any>) => void} onChange
 * @property {() => void} onCompare
 * @property {() => void} onKeys
 */

export class Controls {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").Store} store
   * @param {Told} told
   */
  constructor(element, store, told) {
    this.element = element;
    this.store = store;
    this.told = told;
    this.kept = h("strong", {id: "kept"});
    this.compare = h("button", {type: "button", id: "compare", on: {click: told.onCompare}}, "Compare");
    this.built = "";
  }

  show() {
    const {store} = this;
    const built = JSON.stringify([store.part, store.x, store.y, store.c, store.log, store.pareto]);
    if (built === this.built) return;
    this.built = built;
    const focused = document.activeElement?.id;
    replace(
      this.element,
      this.parts(),
      this.metric("y", "Up", store.y, false),
      this.scale("y"),
      this.metric("x", "Across", store.x, false),
      this.scale("x"),
      this.metric("c", "Colour", store.c, true),
      this.toggle("pareto", "Pareto front", store.pareto, () => ({pareto: store.pareto ? null : 1})),
      this.toggle("whole", "Reset zoom", null, () => ({view: null})),
      this.compare,
      h("button", {type: "button", on: {click: this.told.onKeys}}, "Keys"),
      this.kept,
    );
    this.compareChanged();
    if (focused) document.getElementById(focused)?.focus();
  }

  compareChanged() {
    const checked = this.told.compared.size;
    this.compare.textContent = checked ? `Compare ${checked}` : "Compare";
  }

  /** @returns {Element[]} A select for each axis by which parts differ. */
  parts() {
    const {store} = this;
    /** @type {any[]} */
    const parts = store.answer.parts;
    return store.axes.flatMap((axis) => {
      const values = [...new Set(parts.map((part) => part[axis]))].filter((value) => value !== null && value !== undefined);
      if (values.length < 2) return [];
      const options = values.map((value) => [String(value), String(value)]);
      return [this.select(axis, axis, options, String(store.part[axis]), this.keptParts(axis))];
    });
  }

  /** @param {string} axis Return the values of the other axes, as one alone may select another part. */
  keptParts(axis) {
    return (/** @type {string} */ value) => ({...this.store.part, [axis]: value, view: null});
  }

  /** @param {string} name @param {string} label @param {string | null} value @param {boolean} none */
  metric(name, label, value, none) {
    const options = this.store.metrics.map((one) => [one.name, axisLabel(one.name, one.unit)]);
    if (none) options.unshift(["", "by count"]);
    const changes = (/** @type {string} */ chosen) => ({[name]: chosen || null, ...(none ? {} : {view: null})});
    return this.select(name, label, options, value ?? "", changes);
  }

  /**
   * @param {string} id
   * @param {string} label
   * @param {string[][]} options
   * @param {string} value
   * @param {(value: string) => Record<string, any>} changes
   */
  select(id, label, options, value, changes) {
    const select = h(
      "select",
      {id: `choose-${id}`, on: {change: () => this.told.onChange(changes(select.value))}},
      options.map(([name, text]) => h("option", {value: name}, text)),
    );
    select.value = value;
    return h("label", {class: "choice"}, h("span", {}, label), select);
  }

  /** @param {"x" | "y"} axis */
  scale(axis) {
    const on = this.store.log[axis];
    const where = axis === "x" ? "across" : "up";
    return this.toggle(`log-${axis}`, "log", on, () => ({[`${axis}s`]: on ? null : "log", view: null}), where);
  }

  /**
   * @param {string} id
   * @param {string} label
   * @param {boolean | null} on Null: a button without a state.
   * @param {() => Record<string, any>} changes
   * @param {string} [more] For screen readers only.
   */
  toggle(id, label, on, changes, more) {
    return h(
      "button",
      {
        type: "button",
        id: `toggle-${id}`,
        "aria-pressed": on === null ? null : String(on),
        on: {click: () => this.told.onChange(changes())},
      },
      label,
      more ? h("span", {class: "hidden-text"}, ` ${more}`) : null,
    );
  }
}

const KEYS = [
  ["arrow keys", "move to the next architecture along an axis of the plot"],
  ["Enter", "open the current architecture"],
  ["Space", "select the current architecture"],
  ["[ and ]", "create or move the brush"],
  ["Escape", "remove the brush"],
  ["+ and −", "zoom"],
  ["0", "reset the zoom"],
  ["p", "Pareto front"],
  ["/", "add a bound"],
  ["c", "compare the checked architectures"],
  ["?", "show this list"],
];

/** Return a dialog with all keyboard shortcuts, which is removed when it closes. */
export function keysDialog() {
  const dialog = h(
    "dialog",
    {"aria-label": "Keys"},
    h("h2", {}, "Keys"),
    h(
      "dl",
      {class: "keys"},
      KEYS.map(([key, meaning]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning))),
    ),
    h("p", {}, "Drag to brush, shift-drag or scroll to zoom, double-click to reset the zoom."),
    h("form", {method: "dialog"}, h("button", {}, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  return dialog;
}
