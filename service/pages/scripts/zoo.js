/** Searched models: their published and measured accuracies. */

import {AddressState} from "./address.js";
import {address, ask, askAside} from "./api.js";
import {h, redraw, replace} from "./dom.js";
import {NONE, count, counted, figure} from "./format.js";
import {run, startPage} from "./page.js";
import {factList, stateMark} from "./states.js";
import {VirtualTable} from "./table.js";

/** Difference of a measured accuracy in points above which it is marked. */
const MOST = 0.5;
/** Number of evaluation jobs that are searched, latest first. */
const EVALUATIONS = 1000;
/** Sizes of the data sets of published accuracies; results on fewer images are not compared. @type {Record<string, number>} */
const WHOLE = {"ImageNet-1k validation": 50_000, "CIFAR-10 test": 10_000};

const state = new AddressState(["sort", "model", "columns"]);
const page = startPage({state});

/** @param {any[]} jobs @returns {Map<string, any>} The latest evaluation of each model as published. */
function measured(jobs) {
  const found = new Map();
  for (const job of jobs) {
    const {model, checkpoint} = job.request.network ?? {};
    if (model && !checkpoint && job.result && !found.has(model)) found.set(model, job);
  }
  return found;
}

/** @typedef {ReturnType<typeof rowOf>} Row */

/** @param {any} model @param {Map<string, any>} jobs @param {any[]} workers */
function rowOf(model, jobs, workers) {
  const job = jobs.get(model.name) ?? null;
  const published = model.figures[0] ?? null;
  const whole = job !== null && job.result.count === WHOLE[model.dataset];
  const there = workers.filter((worker) => worker.alive && worker.models.includes(model.name));
  return {
    model,
    job,
    whole,
    name: model.name,
    space: model.space,
    published: published?.top1 ?? null,
    measured: job?.result.top1 ?? null,
    difference: whole && published ? job.result.top1 - published.top1 : null,
    parameters: model.parameters,
    macs: model.macs,
    weights: there.length,
    licence: model.licence,
    origin: model.origin,
  };
}

/** @param {number | null} value */
function difference(value) {
  if (value === null) return NONE;
  const told = `${value > 0 ? "+" : ""}${value.toFixed(2)}`;
  return Math.abs(value) > MOST ? stateMark("degraded", `${told} (more than ${MOST})`) : told;
}

/** @param {string} text Return a text with its URLs as links. */
function linked(text) {
  return text.split(/(https:\/\/[^\s,;]+)/).map((part) =>
    part.startsWith("https://") ? h("a", {href: part, rel: "noopener noreferrer"}, part) : part,
  );
}

/** @param {Row} row */
function measuredCell(row) {
  if (!row.job) return NONE;
  const {result, request, id} = row.job;
  const on = row.whole ? "" : ` of ${count(result.count)} of ${request.dataset}`;
  return h("a", {href: address("explore/jobs", {id}).href}, `${figure(result.top1, "percent")}${on}`);
}

/** @type {import("./table.js").Column<Row>[]} */
const COLUMNS = [
  {
    name: "name",
    label: "Model",
    cell: (row) => state.link({model: row.name}, row.name, {"data-model": row.name}),
  },
  {name: "space", label: "Space", cell: (row) => row.space},
  {
    name: "published",
    label: "Published (%)",
    numeric: true,
    title: "Published top-1 accuracy",
    cell: (row) => figure(row.published),
  },
  {
    name: "measured",
    label: "Measured here",
    numeric: true,
    title: "Top-1 accuracy of the latest evaluation by a worker of this service",
    cell: measuredCell,
  },
  {
    name: "difference",
    label: "Difference",
    numeric: true,
    title: `Measured minus published, in percentage points; marked beyond ${MOST}`,
    cell: (row) => difference(row.difference),
  },
  {name: "parameters", label: "Parameters (M)", numeric: true, cell: (row) => millions(row.parameters)},
  {name: "macs", label: "Multiply-adds (M)", numeric: true, cell: (row) => millions(row.macs)},
  {
    name: "weights",
    label: "Weights",
    title: "Whether a worker that is alive has the weights",
    cell: (row) => (row.weights ? stateMark("ready", "available") : stateMark("expired", "missing")),
  },
  {name: "licence", label: "Licence", cell: (row) => row.licence},
  {name: "origin", label: "From", cell: (row) => row.origin},
];

/** Columns in the order in which they are hidden without room for all. */
const GIVING_WAY = ["origin", "licence", "space", "weights", "macs", "parameters", "difference", "measured"];

/** @returns {string[] | null} The columns in the URL; null: as many as fit. */
function askedColumns() {
  const asked = state.get("columns");
  return asked === null ? null : asked.split(",");
}

/**
 * Show the requested columns, or as many as fit.
 * @param {VirtualTable<Row>} table
 */
function fit(table) {
  const asked = askedColumns();
  let shown = COLUMNS.filter(({name}) => name === "name" || !asked || asked.includes(name));
  table.setColumns(shown);
  for (const name of asked ? [] : GIVING_WAY) {
    if (table.element.scrollWidth <= table.element.clientWidth) break;
    shown = shown.filter((column) => column.name !== name);
    table.setColumns(shown);
  }
}

