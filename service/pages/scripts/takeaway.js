/** Exports of the main page: link, Python, curl, CSV, NumPy, PNG, SVG, citation. */

import {address} from "./api.js";
import {ramp} from "./counts.js";
import {h, svg} from "./dom.js";
import {copyButton, csv, curl, npy, originOf, python, pythonArguments, save, saveCsv} from "./exports.js";
import {axisLabel, count} from "./format.js";
import {partText} from "./parts.js";
import {color, isDark} from "./plot.js";
import {canvasPart, copied, plotButtons} from "./plot_files.js";
import {keptRows} from "./selection.js";
import {NUMBER} from "./store.js";
import {axisParts} from "./vectors.js";

/** Largest number of vector points in an SVG; more are drawn as an image. */
const MOST_VECTORS = 20_000;
/** Largest number of architectures in a response. */
const MOST_TOP = 1000;

/** @typedef {import("./store.js").Store} Store */

/** @param {Store} store Return the URL of the current state, with the digest of the data. */
function link(store) {
  const url = new URL(location.href);
  url.searchParams.set("d", store.digest);
  return url.href;
}

/** @param {string} name Return the Python variable of a column. */
function variable(name) {
  const plain = name.replaceAll(/\W/g, "_").replace(/^(?=\d)/, "_");
  return `column_${plain}`;
}

/** @param {Store} store Return a program that reproduces the indices of the selection. */
function pythonLines(store) {
  const part = pythonArguments(store.part);
  const names = [...new Set([NUMBER, ...store.bounds.keys(), ...store.choices.keys()])];
  const root = address("").href.replace(/\/$/, "");
  const conditions = [
    ...[...store.bounds].flatMap(([name, {min, max}]) => [
      ...(min === undefined ? [] : [`(${variable(name)} >= numpy.float32(${min}))`]),
      ...(max === undefined ? [] : [`(${variable(name)} <= numpy.float32(${max}))`]),
    ]),
    ...[...store.choices].flatMap(([name, {keep, drop}]) => [
      ...(keep.size ? [`numpy.isin(${variable(name)}, ${python([...keep])})`] : []),
      ...(drop.size ? [`~numpy.isin(${variable(name)}, ${python([...drop])})`] : []),
    ]),
  ];
  const kept = conditions.length ? `[${conditions.join(" & ")}]` : "";
  return [
    "import numpy",
    "from bench_client import BenchClient",
    "",
    `with BenchClient(${python(root)}) as bench:`,
    ...names.map(
      (name) =>
        `    ${variable(name)} = bench.column(${python(store.table)}, ${python(name)}${part}).to_numpy()`,
    ),
    `numbers = ${variable(NUMBER)}${kept}`,
    "print(len(numbers))",
    "",
  ].join("\n");
}

/** @param {Store} store Return the curl command for the best architectures within the bounds. */
function curlLine(store) {
  const bounds = [...store.bounds].flatMap(([name, {min, max}]) => [
    [`min_${name}`, min],
    [`max_${name}`, max],
  ]);
  const n = Math.max(1, Math.min(store.kept, MOST_TOP));
  return curl(`${store.path}/top`, {metric: store.y, n, ...store.part, ...Object.fromEntries(bounds)});
}

/**
 * Return the buttons.
 * @param {Store} store
 * @param {import("./picture.js").Picture} picture
 * @param {import("./page.js").ExplorerPage} page
 */
export function takeAway(store, picture, page) {
  const name = () => `${store.benchmark}-${store.y}-by-${store.x}`;
  const button = (/** @type {string} */ label, /** @type {() => unknown} */ click) =>
    h("button", {type: "button", on: {click}}, label);
  return h(
    "section",
    {class: "take-away", "aria-label": "Export"},
    h("h2", {}, "Export"),
    h(
      "div",
      {class: "buttons"},
      copyButton("Copy link", () => link(store), page),
      copyButton("Copy Python", () => pythonLines(store), page),
      copyButton("Copy curl", () => curlLine(store), page),
      copyButton("Copy citation", () => store.info.citation, page),
      button("CSV", () => saveCsv(`${name()}.csv`, keptCsv(store))),
      button("NumPy", () => save(`${store.benchmark}-kept.npy`, keptNpy(store), "application/octet-stream")),
      plotButtons(page, () => shown(store, picture, name()), [1, 2, 4]),
    ),
  );
}

