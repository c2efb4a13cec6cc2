/**
 * An architecture in relation to others: ranks, isomorphic ones, neighbors, costs and proxies.
 *
 * Each function returns the content of a section of the page of one architecture.
 */

import {ask} from "./api.js";
import {differences, link, meansOf, quantile, rankOf, shownName, spelling} from "./architecture.js";
import {cellPicture, letterLegend} from "./cells.js";
import {h, svg} from "./dom.js";
import {csvButton} from "./exports.js";
import {NONE, count, figure, signed} from "./format.js";
import {metricLabel, partText, samePart} from "./parts.js";
import {madeTable} from "./states.js";
import {VirtualTable} from "./table.js";

/**
 * @typedef {object} Shown
 * @property {import("./parts.js").Benchmark} bench
 * @property {import("./architecture.js").Found} found
 * @property {string} arch Its shortest form.
 * @property {string} metric
 * @property {import("./address.js").AddressState} state
 */

const BINS = 32;
const MOST_PARTS = 40;
/** Units of costs. */
const COSTS = /^(milliseconds|millijoules|seconds|microseconds|FLOP\/byte)$/;

/** @param {number} share Fractions below 1 are not rounded to 100 %. */
function percent(share) {
  return `${figure(100 * share, null, share > 0.99 ? 4 : 3)} %`;
}

/** @param {number} share @param {string} label Return a bar with a length. */
function shareBar(share, label) {
  return svg(
    "svg",
    {class: "share", viewBox: "0 0 120 14", role: "img", "aria-label": label},
    svg("rect", {class: "ground", x: 0, y: 1, width: 120, height: 12, rx: 3}),
    svg("rect", {class: "filled", x: 0, y: 1, width: Math.max(120 * share, 1), height: 12, rx: 3}),
  );
}

/**
 * A small histogram with a mark at a value.
 * @param {{value: number[], max: number}} spread Quantiles.
 * @param {number} value
 * @param {string} label
 */
function distributionBar({value: values, max}, value, label) {
  // The worst 5 %, often outliers, share the first bin.
  const min = values[Math.floor(values.length / 20)];
  const range = max - min || 1;
  const bins = new Array(BINS).fill(0);
  for (const one of values) {
    bins[Math.min(BINS - 1, Math.max(0, Math.floor(((one - min) / range) * BINS)))] += 1;
  }
  const most = Math.max(...bins, 1);
  const width = 160 / BINS;
  const x = Math.min(Math.max(((value - min) / range) * 160, 1), 159);
  return svg(
    "svg",
    {class: "spread", viewBox: "0 0 160 26", role: "img", "aria-label": label},
    bins.map((high, place) =>
      svg("rect", {class: "ground", x: place * width, y: 24 - (22 * high) / most, width: width - 0.5, height: (22 * high) / most}),
    ),
    svg("line", {class: "here", x1: x, x2: x, y1: 0, y2: 26}),
    svg("path", {class: "tip", d: `M${x - 4} 0 h8 l-4 6 z`}),
  );
}

