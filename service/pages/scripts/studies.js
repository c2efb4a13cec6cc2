/** Recorded searches: comparison of strategies over time and at the end, and their trade-offs. */

import {AddressState} from "./address.js";
import {address, ask, pause} from "./api.js";
import {h, keepingFocus, prose, replace} from "./dom.js";
import {originOf} from "./exports.js";
import {axisLabel, count, counted, figure} from "./format.js";
import {planOf} from "./identity.js";
import {markOrigin, part, sayAgain, startPage, viewsOf} from "./page.js";
import {curves} from "./plot.js";
import {curvesShown, plotButtons} from "./plot_files.js";
import {plainTable, stateMark} from "./states.js";
import {stepped, united} from "./steps.js";

/** Seconds between two requests, while searches are running and otherwise. */
const LOOK = 5;
const LOOK_SELDOM = 30;
/** Pixels of a plot. */
const HEIGHT = 320;
/** @type {Record<string, string>} */
const OVER = {seconds: "simulated seconds", evaluations: "evaluations"};

const state = new AddressState(["name", "over", "ys"]);
const page = startPage({state});
const view = viewsOf(page);
/** @type {{destroy: () => void}[]} */
let plots = [];
/** Descriptions of the installed benchmarks, by name. @type {Map<string, any>} */
let installed = new Map();

/** @param {AbortSignal} signal */
async function list(signal) {
  const {items} = await ask("v1/studies", {signal});
  page.title("Studies");
  const rows = items.map((/** @type {any} */ study) => [state.link({name: study.name}, study.name), count(study.files)]);
  const none = "There are no studies yet. `nbs search` writes them; NASBENCH_STUDIES_DIR sets the folder that is shown.";
  replace(page.content, rows.length ? plainTable("Studies", ["Study", "Files"], rows) : prose(none));
  page.say(`${counted(rows.length, "study", "studies")}.`);
  page.ready();
}

/** @param {string} benchmark Its name in a recorded search, such as `digits@3`. Return its description. */
function infoOf(benchmark) {
  return installed.get(benchmark.replace(/@\d+$/, "")) ?? null;
}

/** @param {any} of The searched benchmark and metric. Return the unit; null if unknown. */
function unitOf({benchmark, metric}) {
  const fields = infoOf(benchmark ?? "")?.fields ?? [];
  return fields.find((/** @type {any} */ field) => field.name === metric)?.unit ?? null;
}

/** @param {string | null} unit Return the unit of differences of values with a unit. */
function unitOfRegret(unit) {
  return unit === "percent" ? "points" : unit;
}

/** @param {string} study @param {string} benchmark @returns {import("./exports.js").Origin} */
function originOfStudy(study, benchmark) {
  const info = infoOf(benchmark);
  const told = info ? originOf(info) : {title: benchmark, source: "", digest: "", synthetic: false};
  return {...told, title: `study ${study}, ${told.title}`};
}

/** @param {string} name @param {AbortSignal} signal */
async function one(name, signal) {
  page.title(name);
  const {items} = await ask("v1/benchmarks", {signal});
  installed = new Map(items.map((/** @type {any} */ info) => [info.name, info]));
  let before = "";
  while (!signal.aborted) {
    const over = state.get("over") ?? "seconds";
    let growing = 0;
    try {
      const study = await ask(`v1/studies/${part(name)}`, {query: {over}, signal});
      growing = study.searches.filter((/** @type {any} */ search) => search.growing).length;
      const text = JSON.stringify(study);
      if (text !== before) keepingFocus(page.content, () => draw(study));
      const origins = study.searches.flatMap((/** @type {any} */ each) => infoOf(each.benchmark)?.provenance ?? []);
      markOrigin(page, origins.find((/** @type {any} */ one) => one.synthetic) ?? origins.find(planOf) ?? {});
      before = text;
      page.ready();
    } catch (error) {
      if (!before) throw error;
      sayAgain(page, error, signal);
      before = " ";
    }
    await pause(growing ? LOOK : LOOK_SELDOM, signal);
  }
}

