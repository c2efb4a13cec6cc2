/**
 * The map of a plan: a row per seed and budget, a column per range of architectures; each position
 * shows how many of its cells are done, diverged, failed or outstanding.
 *
 * A position with several architectures is filled from below by cells with results and from above by
 * failed ones, and large positions contain symbols, so that colour is not needed to tell states apart.
 * The same numbers are in a table below.
 */

import {h, onceAFrame, redraw} from "./dom.js";
import {count} from "./format.js";
import {canDraw, color} from "./plot.js";
import {canvasPart, plotButtons} from "./plot_files.js";
import {plainTable, stateMark} from "./states.js";

/** Least width of a position, and least and largest height of a row, in pixels. */
const NARROW = 4;
const LOW = 3;
const HIGH = 26;
/** Least width of a position with a symbol, in pixels. */
const SIGNED = 7;
/** Approximate height of all rows in pixels. */
const HEIGHT = 320;
const GUTTER = 76;
/** Pixels of the image in an SVG per CSS pixel. */
const SHARP = 4;

/** States in drawing order from below; failed cells are drawn from above. */
const STATES = /** @type {const} */ (["done", "diverged", "outstanding", "failed"]);
/** @type {Record<string, string>} */
const COLORS = {done: "--good", diverged: "--mark", outstanding: "--accent", failed: "--bad", left: "--faint"};

/** @typedef {(typeof STATES)[number] | "left"} CellState */
/** @typedef {{turn: number, bin: number, seed: number, num_epochs: number, size: number}} Place */

/**
 * Return the number of cells per state at a position.
 * @param {any} counts The answer of the service.
 * @param {number} turn
 * @param {number} bin
 * @returns {Record<CellState, number>}
 */
export function placeCounts(counts, turn, bin) {
  const whole = Math.min(counts.size, counts.architectures - bin * counts.size);
  const found = {done: 0, diverged: 0, outstanding: 0, failed: 0, left: whole};
  for (const state of STATES) {
    found[state] = counts[state][turn][bin];
    found.left -= found[state];
  }
  return found;
}

/**
 * Return the number of the first cell at a position.
 * @param {any} counts
 * @param {number} turn
 * @param {number} bin
 */
export function firstCell(counts, turn, bin) {
  const place = bin * counts.size;
  return counts.order === "depth" ? place * counts.rounds.length + turn : turn * counts.architectures + place;
}

/**
 * Return the position of a cell; null if the plan has no such cell.
 * @param {any} counts
 * @param {number} number
 * @returns {Place | null}
 */
export function placeOf(counts, number) {
  const {rounds, architectures, size} = counts;
  if (!Number.isSafeInteger(number) || number < 0 || number >= rounds.length * architectures) return null;
  const deep = counts.order === "depth";
  const turn = deep ? number % rounds.length : Math.floor(number / architectures);
  const at = deep ? Math.floor(number / rounds.length) : number % architectures;
  const bin = Math.floor(at / size);
  return {turn, bin, ...rounds[turn], size: Math.min(size, architectures - bin * size)};
}

export class PlanMap {
  /**
   * @param {HTMLElement} element
   * @param {{onOpen: (first: number) => void, origin: () => import("./exports.js").Origin,
   *   page: import("./page.js").ExplorerPage}} told
   */
  constructor(element, told) {
    this.told = told;
    /** Largest number of listed cells of a position. */
    this.most = 20;
    /** @type {any} */
    this.counts = null;
    this.at = {turn: -1, bin: -1};
    this.canvas = h("canvas", {});
    this.readout = h("p", {class: "readout", "aria-live": "polite", id: "map-readout"});
    this.box = h("div", {
      class: "map",
      id: "map",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "map of cells",
      "aria-label": "Cells by architecture, seed and epochs",
      "aria-describedby": "map-summary",
    });
    this.summary = h("p", {id: "map-summary", class: "quiet"});
    this.table = h("details", {});
    this.rows = h("div", {});
    this.table.append(h("summary", {}, "Show as table"), this.rows);
    element.append(
      h("h2", {}, "Cells"),
      this.summary,
      this.box,
      this.readout,
      legend(),
      h("p", {class: "actions"}, plotButtons(told.page, () => this.shown())),
      this.table,
    );
    this.draws = canDraw(this.box);
    if (this.draws) this.box.append(this.canvas);
    this.box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    this.canvas.addEventListener("pointermove", onceAFrame((/** @type {PointerEvent} */ event) => this.pointAt(event)));
    this.canvas.addEventListener("click", (/** @type {PointerEvent} */ event) => {
      this.pointAt(event);
      this.open();
    });
    this.again = onceAFrame(() => this.draw());
    this.sizes = new ResizeObserver(() => this.again());
    this.sizes.observe(this.box);
    addEventListener("themechange", this.again);
  }