/** @param {Shown} shown Return value, rank, quantile and regret in every part. */
export async function rankSection({bench, found, arch, metric}) {
  const parts = bench.parts.map((part) => Object.fromEntries(Object.entries(part).filter(([, value]) => value !== null)));
  const asked = parts.slice(0, MOST_PARTS);
  const unit = bench.byName.get(metric)?.unit;
  const rows = await Promise.all(
    asked.map(async (part) => {
      const rank = await rankOf(bench, arch, metric, part);
      const spread = rank
        ? (await ask(`${bench.path}/distribution`, {query: {metric, points: 200, ...part}})).items[0]
        : null;
      return {part, rank, spread};
    }),
  );
  const here = (/** @type {any} */ part) => (samePart(part, bench.part) ? {"aria-current": "true"} : {});
  return [
    madeTable(
      `Ranks by ${metric}, as a table`,
      ["part", metricLabel(bench, metric), "rank", "better than", "regret", "among all"],
      rows.map(({part, rank, spread}) =>
        h(
          "tr",
          {...here(part), "data-rank": rank?.rank ?? ""},
          h("th", {scope: "row"}, partText(part) || "all"),
          rank
            ? [
                h("td", {class: "number"}, figure(rank.value, null, 5)),
                h("td", {class: "number"}, `${count(rank.rank)} of ${count(rank.of)}`),
                h("td", {class: "number"}, percent(quantile(rank))),
                h("td", {class: "number"}, figure(Math.abs(rank.regret), unit)),
                h("td", {}, spread?.value.length ? distributionBar(spread, rank.value, `better than ${percent(quantile(rank))}`) : NONE),
              ]
            : h("td", {colspan: "5", class: "quiet"}, "not recorded"),
        ),
      ),
    ),
    parts.length > asked.length ? h("p", {class: "quiet"}, `The first ${asked.length} of ${parts.length} parts.`) : null,
    found.runs.length ? null : h("p", {}, NONE),
  ];
}

/**
 * Return a sortable table of architectures with a metric.
 * @param {Shown} shown
 * @param {string} label
 * @param {any[]} rows Each {names, value, change, edit}.
 * @param {boolean} edits
 */
function archTable({bench, metric}, label, rows, edits) {
  const larger = bench.byName.get(metric)?.better === "larger";
  const open = (/** @type {any} */ row) => location.assign(link("arch", bench, {arch: spelling(row.names), metric}));
  const own = [
    ...(edits ? [{name: "edit", label: "edit", cell: (/** @type {any} */ row) => row.edit}] : []),
    {name: "value", label: metricLabel(bench, metric), numeric: true, cell: (/** @type {any} */ row) => figure(row.value, null, 5)},
    {name: "change", label: "change", numeric: true, cell: (/** @type {any} */ row) => changeText(row.change)},
    {
      name: "arch",
      label: "architecture",
      cell: (/** @type {any} */ row) =>
        h("a", {href: link("arch", bench, {arch: spelling(row.names), metric})}, shownName(row.names)),
    },
  ];
  const key = (/** @type {any} */ row, /** @type {string} */ name) =>
    name === "arch" ? shownName(row.names) : row[name];
  const sorted = (/** @type {string} */ name, /** @type {boolean} */ descending) =>
    [...rows].sort((one, other) => {
      const [first, second] = [key(one, name), key(other, name)];
      if (first === null || second === null) return Number(first === null) - Number(second === null);
      const order = typeof first === "number" ? first - second : String(first).localeCompare(String(second));
      return descending ? -order : order;
    });
  /** @type {VirtualTable<any>} */
  const table = new VirtualTable({
    label: `${label}, as a table`,
    columns: own,
    onOpen: open,
    onSort: (name, descending) => table.show(sorted(name, descending), {name, descending}),
  });
  table.show(sorted("value", larger), {name: "value", descending: larger});
  const file = [
    {name: "architecture", values: rows.map((row) => shownName(row.names))},
    {name: metric, unit: bench.byName.get(metric)?.unit, values: rows.map((row) => row.value)},
    {name: "change", values: rows.map((row) => row.change)},
  ];
  const question = `${label}, ${partText(bench.part)}`;
  return [table.element, csvButton(`${label} as CSV`, `${label.toLowerCase()}.csv`, file, bench.info, question)];
}

/** @param {number | null} change */
function changeText(change) {
  return change === null ? NONE : signed(change);
}

