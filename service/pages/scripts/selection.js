/**
 * The selection of candidates, and what is computed from it: pure functions over columns.
 *
 * Columns are typed arrays of the same length, a value per candidate; NaN means not recorded. A mask
 * is 1 for selected candidates. Every function is one loop over the rows: 423,624 take some milliseconds.
 */

/** @typedef {Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array} Values */
/** @typedef {{values: Values, min?: number, max?: number}} Bound Both ends are included. */
/** @typedef {{values: Values, keep: Set<number>, drop: Set<number>}} Facet */

/**
 * Return the mask of candidates within all bounds and facets.
 *
 * Bounds are rounded like the values, so that 32-bit values give the same result as 64-bit ones.
 * @param {number} rows
 * @param {Bound[]} bounds
 * @param {Facet[]} facets
 */
export function keptMask(rows, bounds, facets) {
  const mask = new Uint8Array(rows).fill(1);
  for (const {values, min = -Infinity, max = Infinity} of bounds) {
    const low = Math.fround(min);
    const high = Math.fround(max);
    for (let row = 0; row < rows; row += 1) {
      const value = values[row];
      if (!(value >= low && value <= high)) mask[row] = 0;
    }
  }
  for (const {values, keep, drop} of facets) {
    const allowed = (/** @type {number} */ value) => (!keep.size || keep.has(value)) && !drop.has(value);
    /** @type {Map<number, number>} */
    const known = new Map();
    for (let row = 0; row < rows; row += 1) {
      const value = values[row];
      let one = known.get(value);
      if (one === undefined) known.set(value, (one = allowed(value) ? 1 : 0));
      if (!one) mask[row] = 0;
    }
  }
  return mask;
}

/** @param {Uint8Array} mask */
export function counted(mask) {
  let kept = 0;
  for (let row = 0; row < mask.length; row += 1) kept += mask[row];
  return kept;
}

/**
 * Return the rows of a mask in the order of a list of all rows.
 * @param {Uint8Array} mask
 * @param {Int32Array | null} order Null: ascending by index.
 */
export function keptRows(mask, order = null) {
  const rows = new Int32Array(counted(mask));
  let place = 0;
  for (let rank = 0; rank < mask.length; rank += 1) {
    const row = order ? order[rank] : rank;
    if (mask[row]) rows[place++] = row;
  }
  return rows;
}

/**
 * Return all rows sorted by a column: ties ascending by index, NaN last.
 *
 * Each value is packed with its row into one number, which browsers sort ten times as fast as rows
 * with a comparison function.
 * @param {Values} values
 * @param {boolean} descending
 */
export function sortedBy(values, descending) {
  const rows = values.length;
  const room = 2 ** Math.ceil(Math.log2(Math.max(rows, 2)));
  const exact = Float32Array.from(values);
  const bits = new Uint32Array(exact.buffer);
  const keys = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let rank = 2 ** 32;
    if (!Number.isNaN(exact[row])) {
      // After this transformation, 32-bit floats sort by their bits. -0 becomes 0.
      const plain = exact[row] === 0 ? 0 : bits[row];
      rank = plain >>> 31 ? ~plain >>> 0 : (plain | 0x80000000) >>> 0;
      if (descending) rank = 2 ** 32 - 1 - rank;
    }
    keys[row] = rank * room + row;
  }
  keys.sort();
  return Int32Array.from(keys, (key) => key % room);
}

/** Bins of x with their best y, by which most rows are excluded before sorting. */
const PARTS = 4096;

/**
 * Return the Pareto front of the selected rows, best x first; rows that are equal in both metrics are
 * all returned.
 * @param {Values} xs
 * @param {Values} ys
 * @param {{x: boolean, y: boolean}} larger Whether larger is better.
 * @param {Uint8Array} mask
 */
export function pareto(xs, ys, larger, mask) {
  const sx = larger.x ? -1 : 1;
  const sy = larger.y ? -1 : 1;
  const rows = hopeful(xs, ys, {x: sx, y: sy}, mask);
  rows.sort((a, b) => sx * (xs[a] - xs[b]) || sy * (ys[a] - ys[b]) || a - b);
  const front = [];
  let best = Infinity;
  let last = -1;
  for (const row of rows) {
    const loss = sy * ys[row];
    const same = last >= 0 && xs[row] === xs[last] && ys[row] === ys[last];
    if (loss < best || same) {
      front.push(row);
      best = loss;
      last = row;
    }
  }
  return front;
}

/**
 * Return the selected rows that are not dominated by a row in another bin of x.
 * @param {Values} xs
 * @param {Values} ys
 * @param {{x: number, y: number}} sign
 * @param {Uint8Array} mask
 */