/** @param {any} study */
function draw(study) {
  for (const plot of plots.splice(0)) plot.destroy();
  const growing = study.searches.filter((/** @type {any} */ search) => search.growing).length;
  /** @type {(() => {destroy: () => void})[]} */
  const later = [];
  replace(
    page.content,
    h("p", {}, state.link({name: null}, "All studies")),
    h("form", {class: "choices"}, overChoice(study.over), logChoice()),
    study.comparisons.map((/** @type {any} */ each) => comparison(study, each, later)),
    fronts(study, later),
    h("h2", {}, "Searches"),
    searches(study.searches),
    study.skipped.length
      ? [
          h("h2", {}, "Skipped files"),
          plainTable("Skipped files", ["File", "Reason"], study.skipped.map((/** @type {any} */ file) => [file.file, file.reason])),
        ]
      : null,
  );
  // Plots take the width of their element, which must be in the page first.
  for (const plot of later) plots.push(plot());
  page.say(
    `${counted(study.searches.length, "search", "searches")}, ${growing ? `${count(growing)} running` : "none running"}; ` +
      `${counted(study.skipped.length, "file")} skipped.`,
  );
}

/** @param {string} over */
function overChoice(over) {
  const change = (/** @type {any} */ event) => state.set({over: event.target.value});
  const options = Object.entries(OVER).map(([value, text]) => h("option", {value, selected: value === over}, text));
  return h("label", {}, "Over ", h("select", {name: "over", on: {change}}, options));
}

function logChoice() {
  const change = (/** @type {any} */ event) => state.set({ys: event.target.checked ? null : "linear"});
  const checked = state.get("ys") !== "linear";
  return h("label", {}, h("input", {type: "checkbox", name: "ys", checked, on: {change}}), " Logarithmic");
}

/** @param {any} of */
function told(of) {
  return [of.benchmark, of.dataset, of.num_epochs ? `${of.num_epochs} epochs` : null].filter(Boolean).join(", ");
}

/** @param {any} study @param {any} each @param {(() => {destroy: () => void})[]} later */
function comparison(study, each, later) {
  const {over} = study;
  const regret = each.oracle !== null;
  const what = regret ? `regret of ${each.metric}` : each.metric;
  const unit = regret ? unitOfRegret(unitOf(each)) : unitOf(each);
  const title = `${what}: ${told(each)}`;
  const log = regret && state.get("ys") !== "linear";
  const at = united(each.bands.map((/** @type {any} */ band) => band.at));
  const series = each.bands.map((/** @type {any} */ band) => ({
    label: `${band.strategy}, ${counted(band.searches, "seed")}`,
    values: stepped(band.at, band.median, at),
    low: stepped(band.at, band.lower, at),
    high: stepped(band.at, band.upper, at),
  }));
  const plot = {
    name: `${title}, median and quartiles over ${OVER[over]}${log ? ", logarithmic" : ""}`,
    x: {label: OVER[over], values: at},
    y: {label: axisLabel(what, unit), log},
    ...{series, stepped: true},
  };
  const file = {
    file: fileName(study.name, what, each.dataset),
    title: `${title}, median and quartiles`,
    origin: originOfStudy(study.name, each.benchmark),
  };
  const end = each.end === null ? "the end" : `${figure(each.end)} ${OVER[over]}`;
  return h(
    "section",
    {"aria-label": title},
    h("h2", {}, title),
    regret
      ? h("p", {}, `Best value in the table: ${figure(each.oracle, unitOf(each))}. Lines are medians over seeds; bands are quartiles.`)
      : h("p", {}, "The best value is unknown, so the metric itself is shown."),
    series.length ? chart(plot, file, later) : null,
    each.final.length
      ? plainTable(
          `${what} at ${end}`,
          ["Strategy", "Seeds", "First quartile", axisLabel(`Median at ${end}`, unit), "Third quartile"],
          each.final.map(finalRow),
        )
      : h("p", {}, "The searches do not overlap yet."),
    each.tests.length
      ? [
          h("h3", {}, "Differences at the end (Mann–Whitney test)"),
          plainTable("Tests of the differences", ["First", "Second", `First has the larger ${what}`, "p (two-sided)"], each.tests.map(testRow)),
        ]
      : null,
  );
}

/**
 * Return an element for a plot, and the buttons that save it.
 * @param {Omit<Parameters<typeof curves>[1], "height">} plot
 * @param {{file: string, title: string, origin: import("./exports.js").Origin}} file
 * @param {(() => {destroy: () => void})[]} later Functions that draw once the element is in the page.
 */
