/**
 * The plot of the main page: two metrics of all candidates, selected ones in colour, with keyboard and
 * pointer controls.
 */

import {Painter, Places, cellSize, drawFront, drawRing, pixel, ramp, rgb} from "./counts.js";
import {h, onceAFrame, replace} from "./dom.js";
import {axisLabel, count, counted, figure} from "./format.js";
import {Frame, canDraw, color, isDark} from "./plot.js";
import {extent, following, nearest, rounded} from "./selection.js";

/** Largest number of visible candidates that are coloured individually. */
const MOST_COLORED = 20_000;
/** Distance from the pointer in pixels within which the nearest candidate is described. */
const REACH = 40;

/** @typedef {import("./plot.js").Bounds} Bounds */
/**
 * @typedef {object} Told Callbacks of the page.
 * @property {(bounds: Bounds | null) => void} onBrush
 * @property {(bounds: Bounds) => void} onDrag
 * @property {(ends: import("./store.js").Ends) => void} onMove The bound of x has moved.
 * @property {(view: Bounds | null) => void} onView
 * @property {(row: number) => void} onSelect
 * @property {(row: number) => void} onOpen
 */

export class Picture {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").Store} store
   * @param {Told} told
   */
  constructor(element, store, told) {
    this.store = store;
    this.told = told;
    this.canvasBox = h("div", {class: "canvas-box"});
    this.summary = h("p", {class: "summary", role: "status"});
    this.readout = h("p", {class: "readout"});
    this.drawn = h("p", {class: "drawn quiet"});
    this.scaleBar = h("div", {class: "scale"});
    this.plot = h(
      "div",
      {
        class: "plot",
        id: "plot",
        tabindex: "0",
        role: "application",
        "aria-roledescription": "plot",
        "aria-describedby": "summary",
      },
      this.canvasBox,
    );
    this.summary.id = "summary";
    this.plot.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    element.append(this.summary, this.plot, this.scaleBar, this.readout, this.drawn);
    this.painter = new Painter();
    /** @type {Places | null} */
    this.places = null;
/** Drawn until the columns are loaded. @type {import("./store.js").Grid | null} */
    this.grid = null;
    /** @type {import("./plot.js").Frame | null} */
    this.frame = null;
    this.drawing = "";
    this.pointed = -1;
    /** @type {number[]} */
    this.front = [];
    this.point = onceAFrame((/** @type {number} */ x, /** @type {number} */ y) => this.pointAt(x, y));
    this.drag = onceAFrame((/** @type {Bounds} */ bounds) => told.onDrag(bounds));
    this.wheeled = 0;
    /** Content of the legend. */
    this.legended = "";
  }

  /** Redraw for other axes, another view, or other data. */
  show() {
    const {store} = this;
    const name = `${axisLabel(store.y, store.unit(store.y))} by ${axisLabel(store.x, store.unit(store.x))}`;
    this.plot.setAttribute("aria-label", name);
    const wanted = JSON.stringify([store.part, store.x, store.y, store.log]);
    this.places = null;
    if (!canDraw(this.canvasBox)) {
      this.summarize();
      return;
    }
    const view = store.view ?? this.whole();
    if (this.frame && wanted === this.drawing) {
      this.frame.show(view);
    } else {
      this.frame?.destroy();
      this.drawing = wanted;
      this.canvasBox.replaceChildren();
      this.frame = new Frame(this.canvasBox, {
        x: {label: axisLabel(store.x, store.unit(store.x)), log: store.log.x},
        y: {label: axisLabel(store.y, store.unit(store.y)), log: store.log.y},
        view,
        height: () => Math.max(260, Math.min(520, Math.round(window.innerHeight * 0.55))),
        draw: (context, box, drawnFrame) => {
          this.draw(context, box, drawnFrame);
          // Measured by benchmarks/pages.py.
          if (!performance.getEntriesByName("plot").length) performance.mark("plot");
        },
        onBrush: (bounds) => this.told.onBrush(this.roundedBounds(bounds)),
        onDrag: (bounds) => this.drag(this.roundedBounds(bounds)),
        onZoom: (bounds) => this.told.onView(bounds),
        onPoint: (x, y) => this.point(x, y),
        onLeave: () => this.point(NaN, NaN),
        onClick: () => this.pointed >= 0 && this.told.onSelect(this.pointed),
        onDouble: () => this.told.onView(null),
        onWheel: (x, y, factor) => this.zoom(factor, x, y),
      });
    }
    this.keptChanged();
  }

