/**
 * A table of any length: only visible rows have elements.
 *
 *   const table = new VirtualTable({
 *     label: "Architectures kept",
 *     columns: [{name: "flops", label: "flops (M)", numeric: true, cell: (row) => figure(flops[row])}],
 *     onSort: (name, descending) => …,   // omitted: headings do not sort
 *     onOpen: (row) => …,                // Enter or a double click
 *     onWindow: (rows) => …,             // rows became visible: load their content
 *   });
 *   element.append(table.element);
 *   table.show(rows, {name: "flops", descending: false});
 *
 * Rows are the arguments of `cell`: indices of candidates, or objects. Keys: up and down, page up and
 * page down, home and end move between rows, Enter opens one.
 */

import {h, onceAFrame, redraw} from "./dom.js";

/** Height of a row in rem; frame.css has the same value. */
const ROW_REM = 2;
/** Rows drawn beyond both edges of the visible area. */
const BEYOND = 8;

/**
 * @template R
 * @typedef {object} Column
 * @property {string} name
 * @property {string} label
 * @property {boolean} [numeric]
 * @property {boolean} [sortable] True by default if the table sorts.
 * @property {string} [title] Tooltip of its heading.
 * @property {(row: R) => import("./dom.js").Child} cell
 */

/**
 * @template R
 * @typedef {object} TableOptions
 * @property {string} label
 * @property {Column<R>[]} columns
 * @property {(name: string, descending: boolean) => void} [onSort]
 * @property {(row: R) => void} [onOpen]
 * @property {(rows: R[]) => void} [onWindow]
 * @property {(row: R) => boolean} [isSelected]
 */

/** @template R */
export class VirtualTable {
  /** @param {TableOptions<R>} options */
  constructor(options) {
    this.options = options;
    /** @type {ArrayLike<R>} */
    this.rows = [];
    /** @type {{name: string, descending: boolean} | null} */
    this.sort = null;
    this.focused = 0;
    this.head = h("thead");
    this.body = h("tbody");
    this.table = h("table", {"aria-label": options.label}, this.head, this.body);
    this.element = h(
      "div",
      {class: "virtual scroll", tabindex: "0", role: "region", "aria-label": options.label},
      this.table,
    );
    this.render = onceAFrame(() => this.draw());
    this.element.addEventListener("scroll", () => this.render(), {passive: true});
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    new ResizeObserver(() => this.render()).observe(this.element);
  }

  /** @param {Column<R>[]} columns Show other columns. */
  setColumns(columns) {
    this.options.columns = columns;
    this.drawHead();
    this.draw();
  }

  /**
   * Show other rows.
   * @param {ArrayLike<R>} rows
   * @param {{name: string, descending: boolean} | null} [sort] The order of the rows.
   */
  show(rows, sort = null) {
    this.rows = rows;
    this.sort = sort;
    this.focused = Math.min(this.focused, Math.max(rows.length - 1, 0));
    this.table.setAttribute("aria-rowcount", String(rows.length + 1));
    this.drawHead();
    this.draw();
  }

  /** Redraw the visible rows, whose content has been loaded. */
  refresh() {
    this.render();
  }

