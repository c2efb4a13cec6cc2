/**
 * Two to eight architectures side by side: cells, figures, curves, costs, ranks.
 *
 * URL parameters: `arch` once per architecture, in order, in any spelling; the axes of the part; `metric`
 * for the ranks; `curve` and `ys` as on the page of one architecture.
 */

import {AddressState, TooLong} from "./address.js";
import {ApiError, allOf} from "./api.js";
import {curvesOf, differences, figures, link, lookUp, quantile, rankOf, shownName, spelling} from "./architecture.js";
import {cellPicture, letterLegend} from "./cells.js";
import {curveSection} from "./curves.js";
import {bar, h, replace, svg} from "./dom.js";
import {clientLines, copyButton, csvButton, python, pythonArguments, spelled} from "./exports.js";
import {NONE, count, figure, signed} from "./format.js";
import {followState, startPage} from "./page.js";
import {choice, chooseMetric, linkHere, metricLabel, openBenchmark, partChoices, partText} from "./parts.js";
import {SERIES} from "./plot.js";
import {madeTable, scrolled} from "./states.js";
import {isNoise, lookAgain} from "./versions.js";

const MOST = 8;
const LETTERS = "ABCDEFGH";
const state = new AddressState(["arch", "metric", "curve", "ys", "d"]);
const page = startPage();
let drawn = "";
/** @type {(() => void) | null} */
let redrawCurves = null;

/** @typedef {import("./parts.js").Benchmark} Benchmark */
/**
 * @typedef {object} Compared
 * @property {string} arch As in the URL.
 * @property {string} letter
 * @property {import("./architecture.js").Found | null} found Null if the spelling is invalid;
 * @property {string} problem the reason.
 * @property {any} mean In the part, or null.
 * @property {string} short
 */

/** @param {string[]} archs Change the compared architectures. */
function compare(archs) {
  try {
    state.set({arch: archs});
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    page.say("The URL would be too long for these architectures. Use their indices or hashes, or fewer of them.");
  }
}

/** @param {number} from @param {number} to Move a column. */
function move(from, to) {
  const archs = state.all("arch");
  if (to < 0 || to >= archs.length || from === to) return;
  archs.splice(to, 0, ...archs.splice(from, 1));
  focusAfter = `[data-move="${to}"]`;
  compare(archs);
}

/** Id of the element that gets the focus after redrawing. */
let focusAfter = "";

/** @param {Benchmark} bench @param {string} arch @param {number} place @returns {Promise<Compared>} */
async function compared(bench, arch, place) {
  const letter = LETTERS[place];
  try {
    const found = await lookUp(bench, arch);
    const {mean} = figures(found, bench.part);
    const short = Object.keys(found.names).length ? spelling(found.names) : arch;
    return {arch, letter, found, problem: "", mean, short};
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 422) throw error;
    return {arch, letter, found: null, problem: error.message, mean: null, short: arch};
  }
}

/** @param {string[]} archs Return the form that adds an architecture. */
function adder(archs) {
  const input = h("input", {id: "add", name: "add", autocomplete: "off", spellcheck: "false"});
  const full = archs.length >= MOST;
  return h(
    "form",
    {
      class: "bar",
      on: {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          focusAfter = "#add";
          if (input.value.trim() && !full) compare([...archs, input.value.trim()]);
        },
      },
    },
    h("label", {class: "choice wide"}, h("span", {}, "Add an architecture: index, string, hash or JSON"), input),
    h("button", {disabled: full}, full ? "Limit: 8" : "Add"),
  );
}