/** @param {Shown} shown Return the isomorphic architectures, whose differences are noise. */
export async function equalSection(shown) {
  const {bench, found, metric} = shown;
  const indices = /** @type {number[]} */ (found.names.isomorphic_indices);
  const unit = bench.byName.get(metric)?.unit;
  const items = await meansOf(bench, indices, bench.part);
  const values = items.map((item) => item?.[metric] ?? null);
  const own = values[indices.indexOf(found.names.index)] ?? null;
  const known = values.filter((value) => value !== null);
  if (indices.length < 2) return h("p", {}, "No other architecture computes the same function.");
  const mean = known.reduce((sum, value) => sum + value, 0) / (known.length || 1);
  const spread = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (known.length || 1));
  const rows = indices.flatMap((index, place) =>
    index === found.names.index
      ? []
      : [{names: items[place]?.config ?? {index}, value: values[place], change: difference(values[place], own)}],
  );
  return [
    h(
      "p",
      {id: "equal-spread"},
      `${count(rows.length)} other architectures compute the same function. ` +
        (known.length > 1
          ? `Their differences are noise: ${metric} ranges from ${figure(Math.min(...known), unit)} to ` +
            `${figure(Math.max(...known), unit)}, standard deviation ${figure(spread, unit, 3)}.`
          : "No figures are recorded for them here."),
    ),
    archTable(shown, "Equals", rows, false),
  ];
}

/** @param {number | null | undefined} value @param {number | null} own */
function difference(value, own) {
  return value === null || value === undefined || own === null ? null : value - own;
}

/** @param {Shown} shown Return all architectures one edit away, as a ring and as a table. */
export async function neighborSection(shown) {
  const {bench, found, arch, metric, state} = shown;
  const body = {arch};
  const answer = await ask(`${bench.path}/architectures/neighbors`, {method: "POST", body});
  const all = answer.items.filter((/** @type {any} */ names) => names.in_benchmark !== false);
  const items = await meansOf(bench, all.map(spelling), bench.part);
  const [mean] = await meansOf(bench, [arch], bench.part);
  const own = mean?.[metric] ?? null;
  const better = bench.byName.get(metric)?.better === "larger" ? 1 : -1;
  const rows = all.map((/** @type {any} */ names, /** @type {number} */ place) => {
    const value = items[place]?.[metric] ?? null;
    const places = differences(found.names, names);
    const edit = places.length === 1 ? `${places[0].place}: ${places[0].from} → ${places[0].to}` : `${places.length} places`;
    return {names, value, edit, change: difference(value, own), marked: new Set(places.map(({place: at}) => at))};
  });
  const known = rows.filter((/** @type {any} */ row) => row.value !== null);
  const best = known.reduce(
    (/** @type {any} */ top, /** @type {any} */ row) => (!top || better * (row.value - top.value) > 0 ? row : top),
    null,
  );
  if (!rows.length) return h("p", {}, "No architecture is one edit away.");
  const unit = bench.byName.get(metric)?.unit;
  return [
    h(
      "p",
      {id: "best-neighbor"},
      `${count(rows.length)} neighbors, ${count(known.length)} of them recorded here. `,
      best
        ? [
            "The best: ",
            h("a", {href: link("arch", bench, {arch: spelling(best.names), metric})}, best.edit),
            ` with ${figure(best.value, unit)}`,
            best.change === null ? "." : ` (${signed(best.change)}).`,
          ]
        : null,
    ),
    h(
      "div",
      {class: "split halves"},
      h("div", {}, ring(shown, rows, better)),
      h("div", {}, archTable({...shown, state}, "Neighbors", rows, true)),
    ),
  ];
}

/**
 * Draw the neighbors around the architecture, coloured by the change of the metric.
 * @param {Shown} shown
 * @param {any[]} rows
 * @param {number} better 1 if larger is better.
 */