function chart(plot, file, later) {
  const place = h("div", {class: "chart"});
  /** @type {ReturnType<typeof curves> | null} */
  let made = null;
  later.push(() => (made = curves(place, {...plot, height: HEIGHT})));
  const {x, y, series, stepped: steps, points} = plot;
  const shown = () =>
    made && curvesShown(made, {...file, at: x.values, x: x.label, y: y.label, log: y.log, series, stepped: steps, points});
  return [place, h("p", {class: "actions"}, plotButtons(page, shown))];
}

/** @param {{strategy: string, values: number[]}} final */
function finalRow({strategy, values}) {
  const at = (/** @type {number} */ share) => figure(quantile(values, share));
  return [strategy, count(values.length), at(0.25), at(0.5), at(0.75)];
}

/** @param {number[]} values Ascending. @param {number} share */
function quantile(values, share) {
  const place = share * (values.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, values.length - 1);
  return values[low] + (place - low) * (values[high] - values[low]);
}

/** @param {any} test */
function testRow(test) {
  const chance = `${figure(100 * test.superiority, "percent", 3)} of pairs`;
  const p = test.p_two_sided < 0.001 ? "< 0.001" : figure(test.p_two_sided, null, 3);
  return [test.first, test.second, chance, p];
}

/** @param {string[]} parts Return a file name from parts. */
function fileName(...parts) {
  return parts.filter(Boolean).join("-").replaceAll(/[^\w.-]+/g, "-").slice(0, 100);
}

/** @param {any} study @param {(() => {destroy: () => void})[]} later */
function fronts(study, later) {
  if (!study.fronts.length) return null;
  const parts = study.fronts.map((/** @type {any} */ front) => {
    const search = study.searches.find((/** @type {any} */ each) => each.file === front.file) ?? {};
    const labels = front.metrics.map((/** @type {string} */ metric) =>
      axisLabel(metric, unitOf({benchmark: search.benchmark, metric})),
    );
    const name = `Front of ${front.file}: ${front.metrics.join(" and ")}`;
    const points = [...front.values].sort((a, b) => a[0] - b[0]);
    const at = points.map((point) => point[0]);
    const series = [{label: front.file, values: points.map((point) => point[1])}];
    const [x, y] = labels;
    const plot = {name, x: {label: x, values: at}, y: {label: y}, series, points: true};
    const origin = originOfStudy(study.name, search.benchmark ?? "");
    const drawn = front.metrics.length === 2 && points.length > 0;
    const headings = labels.map(
      (/** @type {string} */ label, /** @type {number} */ rank) =>
        `${label}: ${front.larger_is_better[rank] ? "larger" : "smaller"} is better`,
    );
    const rows = front.values.map((/** @type {number[]} */ values, /** @type {number} */ rank) => [
      ...values.map((value) => figure(value)),
      architecture(search, front.archs[rank]),
    ]);
    return [
      h("h3", {}, name),
      drawn ? chart(plot, {file: fileName(study.name, front.file), title: name, origin}, later) : null,
      plainTable(name, [...headings, "Architecture"], rows, {named: false}),
    ];
  });
  return [h("h2", {}, "Trade-offs"), ...parts.flat()];
}

/** @param {any} search @param {string} arch Return an architecture, linked if its benchmark is installed. */
function architecture(search, arch) {
  const text = h("span", {class: "clip", title: arch}, arch);
  const {benchmark = "", dataset, num_epochs: epochs} = search;
  const info = infoOf(benchmark);
  if (!info) return text;
  const version = /@(\d+)$/.exec(benchmark)?.[1] ?? null;
  const href = address(`explore/${part(info.name)}/arch`, {arch, dataset, num_epochs: epochs || null, version}).href;
  return h("a", {href}, text);
}

/** @param {any[]} found */
function searches(found) {
  const rows = found.map((search) => [
    search.file,
    search.strategy,
    String(search.seed),
    told(search),
    count(search.trials),
    search.seconds === null ? "–" : figure(search.seconds),
    h("span", {class: "nowrap"}, `${search.metric} ${figure(search.best, unitOf(search))}`),
    search.growing ? stateMark("running", "running") : stateMark("succeeded", "ended"),
  ]);
  const headings = ["File", "Strategy", "Seed", "What", "Evaluations", "Simulated seconds", "Best", "State"];
  return plainTable("Searches", headings, rows);
}

function show() {
  const name = state.get("name");
  view((signal) => (name === null ? list(signal) : one(name, signal)));
}

state.onChange(show);
show();
