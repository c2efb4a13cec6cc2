/**
 * Pictures of cells as elements, used instead of the service's picture if they are small, many, or
 * have marked edges. Operations have letters, so that colour is not needed to tell them apart.
 *
 *   element.append(cellPicture(names.arch, {marked: new Set(["0_1"])}))
 *
 * A cell is a dict of operations by edge `source_target`, a cell of NAS-Bench-101 (`op1`, `input1`, …),
 * or a list of choices in sequence. For anything else the result is null.
 */

import {h, svg} from "./dom.js";

/** @typedef {{from: number, to: number, op: string, name: string}} Edge */

const EDGE = /^(\d+)_(\d+)$/;
const WIDTH = 300;
const HEIGHT = 150;

/** @param {string} op Return its abbreviation: `conv_3x3` is C3, `skip_connect` is S. */
export function letters(op) {
  const size = /(\d)x\d/.exec(op)?.[1] ?? /(\d+)$/.exec(op)?.[1] ?? "";
  const word = op.replace(/^nor_/, "");
  return `${word.charAt(0).toUpperCase()}${size}`;
}

/** @param {string} op Return the index of its colour, which is the same on every page. */
function tint(op) {
  if (/^none|zero/.test(op)) return 0;
  if (/skip|ident/.test(op)) return 8;
  if (/pool/.test(op)) return 3;
  if (/3x3|k3/.test(op)) return 1;
  if (/1x1/.test(op)) return 2;
  return 4;
}

/**
 * Return the picture of a cell, or null.
 * @param {any} arch
 * @param {{marked?: Set<string>, small?: boolean}} [how] `marked`: highlighted edges or nodes.
 * @returns {SVGElement | null}
 */
export function cellPicture(arch, {marked = new Set(), small = false} = {}) {
  if (Array.isArray(arch)) return chain(arch.map(String), marked);
  if (!arch || typeof arch !== "object") return null;
  const edges = Object.entries(arch).flatMap(([name, op]) => {
    const match = EDGE.exec(name);
    return match ? [{from: Number(match[1]), to: Number(match[2]), op: String(op), name}] : [];
  });
  if (edges.length) return graph(edges, marked, small);
  if ("op1" in arch) return labelled(arch, marked);
  return null;
}

/** @param {string} text */
function frame(text, /** @type {any[]} */ ...children) {
  return svg(
    "svg",
    {class: "cell", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": text},
    svg("title", {}, text),
    children,
  );
}

/** @param {number} node @param {number} nodes Return its centre. */
function centre(node, nodes) {
  const step = (WIDTH - 40) / Math.max(nodes - 1, 1);
  return {x: 20 + node * step, y: HEIGHT / 2};
}

/** @param {Edge[]} edges @param {Set<string>} marked @param {boolean} small */
function graph(edges, marked, small) {
  const nodes = Math.max(...edges.map(({to}) => to)) + 1;
  const lines = edges.map((edge) => {
    const [one, other] = [centre(edge.from, nodes), centre(edge.to, nodes)];
    const span = edge.to - edge.from;
    // Long edges are curved, those of even length to the other side.
    const bow = span === 1 ? 0 : (span % 2 ? -1 : 1) * (span * 18);
    const middle = {x: (one.x + other.x) / 2, y: one.y + bow};
    const path = `M${one.x} ${one.y} Q${middle.x} ${middle.y + bow} ${other.x} ${other.y}`;
    const none = tint(edge.op) === 0;
    const stroke = `op-${tint(edge.op)}${none ? " none" : ""}${marked.has(edge.name) ? " marked" : ""}`;
    return svg(
      "g",
      {class: `edge ${stroke}`},
      svg("path", {d: path}),
      small && none ? null : label(middle.x, middle.y, letters(edge.op), `${edge.name}: ${edge.op}`),
    );
  });
  const circles = Array.from({length: nodes}, (_, node) => {
    const {x, y} = centre(node, nodes);
    return svg("g", {class: "node"}, svg("circle", {cx: x, cy: y, r: 12}), svg("text", {x, y: y + 5}, node));
  });
  const text = edges.map(({name, op}) => `${name.replace("_", " to ")} ${op}`).join(", ");
  return frame(`Cell: ${text}`, lines, circles);
}

/** @param {number} x @param {number} y @param {string} text @param {string} whole */
function label(x, y, text, whole) {
  const width = 14 + 9 * text.length;
  return svg(
    "g",
    {class: "label"},
    svg("title", {}, whole),
    svg("rect", {x: x - width / 2, y: y - 11, width, height: 22, rx: 5}),
    svg("text", {x, y: y + 5}, text),
  );
}

/** @param {any} arch @param {Set<string>} marked Draw nodes with operations, in NNI's format. */
function labelled(arch, marked) {
  const count = Object.keys(arch).filter((name) => /^input\d+$/.test(name)).length + 1;
  /** @type {any[]} */
  const lines = [];
  for (let to = 1; to < count; to += 1) {
    for (const from of arch[`input${to}`] ?? []) {
      const [one, other] = [centre(from, count), centre(to, count)];
      const span = to - from;
      const bow = span === 1 ? 0 : (span % 2 ? -1 : 1) * Math.min(span * 24, 66);
      const path = `M${one.x} ${one.y} Q${(one.x + other.x) / 2} ${one.y + 2 * bow} ${other.x} ${other.y}`;
      lines.push(svg("g", {class: `edge op-8${marked.has(`input${to}`) ? " marked" : ""}`}, svg("path", {d: path})));
    }
  }
  const nodes = Array.from({length: count}, (_, node) => {
    const {x, y} = centre(node, count);
    const op = arch[`op${node}`];
    if (op === undefined) {
      return svg("g", {class: "node"}, svg("circle", {cx: x, cy: y, r: 16}), svg("text", {x, y: y + 5}, node ? "out" : "in"));
    }
    const mark = marked.has(`op${node}`) ? " marked" : "";
    return svg("g", {class: `edge op-${tint(op)}${mark}`}, label(x, y, letters(op), `${node}: ${op}`));
  });
  const told = Array.from({length: count - 1}, (_, place) => `${place + 1} ${arch[`op${place + 1}`] ?? "output"}`);
  return frame(`Cell: ${told.join(", ")}`, lines, nodes);
}

/** @param {string[]} choices @param {Set<string>} marked */
function chain(choices, marked) {
  const width = (WIDTH - 10) / choices.length;
  const boxes = choices.map((op, place) => {
    const x = 5 + width * (place + 0.5);
    const text = /^\d+$/.test(op) ? op : letters(op);
    return svg(
      "g",
      {class: `edge op-${tint(op)}${marked.has(String(place)) ? " marked" : ""}`},
      svg(
        "g",
        {class: "label"},
        svg("title", {}, `${place}: ${op}`),
        svg("rect", {x: x - width / 2 + 2, y: HEIGHT / 2 - 22, width: width - 4, height: 44, rx: 5}),
        svg("text", {x, y: HEIGHT / 2 + 5}, text),
      ),
    );
  });
  return frame(`Choices: ${choices.join(", ")}`, boxes);
}

/**
 * Return the legend of the abbreviations.
 * @param {any[]} archs
 */
export function letterLegend(archs) {
  const values = archs.flatMap((arch) => (arch && typeof arch === "object" ? Object.values(arch) : []));
  const named = values.filter((value) => typeof value === "string" && !/^\d+$/.test(value));
  const items = [...new Set(named)].sort().map((op) => h("li", {}, h("b", {}, letters(op)), ` ${op}`));
  return items.length ? h("ul", {class: "legend"}, items) : null;
}