/** @param {Benchmark} bench @param {Compared[]} columns @param {number} place Return the head of a column. */
function head(bench, columns, place) {
  const {arch, letter, found, problem, short} = columns[place];
  const first = columns[0].found?.names ?? {};
  const marked = new Set(place && found ? differences(first, found.names).map((one) => one.place) : []);
  const name = found && Object.keys(found.names).length ? shownName(found.names) : arch;
  const archs = columns.map((column) => column.arch);
  const grip = h(
    "button",
    {
      type: "button",
      "data-move": place,
      class: "grip",
      draggable: "true",
      "aria-label": `${letter}: move with the arrow keys`,
      title: "Drag, or move with the arrow keys",
      on: {
        keydown: (/** @type {KeyboardEvent} */ event) => {
          const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
          if (!step) return;
          event.preventDefault();
          move(place, place + step);
        },
        dragstart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData("text/plain", String(place)),
      },
    },
    letter,
  );
  return h(
    "th",
    {
      scope: "col",
      on: {
        dragover: (/** @type {Event} */ event) => event.preventDefault(),
        drop: (/** @type {DragEvent} */ event) => {
          event.preventDefault();
          const from = Number(event.dataTransfer?.getData("text/plain") || NaN);
          if (from in columns) move(from, place);
        },
      },
    },
    h(
      "div",
      {class: "bar"},
      grip,
      h(
        "button",
        {type: "button", "aria-label": `Remove ${letter}`, on: {click: () => compare(archs.filter((_, other) => other !== place))}},
        "✕",
      ),
    ),
    found ? cellPicture(found.names.arch, {marked}) : null,
    h("div", {class: "arch-name"}, h("a", {href: link("arch", bench, {arch: short})}, h("code", {title: name}, name.length > 200 ? `${name.slice(0, 200)} …` : name))),
    problem ? h("p", {class: "bad"}, problem) : null,
    found && !found.runs.length ? h("p", {class: "quiet"}, "not recorded") : null,
    marked.size ? h("p", {class: "quiet"}, `differs in ${[...marked].join(", ")}`) : null,
  );
}

/** @param {import("./parts.js").Metric} metric @param {(number | null)[]} values Return the best, or null. */
function bestOf({better}, values) {
  const known = values.filter((value) => value !== null);
  if (!better || known.length < 2 || known.every((value) => value === known[0])) return null;
  return better === "larger" ? Math.max(...known) : Math.min(...known);
}

/** @param {Benchmark} bench @param {Compared[]} columns */
function table(bench, columns) {
  const own = bench.metrics.filter(({source}) => source === bench.name);
  const rows = own.map((metric) => ({metric, values: columns.map(({mean}) => mean?.[metric.name] ?? null)}));
  const file = [
    {name: "metric", values: rows.map(({metric}) => metricLabel(bench, metric.name))},
    ...columns.map(({found, arch}, place) => ({
      name: found ? shownName(found.names) : arch,
      values: rows.map(({values}) => values[place]),
    })),
  ];
  return [
    madeTable(
      "Architectures side by side",
      ["", ...columns.map((_, place) => head(bench, columns, place))],
      rows.map(({metric, values}) => {
        const best = bestOf(metric, values);
        return h(
          "tr",
          {"data-metric": metric.name},
          h("th", {scope: "row", title: metric.description}, metricLabel(bench, metric.name)),
          values.map((value, place) => {
            const change = place && value !== null && values[0] !== null ? value - values[0] : null;
            const text = figure(value, null, 5);
            return h(
              "td",
              {class: "number", "data-value": value ?? ""},
              value !== null && value === best ? h("strong", {title: "the best"}, text) : text,
              change === null ? null : difference(change, isNoise(bench.info, metric.name, change)),
            );
          }),
        );
      }),
      {id: "compared"},
    ),
    letterLegend(columns.map(({found}) => found?.names.arch)),
    h(
      "p",
      {class: "bar"},
      copyButton("Copy link", () => linkHere(bench), page),
      copyButton("Copy as Python", () => pythonLines(bench, columns), page),
      csvButton("CSV", "compare.csv", file, bench.info, partText(bench.part)),
    ),
  ];
}

/** @param {number} change Difference from the first. @param {boolean} noise Whether it is within noise. */
function difference(change, noise) {
  const title = noise ? "within the noise between two trainings" : null;
  return h("span", {class: "change", title}, ` ${noise ? "≈ " : ""}${signed(change)}`);
}