  /** @param {boolean} [dragging] Redraw the selection only, leaving a brush that is being dragged. */
  keptChanged(dragging = false) {
    const {store} = this;
    const here = store.values.has(store.x) && store.values.has(store.y);
    this.front = store.pareto && here ? store.front() : [];
    this.frame?.redraw();
    if (!dragging) this.frame?.brush(this.brushed());
    this.summarize();
  }

  /** @returns {Bounds} The view of all candidates. */
  whole() {
    const {store} = this;
    const side = (/** @type {"x" | "y"} */ axis) => {
      const log = store.log[axis];
      const values = store.values.get(store[axis]);
      const grid = this.grid && this.grid[axis].low !== null ? this.grid[axis] : null;
      const ends = values ? extent(values, log) : grid && /** @type {[number, number]} */ ([grid.low, grid.high]);
      const [low, high] = ends ?? (log ? [1, 10] : [0, 1]);
      if (log) {
        const room = (high / low) ** 0.03 || 1;
        return low === high ? [low / 2, high * 2] : [low / room, high * room];
      }
      const room = (high - low) * 0.03 || Math.abs(high) * 0.05 || 1;
      return [low - room, high + room];
    };
    const [x0, x1] = side("x");
    const [y0, y1] = side("y");
    return {x0, x1, y0, y1};
  }

  /** @returns {Bounds | null} The bounds on both axes as a rectangle, or null without bounds. */
  brushed() {
    const {store, frame: shown} = this;
    const x = store.bounds.get(store.x);
    const y = store.bounds.get(store.y);
    if (!shown || (!x && !y)) return null;
    const {x0, x1, y0, y1} = shown.view;
    const within = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
      Math.min(Math.max(value, low), high);
    return {
      x0: within(x?.min ?? x0, x0, x1),
      x1: within(x?.max ?? x1, x0, x1),
      y0: within(y?.min ?? y0, y0, y1),
      y1: within(y?.max ?? y1, y0, y1),
    };
  }

  /** @param {Bounds} bounds */
  roundedBounds({x0, x1, y0, y1}) {
    const {view} = /** @type {import("./plot.js").Frame} */ (this.frame);
    const across = view.x1 - view.x0;
    const down = view.y1 - view.y0;
    return {
      x0: rounded(x0, across, "down"),
      x1: rounded(x1, across, "up"),
      y0: rounded(y0, down, "down"),
      y1: rounded(y1, down, "up"),
    };
  }