  destroy() {
    this.sizes.disconnect();
    removeEventListener("themechange", this.again);
  }

  /** Width of the picture in pixels: that of the element without its padding. */
  get width() {
    return Math.max(0, this.box.clientWidth - 8);
  }

  /** Number of columns that fit. */
  get bins() {
    return Math.min(512, Math.max(16, Math.floor((this.width - GUTTER) / NARROW)));
  }

  /** Number of cells to request to include those of one position. */
  cellsToAsk() {
    const own = Math.min(this.most, this.counts.size);
    return Math.min(1000, this.counts.order === "depth" ? own * this.counts.rounds.length : own);
  }

  /** @param {number} number */
  placeOf(number) {
    return placeOf(this.counts, number);
  }

  /** @param {Place} place Return the number of its first cell. */
  first({turn, bin}) {
    return firstCell(this.counts, turn, bin);
  }

  /** @param {any} counts The answer of the service. */
  show(counts) {
    this.counts = counts;
    const {size, architectures, rounds} = counts;
    const run = size === 1 ? "" : `, ${count(size)} per square`;
    this.summary.textContent =
      `${count(architectures)} architectures${run}, by ${count(rounds.length)} ` +
      `${rounds.length === 1 ? "pair" : "pairs"} of seed and epochs, one row each. Use the arrow keys to move and Enter to open.`;
    const total = (/** @type {number[]} */ line) => line.reduce((sum, value) => sum + value, 0);
    const rows = rounds.map((/** @type {any} */ round, /** @type {number} */ turn) => {
      const found = STATES.map((state) => total(counts[state][turn]));
      return [String(round.seed), count(round.num_epochs), ...[...found, architectures - total(found)].map(count)];
    });
    const headings = ["Seed", "Epochs", "Done", "Diverged", "In progress", "Failed", "Not started"];
    redraw(this.rows, plainTable("Cells by seed and epochs", headings, rows));
    if (this.at.turn >= 0) this.tell();
    this.draw();
  }

  get bars() {
    const {counts} = this;
    return counts.done[0].length;
  }

  /** @param {number} width @returns {{left: number, width: number, height: number}} Of positions, in CSS pixels. */
  layout(width) {
    const lines = this.counts.rounds.length;
    const height = Math.min(HIGH, Math.max(LOW, Math.floor(HEIGHT / lines)));
    const left = height >= 10 ? GUTTER : 0;
    return {left, width: Math.min(HIGH * 2, (width - left) / this.bars), height};
  }

