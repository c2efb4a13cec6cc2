/**
 * The only module that uses uPlot, which the shell loads as a script (`Page(plots=True)`).
 *
 *   const plot = curves(element, {
 *     name: "Test accuracy by epoch",
 *     x: {label: "epoch", values: epochs},
 *     y: {label: "test_acc (%)", log: false},
 *     series: [{label: "arch 7", values: mean, low, high}],
 *   });
 *   plot.destroy();
 *
 *   new Frame(element, {height, x, y, view, draw(context, box), …}) is a frame with axes, a brush and a
 *   cursor, whose content the caller draws.
 *
 * Colours are those of the theme (`color(name)`, custom properties of frame.css) and change with it.
 */

import {h} from "./dom.js";
import {figure} from "./format.js";

/** @type {any} */
const uPlot = /** @type {any} */ (globalThis).uPlot;

/** Custom properties of the colours of series, safe for colour blindness (Okabe and Ito). */
export const SERIES = [1, 2, 3, 4, 5, 6, 7, 8].map((rank) => `--series-${rank}`);
/** Dashes of series, which distinguish them without colours. */
export const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [3, 6], [8, 2, 2, 2]];

/** @param {string} name A custom property. Return its current colour. */
export function color(name) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const both = /^light-dark\((.+), (.+)\)$/.exec(value);
  return (both ? both[isDark() ? 2 : 1] : value) || "#888";
}

const systemIsDark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");

/** Whether the theme is dark: as chosen, else that of the system. */
export function isDark() {
  const {theme} = document.documentElement.dataset;
  return theme ? theme === "dark" : Boolean(systemIsDark?.matches);
}

/**
 * Return whether the browser has a canvas; if not, the element says so.
 * @param {HTMLElement} element
 */
export function canDraw(element) {
  if (h("canvas").getContext("2d")) return true;
  element.replaceChildren(h("p", {}, "This browser cannot draw the plot; the table shows the same data."));
  return false;
}

/** @typedef {{label: string, log?: boolean}} AxisOf */

/** @param {AxisOf} axis @param {boolean} [vertical] */
function axis({label}, vertical = false) {
  return {
    label,
    labelSize: 22,
    labelFont: "13px system-ui, sans-serif",
    font: "12px system-ui, sans-serif",
    stroke: () => color("--text"),
    grid: {stroke: () => color("--faint"), width: 1},
    ticks: {stroke: () => color("--line"), width: 1, size: 5},
    size: vertical ? 62 : 38,
    values: (/** @type {any} */ _, /** @type {(number | null)[]} */ ticks) =>
      ticks.map((tick) => (tick === null ? "" : figure(tick))),
  };
}

/** @type {Set<() => void>} */
const redraws = new Set();
globalThis.addEventListener?.("themechange", () => redraws.forEach((redraw) => redraw()));

/**
 * Keep a plot as wide as its element and in the colours of the theme.
 * @param {any} plot
 * @param {HTMLElement} element
 * @param {() => number} height
 */
function follow(plot, element, height) {
  const observer = new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width && (width !== plot.width || height() !== plot.height)) {
      plot.setSize({width, height: height()});
    }
  });
  const redraw = () => plot.redraw(false, true);
  observer.observe(element);
  redraws.add(redraw);
  return () => {
    observer.disconnect();
    redraws.delete(redraw);
    plot.destroy();
  };
}

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {ArrayLike<number | null>} values
 * @property {ArrayLike<number | null>} [low] Lower edge of a band,
 * @property {ArrayLike<number | null>} [high] and its upper edge.
 * @property {string} [color] A custom property; by default the next of SERIES.
 */

/**
 * Draw lines over a common x, with bands and a legend; the caller adds a table with the same content.
 * Without a canvas, `plot` is null.
 * @param {HTMLElement} element Its content is replaced.
 * @param {{name: string, x: AxisOf & {values: ArrayLike<number>}, y: AxisOf, series: Series[],
 *   height?: number, points?: boolean, stepped?: boolean}} options `stepped`: values hold until the
 *   next one.
 */
