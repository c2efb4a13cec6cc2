/**
 * The head of every page about a table: origin of its figures, completeness, shown version, and noise
 * of trainings.
 *
 *   const {info, columns} = await openColumns(page, state);   // of the version in the URL
 *
 * The version is in the URL (`version=3`). If it is no longer kept, the page says so, with links to
 * the kept ones.
 */

import {ApiError, allOf, ask} from "./api.js";
import {changed} from "./address.js";
import {h, replace} from "./dom.js";
import {count, counted, figure, shortDigest} from "./format.js";
import {pin, pinnedTo, planOf} from "./identity.js";
import {markOrigin, part as escaped, tell} from "./page.js";

/** @typedef {import("./page.js").ExplorerPage} ExplorerPage */
/** @typedef {import("./address.js").AddressState} AddressState */

/**
 * Load the description of a page's benchmark, in the version in the URL, and show it.
 * @param {ExplorerPage} page
 * @param {AddressState} state
 * @returns {Promise<any>}
 */
async function openTable(page, state) {
  const name = page.benchmark;
  const path = `v1/benchmarks/${escaped(name)}`;
  const asked = state.get("version");
  const served = asked === null ? null : await ask(path, {query: {version: null}, fresh: true, apart: true});
  const versioned = served !== null && planOf(served.provenance) !== null;
  const version = versioned && /^[1-9]\d{0,8}$/.test(asked ?? "") ? Number(asked) : null;
  pin(name, version);
  page.linkParts();
  if (versioned) {
    state.known.add("version");
    page.mark(version === null ? `invalid in the URL: version=${asked}`.slice(0, 200) : "", "The latest version is shown instead.", "version");
  }
  const info = version === null && served ? served : await pinnedInfo(page, path, served);
  const plan = await planOfTable(info);
  // Another version was chosen meanwhile.
  if (state.get("version") !== asked) return openTable(page, state);
  if (planOf(info.provenance)) state.known.add("version");
  markOrigin(page, info.provenance, plan !== null);
  head(page, state, {info, plan, newest: planOf((served ?? info).provenance)?.version ?? 0});
  page.content.hidden = false;
  return info;
}

/**
 * Load the table and its columns, concurrently if the version is known.
 * @param {ExplorerPage} page
 * @param {AddressState} state
 * @returns {Promise<{info: any, columns: any}>} `columns` without a part, for `parts` and `axes`.
 */
export async function openColumns(page, state) {
  const path = `v1/${escaped(page.benchmark)}/columns`;
  const opening = openTable(page, state);
  const [info, columns] = await allOf([opening, state.get("version") === null ? ask(path) : null]);
  return {info, columns: columns ?? (await ask(path))};
}

/** @param {ExplorerPage} page @param {string} path @param {any} served */
async function pinnedInfo(page, path, served) {
  try {
    return await ask(path, {fresh: true});
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 404 && pinnedTo(page.benchmark) !== null;
    if (!gone) throw error;
    page.title(served.title);
    markOrigin(page, served.provenance, true);
    const plan = await planOfTable(served);
    const version = pinnedTo(page.benchmark);
    const kept = plan ? keptOf(plan) : [planOf(served.provenance)];
    replace(
      page.versions,
      h("span", {}, "Available versions:"),
      kept.map((one) => h("a", {href: linkTo(one.version)}, `${one.version}, ${shareOf(one)}`)),
      h("a", {href: linkTo(null)}, "latest"),
    );
    // Content that was drawn before is outdated.
    page.content.hidden = true;
    throw new ApiError(`version ${version} of this table is no longer available. Choose another one above.`, 404, {});
  }
}

/** @param {any} info Return the plan of a table if it is on this service, or null. */
async function planOfTable({name, provenance}) {
  const stated = planOf(provenance);
  if (!stated) return null;
  try {
    const plan = await ask(`v1/plans/${escaped(name)}`);
    return plan.digest === stated.plan ? plan : null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null; // It was made elsewhere, or this service has no plans.
  }
}

/** @param {any} plan Return its versions, latest first. */
function keptOf(plan) {
  return [...plan.versions].reverse();
}

