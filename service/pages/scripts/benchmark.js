/** One benchmark as a whole: plot, bounds, facets and table of one selection. */

import {AddressState, TooLong} from "./address.js";
import {address} from "./api.js";
import {BoundsPanel} from "./bounds.js";
import {Controls, keysDialog} from "./controls.js";
import {byId, h, replace} from "./dom.js";
import {FacetsPanel} from "./facets.js";
import {count} from "./format.js";
import {KeptTable} from "./kept_table.js";
import {part, run, startPage, tell, tellUnknown} from "./page.js";
import {Picture} from "./picture.js";
import {NAMES, NUMBER, STARTS, Store} from "./store.js";
import {takeAway} from "./takeaway.js";
import {lookAgain, markChanges, markRows, openColumns} from "./versions.js";

const state = new AddressState(NAMES, STARTS);
const page = startPage();
const store = new Store(page.benchmark);
/** Largest number of candidates whose columns are loaded at once; above it, counts are loaded first. */
const MOST_AT_ONCE = 50_000;
/** Largest number of compared architectures. */
const MOST_COMPARED = 8;

/** @type {Set<number>} Indices of checked architectures. */
const compared = new Set();

/** @param {Record<string, any>} changes @param {{replace?: boolean}} [how] */
function change(changes, how) {
  try {
    state.set(changes, how);
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    page.say(`${error.message}. Export the selection as a file instead.`);
  }
}

/** @param {string} name @param {import("./store.js").Ends} ends */
const boundChange = (name, {min, max}) => ({[`min_${name}`]: min ?? null, [`max_${name}`]: max ?? null});

const sections = {
  controls: h("section", {class: "controls", "aria-label": "What is shown"}),
  plot: h("section", {class: "picture", "aria-label": "Plot"}),
  side: h("aside", {class: "side", "aria-label": "Bounds and facets"}),
  table: h("section", {class: "kept", "aria-label": "Table"}),
};

/** @param {number} row */
async function open(row) {
  const arch = await table.spelling(row);
  const query = {arch, ...store.part};
  location.assign(address(`explore/${part(store.benchmark)}/arch`, query));
}

const picture = new Picture(sections.plot, store, {
  onBrush: (bounds) => {
    const x = bounds ? {min: bounds.x0, max: bounds.x1} : {};
    const y = bounds ? {min: bounds.y0, max: bounds.y1} : {};
    change({...boundChange(store.x, x), ...boundChange(store.y, y)}, {replace: bounds !== null});
  },
  onDrag: (bounds) => {
    const dragged = new Map(store.bounds);
    dragged.set(store.x, {min: bounds.x0, max: bounds.x1});
    dragged.set(store.y, {min: bounds.y0, max: bounds.y1});
    preview(dragged);
  },
  onMove: (ends) => change(boundChange(store.x, ends), {replace: true}),
  onView: (view) => {
    const ends = view ? [view.x0, view.x1, view.y0, view.y1].map((end) => Number(end.toPrecision(6))) : null;
    change({view: ends?.join(",") ?? null}, {replace: true});
  },
  onSelect: (row) => change({sel: store.number(row)}),
  onOpen: (row) => run(page, () => open(row)),
});
const bounds = new BoundsPanel(sections.side, store, {
  onBound: (name, ends, how) => change(boundChange(name, ends), how),
  onDrag: (name, ends) => preview(new Map(store.bounds).set(name, ends)),
  say: page.say,
});
const facets = new FacetsPanel(sections.side, store, {
  onChoice: (name, {keep, drop}) => {
    const feature = /** @type {import("./store.js").Described} */ (store.described.get(name));
    const values = [
      ...[...keep].map((value) => store.label(feature, value)),
      ...[...drop].map((value) => `!${store.label(feature, value)}`),
    ];
    change({[store.parameter(name)]: values});
  },
  onNeed: (names) => run(page, () => fetchLater(names)),
});
const table = new KeptTable(sections.table, store, {
  compared,
  onSort: (name, descending) => change({sort: `${descending ? "-" : ""}${name}`}),
  onSelect: (row) => change({sel: store.number(row)}, {replace: true}),
  onOpen: (row) => run(page, () => open(row)),
  onCompare: () => controls.compareChanged(),
  onFail: (error) => tell(page, error),
});
const controls = new Controls(sections.controls, store, {
  compared,
  onChange: (changes) => change(changes),
  onCompare: () => run(page, compare),
  onKeys: () => keysDialog().showModal(),
});