/** @param {Benchmark} bench @param {Compared[]} columns */
function pythonLines(bench, columns) {
  const spell = bench.has("architecture") ? python : spelled;
  const archs = columns.filter(({found}) => found).map(({short}) => spell(short));
  return (
    clientLines() +
    `rows = bench.query_many(${python(bench.table)}, [${archs.join(", ")}]${pythonArguments(bench.part)}, reduction="mean")\n`
  );
}

/** @param {Benchmark} bench @param {Compared[]} columns Draw costs as bars. */
async function costs(bench, columns) {
  const metrics = bench.metrics.filter(
    ({source, missing, unit, name, better}) =>
      (missing === null || missing < bench.rows) &&
      (source === bench.name ? better === "smaller" && !/loss/.test(name) : /second|joule/.test(unit ?? "")),
  );
  const rows = await Promise.all(
    metrics.map(async (metric) => ({
      metric,
      values: await Promise.all(
        columns.map(async ({found, short, mean}) => {
          if (!found) return null;
          if (metric.source === bench.name) return mean?.[metric.name] ?? null;
          return (await rankOf(bench, short, metric.name, bench.part))?.value ?? null;
        }),
      ),
    })),
  );
  return madeTable(
    "Costs, as a table",
    ["cost", ...columns.map(({letter}) => letter)],
    rows.map(({metric, values}) => {
      const most = Math.max(...values.map((value) => value ?? 0)) || 1;
      return h(
        "tr",
        {"data-metric": metric.name},
        h("th", {scope: "row"}, metricLabel(bench, metric.name)),
        values.map((value, place) =>
          h("td", {}, value === null ? NONE : [share(value / most, place), h("span", {class: "bar-value"}, figure(value))]),
        ),
      );
    }),
  );
}

/** @param {number} part Fraction of the longest bar. @param {number} place */
function share(part, place) {
  return svg(
    "svg",
    {class: "share", viewBox: "0 0 120 14", "aria-hidden": "true"},
    svg("rect", {class: `own series-${place + 1}`, x: 0, y: 1, width: Math.max(120 * part, 1), height: 12, rx: 3}),
  );
}

/** @param {Benchmark} bench @param {Compared[]} columns @param {string} metric Return the ranks in every part. */
async function ranks(bench, columns, metric) {
  const parts = bench.parts.slice(0, 16);
  const known = columns.filter(({found}) => found?.runs.length);
  const lines = await Promise.all(
    known.map(async ({letter, short}) => ({
      letter,
      place: LETTERS.indexOf(letter),
      ranks: await Promise.all(parts.map((part) => rankOf(bench, short, metric, part))),
    })),
  );
  const names = parts.map((part) => partText(part));
  return [
    parts.length > 1 ? slopes(lines, names, metric) : null,
    madeTable(
      "Ranks, as a table",
      ["part", ...known.map(({letter}) => letter)],
      names.map((name, part) =>
        h(
          "tr",
          {},
          h("th", {scope: "row"}, name),
          lines.map(({ranks: own}) =>
            h("td", {class: "number"}, own[part] ? `${count(own[part].rank)} of ${count(own[part].of)}` : NONE),
          ),
        ),
      ),
      {id: "ranks"},
    ),
  ];
}

/**
 * Draw a line per architecture over the parts: the higher, the more of the others are worse.
 * @param {{letter: string, place: number, ranks: any[]}[]} lines
 * @param {string[]} names
 * @param {string} metric
 */
