/**
 * Numbers, counts and units for people. Exports use unrounded numbers: `String(value)`.
 *
 *   count(15625)                  "15,625"
 *   counted(1, "job")             "1 job"
 *   figure(94.3733, "percent")    "94.37 %"
 *   figure(null)                  "–"
 *   axisLabel("test_acc", "percent")   "test_acc (%)"
 */

const COUNT = new Intl.NumberFormat("en-US");
/** Not recorded. */
export const NONE = "–";

/** @type {Record<string, string>} */
const UNITS = {
  percent: "%",
  millions: "M",
  seconds: "s",
  milliseconds: "ms",
  millijoules: "mJ",
  epochs: "epochs",
  "cross-entropy": "",
  count: "",
};

/**
 * Return the symbol of a unit.
 * @param {string | null | undefined} unit
 */
export function sign(unit) {
  return unit ? (UNITS[unit] ?? unit) : "";
}

/** @param {number} value How many. */
export function count(value) {
  return COUNT.format(value);
}

/** @param {number} many @param {string} one The singular. @param {string} [more] The plural. */
export function counted(many, one, more = `${one}s`) {
  return `${count(many)} ${many === 1 ? one : more}`;
}

/**
 * Return a number with four significant digits, thousands separators and its unit.
 * @param {number | null | undefined} value NaN and null mean not recorded.
 * @param {string | null} [unit]
 * @param {number} [digits]
 */
export function figure(value, unit = null, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  const text = plain(value, digits);
  const after = sign(unit);
  return after ? `${text} ${after}` : text;
}

/** @param {number} value @param {number} digits */
function plain(value, digits) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(digits - 1);
  return new Intl.NumberFormat("en-US", {
    maximumSignificantDigits: Math.max(digits, Math.ceil(Math.log10(size + 1))),
  }).format(value);
}

/** @param {number} change Return it with its sign and three digits. */
export function signed(change) {
  return `${change > 0 ? "+" : ""}${figure(change, null, 3)}`.replace("-", "−");
}

/**
 * Return the name of an axis or column with its unit.
 * @param {string} name
 * @param {string | null} [unit]
 */
export function axisLabel(name, unit = null) {
  const after = sign(unit);
  return after ? `${name} (${after})` : name;
}

/** @param {number} seconds @param {number} [digits] Significant digits. */
export function duration(seconds, digits = 3) {
  if (seconds < 120) return `${figure(seconds, null, digits)} s`;
  if (seconds < 7200) return `${figure(seconds / 60, null, digits)} min`;
  if (seconds < 172_800) return `${figure(seconds / 3600, null, digits)} h`;
  return `${figure(seconds / 86_400, null, digits)} days`;
}

/** @param {number} hours Worker hours, as in the limits of plans. */
export function workerTime(hours) {
  return hours !== 0 && hours < 1 ? duration(3600 * hours) : `${figure(hours, null, 3)} h`;
}

/** @param {number} value Bytes. */
export function bytes(value) {
  if (value < 1e3) return `${value} B`;
  if (value < 1e6) return `${figure(value / 1e3, null, 3)} kB`;
  if (value < 1e9) return `${figure(value / 1e6, null, 3)} MB`;
  return `${figure(value / 1e9, null, 3)} GB`;
}

/**
 * Return the first 12 digits of a content digest, for URLs.
 * @param {string} digest `sha256:…`
 */
export function shortDigest(digest) {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}
