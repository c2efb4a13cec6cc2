/**
 * Exports: files, pictures, snippets. All of them state the source of their numbers.
 *
 *   save("kept.csv", csv(columns, origin));
 *   save("kept.npy", npy(indices), "application/octet-stream");
 *   copyButton("Copy as curl", () => curl("v1/nasbench201/top", {metric: "test_acc"}), page)
 *
 * An `Origin` identifies the benchmark and version of the numbers: `originOf(info)`.
 */

import {ROOT, address} from "./api.js";
import {h, svg} from "./dom.js";
import {axisLabel, count, shortDigest} from "./format.js";
import {planOf} from "./identity.js";

/** @typedef {{title: string, source: string, digest: string, synthetic: boolean}} Origin */

/** @param {any} info A benchmark of `/v1/benchmarks`. @returns {Origin} */
export function originOf(info) {
  const plan = planOf(info.provenance);
  const source = info.provenance.source_name;
  const cells = plan ? `, version ${plan.version}, ${count(plan.cells.there)} of ${count(plan.cells.expected)} cells` : "";
  return {
    title: info.title,
    source: source + cells,
    digest: info.provenance.content_digest,
    synthetic: info.provenance.synthetic,
  };
}

/** @param {Origin} origin Return the line of text below a picture. */
export function originLine(origin) {
  const made = origin.synthetic ? "MADE-UP DATA · " : "";
  return made + [origin.title, origin.source, shortDigest(origin.digest)].filter(Boolean).join(" · ");
}

/**
 * Return the text of a CSV file, with unrounded numbers.
 * @param {{name: string, unit?: string | null, values: ArrayLike<any>}[]} columns
 * @param {Origin} origin
 * @param {{question?: string, date?: string}} [about] For the comment line.
 */
export function csv(columns, origin, {question = "", date = new Date().toISOString()} = {}) {
  const lines = [
    `# ${[originLine(origin), question, date].filter(Boolean).join(" · ").replaceAll(/[\r\n]+/g, " ")}`,
    columns.map((column) => cell(axisLabel(column.name, column.unit))).join(","),
  ];
  const rows = columns[0]?.values.length ?? 0;
  for (let row = 0; row < rows; row += 1) {
    lines.push(columns.map((column) => cell(column.values[row])).join(","));
  }
  return `${lines.join("\n")}\n`;
}

/** @param {any} value Texts that spreadsheets would execute as formulas are escaped. */
function cell(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value === "number") return String(value);
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const DESCRIPTIONS = new Map(
  /** @type {[Function, string][]} */ ([
    [Uint8Array, "|u1"],
    [Int32Array, "<i4"],
    [Uint32Array, "<u4"],
    [Float32Array, "<f4"],
    [Float64Array, "<f8"],
  ]),
);

/**
 * Return an array as a NumPy file (format 1.0).
 * @param {Uint8Array | Int32Array | Uint32Array | Float32Array | Float64Array} array
 * @returns {Uint8Array}
 */