async function compare() {
  const rows = [...compared].slice(0, MOST_COMPARED);
  if (rows.length < 2) {
    page.say("Check two architectures or more in the table to compare them.");
    return;
  }
  const arch = await Promise.all(rows.map((row) => table.spelling(row)));
  location.assign(address(`explore/${part(store.benchmark)}/compare`, {arch, ...store.part}));
}

/** @param {Map<string, import("./store.js").Ends>} dragged Show an unfinished drag. */
function preview(dragged) {
  store.keep(dragged);
  picture.keptChanged(true);
  bounds.keptChanged();
  tellKept();
}

function tellKept() {
  byId("kept").textContent = `${count(store.kept)} of ${count(store.rows)} kept`;
}

/** @param {string[]} names Load columns in the background. */
async function fetchLater(names) {
  const missing = names.filter((name) => !store.asked.has(name));
  await Promise.all(missing.map((name) => store.column(name)));
  if (missing.length) {
    facets.keptChanged();
    table.show();
  }
}

/** @param {string[]} names Load columns and show the progress. */
async function fetchNow(names) {
  let come = names.filter((name) => store.values.has(name)).length;
  const told = () => come < names.length && page.say(`Loading column ${come + 1} of ${names.length} …`);
  told();
  await Promise.all(
    names.map(async (name) => {
      const had = store.values.has(name);
      await store.column(name);
      if (!had) come += 1;
      told();
    }),
  );
}

let turn = 0;
/** The version of the store, as in the URL; undefined before the first one. @type {string | null | undefined} */
let shown;
const look = lookAgain(page);
/** Show the state in the URL. */
async function update() {
  const mine = ++turn;
  const query = state.query;
  page.busy();
  if (shown === state.get("version")) look();
  else {
    // Until it is loaded no version is shown: going back meanwhile must open the earlier one again.
    shown = undefined;
    const {info, columns} = await openColumns(page, state);
    if (mine !== turn) return;
    store.take(info, columns);
    shown = state.get("version");
  }
  await store.describe(query);
  if (mine !== turn) return;
  describePage();
  store.read(query);
  page.mark(
    store.problems.length ? `invalid in the URL: ${store.problems.join(", ")}`.slice(0, 300) : "",
    "These URL parameters are ignored.",
    "problem",
  );
  controls.show();
  if (!store.rows || !store.x) {
    replace(sections.plot, h("p", {}, "There is nothing to plot: no figures are recorded here."));
    page.say("No figures are recorded here.");
    page.ready();
    return;
  }
  const missing = [store.x, store.y].some((name) => !store.values.has(name));
  if (missing && store.rows > MOST_AT_ONCE && !store.choices.size) {
    const grid = await store.density();
    if (mine !== turn) return;
    picture.showGrid(grid);
    byId("kept").textContent = `${count(grid.counted)} of ${count(store.rows)} kept`;
    page.mark("approximate", "The plot shows counts until all columns are loaded.", "approximate");
    page.main.dataset.state = "approximate";
  }
  await fetchNow(store.needed);
  if (mine !== turn) return;
  page.mark("", "", "approximate");
  store.keep();
  picture.show();
  bounds.show();
  tellKept();
  await Promise.all([store.column(NUMBER), sortColumn()]);
  if (mine !== turn) return;
  table.show();
  picture.keptChanged();
  facets.show();
  page.say("");
  page.ready();
}

/** Load the column that the table is sorted by. */
async function sortColumn() {
  if (store.sort.name !== NUMBER) await store.column(store.sort.name);
}

function describePage() {
  const {info} = store;
  page.title(info.title);
  markRows(page, store.rows, info.num_architectures);
  state.names = ["theme", ...NAMES, ...store.axes];
  for (const one of store.features) state.known.add(store.parameter(one.name));
  tellUnknown(page, state);
  markChanges(page, state, info);
}

// Controls and exports need the description of the benchmark.
page.content.hidden = true;
replace(
  page.content,
  sections.controls,
  h(
    "div",
    {class: "columns"},
    h("div", {class: "middle"}, sections.plot, sections.table),
    sections.side,
  ),
  takeAway(store, picture, page),
);

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    "/": () => byId("search").focus(),
    "?": () => keysDialog().showModal(),
    c: () => run(page, compare),
    p: () => change({pareto: store.pareto ? null : 1}),
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
const draw = () => run(page, update);
state.onChange(draw);
page.again = () => {
  shown = undefined;
  return draw();
};
addEventListener("themechange", () => store.kept && bounds.keptChanged());
draw();