/** @param {any} version Of a plan, or in a provenance. Return its completeness. */
function shareOf(version) {
  const {there, expected} = version.cells ?? version;
  if (there === expected) return "all cells";
  const share = Math.floor((100 * there) / expected);
  return `${there && !share ? "less than 1" : share} % of cells`;
}

/** @param {number | null} version */
function linkTo(version) {
  return `?${changed(location.search, {version, d: null})}`;
}

/**
 * Show the version and its completeness.
 * @param {ExplorerPage} page
 * @param {AddressState} state
 * @param {{info: any, plan: any, newest: number}} told
 */
function head(page, state, {info, plan, newest}) {
  const stated = planOf(info.provenance);
  if (!stated) {
    replace(page.versions);
    return;
  }
  const last = Math.max(newest, stated.version, plan?.versions.at(-1)?.version ?? 0);
  const pinned = pinnedTo(info.name);
  const kept = plan ? keptOf(plan) : [];
  const set = (/** @type {string | null} */ version) => state.set({version, d: null});
  const select = h(
    "select",
    {name: "version", on: {change: () => set(select.value || null)}},
    h("option", {value: ""}, `latest (${last})`),
    kept.map((one) => h("option", {value: one.version}, `${one.version}: ${shareOf(one)}`)),
  );
  if (pinned !== null && !kept.some((one) => one.version === pinned)) select.append(h("option", {value: pinned}, pinned));
  select.value = pinned ?? "";
  const focused = document.activeElement?.getAttribute("name") === "version";
  replace(
    page.versions,
    kept.length ? h("label", {}, "Version ", select) : null,
    h("span", {id: "version"}, `version ${count(stated.version)} of ${count(last)}, ${shareOf(stated)}`),
    stated.version < last ? state.link({version: null, d: null}, `Show the latest, ${count(last)}`) : null,
    stated.noise ? h("span", {id: "noise"}, noiseText(stated.noise)) : null,
  );
  if (focused) select.focus();
}

/**
 * Return a text about the noise of cells that were trained twice.
 * @param {{cells: number, other_worker: number, largest: number, std: number}} noise In points of accuracy.
 */
export function noiseText({cells, other_worker: other, largest, std}) {
  const twice = `${counted(cells, "cell was", "cells were")} trained twice, ${count(other)} of them by another worker`;
  if (!largest) return `No noise of valid_acc observed: ${twice}, with identical figures.`;
  return (
    `Differences of valid_acc under ±${figure(largest, null, 2)} points are within the noise of two trainings: ` +
    `${twice}; standard deviation of one training ${figure(std, null, 2)} points.`
  );
}

/** @param {any} info @param {string} metric @param {number | null} change Return whether a difference is within noise. */
export function isNoise(info, metric, change) {
  const noise = planOf(info.provenance)?.noise;
  return Boolean(noise && metric === "valid_acc" && change && Math.abs(change) <= noise.largest);
}

/**
 * Show whether the data has changed since the link was created.
 * @param {ExplorerPage} page
 * @param {AddressState} state
 * @param {any} info
 */
export function markChanges(page, state, info) {
  const linked = state.get("d");
  const digest = shortDigest(info.provenance.content_digest);
  const text = linked !== null && linked !== digest ? "the data has changed since this link was created" : "";
  page.mark(text, `The link refers to data ${linked}; the current data is ${digest}.`, "changed");
}

/** @param {ExplorerPage} page @param {number} rows Recorded rows. @param {number | null} whole */
export function markRows(page, rows, whole) {
  const some = whole !== null && rows > 0 && rows < whole;
  const text = some ? `partial: ${count(rows)} of ${count(whole)} architectures` : "";
  page.mark(text, "The other architectures of the space are not recorded for this data set and budget.", "partial");
}

/**
 * Check whether the table was replaced whenever the page becomes visible again, and show it.
 * @param {ExplorerPage} page
 * @returns {() => Promise<void>} Checks at once.
 */
export function lookAgain(page) {
  const look = async () => {
    try {
      await ask(`v1/benchmarks/${escaped(page.benchmark)}`, {fresh: true});
    } catch (error) {
      tell(page, error);
    }
  };
  document.addEventListener("visibilitychange", () => document.hidden || look());
  return look;
}
