/**
 * The state of the main page: the description of a benchmark, the loaded columns, and the selection
 * in the URL. All views draw from this store; none has a selection of its own.
 */

import {allOf, ask, askColumn} from "./api.js";
import {count, shortDigest} from "./format.js";
import {identityOf, tableName} from "./identity.js";
import {part as escaped} from "./page.js";
import {choosePart} from "./parts.js";
import * as selection from "./selection.js";

/** @typedef {import("./selection.js").Values} Values */
/** @typedef {{min?: number, max?: number}} Ends */
/** @typedef {{keep: Set<number>, drop: Set<number>}} Choice */
/**
 * @typedef {object} Described The description of a column by `/columns`.
 * @property {string} name
 * @property {"metric" | "number" | "choice" | "count" | "flag"} kind
 * @property {string} description
 * @property {string | null} unit
 * @property {"larger" | "smaller" | null} better
 * @property {string[]} legend
 * @property {number | null} missing
 * @property {number | null} smallest
 * @property {number | null} largest
 */

export const NUMBER = "@number";
/** Cells per side of a density grid: 17 kB for 423,624 architectures. */
const BINS = 256;
/** Reserved parameters of the URL. */
export const NAMES = ["x", "y", "c", "xs", "ys", "view", "sort", "sel", "pareto", "d"];
export const STARTS = ["min_", "max_"];

/**
 * @typedef {object} Grid
 * @property {number} bins
 * @property {Uint32Array} counts Row by row, both axes ascending.
 * @property {number} counted
 * @property {{low: number, high: number}} x
 * @property {{low: number, high: number}} y
 */

/**
 * Return the grid of a density response, which has all cells or only the filled ones.
 * @param {Values} values
 * @param {any} said
 * @returns {Grid}
 */
function readGrid(values, said) {
  const counts = new Uint32Array(said.bins * said.bins);
  if (said.layout === "dense") counts.set(values);
  else for (let cell = 0; cell < said.cells; cell += 1) counts[values[cell]] = values[said.cells + cell];
  return {bins: said.bins, counts, counted: said.counted, x: said.x, y: said.y};
}

export class Store {
  /** @param {string} benchmark */
  constructor(benchmark) {
    this.benchmark = benchmark;
    this.path = `v1/${escaped(benchmark)}`;
    /** @type {any} */
    this.info = null;
    /** @type {any} */
    this.answer = null;
    /** @type {Map<string, Described>} */
    this.described = new Map();
    /** @type {Record<string, string | number>} */
    this.part = {};
    /** @type {Map<string, Values>} */
    this.values = new Map();
    /** @type {Map<string, Promise<Values>>} */
    this.asked = new Map();
    /** @type {Map<string, Int32Array>} */
    this.orders = new Map();
    this.rows = 0;
    this.x = this.y = "";
    /** @type {string | null} */
    this.c = null;
    this.log = {x: false, y: false};
    /** @type {Map<string, Ends>} */
    this.bounds = new Map();
    /** @type {Map<string, Choice>} */
    this.choices = new Map();
    this.sort = {name: "", descending: true};
/** The index of the selected architecture, or null. @type {number | null} */
    this.selected = null;
    this.pareto = false;
    /** @type {import("./plot.js").Bounds | null} */
    this.view = null;
    this.mask = new Uint8Array(0);
    this.kept = 0;
    /** @type {string[]} The invalid parameters of the URL. */
    this.problems = [];
  }

  /** @returns {Described[]} */
  get metrics() {
    return [...this.described.values()].filter((one) => one.kind === "metric");
  }

  /** @returns {Described[]} */
  get features() {
    return [...this.described.values()].filter((one) => !["metric", "number"].includes(one.kind));
  }

  /** @param {string} name */
  unit(name) {
    return this.described.get(name)?.unit ?? null;
  }

  /** @param {string} name Whether larger is better. */
  larger(name) {
    return this.described.get(name)?.better === "larger";
  }

  /** @param {string} name A feature. Return its parameter in the URL. */
  parameter(name) {
    const short = name.replace(/^@/, "");
    const taken = NAMES.includes(short) || short === "theme" || this.axes.includes(short);
    return taken ? name : short;
  }

  /** @returns {string[]} */
  get axes() {
    return (this.answer?.axes ?? []).map((/** @type {any} */ axis) => axis.name);
  }

  get digest() {
    return shortDigest(this.info.provenance.content_digest);
  }

  /**
   * Load the description of the benchmark and choose the part.
   * @param {URLSearchParams} query
   */
  async describe(query) {
    const known = this.answer ?? (await this.first());
    this.answer = known;
    const asked = Object.fromEntries(
      this.axes.flatMap((name) => {
        const value = query.get(name);
        return value === null ? [] : [[name, value]];
      }),
    );
    const part = choosePart(known.parts, known.axes, asked);
    if (JSON.stringify(part) === JSON.stringify(this.part) && this.rows) return;
    const answer = await ask(`${this.path}/columns`, {query: part});
    this.part = part;
    this.answer = answer;
    this.rows = answer.rows ?? 0;
    this.described = new Map(answer.items.map((/** @type {Described} */ one) => [one.name, one]));
    this.values.clear();
    this.asked.clear();
    this.orders.clear();
  }