/** @param {Store} store */
function keptNpy(store) {
  const numbers = store.of(NUMBER);
  return /** @type {BlobPart} */ (npy(Int32Array.from(keptRows(store.mask), (row) => numbers[row])));
}

/** @param {Store} store Return the rows of the table with all loaded columns. */
function keptCsv(store) {
  const rows = store.sorted();
  const numbers = store.of(NUMBER);
  const columns = [
    {name: "number", unit: null, values: /** @type {ArrayLike<any>} */ (Array.from(rows, (row) => numbers[row]))},
    ...[...store.values]
      .filter(([name]) => name !== NUMBER)
      .map(([name, values]) => {
        const feature = store.described.get(name);
        const labelled = feature && feature.kind !== "metric" && feature.legend.length;
        return {
          name,
          unit: store.unit(name),
          values: Array.from(rows, (row) => (labelled ? store.label(feature, values[row]) : short(values[row]))),
        };
      }),
  ];
  const question = `${location.search.slice(1)} ${JSON.stringify(store.part)}`;
  return csv(columns, originOf(store.info), {question});
}

/** @param {number} value Return a 32-bit number with its significant digits only. */
function short(value) {
  return Number.isInteger(value) || Number.isNaN(value) ? value : Number(value.toPrecision(7));
}

/** @param {Store} store */
function title(store) {
  const part = partText(store.part);
  return `${store.info.title}: ${store.y} by ${store.x}${part ? ` (${part})` : ""}, ${count(store.kept)} of ${count(store.rows)} kept`;
}

/** @param {Store} store @param {import("./picture.js").Picture} picture @param {string} file Return the content to save. */
function shown(store, picture, file) {
  const {frame, places} = picture;
  if (!frame || !places) return null;
  const {width, height, ctx} = frame.plot;
  const geometry = frame.geometry();
  const names = {x: axisLabel(store.x, store.unit(store.x)), y: axisLabel(store.y, store.unit(store.y))};
  return {
    ...{file, title: title(store), origin: originOf(store.info), width, height},
    draw: copied(ctx.canvas, {width, height}),
    parts: () => [...axisParts(geometry, names), ...marks(store, picture, geometry.box)],
  };
}

/** @param {Store} store @param {import("./picture.js").Picture} picture @param {import("./plot.js").Box} box */
function marks(store, picture, box) {
  const places = /** @type {import("./counts.js").Places} */ (picture.places);
  const {scale} = picture;
  const at = (/** @type {number} */ row) => ({
    x: Number((box.left + places.px[row] / scale).toFixed(2)),
    y: Number((box.top + places.py[row] / scale).toFixed(2)),
  });
  /** @type {Element[]} */
  const found = [];
  if (places.inView <= MOST_VECTORS) {
    const spot = (/** @type {number} */ row) => {
      const {x, y} = at(row);
      return `M${x - 1} ${y - 1}h2v2h-2z`;
    };
    const paths = {off: "", kept: ""};
    for (let row = 0; row < places.cells.length; row += 1) {
      if (places.cells[row] >= 0) paths[store.mask[row] ? "kept" : "off"] += spot(row);
    }
    found.push(svg("path", {d: paths.off || "M0 0", fill: color("--off")}));
    found.push(svg("path", {d: paths.kept || "M0 0", fill: color("--kept")}));
  } else {
    // The image of the grid, with a pixel per cell.
    const {width, height} = places;
    const palette = {colors: ramp(isDark()), off: 0};
    const context = document.createElement("canvas").getContext("2d");
    if (context) picture.painter.counts(context, places, store.mask, palette);
    const size = {width: (width * places.size) / scale, height: (height * places.size) / scale};
    found.push(canvasPart(picture.painter.canvas, {x: box.left, y: box.top, ...size}));
  }
  const front = picture.front.filter((row) => places.cells[row] >= 0).map(at);
  if (front.length) {
    const points = front.map(({x, y}) => `${x},${y}`).join(" ");
    found.push(svg("polyline", {points, fill: "none", stroke: color("--front"), "stroke-width": 1.5}));
  }
  return found;
}