export function npy(array) {
  const kind = DESCRIPTIONS.get(array.constructor);
  const told = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${array.length},), }`;
  const room = Math.ceil((10 + told.length + 1) / 64) * 64 - 10;
  const header = `${told.padEnd(room - 1)}\n`;
  const file = new Uint8Array(10 + room + array.byteLength);
  file.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, room & 255, room >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), 10 + room);
  return file;
}

/**
 * Return the curl command of a request.
 * @param {string} path
 * @param {Record<string, any>} query
 */
export function curl(path, query) {
  const url = address(path, query).href.replaceAll("'", "%27");
  return `curl -H "Authorization: Bearer $NASBENCH_API_KEY" '${url}'`;
}

/**
 * Return a value as a Python literal.
 * @param {unknown} value
 * @returns {string}
 */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  // JSON escapes are valid in Python for the basic plane; other characters are converted.
  return JSON.stringify(String(value));
}

/** @param {Record<string, any>} values Return them as keyword arguments after others. */
export function pythonArguments(values) {
  return Object.entries(values).map(([name, value]) => `, ${name}=${python(value)}`).join("");
}

/** Return the first lines of a Python snippet, which create the client `bench` of this service. */
export function clientLines() {
  return `from bench_client import BenchClient\n\nbench = BenchClient(${python(ROOT.href.replace(/\/$/, ""))})\n`;
}

/** @type {Record<string, string>} */
const WORDS = {true: "True", false: "False", null: "None"};

/**
 * Return an architecture, given as JSON or by name, as a Python literal.
 * @param {string} arch
 */
export function spelled(arch) {
  try {
    const read = JSON.parse(arch);
    if (read === null || typeof read !== "object") return python(arch);
  } catch {
    return python(arch); // not JSON: text from a URL becomes a string literal, never code
  }
  // Numbers are not reformatted; words within strings are not replaced.
  return arch.replaceAll(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (found) => WORDS[found] ?? found);
}

/**
 * Save a file.
 * @param {string} name
 * @param {BlobPart | Blob} content
 * @param {string} [type]
 */
export function save(name, content, type = "text/plain;charset=utf-8") {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}));
  const link = h("a", {href: url, download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {string} name @param {string} content */
export function saveCsv(name, content) {
  save(name, content, "text/csv;charset=utf-8");
}

/**
 * Return a button that saves columns as CSV.
 * @param {string} label
 * @param {string} name
 * @param {{name: string, unit?: string | null, values: ArrayLike<any>}[]} columns
 * @param {any} info Their benchmark.
 * @param {string} question
 */
export function csvButton(label, name, columns, info, question) {
  const click = () => saveCsv(name, csv(columns, originOf(info), {question}));
  return h("button", {type: "button", on: {click}}, label);
}

/**
 * Return a button that copies a text; if the browser forbids it, the text is shown instead.
 * @param {string} label
 * @param {() => string} text
 * @param {{say: (text: string) => void}} page
 */
export function copyButton(label, text, page) {
  const click = async () => {
    const copied = text();
    try {
      await navigator.clipboard.writeText(copied);
      page.say(`${label}: copied.`);
    } catch {
      showText(label, copied);
    }
  };
  return h("button", {type: "button", on: {click}}, label);
}

/** @param {string} label @param {string} text */
function showText(label, text) {
  const area = h("textarea", {readonly: true, rows: "6", "aria-label": label});
  area.value = text;
  const dialog = h(
    "dialog",
    {"aria-label": label},
    area,
    h("form", {method: "dialog"}, h("button", {}, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  area.select();
}

/** Pixels above and below a picture, for its title and origin. */
const ABOVE = 34;
const BELOW = 26;

/**
 * @typedef {object} Picture
 * @property {number} width In CSS pixels, without title and origin.
 * @property {number} height
 * @property {string} title
 * @property {Origin} origin
 * @property {{text: string, back: string, mark: string}} colors
 */

/**
 * Save a picture as PNG, with its title and its origin.
 * @param {string} name
 * @param {Picture & {scale: number, parts: Element[], draw?: (context: CanvasRenderingContext2D) => void}} picture
 *   `draw` draws in CSS pixels from (0, 0); without it, the elements of SVG are drawn.
 */
export async function savePng(name, picture) {
  const {width, height, scale, draw, title, origin, colors} = picture;
  const canvas = h("canvas", {width: width * scale, height: (height + ABOVE + BELOW) * scale});
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(scale, scale);
  if (draw) {
    context.fillStyle = colors.back;
    context.fillRect(0, 0, width, height + ABOVE + BELOW);
    context.fillStyle = colors.text;
    context.font = "600 16px system-ui, sans-serif";
    context.fillText(title, 10, 22, width - 20);
    context.font = "12px system-ui, sans-serif";
    if (origin.synthetic) context.fillStyle = colors.mark;
    context.fillText(originLine(origin), 10, height + ABOVE + 16, width - 20);
    context.save();
    context.translate(0, ABOVE);
    draw(context);
    context.restore();
  } else await drawSvg(context, svgText(picture), width, height + ABOVE + BELOW);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save(name, /** @type {Blob} */ (blob));
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} width @param {number} height */
async function drawSvg(context, text, width, height) {
  const image = h("img");
  const url = URL.createObjectURL(new Blob([text], {type: "image/svg+xml"}));
  try {
    image.src = url;
    await image.decode();
    context.drawImage(image, 0, 0, width, height);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Save a picture as SVG, with its title and its origin.
 * @param {string} name
 * @param {Picture & {parts: Element[]}} picture `parts` are elements of SVG, in CSS pixels.
 */
export function saveSvg(name, picture) {
  save(name, svgText(picture), "image/svg+xml");
}

/** @param {Picture & {parts: Element[]}} picture Return it as the text of an SVG file. */
function svgText({width, height, parts, title, origin, colors}) {
  const whole = height + ABOVE + BELOW;
  const font = "system-ui, sans-serif";
  const picture = svg(
    "svg",
    {width, height: whole, viewBox: `0 0 ${width} ${whole}`, "font-family": font},
    svg("title", {}, title),
    svg("desc", {}, originLine(origin)),
    svg("rect", {width, height: whole, fill: colors.back}),
    svg("text", {x: 10, y: 22, "font-size": 16, "font-weight": 600, fill: colors.text}, title),
    svg("g", {transform: `translate(0 ${ABOVE})`}, parts),
    svg(
      "text",
      {x: 10, y: height + ABOVE + 16, "font-size": 12, fill: origin.synthetic ? colors.mark : colors.text},
      originLine(origin),
    ),
  );
  return new XMLSerializer().serializeToString(picture);
}