function ring({bench, found, metric}, rows, better) {
  if (!cellPicture(found.names.arch) || rows.length > 60) return null;
  const largest = Math.max(...rows.map(({change}) => Math.abs(change ?? 0)), 1e-12);
  const [width, height, wide, high] = [720, 560, 76, 52];
  const around = rows.map((row, place) => {
    const rings = rows.length > 26 ? place % 2 : 0;
    const angle = (2 * Math.PI * place) / rows.length - Math.PI / 2;
    const x = width / 2 + Math.cos(angle) * (width / 2 - wide / 2 - 4 - 86 * rings);
    const y = height / 2 + Math.sin(angle) * (height / 2 - high / 2 - 4 - 62 * rings);
    const good = (row.change ?? 0) * better;
    const kind = row.change === null ? "unknown" : good >= 0 ? "better" : "worse";
    const text = changeText(row.change);
    const picture = /** @type {SVGElement} */ (cellPicture(row.names.arch, {marked: row.marked, small: true}));
    for (const [name, value] of Object.entries({x: 2, y: 0, width: wide - 4, height: high - 14})) picture.setAttribute(name, String(value));
    picture.setAttribute("aria-hidden", "true");
    picture.removeAttribute("role");
    return svg(
      "a",
      {href: link("arch", bench, {arch: spelling(row.names), metric}), class: `neighbor ${kind}`, "aria-label": `${row.edit}: ${text}`},
      svg(
        "g",
        {transform: `translate(${x - wide / 2} ${y - high / 2})`},
        svg("title", {}, `${row.edit}: ${text}`),
        svg("rect", {width: wide, height: high, rx: 6, "fill-opacity": 0.12 + (0.5 * Math.abs(row.change ?? 0)) / largest}),
        picture,
        svg("text", {x: wide / 2, y: high - 5}, text),
      ),
    );
  });
  const centre = /** @type {SVGElement} */ (cellPicture(found.names.arch));
  for (const [name, value] of Object.entries({x: width / 2 - 105, y: height / 2 - 55, width: 210, height: 105})) centre.setAttribute(name, String(value));
  return [
    svg(
      "svg",
      {class: "ring", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Neighbors by the change of ${metric}`},
      centre,
      around,
    ),
    h(
      "ul",
      {class: "legend"},
      h("li", {}, h("span", {class: "key better"}), " better"),
      h("li", {}, h("span", {class: "key worse"}), " worse; a stronger colour marks a larger change"),
    ),
    letterLegend([found.names.arch]),
  ];
}

/** @param {import("./parts.js").Benchmark} bench @param {import("./parts.js").Metric} metric */
function isCost(bench, {source, unit, name, better}) {
  if (source !== bench.name) return COSTS.test(unit ?? "");
  return better === "smaller" && !/loss/.test(name);
}

/** @param {Shown} shown @param {import("./parts.js").Metric[]} metrics @param {string} label */
async function standings({bench, arch}, metrics, label) {
  const rows = await Promise.all(
    metrics
      .filter(({missing}) => missing === null || missing < bench.rows)
      .map(async (metric) => ({metric, rank: await rankOf(bench, arch, metric.name, bench.part)})),
  );
  if (!rows.length) return h("p", {}, "No table with proxies or other metrics is installed.");
  return madeTable(
    `${label}, as a table`,
    ["figure", "value", "better than", "share"],
    rows.map(({metric, rank}) =>
      h(
        "tr",
        {"data-metric": metric.name},
        h("th", {scope: "row", title: metric.description}, metricLabel(bench, metric.name)),
        rank
          ? [
              h("td", {class: "number"}, figure(rank.value, null, 4)),
              h("td", {class: "number", title: `rank ${rank.rank} of ${rank.of}`}, percent(quantile(rank))),
              h("td", {}, shareBar(quantile(rank), `better than ${percent(quantile(rank))} of ${count(rank.of)}`)),
            ]
          : h("td", {colspan: "3", class: "quiet"}, "not recorded"),
      ),
    ),
  );
}

/** @param {Shown} shown Return the costs by device. */
export async function costSection(shown) {
  const {bench} = shown;
  return standings(shown, bench.metrics.filter((metric) => isCost(bench, metric)), "Costs");
}

/** @param {Shown} shown Return the values in joined tables. */
export async function proxySection(shown) {
  const {bench} = shown;
  const others = bench.metrics.filter((metric) => metric.source !== bench.name && !isCost(bench, metric));
  return standings(shown, others, "Proxies and other tables");
}
