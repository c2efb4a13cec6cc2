/** Histograms of the metrics in use, each with its bounds, which are typed or dragged. */

import {h, onceAFrame, redraw, replace} from "./dom.js";
import {axisLabel, count, figure} from "./format.js";
import {color} from "./plot.js";
import {extent, histogram, readBound, rounded} from "./selection.js";

const BINS = 64;
const WIDTH = 256;
const HEIGHT = 48;

/** @typedef {import("./store.js").Ends} Ends */
/**
 * @typedef {object} Told
 * @property {(name: string, ends: Ends, how?: {replace?: boolean}) => void} onBound
 * @property {(name: string, ends: Ends) => void} onDrag
 * @property {(text: string) => void} say
 */

export class BoundsPanel {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").Store} store
   * @param {Told} told
   */
  constructor(element, store, told) {
    this.store = store;
    this.told = told;
    this.chips = h("ul", {class: "chips", "aria-label": "Bounds"});
    this.names = h("datalist", {id: "metrics"});
    this.input = h("input", {
      id: "search",
      list: "metrics",
      placeholder: "flops <= 150",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": "bound-told",
    });
    this.toldBad = h("p", {id: "bound-told", class: "bad", role: "alert"});
    this.list = h("div", {class: "histograms"});
    /** @type {Map<string, Histogram>} */
    this.shown = new Map();
    const form = h(
      "form",
      {class: "add-bound", on: {submit: (/** @type {Event} */ event) => this.add(event)}},
      h("label", {for: "search"}, "Add a bound"),
      this.input,
      h("button", {type: "submit"}, "Add"),
    );
    this.input.addEventListener("input", () => this.judge(false));
    element.append(h("h2", {}, "Bounds"), form, this.names, this.toldBad, this.chips, this.list);
  }

  /** @param {boolean} whole Whether typing has ended. Return the typed bound. */
  judge(whole) {
    const text = this.input.value;
    const bound = readBound(text);
    const name = bound?.name ?? /^\s*(?:(?:min|max)_)?([^\s<>=≤≥]+)\s*[<>=≤≥]/.exec(text)?.[1];
    const known = this.store.metrics.some((one) => one.name === name);
    if (name && !known) {
      this.toldBad.textContent = `Unknown metric ${name.slice(0, 60)}. Did you mean ${this.near(name).join(", ")}?`;
      return null;
    }
    const wrong = whole && !bound;
    this.toldBad.textContent = wrong ? "Enter a metric, <= or >=, and a number." : "";
    return known ? bound : null;
  }

  /** @param {string} name Return the metrics whose names contain a text, or all. */
  near(name) {
    const names = this.store.metrics.map((one) => one.name);
    const near = names.filter((one) => one.includes(name) || name.includes(one));
    return (near.length ? near : names).slice(0, 12);
  }

  /** @param {Event} event */
  add(event) {
    event.preventDefault();
    const bound = this.judge(true);
    if (!bound) return;
    this.input.value = "";
    const ends = {...this.store.bounds.get(bound.name), [bound.side]: bound.value};
    this.told.onBound(bound.name, ends);
  }

  /** Redraw for other metrics or data. */
  show() {
    const {store} = this;
    replace(
      this.names,
      store.metrics.flatMap((one) => [
        h("option", {value: `${one.name} <= `}, axisLabel(one.name, one.unit)),
        h("option", {value: `${one.name} >= `}),
      ]),
    );
    const third = store.c ? [store.c] : [];
    const names = [...new Set([store.x, store.y, ...third, ...store.bounds.keys()])];
    for (const [name, shown] of this.shown) {
      if (!names.includes(name)) {
        shown.element.remove();
        this.shown.delete(name);
      }
    }
    names.forEach((name, place) => {
      let shown = this.shown.get(name);
      if (!shown) this.shown.set(name, (shown = new Histogram(name, store, this.told)));
      // Moving an element removes the focus from its inputs.
      const there = this.list.children[place] ?? null;
      if (there !== shown.element) this.list.insertBefore(shown.element, there);
      shown.all();
    });
    this.keptChanged();
  }

  /** Redraw for another selection. */
  keptChanged() {
    for (const shown of this.shown.values()) shown.kept();
    const sides = /** @type {["min" | "max", string][]} */ ([["min", "≥"], ["max", "≤"]]);
    const chips = () => [...this.chips.querySelectorAll("button")];
    const place = chips().indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    redraw(
      this.chips,
      [...this.store.bounds].flatMap(([name, ends]) =>
        sides
          .filter(([side]) => ends[side] !== undefined)
          .map(([side, sign]) => this.chip(name, ends, side, sign)),
      ),
    );
    // After removing one by keyboard, the focus goes to the next one, or to the input.
    if (place >= 0 && !this.chips.contains(document.activeElement)) (chips().at(place) ?? chips().at(-1) ?? this.input).focus();
  }

  /** @param {string} name @param {Ends} ends @param {"min" | "max"} side @param {string} sign */
  chip(name, ends, side, sign) {
    const text = `${name} ${sign} ${ends[side]}`;
    const click = () => this.told.onBound(name, {...ends, [side]: undefined});
    const label = `Remove the bound ${side}_${name}`;
    return h(
      "li",
      {class: "chip", "data-bound": `${side}_${name}`, "data-key": `${side}_${name}`},
      text,
      h("button", {type: "button", "aria-label": label, title: label, on: {click}}, "✕"),
    );
  }
}