export function curves(element, {name, x, y, series, height = 260, points = false, stepped = false}) {
  if (!canDraw(element)) return {destroy: () => {}, plot: null, geometry: () => null};
  element.replaceChildren();
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", name);
  /** @type {(number | null)[][]} */
  const data = [Array.from(x.values)];
  /** @type {any[]} */
  const drawn = [{label: x.label}];
  /** @type {any[]} */
  const bands = [];
  const paths = stepped ? uPlot.paths.stepped({align: 1}) : undefined;
  series.forEach((one, rank) => {
    const stroke = () => color(one.color ?? SERIES[rank % SERIES.length]);
    if (one.low && one.high) {
      const edge = {stroke: "transparent", width: 0, points: {show: false}, paths};
      bands.push({
        series: [drawn.length, drawn.length + 1],
        fill: () => `color-mix(in srgb, ${stroke()} 22%, transparent)`,
      });
      drawn.push({...edge, label: `${one.label}, largest`}, {...edge, label: `${one.label}, smallest`});
      data.push(clean(one.high, y.log), clean(one.low, y.log));
    }
    const dash = DASHES[rank % DASHES.length];
    drawn.push({label: one.label, stroke, width: 2, dash, points: {show: points}, paths});
    data.push(clean(one.values, y.log));
  });
  const plot = new uPlot(
    {
      width: Math.max(element.clientWidth, 200),
      height,
      legend: {show: false},
      cursor: {drag: {x: true, y: false}},
      scales: {x: scale(x), y: scale(y)},
      axes: [axis(x), axis(y, true)],
      series: drawn,
      bands,
    },
    data,
    element,
  );
  element.append(legend(series));
  return {destroy: follow(plot, element, () => height), plot, geometry: () => geometryOf(plot)};
}

/** @typedef {{text: string, place: number}} Tick The text is empty if there is no room. */
/**
 * @typedef {object} Geometry Positions in CSS pixels.
 * @property {Box} box The area of the axes.
 * @property {{x: Tick[], y: Tick[]}} ticks
 * @property {(value: number, axis: "x" | "y") => number} at
 */

/** @param {any} plot @returns {Geometry} */
function geometryOf(plot) {
  const scale = window.devicePixelRatio || 1;
  const {left, top, width, height} = plot.bbox;
  const at = (/** @type {number} */ value, /** @type {"x" | "y"} */ axis) => plot.valToPos(value, axis, true) / scale;
  const ticks = (/** @type {"x" | "y"} */ axis, /** @type {number} */ rank) => {
    const {min, max} = plot.scales[axis];
    /** @type {(number | null)[]} */
    const values = plot.axes[rank]._splits ?? [];
    const texts = plot.axes[rank]._values ?? [];
    return values.flatMap((value, place) =>
      value === null || value < min || value > max ? [] : [{text: texts[place] ?? "", place: at(value, axis)}],
    );
  };
  return {
    box: {left: left / scale, top: top / scale, width: width / scale, height: height / scale},
    ticks: {x: ticks("x", 0), y: ticks("y", 1)},
    at,
  };
}

/** @param {AxisOf} axis */
function scale({log}) {
  return {time: false, distr: log ? 3 : 1};
}

/** @param {ArrayLike<number | null>} values @param {boolean} [log] Drop values that a log axis cannot show. */
function clean(values, log) {
  return Array.from(values, (value) =>
    value === null || Number.isNaN(value) || (log && value <= 0) ? null : value,
  );
}

/** @param {Series[]} series */
function legend(series) {
  return h(
    "ul",
    {class: "legend"},
    series.map((one, rank) => {
      const swatch = h("canvas", {class: "swatch", width: 32, height: 8, "aria-hidden": "true"});
      const paint = () => {
        const context = swatch.getContext("2d");
        if (!context) return;
        context.clearRect(0, 0, 32, 8);
        context.strokeStyle = color(one.color ?? SERIES[rank % SERIES.length]);
        context.lineWidth = 3;
        context.setLineDash(DASHES[rank % DASHES.length]);
        context.beginPath();
        context.moveTo(0, 4);
        context.lineTo(32, 4);
        context.stroke();
      };
      paint();
      redraws.add(() => swatch.isConnected && paint());
      return h("li", {}, swatch, " ", one.label);
    }),
  );
}

/** @typedef {{left: number, top: number, width: number, height: number}} Box In device pixels. */
/** @typedef {{x0: number, x1: number, y0: number, y1: number}} Bounds In values of the axes. */

/**
 * @typedef {object} FrameOptions
 * @property {AxisOf} x
 * @property {AxisOf} y
 * @property {Bounds} view The visible area.
 * @property {() => number} height
 * @property {(context: CanvasRenderingContext2D, box: Box, frame: Frame) => void} draw
 * @property {(bounds: Bounds) => void} [onBrush] A rectangle was drawn,
 * @property {(bounds: Bounds) => void} [onDrag] or is being drawn.
 * @property {(bounds: Bounds) => void} [onZoom] A rectangle was drawn with shift.
 * @property {(x: number, y: number) => void} [onPoint] The pointer moved, in values.
 * @property {() => void} [onLeave] The pointer left.
 * @property {(x: number, y: number) => void} [onClick]
 * @property {(x: number, y: number, factor: number) => void} [onWheel]
 * @property {() => void} [onDouble]
 */