  /** @returns {Promise<any>} */
  async first() {
    const [info, answer] = await allOf([
      this.info ?? ask(`v1/benchmarks/${escaped(this.benchmark)}`),
      ask(`${this.path}/columns`),
    ]);
    this.info = info;
    return answer;
  }

  /**
   * Set the description of the benchmark; if its data has changed, everything is loaded again.
   * @param {any} info
   * @param {any} columns The description of columns without a part.
   */
  take(info, columns) {
    if (!this.info || identityOf(info.provenance) !== identityOf(this.info.provenance)) {
      this.answer = columns;
      this.part = {};
      this.rows = 0;
    }
    this.info = info;
  }

  /** The name of the table in clients. */
  get table() {
    return tableName(this.benchmark);
  }

  /**
   * Read the state from the URL; invalid parameters are listed in `problems` and kept in the URL.
   * @param {URLSearchParams} query
   */
  read(query) {
    this.problems = [];
    const names = this.metrics.map((one) => one.name);
    const defaults = chooseAxes(this.metrics);
    this.x = this.named(query, "x", names) ?? defaults.x;
    this.y = this.named(query, "y", names) ?? defaults.y;
    this.c = this.named(query, "c", names);
    this.log = {x: query.get("xs") === "log", y: query.get("ys") === "log"};
    this.pareto = query.get("pareto") === "1";
    this.sort = this.readSort(query.get("sort"));
    this.bounds = this.readBounds(query, names);
    this.choices = this.readChoices(query);
    this.view = this.readView(query.get("view"));
    const selected = query.get("sel");
    this.selected = selected !== null && /^\d{1,10}$/.test(selected) ? Number(selected) : null;
    if (selected !== null && this.selected === null) this.problems.push(`sel=${selected}`);
    for (const axis of this.axes) {
      const given = query.get(axis);
      if (given !== null && String(this.part[axis]) !== given) this.problems.push(`${axis}=${given}`);
    }
  }

  /** @param {URLSearchParams} query @param {string} parameter @param {string[]} names */
  named(query, parameter, names) {
    const given = query.get(parameter);
    if (given === null || names.includes(given)) return given;
    this.problems.push(`${parameter}=${given}`);
    return null;
  }

  /** @param {string | null} given `NAME` or `-NAME`, which is descending. */
  readSort(given) {
    const name = given?.replace(/^-/, "") ?? "";
    if (given && (this.described.has(name) || name === NUMBER)) {
      return {name, descending: given.startsWith("-")};
    }
    if (given) this.problems.push(`sort=${given}`);
    return {name: this.y, descending: this.larger(this.y)};
  }

  /** @param {URLSearchParams} query @param {string[]} names */
  readBounds(query, names) {
    /** @type {Map<string, Ends>} */
    const bounds = new Map();
    for (const [parameter, given] of query) {
      const side = STARTS.find((start) => parameter.startsWith(start));
      if (!side) continue;
      const name = parameter.slice(side.length);
      const value = Number(given);
      if (!names.includes(name) || given === "" || !Number.isFinite(value)) {
        this.problems.push(`${parameter}=${given}`);
        continue;
      }
      const ends = bounds.get(name) ?? {};
      ends[side === "min_" ? "min" : "max"] = value;
      bounds.set(name, ends);
    }
    return bounds;
  }

  /** @param {URLSearchParams} query */
  readChoices(query) {
    /** @type {Map<string, Choice>} */
    const choices = new Map();
    for (const feature of this.features) {
      const parameter = this.parameter(feature.name);
      for (const given of query.getAll(parameter)) {
        const drop = given.startsWith("!") && !feature.legend.includes(given);
        const text = drop ? given.slice(1) : given;
        const value = feature.legend.length ? feature.legend.indexOf(text) : Number(text || NaN);
        if (!Number.isInteger(value) || value < 0) {
          this.problems.push(`${parameter}=${given}`);
          continue;
        }
        const choice = choices.get(feature.name) ?? {keep: new Set(), drop: new Set()};
        choice[drop ? "drop" : "keep"].add(value);
        choices.set(feature.name, choice);
      }
    }
    return choices;
  }

  /** @param {string | null} given */
  readView(given) {
    if (given === null) return null;
    const [x0, x1, y0, y1, ...more] = given.split(",").map(Number);
    const right = [x0, x1, y0, y1].every(Number.isFinite) && !more.length && x0 < x1 && y0 < y1;
    const shown = right && !(this.log.x && x0 <= 0) && !(this.log.y && y0 <= 0);
    if (!shown) this.problems.push(`view=${given}`);
    return shown ? {x0, x1, y0, y1} : null;
  }

