/**
 * Parts of pictures as elements of SVG: axes, and curves with their bands and legend.
 *
 *   saveSvg("test_acc.svg", {parts: [...axisParts(geometry, labels), ...curveParts(geometry, series)], …})
 */

import {svg} from "./dom.js";
import {figure} from "./format.js";
import {DASHES, SERIES, color} from "./plot.js";

/** @typedef {import("./plot.js").Geometry} Geometry */

/** Pixels of a line of the legend. */
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
 * Return a frame with ticks, numbers and names.
 * @param {Geometry} geometry
 * @param {{x: string, y: string}} names
 */
export function axisParts({box, ticks}, names) {
  const text = color("--text");
  const bottom = box.top + box.height;
  const middle = box.top + box.height / 2;
  return [
    svg("rect", {x: box.left, y: box.top, width: box.width, height: box.height, fill: "none", stroke: color("--line")}),
    ...ticks.x.flatMap(({value, place}) => [
      svg("path", {d: `M${place} ${bottom}v5`, stroke: text}),
      label(place, bottom + 18, figure(value), "middle"),
    ]),
    ...ticks.y.flatMap(({value, place}) => [
      svg("path", {d: `M${box.left} ${place}h-5`, stroke: text}),
      label(box.left - 8, place + 4, figure(value), "end"),
    ]),
    label(box.left + box.width / 2, bottom + 38, names.x, "middle"),
    label(14, middle, names.y, "middle", {transform: `rotate(-90 14 ${middle})`}),
  ];
}

/**
 * Return the runs of places at which all of some values are there and lie within the frame's scale.
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
 * @param {{log?: boolean, height: number}} options `height`: where the legend begins.
 */
export function curveParts({box, at: place}, at, series, {log, height}) {
  const known = (/** @type {number | null | undefined} */ value) =>
    value !== null && value !== undefined && !Number.isNaN(value) && !(log && value <= 0);
  const point = (/** @type {number} */ rank, /** @type {any} */ values) =>
    `${place(at[rank], "x").toFixed(2)} ${place(values[rank], "y").toFixed(2)}`;
  const clip = {"clip-path": "url(#frame)"};
  const lines = series.flatMap((one, rank) => {
    const stroke = color(one.color ?? SERIES[rank % SERIES.length]);
    const {values, low, high} = one;
    const bands =
      low && high
        ? runsOf(at.length, (step) => known(low[step]) && known(high[step])).map((run) => {
            const round = [...run.map((step) => point(step, high)), ...[...run].reverse().map((step) => point(step, low))];
            return svg("path", {d: `M${round.join("L")}Z`, fill: stroke, "fill-opacity": 0.22, class: "band"});
          })
        : [];
    const d = runsOf(at.length, (step) => known(values[step]))
      .map((run) => `M${run.map((step) => point(step, values)).join("L")}`)
      .join("");
    const dash = DASHES[rank % DASHES.length].join(" ");
    return [...bands, svg("path", {d: d || "M0 0", fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dash || null, class: "curve"})];
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
