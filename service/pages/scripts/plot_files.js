/**
 * Save any plot as PNG or SVG, with title, axes, legend and origin.
 *
 *   plotButtons(page, () => ({file: "front", title, origin, width, height, parts, draw}))
 *   plotButtons(page, () => curvesShown(made, {file, title, origin, x, y, series}))
 */

import {h, svg} from "./dom.js";
import {savePng, saveSvg} from "./exports.js";
import {color} from "./plot.js";
import {axisParts, curveParts, legendHeight} from "./vectors.js";

/**
 * @typedef {object} Shown The current content of a plot.
 * @property {string} file Name of the file, without its ending.
 * @property {string} title
 * @property {import("./exports.js").Origin} origin
 * @property {number} width In CSS pixels, without title and origin.
 * @property {number} height
 * @property {() => Element[]} parts The content as SVG elements.
 * @property {(context: CanvasRenderingContext2D) => void} [draw] Draws a PNG, in CSS pixels from
 *   (0, 0); without it, the PNG is rendered from the SVG.
 */

/**
 * Return the buttons.
 * @param {{fail: (error: unknown) => void}} page
 * @param {() => Shown | null} shown Returns null without a picture.
 * @param {number[]} [scales] Scales of PNGs, with a button each.
 */
export function plotButtons(page, shown, scales = [2]) {
  const button = (/** @type {string} */ label, /** @type {(told: any) => unknown} */ act) => {
    const click = async () => {
      const found = shown();
      if (!found) return;
      try {
        await act({...found, colors: {text: color("--text"), back: color("--back"), mark: color("--mark")}});
      } catch (error) {
        page.fail(error);
      }
    };
    return h("button", {type: "button", on: {click}}, label);
  };
  const many = scales.length > 1;
  return [
    ...scales.map((scale) =>
      button(many ? `PNG ${scale}×` : "PNG", ({parts, file, ...told}) =>
        savePng(`${file}${many ? `-${scale}x` : ""}.png`, {...told, scale, parts: told.draw ? [] : parts()}),
      ),
    ),
    button("SVG", ({parts, file, ...told}) => saveSvg(`${file}.svg`, {...told, parts: parts()})),
  ];
}

/**
 * Return the content of a plot of curves, or null without a canvas.
 * @param {ReturnType<typeof import("./plot.js").curves>} made
 * @param {{file: string, title: string, origin: import("./exports.js").Origin, at: ArrayLike<number>,
 *   x: string, y: string, log?: boolean, stepped?: boolean, points?: boolean, series: import("./plot.js").Series[]}} told
 * @returns {Shown | null}
 */
export function curvesShown(made, {at, x, y, log, stepped, points, series, ...told}) {
  const geometry = made.geometry();
  if (!geometry) return null;
  const {width, height} = made.plot;
  const parts = () => [
    ...axisParts(geometry, {x, y}),
    ...curveParts(geometry, at, series, {log, stepped, points, height}),
  ];
  return {...told, width, height: height + legendHeight(series), parts};
}

/**
 * Return a function that draws a canvas at a size in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {{width: number, height: number}} size
 */
export function copied(canvas, {width, height}) {
  return (/** @type {CanvasRenderingContext2D} */ context) => {
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, width, height);
  };
}

/**
 * Return a canvas as an SVG element.
 * @param {HTMLCanvasElement} canvas
 * @param {{x: number, y: number, width: number, height: number}} box
 */
export function canvasPart(canvas, box) {
  const href = canvas.toDataURL("image/png");
  return svg("image", {...box, href, preserveAspectRatio: "none", "image-rendering": "pixelated"});
}