  /** @returns {number} The height of a row in pixels. */
  get row() {
    return ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  drawHead() {
    const headings = this.options.columns.map((column) => this.heading(column));
    const {sort} = this.focusedIn(this.head)?.dataset ?? {};
    redraw(this.head, h("tr", {"aria-rowindex": "1"}, headings));
    if (sort) this.refocus(this.head, `[data-sort="${CSS.escape(sort)}"]`);
  }

  /** @param {Column<R>} column */
  heading(column) {
    const sorted = this.sort?.name === column.name ? this.sort : null;
    const order = sorted?.descending ? "descending" : "ascending";
    const attributes = {
      scope: "col",
      class: column.numeric ? "number" : null,
      title: column.title,
      "aria-sort": sorted ? order : null,
    };
    const {onSort} = this.options;
    if (!onSort || column.sortable === false) return h("th", attributes, column.label);
    const arrow = sorted ? (sorted.descending ? " ▼" : " ▲") : "";
    const click = () => onSort(column.name, sorted ? !sorted.descending : Boolean(column.numeric));
    return h(
      "th",
      attributes,
      h("button", {type: "button", class: "sort", "data-sort": column.name, on: {click}}, column.label, arrow),
    );
  }

  draw() {
    const {rows, row: high} = this;
    const shown = Math.ceil((this.element.clientHeight || 10 * high) / high);
    const first = Math.max(0, Math.floor(this.element.scrollTop / high) - BEYOND);
    const last = Math.min(rows.length, first + shown + 2 * BEYOND);
    const window = [];
    for (let place = first; place < last; place += 1) window.push(rows[place]);
    const active = this.focusedIn(this.body);
    const column = active?.closest("td")?.cellIndex;
    // Pressed or checked elements are kept while rows are redrawn.
    redraw(
      this.body,
      spacer(first * high, this.options.columns.length),
      window.map((row, rank) => this.drawRow(row, first + rank)),
      spacer((rows.length - last) * high, this.options.columns.length),
    );
    if (active && column !== undefined) {
      const place = active.closest("tr")?.dataset.place;
      this.refocus(this.body, `tr[data-place="${place}"] td:nth-child(${column + 1}) :is(a, button, input)`);
    }
    if (active) this.refocus(this.body, 'tr[tabindex="0"]');
    this.options.onWindow?.(window);
  }

  /** @param {HTMLElement} part @returns {HTMLElement | null} The focused element in a part of the table. */
  focusedIn(part) {
    const {activeElement} = document;
    return activeElement instanceof HTMLElement && part.contains(activeElement) ? activeElement : null;
  }

  /** @param {HTMLElement} part @param {string} selector Focus an element if a part has lost the focus. */
  refocus(part, selector) {
    if (!this.focusedIn(part)) /** @type {HTMLElement | null} */ (part.querySelector(selector))?.focus({preventScroll: true});
  }

  /** @param {R} row @param {number} place */
  drawRow(row, place) {
    const {onOpen, isSelected} = this.options;
    return h(
      "tr",
      {
        "aria-rowindex": String(place + 2),
        "aria-selected": isSelected ? String(isSelected(row)) : null,
        tabindex: place === this.focused ? "0" : "-1",
        "data-place": String(place),
        "data-key": String(place),
        on: {
          // Not on click, which is lost if the rows are redrawn before it.
          mousedown: (/** @type {MouseEvent} */ event) => this.come(/** @type {Element} */ (event.currentTarget), place),
          dblclick: () => onOpen?.(row),
        },
      },
      this.options.columns.map((column) =>
        h("td", {class: column.numeric ? "number" : null}, column.cell(row)),
      ),
    );
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const onRow = target === this.element || target.tagName === "TR";
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.row) - 1);
    /** @type {Record<string, number>} */
    const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9};
    if (!onRow || !this.rows.length) return;
    if (event.key in steps) {
      event.preventDefault();
      event.stopPropagation();
      this.go(target === this.element ? this.focused : this.focused + steps[event.key]);
    } else if (event.key === "Enter" && target.tagName === "TR") {
      event.preventDefault();
      this.options.onOpen?.(this.rows[this.focused]);
    }
  }

  /** @param {Element} row @param {number} place Make a row current by pointer, without redrawing it. */
  come(row, place) {
    this.body.querySelector('tr[tabindex="0"]')?.setAttribute("tabindex", "-1");
    row.setAttribute("tabindex", "0");
    this.focused = place;
  }

  /** @param {number} place Make a row current. */
  go(place) {
    this.focused = Math.min(Math.max(place, 0), this.rows.length - 1);
    const {row: high} = this;
    const top = this.focused * high;
    const {scrollTop, clientHeight} = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + 2 * high > scrollTop + clientHeight) this.element.scrollTop = top + 2 * high - clientHeight;
    this.draw();
    this.body.querySelector('tr[tabindex="0"]')?.focus({preventScroll: true});
  }
}

/** @param {number} pixels @param {number} columns Return a spacer for rows that are not drawn. */
function spacer(pixels, columns) {
  if (pixels <= 0) return null;
  const cell = h("td", {colspan: String(columns)});
  cell.style.height = `${pixels}px`;
  cell.style.padding = "0";
  return h("tr", {"aria-hidden": "true", class: "spacer"}, cell);
}