  /** @param {Described} feature @param {number} value Return the name of a value. */
  label(feature, value) {
    return feature.legend[value] ?? String(value);
  }

  /** Return the columns that are required for drawing. */
  get needed() {
    const third = this.c ? [this.c] : [];
    return [...new Set([this.x, this.y, ...third, ...this.bounds.keys(), ...this.choices.keys()])];
  }

  /**
   * Return a column, which is loaded once.
   * @param {string} name
   * @returns {Promise<Values>}
   */
  column(name) {
    let asked = this.asked.get(name);
    if (!asked) {
      asked = this.load(name);
      this.asked.set(name, asked);
      asked.catch(() => this.asked.delete(name));
    }
    return asked;
  }

  /** @param {string} name */
  async load(name) {
    const {part} = this;
    const query = {metric: name, ...part};
    const {values} = await askColumn(`${this.path}/column`, {query});
    if (part !== this.part) return values;
    if (values.length !== this.rows) {
      throw new Error(`${count(values.length)} values of ${name}, ${count(this.rows)} architectures`);
    }
    this.values.set(name, values);
    return values;
  }

  /**
   * Load counts on a grid over both axes, within the bounds, to draw before the columns are loaded.
   * @param {number} [bins]
   * @returns {Promise<Grid>}
   */
  async density(bins = BINS) {
    const {part} = this;
    /** @type {Record<string, any>} */
    const query = {x: this.x, y: this.y, bins, ...part};
    for (const axis of /** @type {("x" | "y")[]} */ (["x", "y"])) {
      const {smallest, largest} = this.described.get(this[axis]) ?? {};
      if (this.log[axis]) query[`${axis}_log`] = true;
      else if (smallest !== null && largest !== null && smallest !== largest) {
        query[`${axis}_from`] = smallest;
        query[`${axis}_to`] = largest;
      }
    }
    for (const [name, {min, max}] of this.bounds) {
      query[`min_${name}`] = min;
      query[`max_${name}`] = max;
    }
    const answer = await askColumn(`${this.path}/density`, {query, header: "X-Density", dtype: "uint32"});
    return readGrid(answer.values, answer.said);
  }

  /** @param {string} name */
  of(name) {
    return /** @type {Values} */ (this.values.get(name));
  }

  /**
   * Compute the selection from the loaded columns.
   * @param {Map<string, Ends>} [bounds] Bounds of an unfinished drag.
   */
  keep(bounds = this.bounds) {
    const within = [...bounds].map(([name, ends]) => ({values: this.of(name), ...ends}));
    const chosen = [...this.choices].map(([name, choice]) => ({values: this.of(name), ...choice}));
    this.mask = selection.keptMask(
      this.rows,
      within.filter((one) => one.values),
      chosen.filter((one) => one.values),
    );
    this.kept = selection.counted(this.mask);
  }

  /** Return the selected rows in the order of the table. */
  sorted() {
    const {name, descending} = this.sort;
    if (name === NUMBER) {
      const rows = selection.keptRows(this.mask);
      return descending ? rows.reverse() : rows;
    }
    const values = this.values.get(name);
    if (!values) return selection.keptRows(this.mask);
    const key = `${descending ? "-" : ""}${name}`;
    let order = this.orders.get(key);
    if (!order) this.orders.set(key, (order = selection.sortedBy(values, descending)));
    return selection.keptRows(this.mask, order);
  }

  /** Return the rows of the Pareto front of the selection. */
  front() {
    const larger = {x: this.larger(this.x), y: this.larger(this.y)};
    return selection.pareto(this.of(this.x), this.of(this.y), larger, this.mask);
  }

  /** @param {number} row Return its index; indices are ascending. */
  number(row) {
    return this.values.get(NUMBER)?.[row] ?? row;
  }

  /** Return the row of the selected architecture, or -1. */
  get selectedRow() {
    const numbers = this.values.get(NUMBER);
    if (this.selected === null || !numbers) return -1;
    let low = 0;
    let high = numbers.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle] < this.selected) low = middle + 1;
      else high = middle;
    }
    return numbers[low] === this.selected ? low : -1;
  }
}

/**
 * Return the default axes: a metric to optimise against a cost.
 * @param {Described[]} metrics
 */
function chooseAxes(metrics) {
  const recorded = metrics.filter((one) => one.largest !== null);
  const some = recorded.length ? recorded : metrics;
  const find = (/** @type {RegExp} */ name, /** @type {string} */ better) =>
    some.find((one) => name.test(one.name)) ?? some.find((one) => one.better === better);
  const y = find(/^(final_|best_)?test_acc/, "larger") ?? some[0];
  const x = some.find((one) => one.name === "flops") ?? find(/^parameters$/, "smaller") ?? some.find((one) => one !== y) ?? y;
  return {x: x?.name ?? "", y: y?.name ?? ""};
}
