/**
 * The benchmark of a page about architectures: its description, its columns, and the shown part. A
 * part is a value for each axis, such as a data set and a budget.
 *
 *   const bench = await openBenchmark(page, state);
 *   bench.part, bench.metrics, bench.has("curves")
 *   page.content.append(partForm(bench, state));
 */

import {ask} from "./api.js";
import {h} from "./dom.js";
import {axisLabel, shortDigest} from "./format.js";
import {tableName} from "./identity.js";
import {part as escaped} from "./page.js";
import {markChanges, markRows, openColumns} from "./versions.js";

/** @typedef {Record<string, string | number>} Part */
/**
 * @typedef {object} Metric
 * @property {string} name
 * @property {string} kind
 * @property {string} description
 * @property {string | null} unit
 * @property {"larger" | "smaller" | null} better
 * @property {string} source Name of its table.
 * @property {number | null} missing Number of architectures without a value.
 */
/**
 * @typedef {object} Benchmark
 * @property {string} name
 * @property {string} table Its name for clients, with the version if one is shown: `digits@3`.
 * @property {string} path
 * @property {any} info
 * @property {{name: string, values: (string | number)[], required: boolean}[]} axes
 * @property {Part[]} parts
 * @property {Part} part
 * @property {number} rows
 * @property {Metric[]} metrics
 * @property {Map<string, Metric>} byName
 * @property {any[]} curves Fields that are recorded for every epoch.
 * @property {(question: string) => boolean} has
 */

/**
 * Load the description of a benchmark, in the version in the URL, and show its origin.
 * @param {import("./page.js").ExplorerPage} page
 * @param {import("./address.js").AddressState} state
 * @returns {Promise<Benchmark>}
 */
export async function openBenchmark(page, state) {
  const name = page.benchmark;
  const path = `v1/${escaped(name)}`;
  const {info, columns: first} = await openColumns(page, state);
  const part = choosePart(first.parts, first.axes, Object.fromEntries(state.query));
  const described = Object.keys(part).length ? await ask(`${path}/columns`, {query: part}) : first;
  markRows(page, described.rows ?? 0, info.num_architectures);
  const metrics = described.items.filter((/** @type {Metric} */ one) => one.kind === "metric");
  const curves = info.fields.filter(
    (/** @type {any} */ field) => field.kind === "intermediate" && field.name !== "current_epoch",
  );
  const axes = first.axes;
  state.names.push(...axes.flatMap((/** @type {any} */ {name: axis}) => [axis, `y_${axis}`]));
  tellProblems(page, state, axes, part);
  markChanges(page, state, info);
  return {
    name,
    table: tableName(name),
    path,
    info,
    axes,
    parts: first.parts,
    part,
    rows: described.rows ?? 0,
    metrics,
    byName: new Map(metrics.map((/** @type {Metric} */ one) => [one.name, one])),
    curves,
    has: (question) => info.questions.includes(question),
  };
}

/**
 * Show the invalid parameters of the URL.
 * @param {import("./page.js").ExplorerPage} page
 * @param {import("./address.js").AddressState} state
 * @param {{name: string}[]} axes
 * @param {Part} part
 */
function tellProblems(page, state, axes, part) {
  const broken = axes
    .map(({name}) => /** @type {const} */ ([name, state.get(name)]))
    .filter(([name, given]) => given !== null && String(part[name]) !== given)
    .map(([name, given]) => `${name}=${given}`);
  const unknown = [...state.unknown, ...broken];
  const text = unknown.length ? `invalid in the URL: ${unknown.join(", ")}` : "";
  page.mark(text.slice(0, 200), "These URL parameters are ignored.", "notice");
}

/** @param {Benchmark} bench Return the URL of the current state, with the digest of the data. */
export function linkHere(bench) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(bench.part)) url.searchParams.set(name, String(value));
  url.searchParams.set("d", shortDigest(bench.info.provenance.content_digest));
  return url.href;
}

/**
 * Return the part to show: the requested one, else the first of those with the longest training.
 * @param {Record<string, any>[]} parts
 * @param {{name: string}[]} axes
 * @param {Record<string, string>} asked
 * @returns {Part}
 */
export function choosePart(parts, axes, asked) {
  const names = axes.map((axis) => axis.name);
  const fit = (/** @type {any} */ part) =>
    names.filter((name) => name in asked && String(part[name]) === asked[name]).length;
  const long = (/** @type {any} */ part) => Number(part.num_epochs ?? 0);
  const [best = {}] = [...parts].sort((one, other) => fit(other) - fit(one) || long(other) - long(one));
  return Object.fromEntries(
    names.filter((name) => best[name] !== null && best[name] !== undefined).map((name) => [name, best[name]]),
  );
}

/**
 * Return the metric to show: the requested one, else one to optimise, else any.
 * @param {Metric[]} metrics
 * @param {string | null} asked
 * @param {"larger" | "smaller"} better
 */
export function chooseMetric(metrics, asked, better = "larger") {
  const recorded = metrics.filter((one) => one.missing === null || one.missing !== undefined);
  const usual = better === "larger" ? /^(final_|best_)?test_acc/ : /^(flops|parameters)$/;
  const found =
    metrics.find((one) => one.name === asked) ??
    recorded.find((one) => usual.test(one.name)) ??
    recorded.find((one) => one.better === better) ??
    metrics[0];
  return found?.name ?? "";
}

/** @param {Part} part Return it as text. */
export function partText(part) {
  return Object.entries(part)
    .map(([name, value]) => (name === "num_epochs" ? `${value} ${value === 1 ? "epoch" : "epochs"}` : String(value)))
    .join(" · ");
}

/** @param {Benchmark} bench @param {string} name Return a metric's name with its unit. */
export function metricLabel(bench, name) {
  return axisLabel(name, bench.byName.get(name)?.unit);
}

/** @param {Part} one @param {Part} other */
export function samePart(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * Return a labelled select that changes the URL.
 * @param {import("./address.js").AddressState} state
 * @param {string} parameter
 * @param {string} label
 * @param {(string | number)[]} values
 * @param {string | number} value
 */
export function choice(state, parameter, label, values, value) {
  const select = h(
    "select",
    {name: parameter, on: {change: () => state.set({[parameter]: select.value})}},
    values.map((one) => h("option", {value: one, selected: String(one) === String(value)}, one)),
  );
  return h("label", {class: "choice"}, h("span", {}, label), select);
}

/**
 * Return the selects of a part, for axes with more than one value.
 * @param {Benchmark} bench
 * @param {import("./address.js").AddressState} state
 * @param {Part} [part] By default that of the page.
 * @param {string} [before] Prefix of the parameters.
 */
export function partChoices(bench, state, part = bench.part, before = "") {
  return bench.axes
    .filter(({name, values}) => values.length > 1 && name in part)
    .map(({name, values}) => choice(state, before + name, name, values, part[name]));
}
