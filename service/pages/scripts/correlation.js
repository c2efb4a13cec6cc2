/**
 * Correlation of two metrics: Kendall, Spearman, Pearson, overlap of the best, and a scatter plot.
 *
* URL parameters: `x` and `y` (metrics), the axes of the part of x, `y_AXIS` for those of y if they
 * differ, `top_k`, `resamples` (bootstrap intervals), `xs` and `ys` (`log`), `min_*` and `max_*`.
 */

import {AddressState} from "./address.js";
import {allOf, ask, askColumn} from "./api.js";
import {Painter, Places, cellSize, ramp} from "./counts.js";
import {bar, h, replace} from "./dom.js";
import {clientLines, copyButton, curl, originOf, python} from "./exports.js";
import {NONE, count, figure} from "./format.js";
import {followState, startPage} from "./page.js";
import {choice, chooseMetric, choosePart, linkHere, metricLabel, openBenchmark, partChoices, partText, samePart} from "./parts.js";
import {Frame, canDraw, isDark} from "./plot.js";
import {canvasPart, copied, plotButtons} from "./plot_files.js";
import {madeTable} from "./states.js";
import {axisParts} from "./vectors.js";
import {lookAgain} from "./versions.js";

const RESAMPLES = 200;
const TOP = 100;
const painter = new Painter();
const state = new AddressState(["x", "y", "top_k", "resamples", "xs", "ys", "d"], ["min_", "max_"]);
const page = startPage();
/** @type {import("./plot.js").Frame | null} */
let plot = null;

/** @typedef {import("./parts.js").Benchmark} Benchmark */
/** @typedef {import("./parts.js").Part} Part */

/** @param {string} name @param {number} least Return an integer parameter of the URL, or null. */
function whole(name, least) {
  const given = state.get(name);
  return given !== null && /^\d{1,6}$/.test(given) && Number(given) >= least ? Number(given) : null;
}

/** @param {Part} part @param {Part} other Return the parameters of y's part, if it differs. */
function yAxes(part, other) {
  return Object.fromEntries(
    Object.entries(other).filter(([name, value]) => part[name] !== value).map(([name, value]) => [`y_${name}`, value]),
  );
}

/**
 * Return the pairs of recorded values of both metrics.
 * @param {Benchmark} bench
 * @param {string} x
 * @param {string} y
 * @param {Part} other The part of y.
 */
async function pairs(bench, x, y, other) {
  const column = async (/** @type {string} */ metric, /** @type {Part} */ part) =>
    (await askColumn(`${bench.path}/column`, {query: {metric, ...part}})).values;
  const same = samePart(bench.part, other);
  const [xs, ys, left, right] = await allOf([
    column(x, bench.part),
    column(y, other),
    same ? null : column("@number", bench.part),
    same ? null : column("@number", other),
  ]);
  const found = {x: /** @type {number[]} */ ([]), y: /** @type {number[]} */ ([])};
  const add = (/** @type {number} */ first, /** @type {number} */ second) => {
    if (Number.isNaN(first) || Number.isNaN(second)) return;
    found.x.push(first);
    found.y.push(second);
  };
  if (!left || !right) {
    for (let row = 0; row < xs.length; row += 1) add(xs[row], ys[row]);
    return found;
  }
  // Both are sorted by index, so they are merged.
  for (let row = 0, place = 0; row < left.length && place < right.length; ) {
    if (left[row] === right[place]) add(xs[row++], ys[place++]);
    else if (left[row] < right[place]) row += 1;
    else place += 1;
  }
  return found;
}

/** @param {number[]} values @param {boolean} log @returns {[number, number]} */
function range(values, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (log && value <= 0) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return log ? [1, 10] : [0, 1];
  if (log) return [low / 1.1, high * 1.1];
  const room = (high - low) * 0.04 || Math.abs(high) * 0.04 || 1;
  return [low - room, high + room];
}

/**
 * Draw counts per cell of some pixels, in colour by their logarithm.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./plot.js").Box} box
 * @param {import("./plot.js").Frame} at
 * @param {{x: number[], y: number[]}} points
 * @param {{x: boolean, y: boolean}} log
 */