function slopes(lines, names, metric) {
  const [step, height, left, top] = [110, 220, 60, 16];
  const width = left + step * (names.length - 1) + 60;
  const at = (/** @type {any} */ rank, /** @type {number} */ part) => ({
    x: left + step * part,
    y: top + (height - 2 * top) * (1 - quantile(rank)),
  });
  const picture = svg(
    "svg",
    {class: "slopes", width, height: height + 60, viewBox: `0 0 ${width} ${height + 60}`, role: "img", "aria-label": `Share of architectures with a worse ${metric}, by part`},
    names.map((name, part) => {
      const x = left + step * part;
      const words = name.split(" · ");
      return svg(
        "g",
        {class: "rule"},
        svg("line", {x1: x, x2: x, y1: top, y2: height - top}),
        words.map((word, line) => svg("text", {x, y: height + 6 + 16 * line}, word)),
      );
    }),
    [0, 0.5, 1].map((share) =>
      svg("text", {class: "tick", x: left - 14, y: top + (height - 2 * top) * (1 - share) + 4}, `${100 * share} %`),
    ),
    lines.map(({letter, place, ranks: own}) => {
      const points = own.flatMap((rank, part) => (rank ? [{...at(rank, part), part}] : []));
      const path = points.map(({x, y}, rank) => `${rank ? "L" : "M"}${x} ${y}`).join(" ");
      return svg(
        "g",
        {class: `slope series-${place + 1}`},
        svg("path", {d: path}),
        points.flatMap(({x, y}) => [svg("circle", {cx: x, cy: y, r: 9}), svg("text", {x, y: y + 4}, letter)]),
      );
    }),
  );
  return scrolled("Ranks as lines", picture);
}

/** @param {string} id @param {string} title @param {any[]} children */
function section(id, title, ...children) {
  return h("section", {class: "card wide", id, "aria-labelledby": `${id}-title`}, h("h2", {id: `${id}-title`}, title), children);
}

async function draw() {
  const bench = await openBenchmark(page, state);
  const archs = state.all("arch").slice(0, MOST);
  const own = bench.metrics.filter(({source}) => source === bench.name);
  const metric = chooseMetric(own, state.get("metric"));
  const signature = JSON.stringify([archs, bench.part, metric, bench.table, bench.info.provenance.content_digest]);
  if (signature === drawn && redrawCurves) {
    redrawCurves();
    page.ready();
    return;
  }
  drawn = "";
  redrawCurves = null;
  page.title(`${bench.info.title}: compare`);
  const columns = await Promise.all(archs.map((arch, place) => compared(bench, arch, place)));
  const before = document.activeElement?.getAttribute("name");
  const controls = bar(
    {"aria-label": "What is shown"},
    partChoices(bench, state),
    choice(state, "metric", "ranks by", own.map(({name}) => name), metric),
  );
  const body = h("div", {class: "section-body"});
  const recorded = columns.filter(({found}) => found?.runs.length);
  const [costTable, rankTable, items] = await allOf([
    recorded.length && bench.has("rank") ? costs(bench, columns) : null,
    recorded.length && bench.has("rank") ? ranks(bench, columns, metric) : null,
    bench.has("curves") ? Promise.all(recorded.map(({short}) => curvesOf(bench, short, bench.part))) : [],
  ]);
  replace(
    page.content,
    adder(archs),
    controls,
    columns.length ? table(bench, columns) : null,
    h(
      "div",
      {class: "sections"},
      recorded.length && bench.has("curves") ? section("curves", "Learning curves", body) : null,
      rankTable && section("slopes", `Ranks by ${metric}`, rankTable),
      costTable && section("costs", "Costs", costTable),
    ),
  );
  if (recorded.length && bench.has("curves")) {
    const groups = recorded.map(({letter}, place) => ({
      label: items[place].length ? letter : `${letter}: no curve`,
      items: items[place],
      color: SERIES[LETTERS.indexOf(letter)],
    }));
    redrawCurves = () => curveSection(body, {bench, state, page, items: items.flat(), groups});
    redrawCurves();
  }
  const more = state.all("arch").length > MOST ? ` The URL names ${state.all("arch").length}; the first eight are shown.` : "";
  page.say(
    columns.length < 2
      ? `Add ${columns.length ? "another architecture" : "two architectures"} to compare.`
      : `${columns.length} architectures, ${partText(bench.part) || "all runs"}. Differences are relative to A; the best value is bold.${more}`,
  );
  const target = focusAfter || (before ? `[name="${CSS.escape(before)}"]` : "");
  focusAfter = "";
  if (target) page.content.querySelector(target)?.focus();
  drawn = signature;
  page.ready();
}

followState(page, state, draw);
lookAgain(page);