/** The histogram of a metric, with its bounds. */
class Histogram {
  /**
   * @param {string} name
   * @param {import("./store.js").Store} store
   * @param {Told} told
   */
  constructor(name, store, told) {
    this.name = name;
    this.store = store;
    this.told = told;
    this.canvas = h("canvas", {class: "histogram", width: WIDTH * 2, height: HEIGHT * 2, role: "img"});
    this.ends = h("p", {class: "ends quiet"});
    const input = (/** @type {"min" | "max"} */ side, /** @type {string} */ label) =>
      h("input", {
        type: "number",
        step: "any",
        "aria-label": `${label} ${name}`,
        placeholder: side,
        "data-side": side,
        on: {change: () => this.typed()},
      });
    this.min = input("min", "Least");
    this.max = input("max", "Greatest");
    this.element = h(
      "div",
      {class: "metric", "data-metric": name},
      h("h3", {}, axisLabel(name, store.unit(name))),
      this.canvas,
      this.ends,
      h("div", {class: "inputs"}, this.min, h("span", {"aria-hidden": "true"}, "to"), this.max),
    );
    /** @type {[number, number]} */
    this.range = [0, 1];
    this.log = false;
    /** @type {Uint32Array | null} */
    this.outline = null;
    this.listen();
  }

  typed() {
    const read = (/** @type {HTMLInputElement} */ input) =>
      input.value === "" || !Number.isFinite(input.valueAsNumber) ? undefined : input.valueAsNumber;
    this.told.onBound(this.name, {min: read(this.min), max: read(this.max)});
  }

  listen() {
    let start = NaN;
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.canvas.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    };
    const drag = onceAFrame((/** @type {number} */ place) => {
      if (!Number.isNaN(start)) this.told.onDrag(this.name, this.between(start, place));
    });
    this.canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      start = at(event);
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (!Number.isNaN(start) && Math.abs(at(event) - start) > 0.01) drag(at(event));
    });
    this.canvas.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
      const end = at(event);
      const begun = start;
      start = NaN;
      if (Math.abs(end - begun) > 0.01) {
        this.told.onBound(this.name, this.between(begun, end), {replace: true});
      }
    });
    this.canvas.addEventListener("pointercancel", () => (start = NaN));
    this.canvas.addEventListener("dblclick", () => this.told.onBound(this.name, {}));
  }

  /** @param {number} a @param {number} b Return the bounds between two positions from 0 to 1. */
  between(a, b) {
    const [low, high] = this.range;
    const value = (/** @type {number} */ place) =>
      this.log ? low * (high / low) ** place : low + place * (high - low);
    const first = Math.min(a, b);
    const last = Math.max(a, b);
    return {
      min: first > 0 ? rounded(value(first), high - low, "down") : undefined,
      max: last < 1 ? rounded(value(last), high - low, "up") : undefined,
    };
  }

  /** Count all candidates. */
  all() {
    const {store, name} = this;
    const values = store.values.get(name);
    if (!values) return;
    this.log = (name === store.x && store.log.x) || (name === store.y && store.log.y);
    this.range = extent(values, this.log) ?? [0, 1];
    const [low, high] = this.range;
    this.outline = histogram(values, null, {low, high, bins: BINS, log: this.log});
  }

  /** Count and draw the selected candidates. */
  kept() {
    const {store, name, outline} = this;
    const values = store.values.get(name);
    const context = this.canvas.getContext("2d");
    if (!values || !outline || !context) return;
    const [low, high] = this.range;
    const kept = histogram(values, store.mask, {low, high, bins: BINS, log: this.log});
    const most = Math.max(1, ...outline);
    const {width, height} = this.canvas;
    const step = width / BINS;
    context.clearRect(0, 0, width, height);
    context.fillStyle = color("--kept");
    kept.forEach((value, bin) => {
      const tall = Math.ceil((value / most) * (height - 2));
      context.fillRect(bin * step, height - tall, step - 1, tall);
    });
    context.strokeStyle = color("--line");
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(0, height);
    outline.forEach((value, bin) => {
      const top = height - Math.ceil((value / most) * (height - 2));
      context.lineTo(bin * step, top);
      context.lineTo((bin + 1) * step, top);
    });
    context.stroke();
    this.tell(kept, outline);
  }

  /** @param {Uint32Array} kept @param {Uint32Array} all */
  tell(kept, all) {
    const {store, name} = this;
    const sum = (/** @type {Uint32Array} */ bins) => bins.reduce((total, value) => total + value, 0);
    const unit = store.unit(name);
    const [low, high] = this.range;
    const range = `${figure(low, unit)} to ${figure(high, unit)}`;
    this.canvas.setAttribute(
      "aria-label",
      `Histogram of ${name}: ${range}; ${count(sum(kept))} of ${count(sum(all))} kept`,
    );
    replace(this.ends, h("span", {}, figure(low, unit)), h("span", {}, figure(high, unit)));
    const ends = store.bounds.get(name) ?? {};
    for (const [input, value] of /** @type {[HTMLInputElement, number | undefined][]} */ ([[this.min, ends.min], [this.max, ends.max]])) {
      if (document.activeElement !== input) input.value = value === undefined ? "" : String(value);
    }
  }
}