  get scale() {
    return window.devicePixelRatio || 1;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./plot.js").Box} box
   * @param {import("./plot.js").Frame} shown
   */
  draw(context, box, shown) {
    const {store} = this;
    const xs = store.values.get(store.x);
    const ys = store.values.get(store.y);
    if (!xs || !ys) {
      this.drawGrid(context, shown);
      return;
    }
    const size = Math.round(cellSize(store.rows) * this.scale);
    const same = this.places && this.places.box.width === box.width && this.places.box.height === box.height;
    if (!same) this.places = new Places(xs, ys, shown.view, store.log, {...box}, size);
    const places = /** @type {Places} */ (this.places);
    const palette = {colors: ramp(isDark()), off: pixel(rgb(color("--off")))};
    const third = store.c ? store.values.get(store.c) : null;
    if (third && places.inView <= MOST_COLORED) {
      const [low, high] = extent(third) ?? [0, 1];
      this.painter.means(context, places, store.mask, palette, {values: third, low, high});
      this.legend(palette.colors, figure(low, store.unit(store.c ?? "")), figure(high, store.unit(store.c ?? "")), store.c ?? "");
    } else {
      const most = this.painter.counts(context, places, store.mask, palette);
      this.legend(palette.colors, "1", count(most), most === 1 ? "architecture in a cell" : "architectures in a cell");
    }
    const at = (/** @type {number} */ row) => ({x: box.left + places.px[row], y: box.top + places.py[row]});
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    const front = this.front.filter((row) => places.cells[row] >= 0).map(at);
    if (front.length) drawFront(context, front, {color: color("--front"), scale: this.scale});
    const back = color("--back");
    for (const [row, name] of /** @type {[number, string][]} */ ([[this.pointed, "--text"], [store.selectedRow, "--selected"]])) {
      if (row >= 0 && places.cells[row] >= 0) {
        drawRing(context, at(row), {color: color(name), back, scale: this.scale});
      }
    }
    context.restore();
    this.tellDrawn(places);
  }

  /**
   * Show the service's counts of candidates within the bounds, until the columns are loaded.
   * @param {import("./store.js").Grid} grid
   */
  showGrid(grid) {
    this.grid = grid;
    this.show();
    const {rows} = this.store;
    this.summary.textContent = `${count(grid.counted)} of ${count(rows)} kept; approximate until all columns are loaded.`;
    this.drawn.textContent = `${count(grid.counted)} of ${count(rows)} architectures are shown as counts.`;
  }

  /** @param {CanvasRenderingContext2D} context @param {import("./plot.js").Frame} shown */
  drawGrid(context, shown) {
    const {grid} = this;
    if (!grid || !grid.counted) return;
    const left = shown.pixel(grid.x.low, "x");
    const top = shown.pixel(grid.y.high, "y");
    const width = Math.max(1, shown.pixel(grid.x.high, "x") - left);
    const height = Math.max(1, shown.pixel(grid.y.low, "y") - top);
    const {bins, counts} = grid;
    const colors = ramp(isDark());
    this.painter.grid(context, {width: bins, height: bins, counts}, {left, top, width, height}, colors);
  }

  /** @param {Uint32Array} colors @param {string} low @param {string} high @param {string} name */
  legend(colors, low, high, name) {
    const said = [low, high, name, colors[0]].join("|");
    if (said === this.legended) return;
    this.legended = said;
    const bar = h("canvas", {width: 256, height: 1, "aria-hidden": "true", class: "ramp"});
    const context = bar.getContext("2d");
    const image = context?.createImageData(256, 1);
    if (context && image) {
      new Uint32Array(image.data.buffer).set(colors);
      context.putImageData(image, 0, 0);
    }
    replace(
      this.scaleBar,
      h("span", {}, low),
      bar,
      h("span", {}, `${high} ${name}`),
      h("span", {class: "off"}, "not kept"),
    );
  }

  /** @param {Places} places Show how many candidates are drawn, and why others are not. */
  tellDrawn(places) {
    const {store} = this;
    const reasons = [];
    const colored = store.c && places.inView > MOST_COLORED;
    if (colored) {
      reasons.push(`${store.c} is coloured for at most ${count(MOST_COLORED)} architectures in view: zoom in`);
    }
    for (const axis of /** @type {("x" | "y")[]} */ (["x", "y"])) {
      const missing = store.described.get(store[axis])?.missing ?? 0;
      if (missing) reasons.push(`${counted(missing, "architecture has", "architectures have")} no ${store[axis]}`);
      if (store.log[axis]) reasons.push(`a logarithmic axis cannot show ${store[axis]} of 0 or less`);
    }
    const more = reasons.length ? `; ${reasons.join("; ")}` : "";
    this.drawn.textContent = `${count(places.inView)} of ${count(store.rows)} architectures are shown${more}.`;
  }

  summarize() {
    const {store} = this;
    const {y, x} = store;
    const ys = store.values.get(y);
    if (!ys) return;
    const best = following(ys, store.mask, -1, store.larger(y) ? -1 : 1);
    const xs = store.of(x);
    const found =
      best >= 0
        ? `; best ${y} ${figure(ys[best], store.unit(y))} at ${x} ${figure(xs?.[best], store.unit(x))}`
        : store.kept
          ? ""
          : "; no architecture meets all bounds and facets";
    const front = this.front.length ? `; ${count(this.front.length)} on the Pareto front` : "";
    this.summary.textContent = `${count(store.kept)} of ${count(store.rows)} kept${found}${front}.`;
  }

  /** @param {number} x @param {number} y Describe the nearest candidate. */
  pointAt(x, y) {
    if (!this.places || !this.frame) return;
    if (Number.isNaN(x)) {
      this.pointTo(-1);
      return;
    }
    const {box} = this.frame;
    const px = this.frame.pixel(x, "x") - box.left;
    const py = this.frame.pixel(y, "y") - box.top;
    const {px: all, py: down} = this.places;
    const kept = nearest(all, down, this.store.mask, px, py, REACH * this.scale);
    this.pointTo(kept >= 0 ? kept : nearest(all, down, null, px, py, REACH * this.scale));
  }

  /** @param {number} row */
  pointTo(row) {
    if (row === this.pointed) return;
    this.pointed = row;
    this.frame?.redraw();
    this.readout.textContent = row < 0 ? "" : this.described(row);
  }

  /** @param {number} row Return the figures of a candidate in a line. */
  described(row) {
    const {store, places} = this;
    const figures = [store.x, store.y, ...(store.c ? [store.c] : [])].map(
      (name) => `${name} ${figure(store.values.get(name)?.[row], store.unit(name))}`,
    );
    const others = places?.others(row) ?? 0;
    const more = others ? `; ${counted(others, "other")} in its cell` : "";
    return `Architecture ${store.number(row)}: ${figures.join(", ")}${more}`;
  }

  /**
   * Zoom about a point, by default the centre.
   * @param {number} factor
   * @param {number} [x]
   * @param {number} [y]
   */
  zoom(factor, x, y) {
    if (!this.frame) return;
    const {view} = this.frame;
    const {log} = this.store;
    const side = (/** @type {number} */ low, /** @type {number} */ high, /** @type {number | undefined} */ at, /** @type {boolean} */ isLog) => {
      const into = isLog ? Math.log : Number;
      const back = isLog ? Math.exp : Number;
      const center = at === undefined ? (into(low) + into(high)) / 2 : into(at);
      return [back(center - (center - into(low)) * factor), back(center + (into(high) - center) * factor)];
    };
    const [x0, x1] = side(view.x0, view.x1, x, log.x);
    const [y0, y1] = side(view.y0, view.y1, y, log.y);
    this.places = null;
    this.frame.show({x0, x1, y0, y1});
    // One change of the URL at the end of a wheel gesture.
    clearTimeout(this.wheeled);
    this.wheeled = setTimeout(() => this.frame && this.told.onView(this.frame.view), 200);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.plot) return;
    const {store} = this;
    const row = this.pointed >= 0 ? this.pointed : store.selectedRow;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => this.walk(store.x, row, 1),
      ArrowLeft: () => this.walk(store.x, row, -1),
      ArrowUp: () => this.walk(store.y, row, 1),
      ArrowDown: () => this.walk(store.y, row, -1),
      Enter: () => row >= 0 && this.told.onOpen(row),
      " ": () => row >= 0 && this.told.onSelect(row),
      "0": () => this.told.onView(null),
      "+": () => this.zoom(0.8),
      "-": () => this.zoom(1.25),
      "[": () => this.moveBrush(-1),
      "]": () => this.moveBrush(1),
      Escape: () => this.told.onBrush(null),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  /** @param {string} name @param {number} row @param {1 | -1} step */
  walk(name, row, step) {
    const next = following(this.store.of(name), this.store.mask, row, row < 0 ? 1 : step);
    this.pointTo(next);
    if (next >= 0) this.summary.textContent = this.described(next);
  }

  /** @param {1 | -1} step Move the bound of x by a tenth of the view, or create one in the middle. */
  moveBrush(step) {
    if (!this.frame) return;
    const {x0, x1} = this.frame.view;
    const width = x1 - x0;
    const ends = this.store.bounds.get(this.store.x);
    const moved = (/** @type {number | undefined} */ end) =>
      end === undefined ? undefined : rounded(end + (step * width) / 10, width, "down");
    this.told.onMove(
      ends
        ? {min: moved(ends.min), max: moved(ends.max)}
        : {min: rounded(x0 + 0.4 * width, width, "down"), max: rounded(x0 + 0.6 * width, width, "up")},
    );
  }
}