function hopeful(xs, ys, sign, mask) {
  const ends = extent(xs);
  if (!ends) return [];
  const [low, high] = sign.x > 0 ? ends : [-ends[1], -ends[0]];
  const scale = PARTS / (high - low || 1);
  const part = (/** @type {number} */ row) =>
    Math.max(0, Math.min(PARTS - 1, Math.floor((sign.x * xs[row] - low) * scale)));
  const best = new Float64Array(PARTS + 1).fill(Infinity);
  const recorded = (/** @type {number} */ row) =>
    mask[row] && !Number.isNaN(xs[row]) && !Number.isNaN(ys[row]);
  for (let row = 0; row < xs.length; row += 1) {
    if (!recorded(row)) continue;
    const after = part(row) + 1;
    best[after] = Math.min(best[after], sign.y * ys[row]);
  }
  for (let place = 1; place <= PARTS; place += 1) best[place] = Math.min(best[place], best[place - 1]);
  const found = [];
  for (let row = 0; row < xs.length; row += 1) {
    if (recorded(row) && sign.y * ys[row] < best[part(row)]) found.push(row);
  }
  return found;
}

/**
 * Return the number of values in each of equal bins between two ends, both included.
 * @param {Values} values
 * @param {Uint8Array | null} mask Null: all rows.
 * @param {{low: number, high: number, bins: number, log?: boolean}} grid
 */
export function histogram(values, mask, {low, high, bins, log = false}) {
  const found = new Uint32Array(bins);
  const of = log ? Math.log : (/** @type {number} */ value) => value;
  const start = of(low);
  const width = of(high) - start || 1;
  for (let row = 0; row < values.length; row += 1) {
    if (mask && !mask[row]) continue;
    const value = values[row];
    if (!(value >= low && value <= high)) continue;
    found[Math.min(bins - 1, Math.floor(((of(value) - start) / width) * bins))] += 1;
  }
  return found;
}

/**
 * Return how many rows have each value of a feature.
 * @param {Values} values
 * @param {Uint8Array} mask
 * @returns {Map<number, number>} By value, in ascending order; values that no selected
 *   row has are included with 0.
 */
export function valueCounts(values, mask) {
  /** @type {Map<number, number>} */
  const found = new Map();
  const few = new Uint32Array(256);
  const seen = new Uint8Array(256);
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value >= 0 && value < 256) {
      few[value] += mask[row];
      seen[value] = 1;
    } else found.set(value, (found.get(value) ?? 0) + mask[row]);
  }
  for (let value = 0; value < 256; value += 1) if (seen[value]) found.set(value, few[value]);
  return new Map([...found].sort(([a], [b]) => a - b));
}

/**
 * Return the smallest and the largest finite value, only positive ones for a log axis.
 * @param {Values} values
 * @param {boolean} [log]
 * @returns {[number, number] | null} Null if there is none.
 */
export function extent(values, log = false) {
  let low = Infinity;
  let high = -Infinity;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/**
 * Return the row that is nearest to a pixel, or -1.
 * @param {Float32Array} px Pixels of all rows; NaN outside the view.
 * @param {Float32Array} py
 * @param {Uint8Array | null} mask
 * @param {number} x
 * @param {number} y
 * @param {number} most Largest distance in pixels.
 */
export function nearest(px, py, mask, x, y, most) {
  let best = most * most;
  let found = -1;
  for (let row = 0; row < px.length; row += 1) {
    if (mask && !mask[row]) continue;
    const dx = px[row] - x;
    const dy = py[row] - y;
    const distance = dx * dx + dy * dy;
    if (distance < best) {
      best = distance;
      found = row;
    }
  }
  return found;
}

/**
 * Return the next selected row in the order of a column, or the row itself at the end.
 * @param {Values} values
 * @param {Uint8Array} mask
 * @param {number} row -1: the first of all.
 * @param {1 | -1} step
 */
export function following(values, mask, row, step) {
  let found = -1;
  for (let other = 0; other < values.length; other += 1) {
    const value = values[other];
    if (!mask[other] || Number.isNaN(value) || other === row) continue;
    if (row >= 0 && !after(values, other, row, step)) continue;
    if (found < 0 || after(values, found, other, step)) found = other;
  }
  return found < 0 ? row : found;
}

/** @param {Values} values @param {number} a @param {number} b @param {1 | -1} step */
function after(values, a, b, step) {
  const difference = step * (values[a] - values[b]) || step * (a - b);
  return difference > 0;
}

/**
 * Round a bound outwards to the resolution of a pixel.
 * @param {number} value
 * @param {number} range Range of the visible axis.
 * @param {"down" | "up"} way
 */
export function rounded(value, range, way) {
  const digits = Math.max(0, 3 - Math.floor(Math.log10(Math.abs(range) || 1)));
  const scale = 10 ** Math.min(digits, 12);
  const whole = way === "down" ? Math.floor(value * scale) : Math.ceil(value * scale);
  return Number((whole / scale).toPrecision(12));
}

/**
 * Parse a typed bound: `flops <= 150`, `test_acc ≥ 94`, `max_flops=150`.
 * @param {string} text
 * @returns {{name: string, side: "min" | "max", value: number} | null}
 */
export function readBound(text) {
  const found = /^\s*(\S+?)\s*(<=|≤|<|>=|≥|>)\s*(\S+)\s*$/.exec(text);
  const api = /^\s*(min|max)_(\S+?)\s*=\s*(\S+)\s*$/.exec(text);
  const value = Number((found ?? api)?.[3]);
  if (!Number.isFinite(value)) return null;
  if (found) return {name: found[1], side: /[<≤]/.test(found[2]) ? "max" : "min", value};
  if (api) return {name: api[2], side: /** @type {"min" | "max"} */ (api[1]), value};
  return null;
}