function drawCounts(context, box, at, points, log) {
  const size = Math.round(devicePixelRatio * cellSize(points.x.length));
  const [xs, ys] = [Float32Array.from(points.x), Float32Array.from(points.y)];
  const places = new Places(xs, ys, at.view, log, {...box}, size);
  const palette = {colors: ramp(isDark()), off: 0};
  painter.counts(context, places, new Uint8Array(xs.length).fill(1), palette);
}

/** @param {any} item @param {string} name @param {string} label @param {string} meaning */
function row(item, name, label, meaning) {
  const interval = item.intervals?.[name];
  return h(
    "tr",
    {"data-figure": name, "data-value": item[name] ?? ""},
    h("th", {scope: "row", title: meaning}, label),
    h("td", {class: "number"}, figure(item[name], null, 4)),
    h("td", {class: "number"}, interval ? `${figure(interval[0], null, 3)} to ${figure(interval[1], null, 3)}` : NONE),
  );
}

/** @param {any} item Return a sentence about the overlap of the best. */
function overlap({top_k: most, top_k_overlap: share}) {
  if (share === null) return `There are too few architectures to compare the best ${count(most)}.`;
  return `The best ${count(most)} by each metric share ${figure(100 * share, null, 3)} %.`;
}

/** @param {any} item Return the answer as a table. */
function results(item) {
  return madeTable(
    "Correlation",
    ["", "value", "95 % interval"],
    [
      row(item, "kendall", "Kendall's tau-b", "Share of concordant minus share of discordant pairs, adjusted for ties."),
      row(item, "spearman", "Spearman's rho", "Correlation of the ranks."),
      row(item, "pearson", "Pearson's r", "Linear correlation."),
      row(item, "top_k_overlap", `overlap of the best ${count(item.top_k)}`, "Share of the best by x that are among the best by y."),
      h("tr", {"data-figure": "n", "data-value": item.n}, h("th", {scope: "row"}, "architectures"), h("td", {class: "number"}, count(item.n)), h("td", {})),
    ],
    {id: "correlation"},
  );
}

/** @param {Benchmark} bench @param {Record<string, any>} query */
function pythonLines(bench, query) {
  const given = Object.entries(query)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `, ${name}=${python(/^-?[\d.]+(e-?\d+)?$/i.test(String(value)) ? Number(value) : value)}`);
  return (
    clientLines() +
    `found = bench.correlation(${python(bench.table)}${given.join("")})\n`
  );
}