  draw() {
    if (!this.draws || !this.counts) return;
    const width = this.width;
    const scale = window.devicePixelRatio || 1;
    const height = this.layout(width).height * this.counts.rounds.length;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.scale(scale, scale);
    this.paint(context, width);
    const {turn, bin} = this.at;
    if (turn < 0) return;
    const place = this.layout(width);
    context.strokeStyle = color("--text");
    context.lineWidth = 2;
    context.strokeRect(place.left + bin * place.width, turn * place.height + 1, Math.max(3, place.width), place.height - 2);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width */
  paint(context, width) {
    const {left, width: across, height} = this.layout(width);
    const colors = Object.fromEntries(Object.entries(COLORS).map(([state, name]) => [state, color(name)]));
    const back = color("--back");
    const gap = across >= 6 && height >= 6 ? 1 : 0;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.counts.rounds.forEach((/** @type {any} */ round, /** @type {number} */ turn) => {
      const top = turn * height;
      if (left) {
        context.fillStyle = color("--text");
        context.fillText(`${String(round.seed).slice(0, 9)} · ${round.num_epochs}`, 2, top + height / 2, left - 6);
      }
      for (let bin = 0; bin < this.bars; bin += 1) {
        const found = placeCounts(this.counts, turn, bin);
        const x = left + bin * across;
        const wide = across - gap;
        const high = height - gap;
        const whole = Math.min(this.counts.size, this.counts.architectures - bin * this.counts.size);
        context.fillStyle = colors.left;
        context.fillRect(x, top, wide, high);
        let bottom = top + high;
        for (const state of STATES) {
          if (!found[state]) continue;
          const part = (high * found[state]) / whole;
          context.fillStyle = colors[state];
          if (state === "failed") context.fillRect(x, top, wide, part);
          else context.fillRect(x, (bottom -= part), wide, part);
        }
        if (whole === 1 && Math.min(wide, high) >= SIGNED) sign(context, found, {x, y: top, wide, high}, back);
      }
    });
  }

  /** @param {PointerEvent} event */
  pointAt(event) {
    if (!this.counts) return;
    const {left, width, height} = this.layout(this.width);
    const bin = Math.floor((event.offsetX - left) / width);
    const turn = Math.floor(event.offsetY / height);
    if (bin >= 0 && bin < this.bars && turn >= 0 && turn < this.counts.rounds.length) this.pointTo(turn, bin);
  }

  /** @param {number} turn @param {number} bin */
  pointTo(turn, bin) {
    if (turn === this.at.turn && bin === this.at.bin) return;
    this.at = {turn, bin};
    this.tell();
    this.draw();
  }

  /** Describe the cells at the pointer. */
  tell() {
    const {turn, bin} = this.at;
    const {rounds, size} = this.counts;
    if (turn >= rounds.length || bin >= this.bars) return;
    const found = placeCounts(this.counts, turn, bin);
    const first = bin * size;
    const which = size === 1 ? `Architecture ${count(first)}` : `Architectures ${count(first)} and following`;
    const names = {...found, "in progress": found.outstanding, "not started": found.left, outstanding: 0, left: 0};
    const told = Object.entries(names).filter(([, value]) => value);
    const what = size === 1 ? told.map(([name]) => name) : told.map(([name, value]) => `${count(value)} ${name}`);
    this.readout.textContent =
      `${which} in the order of the plan, seed ${rounds[turn].seed}, ${count(rounds[turn].num_epochs)} epochs: ${what.join(", ")}`;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.counts) return;
    const {turn, bin} = this.at;
    const walk = (/** @type {number} */ down, /** @type {number} */ along) => () => {
      const within = (/** @type {number} */ value, /** @type {number} */ many) => Math.min(Math.max(value, 0), many - 1);
      if (turn < 0) this.pointTo(0, 0);
      else this.pointTo(within(turn + down, this.counts.rounds.length), within(bin + along, this.bars));
    };
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: walk(0, 1),
      ArrowLeft: walk(0, -1),
      ArrowUp: walk(-1, 0),
      ArrowDown: walk(1, 0),
      Home: walk(0, -this.bars),
      End: walk(0, this.bars),
      Enter: () => this.open(),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }

  open() {
    const {turn, bin} = this.at;
    if (turn >= 0) this.told.onOpen(firstCell(this.counts, turn, bin));
  }

  /** @returns {import("./plot_files.js").Shown | null} The picture to save. */
  shown() {
    if (!this.draws || !this.counts) return null;
    const origin = this.told.origin();
    const {width} = this;
    const height = this.layout(width).height * this.counts.rounds.length;
    const draw = (/** @type {CanvasRenderingContext2D} */ context) => this.paint(context, width);
    const image = () => {
      const canvas = h("canvas", {width: width * SHARP, height: height * SHARP});
      const context = canvas.getContext("2d");
      context.scale(SHARP, SHARP);
      draw(context);
      return canvas;
    };
    return {
      ...{file: origin.source.replace(" ", "-"), title: "Cells by architecture, one row per seed and number of epochs", origin},
      ...{width, height, draw},
      parts: () => [canvasPart(image(), {x: 0, y: 0, width, height})],
    };
  }
}

/**
 * Draw the symbol at a position with one cell.
 * @param {CanvasRenderingContext2D} context
 * @param {Record<CellState, number>} found
 * @param {{x: number, y: number, wide: number, high: number}} box
 * @param {string} back
 */
function sign(context, found, {x, y, wide, high}, back) {
  const side = Math.min(wide, high, 14) * 0.5;
  const [left, top] = [x + (wide - side) / 2, y + (high - side) / 2];
  context.strokeStyle = back;
  context.fillStyle = back;
  context.lineWidth = 1.5;
  context.beginPath();
  if (found.failed || found.diverged) {
    context.moveTo(left, top + side);
    context.lineTo(left + side, top);
  }
  if (found.failed) {
    context.moveTo(left, top);
    context.lineTo(left + side, top + side);
  }
  context.stroke();
  if (found.outstanding) context.fillRect(left, top, side / 2, side);
}

function legend() {
  /** @type {[CellState, string][]} */
  const states = [
    ["done", "done"],
    ["diverged", "diverged"],
    ["outstanding", "in progress"],
    ["failed", "failed"],
    ["left", "not started"],
  ];
  return h(
    "ul",
    {class: "legend", "aria-label": "States of cells"},
    states.map(([state, word]) =>
      h("li", {}, h("span", {class: `cell-key ${state}`, "aria-hidden": "true"}), " ", stateMark(state, word)),
    ),
  );
}
