/** The table of selected candidates; architecture strings are loaded while scrolling. */

import {ask} from "./api.js";
import {h} from "./dom.js";
import {axisLabel, count, figure} from "./format.js";
import {NUMBER} from "./store.js";
import {VirtualTable} from "./table.js";

/** Architecture strings per request, so that their indices fit into a URL. */
const AT_A_TIME = 100;
const PAUSE = 80;

/**
 * @typedef {object} Told
 * @property {Set<number>} compared Rows that are checked.
 * @property {(name: string, descending: boolean) => void} onSort
 * @property {(row: number) => void} onSelect
 * @property {(row: number) => void} onOpen
 * @property {() => void} onCompare
 * @property {(error: unknown) => void} onFail
 */

export class KeptTable {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").Store} store
   * @param {Told} told
   */
  constructor(element, store, told) {
    this.store = store;
    this.told = told;
    /** @type {Map<number, string>} Architecture strings by index. */
    this.spellings = new Map();
    this.heading = h("h2", {}, "Architectures kept");
    this.timer = 0;
    this.columned = "";
    this.part = "";
    this.table = new VirtualTable({
      label: "Architectures kept",
      columns: [],
      onSort: told.onSort,
      onOpen: told.onOpen,
      onWindow: (/** @type {number[]} */ rows) => this.want(rows),
      isSelected: (/** @type {number} */ row) => row === store.selectedRow,
    });
    element.append(this.heading, this.table.element);
  }

  /** Show the selected candidates. */
  show() {
    const {store} = this;
    const part = JSON.stringify([store.part, store.info.provenance.content_digest]);
    if (part !== this.part) {
      this.spellings.clear();
      this.told.compared.clear();
      this.told.onCompare();
      this.part = part;
    }
    const names = this.columns();
    const columned = JSON.stringify(names);
    if (columned !== this.columned) {
      this.columned = columned;
      this.table.options.columns = [...this.fixed(), ...names.map((name) => this.metric(name))];
    }
    const rows = store.sorted();
    this.heading.textContent = `Architectures kept: ${count(rows.length)} of ${count(store.rows)}`;
    this.table.show(rows, store.sort);
  }

  /** @returns {string[]} The metrics in the table, those in use first. */
  columns() {
    const {store} = this;
    const sort = store.sort.name === NUMBER ? [] : [store.sort.name];
    return [...new Set([store.y, store.x, ...(store.c ? [store.c] : []), ...store.bounds.keys(), ...sort])];
  }

  /** @returns {import("./table.js").Column<number>[]} */
  fixed() {
    const {store, told} = this;
    return [
      {
        name: "compare",
        label: "Compare",
        sortable: false,
        cell: (row) => {
          const box = h("input", {
            type: "checkbox",
            "aria-label": `Compare architecture ${store.number(row)}`,
            on: {
              change: (/** @type {any} */ event) => {
                if (event.target.checked) told.compared.add(row);
                else told.compared.delete(row);
                told.onCompare();
              },
            },
          });
          box.checked = told.compared.has(row);
          return box;
        },
      },
      {
        name: NUMBER,
        label: "number",
        numeric: true,
        cell: (row) =>
          h(
            "button",
            {type: "button", class: "sort", "aria-label": `Select architecture ${store.number(row)}`, on: {click: () => told.onSelect(row)}},
            String(store.number(row)),
          ),
      },
      {
        name: "arch",
        label: "architecture",
        sortable: false,
        cell: (row) => {
          const text = this.spellings.get(store.number(row));
          if (text === undefined) return "…";
          const click = () => told.onOpen(row);
          return h("button", {type: "button", class: "sort arch", title: text.slice(0, 300), on: {click}}, text.slice(0, 300));
        },
      },
    ];
  }

  /** @param {string} name @returns {import("./table.js").Column<number>} */
  metric(name) {
    const {store} = this;
    const described = store.described.get(name);
    return {
      name,
      label: axisLabel(name, described?.unit),
      numeric: true,
      title: described?.description,
      cell: (row) => {
        const value = store.values.get(name)?.[row];
        if (described && described.kind !== "metric") return store.label(described, value ?? 0);
        return figure(value);
      },
    };
  }

  /** @param {number[]} rows Load the architecture strings of visible rows when scrolling stops. */
  want(rows) {
    const missing = rows.map((row) => this.store.number(row)).filter((number) => !this.spellings.has(number));
    clearTimeout(this.timer);
    if (!missing.length || !this.store.values.has(NUMBER)) return;
    this.timer = setTimeout(() => this.ask(missing.slice(0, AT_A_TIME)).catch(this.told.onFail), PAUSE);
  }

  /** @param {number[]} numbers */
  async ask(numbers) {
    const {store} = this;
    const query = {numbers: numbers.join(","), ...store.part};
    const answer = await ask(`${store.path}/spellings`, {query});
    for (const {number, arch} of answer.items) this.spellings.set(number, arch ?? "");
    this.table.refresh();
  }

  /** @param {number} row @returns {Promise<string>} The architecture as text, in a form that all requests accept. */
  async spelling(row) {
    const number = this.store.number(row);
    if (!this.spellings.has(number)) await this.ask([number]);
    return this.spellings.get(number) ?? String(number);
  }
}
