/**
 * The learning curves of one or several architectures: mean line, band from the smallest to the
 * largest run, optionally a line per run, and a table of the values.
 */

import {band, epochsOf} from "./architecture.js";
import {h, replace} from "./dom.js";
import {originOf} from "./exports.js";
import {axisLabel, figure} from "./format.js";
import {choice, partText} from "./parts.js";
import {curves} from "./plot.js";
import {curvesShown, plotButtons} from "./plot_files.js";
import {madeTable} from "./states.js";

/** @type {WeakMap<Element, {destroy: () => void}>} */
const plots = new WeakMap();

/** Fraction of the longest curve's epochs that an accuracy must have to be shown by default. */
const MOST_OF_IT = 0.5;

/**
 * Return the curve to draw: the requested one, else the accuracy to optimise, else any.
 * Some tables have test figures of the last epoch only, which are not chosen by default.
 * @param {any[]} fields
 * @param {any[]} items
 * @param {string | null} asked
 */
export function chooseCurve(fields, items, asked) {
  const epochs = new Map(fields.map(({name}) => [name, epochsOf(items, name).length]));
  const there = fields.filter(({name}) => epochs.get(name));
  const most = Math.max(...epochs.values(), 0);
  const long = there.filter(({name}) => Number(epochs.get(name)) >= MOST_OF_IT * most);
  const usual = [/test_acc/, /valid_acc/, /acc/].map((pattern) => long.find(({name}) => pattern.test(name)));
  const found = there.find(({name}) => name === asked) ?? usual.find(Boolean) ?? long[0];
  return {there, field: found ?? null};
}

/**
 * Draw the curves into an element.
 * @param {HTMLElement} body
 * @param {{bench: import("./parts.js").Benchmark, state: import("./address.js").AddressState,
 *   page: any, items: any[], groups?: {label: string, items: any[], color?: string}[]}} shown `groups`: several
 *   architectures, each with its items; `items` are then those of all.
 */
export function curveSection(body, {bench, state, page, items, groups}) {
  plots.get(body)?.destroy();
  plots.delete(body);
  const {there, field} = chooseCurve(bench.curves, items, state.get("curve"));
  if (!field) {
    replace(body, h("p", {}, `No learning curve is recorded for ${partText(bench.part) || "this architecture"}. Try another data set or budget.`));
    return;
  }
  const name = field.name;
  const single = state.get("runs") === "1" && !groups;
  const log = state.get("ys") ? state.get("ys") === "log" : /loss|cross/.test(`${name} ${field.unit}`);
  const all = band(items, name);
  const drawn = (groups ?? [{label: "mean over runs", items, color: undefined}]).map(({label, items: own, color: of}) => ({
    label,
    color: of,
    ...onEpochs(band(own, name), all.epochs),
    runs: own.length,
  }));
  const series = single
    ? all.each.map((values, place) => ({label: runLabel(items[place], place), values}))
    : drawn.map(({label, color: of, mean, low, high, runs}) => ({label, color: of, values: mean, ...(runs > 1 ? {low, high} : {})}));
  const label = axisLabel(name, field.unit);
  const plot = h("div", {class: "plot", id: "curve-plot"});
  const toggle = h("input", {type: "checkbox", name: "runs", checked: single, on: {change: () => state.set({runs: toggle.checked ? "1" : null})}});
  const scale = h("input", {type: "checkbox", name: "ys", checked: log, on: {change: () => state.set({ys: scale.checked ? "log" : "linear"})}});
  const shown = () =>
    curvesShown(made, {
      file: name,
      title: `${label} by epoch, ${partText(bench.part)}`,
      origin: originOf(bench.info),
      ...{at: all.epochs, x: "epoch", y: label, log, series, points: all.epochs.length < 5},
    });
  const focused = body.contains(document.activeElement) ? document.activeElement?.getAttribute("name") : null;
  replace(
    body,
    h(
      "div",
      {class: "bar"},
      choice(state, "curve", "curve", there.map((one) => one.name), name),
      groups ? null : h("label", {class: "check"}, toggle, "one line per run"),
      h("label", {class: "check"}, scale, "logarithmic"),
      plotButtons(page, shown),
    ),
    plot,
    valueTable(label, all.epochs, single ? series : drawn.map((one) => ({label: one.label, values: one.mean, low: one.low, high: one.high}))),
  );
  const made = curves(plot, {
    name: `${label} by epoch`,
    x: {label: "epoch", values: all.epochs},
    y: {label, log},
    series,
    points: all.epochs.length < 5,
  });
  plots.set(body, made);
  if (focused) /** @type {any} */ (body.querySelector(`[name="${focused}"]`))?.focus();
}

/** @param {any} item @param {number} place */
function runLabel(item, place) {
  for (const name of ["seed", "repeat", "run"]) {
    if (item[name] !== undefined && item[name] !== null) return `${name} ${item[name]}`;
  }
  return `run ${place}`;
}

/** @param {any} found @param {number[]} epochs Align values with the epochs of all runs. */
function onEpochs(found, epochs) {
  const at = new Map(found.epochs.map((/** @type {number} */ epoch, /** @type {number} */ place) => [epoch, place]));
  const moved = (/** @type {(number | null)[]} */ values) =>
    epochs.map((epoch) => (at.has(epoch) ? values[/** @type {number} */ (at.get(epoch))] : null));
  return {mean: moved(found.mean), low: moved(found.low), high: moved(found.high)};
}

/**
 * @param {string} label
 * @param {number[]} epochs
 * @param {{label: string, values: (number | null)[], low?: (number | null)[], high?: (number | null)[]}[]} series
 */
function valueTable(label, epochs, series) {
  const heads = series.flatMap((one) => (one.low ? [one.label, "smallest", "largest"] : [one.label]));
  const columns = series.flatMap((one) => (one.low ? [one.values, one.low, one.high] : [one.values]));
  const rows = epochs.map((epoch, place) =>
    h(
      "tr",
      {},
      h("th", {scope: "row"}, epoch),
      columns.map((values) => h("td", {class: "number"}, figure(values?.[place], null, 5))),
    ),
  );
  const table = madeTable(`${label} by epoch`, ["epoch", ...heads], rows);
  table.classList.add("short");
  return h("details", {}, h("summary", {}, "Show as table"), table);
}
