/**
 * Requests about one architecture of any benchmark.
 *
 *   const found = await lookUp(bench, "7");   // names, and its figures in every part
 *   found.names, found.recorded, figures(found, part).mean
 *   link("arch", bench, spelling(found.names))
 */

import {address, ask} from "./api.js";
import {part as escaped} from "./page.js";

/** @typedef {import("./parts.js").Benchmark} Benchmark */
/** @typedef {import("./parts.js").Part} Part */
/**
 * @typedef {object} Found
 * @property {string} arch As requested.
 * @property {Record<string, any>} names All names; if there are none, those of the runs.
 * @property {any[]} runs The runs of all parts,
 * @property {any[]} means the mean of each part,
 * @property {any[]} spreads and the standard deviations.
 */

const MOST_RUNS = 1000;
/** Names of an architecture, most informative first. */
const NAMES = ["arch_str", "index", "hash", "unique_str", "arch", "model_spec", "cell_spec"];

/**
 * Look an architecture up.
 * @param {Benchmark} bench
 * @param {string} arch In any form.
 * @returns {Promise<Found>}
 */
export async function lookUp(bench, arch) {
  const stats = `${bench.path}/computed-stats`;
  // The name first, so that an invalid spelling is refused only once.
  const named = bench.has("architecture")
    ? await ask(`${bench.path}/architecture`, {method: "POST", body: {arch}})
    : null;
  const runs = (await ask(stats, {query: {arch, limit: MOST_RUNS}})).items;
  const [means, spreads] = await Promise.all(
    ["mean", "std"].map(async (reduction) =>
      runs.length ? (await ask(stats, {query: {arch, reduction, limit: MOST_RUNS}})).items : [],
    ),
  );
  return {arch, names: named ?? namesOf(runs[0]?.config ?? {}), runs, means, spreads};
}

/** @param {Record<string, any>} config */
function namesOf(config) {
  return Object.fromEntries(NAMES.filter((name) => name in config).map((name) => [name, config[name]]));
}

/**
 * Return the shortest spelling of an architecture for URLs.
 * @param {Record<string, any>} names
 * @returns {string}
 */
export function spelling(names) {
  for (const name of ["index", "hash", "arch_str"]) {
    if (names[name] !== undefined && names[name] !== null) return String(names[name]);
  }
  if (names.model_spec) {
    return JSON.stringify({model_spec: names.model_spec, cell_spec: names.cell_spec ?? {}});
  }
  return JSON.stringify(names.arch ?? names);
}

/**
 * Return the name of an architecture for a line of text.
 * @param {Record<string, any>} names
 */
export function shownName(names) {
  const name = names.arch_str ?? names.hash ?? (names.arch ? JSON.stringify(names.arch) : spelling(names));
  return String(name);
}

/** @param {any} item @param {Part} part Whether a row belongs to a part. */
export function isOf(item, part) {
  return Object.entries(part).every(([axis, value]) => {
    const of = item.config?.[axis] ?? item[axis];
    return of === undefined || of === null || String(of) === String(value);
  });
}

/**
 * Return the rows of a part.
 * @param {Found} found
 * @param {Part} part
 * @returns {{runs: any[], mean: any, spread: any}} `mean` and `spread` are null without runs.
 */
export function figures(found, part) {
  const of = (/** @type {any} */ item) => isOf(item, part);
  return {
    runs: found.runs.filter(of),
    mean: found.means.find(of) ?? null,
    spread: found.spreads.find(of) ?? null,
  };
}

/**
 * Return the means over runs of many architectures in a part; null if nothing is recorded.
 * @param {Benchmark} bench
 * @param {any[]} archs
 * @param {Part} part
 * @returns {Promise<any[]>}
 */
export async function meansOf(bench, archs, part) {
  if (!archs.length) return [];
  const body = {archs, ...part, reduction: "mean"};
  const answer = await ask(`${bench.path}/computed-stats/query`, {method: "POST", body});
  return answer.results.map((/** @type {any[]} */ [item = null]) => item);
}

/**
 * Return value, rank, number of architectures and regret; null if not recorded.
 * @param {Benchmark} bench
 * @param {string} arch
 * @param {string} metric
 * @param {Part} part
 */
export async function rankOf(bench, arch, metric, part) {
  const answer = await ask(`${bench.path}/rank`, {query: {arch, metric, ...part}});
  return answer.items[0] ?? null;
}

/** @param {{rank: number, of: number}} item Return the fraction of the others that are not better. */
export function quantile({rank, of}) {
  return of > 1 ? (of - rank) / (of - 1) : 1;
}

/**
 * Return the learning curves of the runs in a part.
 * @param {Benchmark} bench
 * @param {string} arch
 * @param {Part} part
 * @returns {Promise<any[]>}
 */
export async function curvesOf(bench, arch, part) {
  const query = {arch, limit: MOST_RUNS, ...part};
  const answer = await ask(`${bench.path}/intermediate-stats`, {query});
  return answer.items.filter((/** @type {any} */ item) => item.current_epoch.length);
}

/**
 * Return the epochs at which any run has a value of a field, ascending.
 * @param {any[]} items Runs with their curves.
 * @param {string} name
 * @returns {number[]}
 */
export function epochsOf(items, name) {
  const recorded = items.flatMap((item) =>
    item.current_epoch.filter((/** @type {number} */ _, /** @type {number} */ place) => (item[name]?.[place] ?? null) !== null),
  );
  return [...new Set(recorded)].sort((a, b) => a - b);
}

/**
 * Return mean, smallest and largest value over runs at every epoch.
 * @param {any[]} items
 * @param {string} name
 */
export function band(items, name) {
  const epochs = epochsOf(items, name);
  const mean = [];
  const low = [];
  const high = [];
  const each = items.map((item) => {
    const at = new Map(item.current_epoch.map((/** @type {number} */ epoch, /** @type {number} */ place) => [epoch, item[name]?.[place] ?? null]));
    return epochs.map((epoch) => /** @type {number | null} */ (at.get(epoch) ?? null));
  });
  for (let place = 0; place < epochs.length; place += 1) {
    const values = each.map((run) => run[place]).filter((value) => value !== null);
    mean.push(values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
    low.push(values.length ? Math.min(...values) : null);
    high.push(values.length ? Math.max(...values) : null);
  }
  return {epochs, mean, low, high, each};
}

/**
 * Return the positions at which two architectures differ, with both values.
 * @param {Record<string, any>} one Names.
 * @param {Record<string, any>} other
 * @returns {{place: string, from: string, to: string}[]}
 */
export function differences(one, other) {
  const [before, after] = [one.arch ?? {}, other.arch ?? {}];
  const places = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const text = (/** @type {any} */ value) =>
    value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return places
    .map((place) => ({place, from: text(before[place]), to: text(after[place])}))
    .filter(({from, to}) => from !== to);
}

/**
 * Return the URL of a page about architectures.
 * @param {"arch" | "compare" | "correlation"} page
 * @param {Benchmark} bench
 * @param {Record<string, any>} query
 */
export function link(page, bench, query) {
  return address(`explore/${escaped(bench.name)}/${page}`, {...bench.part, ...query}).href;
}