/** @param {VirtualTable<Row>} table Return the control that lists and chooses the shown columns. */
function columnChoice(table) {
  const shown = table.options.columns.map(({name}) => name);
  const change = (/** @type {any} */ event) => {
    const {value, checked} = event.target;
    const names = shownNames(table).filter((name) => name !== value);
    state.set({columns: [...names, ...(checked ? [value] : [])].join(",")});
  };
  return [
    h("summary", {}, `Columns: ${count(shown.length)} of ${count(COLUMNS.length)}`),
    h(
      "div",
      {class: "choices"},
      COLUMNS.filter(({name}) => name !== "name").map(({name, label}) => {
        const box = h("input", {type: "checkbox", value: name, on: {change}});
        box.checked = shown.includes(name);
        return h("label", {class: "check"}, box, label);
      }),
      h("button", {type: "button", on: {click: () => state.set({columns: null})}}, "Fit to width"),
    ),
  ];
}

/** @param {VirtualTable<Row>} table @returns {string[]} */
function shownNames(table) {
  return table.options.columns.map(({name}) => name).filter((name) => name !== "name");
}

/** @param {number | null} value */
function millions(value) {
  return value === null ? NONE : figure(value / 1e6);
}

/** @param {Row[]} rows @param {string} name @param {boolean} descending */
function sorted(rows, name, descending) {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [/** @type {any} */ (a)[name], /** @type {any} */ (b)[name]];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y) || a.name.localeCompare(b.name);
  });
}

/** @param {Row | undefined} row Return all facts about a model. */
function told(row) {
  if (!row) return null;
  const {model} = row;
  return h(
    "section",
    {class: "card", id: "model", "aria-label": model.name, tabindex: "-1"},
    h("h2", {}, model.name),
    factList([
      ["Space", model.space],
      ["Data", `${model.dataset}, ${model.input_size} × ${model.input_size}`],
      ...model.figures.map((/** @type {any} */ one) => [
        "Published",
        `${figure(one.top1, "percent")}${one.top5 === null ? "" : `; top 5 ${figure(one.top5, "percent")}`} by ${one.source}`,
      ]),
      ["Measured here", row.job && measuredCell(row)],
      ["Parameters", row.parameters === null ? null : count(row.parameters)],
      ["Multiply-adds", row.macs === null ? null : count(row.macs)],
      ["Licence", model.licence],
      ["From", linked(model.origin)],
      ["Files", model.weights.join(", ")],
      ["Note", model.note],
    ]),
  );
}

run(page, async () => {
  const [models, jobs, workers] = await Promise.all([
    ask("v1/zoo").then((answer) => answer.items),
    askAside("v1/jobs", {query: {kind: "evaluation", state: "succeeded", limit: EVALUATIONS}}),
    askAside("v1/workers"),
  ]);
  const byModel = measured(jobs.items);
  const rows = models.map((/** @type {any} */ model) => rowOf(model, byModel, workers.items));
  const missing = jobs.missing || workers.missing;
  const one = h("div", {});
  const table = new VirtualTable({
    label: "Searched models",
    columns: COLUMNS,
    onSort: (name, descending) => state.set({sort: `${descending ? "-" : ""}${name}`}),
    onOpen: (row) => state.set({model: row.name}),
    isSelected: (row) => row.name === state.get("model"),
  });
  const chosen = h("details", {id: "columns"});
  const fitted = () => {
    fit(table);
    redraw(chosen, columnChoice(table));
  };
  let opened = state.get("model");
  const draw = () => {
    const [, minus, name] = /^(-?)(\w+)$/.exec(state.get("sort") ?? "") ?? ["", "", "name"];
    const known = COLUMNS.some((column) => column.name === name) ? name : "name";
    table.show(sorted(rows, known, minus === "-"), {name: known, descending: minus === "-"});
    fitted();
    const model = state.get("model");
    if (model === opened && one.firstChild) return;
    replace(one, told(rows.find((/** @type {Row} */ row) => row.name === model)));
    // The details are below the table, outside the view on a small screen.
    if (model !== opened) one.querySelector("#model")?.focus();
    opened = model;
  };
  state.onChange(draw);
  page.title("Searched models");
  replace(
    page.content,
    missing && h("p", {}, stateMark("degraded", `measurements cannot be listed: ${missing}`)),
    chosen,
    table.element,
    one,
  );
  draw();
  let width = table.element.clientWidth;
  new ResizeObserver(() => {
    if (width !== table.element.clientWidth) fitted();
    width = table.element.clientWidth;
  }).observe(table.element);
  const far = rows.filter((/** @type {Row} */ row) => Math.abs(row.difference ?? 0) > MOST).length;
  page.say(
    `${count(rows.length)} models, ${count(byModel.size)} measured here; ${counted(far, "differs", "differ")} by more than ${MOST} points.`,
  );
  page.ready();
});