async function draw() {
  const bench = await openBenchmark(page, state);
  page.title(`${bench.info.title}: correlation`);
  const there = bench.metrics.filter(({missing}) => missing === null || missing < bench.rows);
  const metrics = there.length ? there : bench.metrics;
  const x = chooseMetric(metrics, state.get("x"), "smaller");
  const y = chooseMetric(metrics, state.get("y"));
  const asked = Object.fromEntries(bench.axes.map(({name}) => [name, state.get(`y_${name}`) ?? String(bench.part[name] ?? "")]));
  const other = choosePart(bench.parts, bench.axes, asked);
  const bounds = Object.fromEntries([...state.family("min_"), ...state.family("max_")]);
  const topK = whole("top_k", 1) ?? TOP;
  const resamples = whole("resamples", 1);
  const query = {x, y, ...bench.part, ...yAxes(bench.part, other), ...bounds, top_k: topK, resamples};
  const log = {x: state.get("xs") === "log", y: state.get("ys") === "log"};
  const [answer, points] = await allOf([
    ask(`${bench.path}/correlation`, {query}),
    pairs(bench, x, y, other),
  ]);
  const [item] = answer.items;
  const before = document.activeElement?.getAttribute("name");
  const labels = {
    x: `${metricLabel(bench, x)}${samePart(bench.part, other) ? "" : ` · ${partText(bench.part)}`}`,
    y: `${metricLabel(bench, y)}${samePart(bench.part, other) ? "" : ` · ${partText(other)}`}`,
  };
  const box = h("div", {class: "plot", id: "scatter", role: "img", "aria-label": `${labels.y} against ${labels.x}, ${count(points.x.length)} architectures`});
  const names = metrics.map(({name}) => name);
  const check = (/** @type {"xs" | "ys"} */ name, /** @type {string} */ text, /** @type {boolean} */ on) => {
    const input = h("input", {type: "checkbox", name, checked: on, on: {change: () => state.set({[name]: input.checked ? "log" : null})}});
    return h("label", {class: "check"}, input, text);
  };
  const swap = () => {
    const swapped = Object.fromEntries(
      bench.axes.flatMap(({name}) => [[name, other[name] ?? null], [`y_${name}`, bench.part[name] ?? null]]),
    );
    state.set({x: y, y: x, ...swapped, xs: state.get("ys"), ys: state.get("xs")});
  };
  const top = h("input", {name: "top_k", type: "number", min: "1", max: "100000", value: topK, on: {change: () => top.value && state.set({top_k: top.value})}});
  const shown = () => {
    if (!plot) return null;
    const {width, height, ctx} = plot.plot;
    const geometry = plot.geometry();
    return {
      file: `${x}-${y}`,
      title: `${labels.y} against ${labels.x}`,
      origin: originOf(bench.info),
      ...{width, height, draw: copied(ctx.canvas, {width, height})},
      // The counts are an image with a pixel per cell, between vector axes.
      parts: () => {
        const {canvas} = painter;
        const size = Math.round(devicePixelRatio * cellSize(points.x.length)) / devicePixelRatio;
        const {left, top} = geometry.box;
        return [
          ...axisParts(geometry, labels),
          canvasPart(canvas, {x: left, y: top, width: canvas.width * size, height: canvas.height * size}),
        ];
      },
    };
  };
  plot?.destroy();
  plot = null;
  replace(
    page.content,
    bar(
      {"aria-label": "Metrics and data set"},
      h("fieldset", {}, h("legend", {}, "x"), choice(state, "x", "metric", names, x), partChoices(bench, state), check("xs", "logarithmic", log.x)),
      h("fieldset", {}, h("legend", {}, "y"), choice(state, "y", "metric", names, y), partChoices(bench, state, other, "y_"), check("ys", "logarithmic", log.y)),
      h("label", {class: "choice"}, h("span", {}, "top k"), top),
      h("button", {type: "button", on: {click: swap}}, "Swap x and y"),
    ),
    h(
      "div",
      {class: "split"},
      box,
      h(
        "div",
        {},
        item ? results(item) : h("p", {}, "No architecture has both metrics."),
        h(
          "p",
          {class: "bar"},
          resamples
            ? h("button", {type: "button", on: {click: () => state.set({resamples: null})}}, "Hide confidence intervals")
            : h("button", {type: "button", on: {click: () => state.set({resamples: RESAMPLES})}}, `Confidence intervals (${RESAMPLES} resamples)`),
          copyButton("Copy link", () => linkHere(bench), page),
          copyButton("Copy as Python", () => pythonLines(bench, query), page),
          copyButton("Copy as curl", () => curl(`${bench.path}/correlation`, query), page),
          plotButtons(page, shown),
        ),
        Object.keys(bounds).length
          ? h("p", {class: "quiet"}, `The coefficients cover architectures within ${Object.entries(bounds).map(([name, value]) => `${name}=${value}`).join(", ")}; the plot shows all architectures.`)
          : null,
      ),
    ),
  );
  const [x0, x1] = range(points.x, log.x);
  const [y0, y1] = range(points.y, log.y);
  if (canDraw(box)) {
    plot = new Frame(box, {
      x: {label: labels.x, log: log.x},
      y: {label: labels.y, log: log.y},
      view: {x0, x1, y0, y1},
      height: () => Math.min(480, Math.max(260, Math.round(innerHeight * 0.55))),
      draw: (context, area, at) => drawCounts(context, area, at, points, log),
    });
  }
  if (before) page.content.querySelector(`[name="${CSS.escape(before)}"]`)?.focus();
  page.say(
    item
      ? `Of ${count(item.n)} architectures: Kendall ${figure(item.kendall, null, 3)}, Spearman ${figure(item.spearman, null, 3)}; ` +
          `${overlap(item)} ${count(points.x.length)} points drawn.`
      : "No architecture has both metrics.",
  );
  page.ready();
}

followState(page, state, draw);
lookAgain(page);