/** A frame with axes, whose content the caller draws. */
export class Frame {
  /** @param {HTMLElement} element @param {FrameOptions} options */
  constructor(element, options) {
    this.element = element;
    this.options = options;
    this.view = options.view;
    this.shifted = false;
    this.pressed = false;
    const range = (/** @type {"x" | "y"} */ name) => () =>
      /** @type {[number, number]} */ ([this.view[`${name}0`], this.view[`${name}1`]]);
    this.plot = new uPlot(
      {
        width: Math.max(element.clientWidth, 200),
        height: options.height(),
        legend: {show: false},
        cursor: {
          drag: {x: true, y: true, uni: 12, setScale: false},
          points: {show: false},
        },
        select: {show: true},
        scales: {
          x: {...scale(options.x), auto: false, range: range("x")},
          y: {...scale(options.y), auto: false, range: range("y")},
        },
        axes: [axis(options.x), axis(options.y, true)],
        series: [{}, {show: true, paths: () => null, points: {show: false}}],
        hooks: {
          drawAxes: [() => this.draw()],
          setSelect: [() => this.selected()],
          setCursor: [() => this.moved()],
        },
      },
      [
        [this.view.x0, this.view.x1],
        [this.view.y0, this.view.y1],
      ],
      element,
    );
    this.listen();
    this.destroy = follow(this.plot, element, options.height);
  }

  /** The drawing area in device pixels. */
  get box() {
    return /** @type {Box} */ (this.plot.bbox);
  }

  /** @param {number} value @param {"x" | "y"} name Return the device pixel of a value. */
  pixel(value, name) {
    return this.plot.valToPos(value, name, true);
  }

  geometry() {
    return geometryOf(this.plot);
  }

  draw() {
    this.options.draw(this.plot.ctx, this.box, this);
  }

  redraw() {
    this.plot.redraw(false, false);
  }

  /** @param {Bounds} view Show another area. */
  show(view) {
    this.view = view;
    this.plot.batch(() => {
      this.plot.setScale("x", {min: view.x0, max: view.x1});
      this.plot.setScale("y", {min: view.y0, max: view.y1});
    });
    this.plot.redraw(false, true);
  }

  /** @param {Bounds | null} bounds Show a rectangle as the brush. */
  brush(bounds) {
    if (!bounds) {
      this.plot.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
      return;
    }
    const left = this.plot.valToPos(bounds.x0, "x");
    const top = this.plot.valToPos(bounds.y1, "y");
    const width = this.plot.valToPos(bounds.x1, "x") - left;
    const height = this.plot.valToPos(bounds.y0, "y") - top;
    this.plot.setSelect({left, top, width, height}, false);
  }

  /** @returns {Bounds | null} The rectangle of the brush. */
  get rectangle() {
    const {left, top, width, height} = this.plot.select;
    if (width < 3 && height < 3) return null;
    const right = left + (width || this.plot.over.clientWidth);
    const bottom = top + (height || this.plot.over.clientHeight);
    return {
      x0: this.plot.posToVal(left, "x"),
      x1: this.plot.posToVal(right, "x"),
      y0: this.plot.posToVal(bottom, "y"),
      y1: this.plot.posToVal(top, "y"),
    };
  }

  selected() {
    const bounds = this.rectangle;
    this.pressed = false;
    if (!bounds) return;
    if (this.shifted) this.options.onZoom?.(bounds);
    else this.options.onBrush?.(bounds);
  }

  moved() {
    const {left, top} = this.plot.cursor;
    const bounds = this.pressed && !this.shifted ? this.rectangle : null;
    if (bounds) this.options.onDrag?.(bounds);
    else if (left === undefined || left < 0 || top < 0) this.options.onLeave?.();
    else this.options.onPoint?.(this.plot.posToVal(left, "x"), this.plot.posToVal(top, "y"));
  }

  /** Listen to events that uPlot does not handle. */
  listen() {
    const over = /** @type {HTMLElement} */ (this.plot.over);
    const at = (/** @type {MouseEvent} */ event) => {
      const box = over.getBoundingClientRect();
      return /** @type {[number, number]} */ ([
        this.plot.posToVal(event.clientX - box.left, "x"),
        this.plot.posToVal(event.clientY - box.top, "y"),
      ]);
    };
    let pressed = [0, 0];
    over.addEventListener(
      "mousedown",
      (event) => {
        this.shifted = event.shiftKey;
        this.pressed = event.button === 0;
        pressed = [event.clientX, event.clientY];
      },
      {capture: true},
    );
    over.addEventListener("click", (event) => {
      this.pressed = false;
      const moved = Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]);
      if (moved < 4) this.options.onClick?.(...at(event));
    });
    over.addEventListener("dblclick", () => this.options.onDouble?.());
    over.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.options.onWheel?.(...at(event), event.deltaY < 0 ? 0.8 : 1.25);
      },
      {passive: false},
    );
  }
}
