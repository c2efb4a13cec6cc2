/**
 * Facets: features of architectures by value, with the count of selected candidates for each.
 *
 * A click toggles keeping a value; with alt, or by Delete, the value is excluded.
 */

import {h, redraw} from "./dom.js";
import {count} from "./format.js";
import {valueCounts} from "./selection.js";

/** Largest number of listed values; features with more can be filtered only in the URL. */
const MOST_VALUES = 40;
/** Largest number of candidates for which all facets are loaded by default. */
const MOST_UNASKED = 50_000;

export class FacetsPanel {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").Store} store
   * @param {{onChoice: (name: string, choice: import("./store.js").Choice) => void,
   *   onNeed: (names: string[]) => void}} told
   */
  constructor(element, store, told) {
    this.store = store;
    this.told = told;
    this.groups = h("div", {class: "facets"});
    this.details = h(
      "details",
      {class: "facet-panel"},
      h("summary", {}, h("h2", {}, "Facets")),
      h("p", {class: "quiet"}, "Click a value to keep only it; alt-click it or press Delete to exclude it."),
      this.groups,
    );
    this.details.addEventListener("toggle", () => this.need());
    element.append(this.details);
    this.listed = "";
  }

  need() {
    if (this.details.open) this.told.onNeed(this.store.features.map((one) => one.name));
  }

  /** Redraw for the features of other data. */
  show() {
    const {store} = this;
    this.details.hidden = !store.features.length;
    const listed = JSON.stringify([store.part, store.features.map((one) => one.name)]);
    if (listed !== this.listed && store.rows <= MOST_UNASKED) {
      this.details.open = window.innerWidth > 900;
    }
    this.listed = listed;
    if (store.choices.size) this.details.open = true;
    this.need();
    this.keptChanged();
  }

  keptChanged() {
    if (!this.details.open) return;
    redraw(this.groups, this.store.features.map((feature) => this.group(feature)));
  }

  /** @param {import("./store.js").Described} feature */
  group(feature) {
    const {store} = this;
    const values = store.values.get(feature.name);
    const name = feature.name.replace(/^@/, "");
    if (!values) return h("fieldset", {}, h("legend", {}, name), h("p", {class: "quiet"}, "…"));
    const counts = valueCounts(values, store.mask);
    const choice = store.choices.get(feature.name) ?? {keep: new Set(), drop: new Set()};
    const shown = [...counts].slice(0, MOST_VALUES);
    const more = counts.size - shown.length;
    return h(
      "fieldset",
      {title: feature.description, "data-key": feature.name},
      h("legend", {}, name),
      shown.map(([value, kept]) => this.value(feature, value, kept, choice)),
      more > 0 ? h("p", {class: "quiet"}, `and ${count(more)} more values`) : null,
    );
  }

  /**
   * @param {import("./store.js").Described} feature
   * @param {number} value
   * @param {number} kept
   * @param {import("./store.js").Choice} choice
   */
  value(feature, value, kept, choice) {
    const label = this.store.label(feature, value);
    const dropped = choice.drop.has(value);
    const state = dropped ? "dropped" : choice.keep.has(value) ? "kept" : "";
    const toggle = (/** @type {"keep" | "drop"} */ side) => {
      const other = side === "keep" ? "drop" : "keep";
      const next = {keep: new Set(choice.keep), drop: new Set(choice.drop)};
      next[other].delete(value);
      if (!next[side].delete(value)) next[side].add(value);
      this.told.onChoice(feature.name, next);
    };
    return h(
      "button",
      {
        type: "button",
        class: `facet ${state}`,
        "aria-pressed": String(state === "kept"),
        "data-facet": `${feature.name}=${value}`,
        "data-key": String(value),
        on: {
          click: (/** @type {MouseEvent} */ event) => toggle(event.altKey ? "drop" : "keep"),
          keydown: (/** @type {KeyboardEvent} */ event) => {
            if (event.key === "Delete" || event.key === "Backspace") toggle("drop");
          },
        },
      },
      h("span", {class: "sign", "aria-hidden": "true"}, state === "kept" ? "✓" : dropped ? "✗" : ""),
      h("span", {class: "value"}, label),
      dropped ? h("span", {class: "hidden-text"}, " dropped") : null,
      h("span", {class: "count"}, ` ${count(kept)}`),
    );
  }
}
