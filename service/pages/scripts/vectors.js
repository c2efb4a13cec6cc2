/**
 * Parts of pictures as SVG elements: axes, and curves with bands and legend.
 *
 *   [...axisParts(geometry, names), ...curveParts(geometry, at, series, {height})]   // see plot_files.js
 */

import {svg} from "./dom.js";
import {DASHES, SERIES, color} from "./plot.js";

/** @typedef {import("./plot.js").Geometry} Geometry */

/** Height of a line of the legend in pixels. */
const LINE = 18;

/** @param {import("./plot.js").Series[]} series Return the height of their legend. */
export function legendHeight(series) {
  return LINE * series.length + 6;
}

/** @param {number} x @param {number} y @param {string} said @param {string} anchor */
function label(x, y, said, anchor, more = {}) {
  return svg("text", {x, y, "font-size": 12, "text-anchor": anchor, fill: color("--text"), ...more}, said);
}

/**
 * Return a frame with ticks, numbers and axis names.
 * @param {Geometry} geometry
 * @param {{x: string, y: string}} names
 */
export function axisParts({box, ticks}, names) {
  const text = color("--text");
  const bottom = box.top + box.height;
  const middle = box.top + box.height / 2;
  return [
    svg("rect", {x: box.left, y: box.top, width: box.width, height: box.height, fill: "none", stroke: color("--line")}),
    ...ticks.x.flatMap(({text: told, place}) => [
      svg("path", {d: `M${place} ${bottom}v5`, stroke: text}),
      label(place, bottom + 18, told, "middle"),
    ]),
    ...ticks.y.flatMap(({text: told, place}) => [
      svg("path", {d: `M${box.left} ${place}h-5`, stroke: text}),
      label(box.left - 8, place + 4, told, "end"),
    ]),
    label(box.left + box.width / 2, bottom + 38, names.x, "middle"),
    label(14, middle, names.y, "middle", {transform: `rotate(-90 14 ${middle})`}),
  ];
}

/**
 * Return the contiguous runs of indices for which a predicate holds.
 * @param {number} length
 * @param {(place: number) => boolean} there
 */
export function runsOf(length, there) {
  /** @type {number[][]} */
  const runs = [];
  for (let place = 0; place < length; place += 1) {
    if (!there(place)) continue;
    if (place && there(place - 1)) runs[runs.length - 1].push(place);
    else runs.push([place]);
  }
  return runs;
}

/**
 * Return lines with their bands, and a legend below the axes.
 * @param {Geometry} geometry
 * @param {ArrayLike<number>} at The common x.
 * @param {import("./plot.js").Series[]} series
 * @param {{log?: boolean, stepped?: boolean, points?: boolean, height: number}} options `stepped`: values
 *   hold until the next one; `points`: each is marked; `height`: top of the legend.
 */
export function curveParts({box, at: place}, at, series, {log, stepped, points, height}) {
  const known = (/** @type {number | null | undefined} */ value) =>
    value !== null && value !== undefined && !Number.isNaN(value) && !(log && value <= 0);
  const point = (/** @type {number} */ rank, /** @type {any} */ values) =>
    `${place(at[rank], "x").toFixed(2)} ${place(values[rank], "y").toFixed(2)}`;
  const line = (/** @type {number[]} */ run, /** @type {any} */ values) =>
    run.flatMap((step, rank) => {
      const turn = stepped && rank ? [`${place(at[step], "x").toFixed(2)} ${place(values[run[rank - 1]], "y").toFixed(2)}`] : [];
      return [...turn, point(step, values)];
    });
  const clip = {"clip-path": "url(#frame)"};
  const lines = series.flatMap((one, rank) => {
    const stroke = color(one.color ?? SERIES[rank % SERIES.length]);
    const {values, low, high} = one;
    const bands =
      low && high
        ? runsOf(at.length, (step) => known(low[step]) && known(high[step])).map((run) => {
            const round = [...line(run, high), ...line(run, low).reverse()];
            return svg("path", {d: `M${round.join("L")}Z`, fill: stroke, "fill-opacity": 0.22, class: "band"});
          })
        : [];
    const d = runsOf(at.length, (step) => known(values[step]))
      .map((run) => `M${line(run, values).join("L")}`)
      .join("");
    const dash = DASHES[rank % DASHES.length].join(" ");
    const marks = points
      ? Array.from(at, (_, step) => step).filter((step) => known(values[step])).map((step) =>
          svg("circle", {cx: place(at[step], "x").toFixed(2), cy: place(/** @type {number} */ (values[step]), "y").toFixed(2), r: 3, fill: stroke}),
        )
      : [];
    return [...bands, ...marks, svg("path", {d: d || "M0 0", fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dash || null, class: "curve"})];
  });
  const legend = series.flatMap((one, rank) => {
    const y = height + LINE * rank + 8;
    const stroke = color(one.color ?? SERIES[rank % SERIES.length]);
    const dash = DASHES[rank % DASHES.length].join(" ");
    return [
      svg("path", {d: `M${box.left} ${y}h32`, stroke, "stroke-width": 3, "stroke-dasharray": dash || null}),
      label(box.left + 40, y + 4, one.label, "start"),
    ];
  });
  const frame = svg("rect", {x: box.left, y: box.top, width: box.width, height: box.height});
  return [svg("clipPath", {id: "frame"}, frame), svg("g", clip, lines), ...legend];
}
