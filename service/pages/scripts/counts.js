/**
 * Pictures of many points: counts per cell of some pixels, as colours.
 *
 * Browsers do not draw a canvas path of more than about 180,000 points, and overlapping translucent
 * marks of one path do not get darker, so counts per cell are painted as an image.
 */

/** @typedef {import("./plot.js").Box} Box */
/** @typedef {[number, number, number]} Rgb */

/** Perceptually uniform colours from low to high counts: light theme, dark theme. */
const RAMPS = {
  light: /** @type {Rgb[]} */ ([[77, 147, 205], [45, 108, 176], [55, 66, 145], [62, 22, 102], [25, 4, 40]]),
  dark: /** @type {Rgb[]} */ ([[62, 109, 168], [44, 148, 181], [74, 189, 157], [168, 221, 118], [253, 231, 120]]),
};

/** @param {boolean} dark @returns {Uint32Array} 256 colours as pixels. */
export function ramp(dark) {
  const stops = RAMPS[dark ? "dark" : "light"];
  return Uint32Array.from({length: 256}, (_, rank) => {
    const place = (rank / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    const part = place - first;
    const [r, g, b] = stops[first].map((value, channel) =>
      Math.round(value + part * (stops[first + 1][channel] - value)),
    );
    return pixel([r, g, b]);
  });
}

/** @param {Rgb} color Return it as a pixel of image data, which is little-endian. */
export function pixel([r, g, b]) {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** @param {string} text `#rrggbb` @returns {Rgb} */
export function rgb(text) {
  const number = Number.parseInt(text.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

/** @param {number} rows Return the side of a cell in CSS pixels: larger for few candidates. */
export function cellSize(rows) {
  if (rows <= 3_000) return 5;
  return rows <= 50_000 ? 3 : 2;
}

/** Positions of candidates in a picture: pixel coordinates and the cell of each. */
export class Places {
  /**
   * @param {import("./selection.js").Values} xs
   * @param {import("./selection.js").Values} ys
   * @param {import("./plot.js").Bounds} view
   * @param {{x: boolean, y: boolean}} log
   * @param {Box} box
   * @param {number} size Of a cell, in device pixels.
   */
  constructor(xs, ys, view, log, box, size) {
    this.box = box;
    this.size = size;
    this.width = Math.max(1, Math.ceil(box.width / size));
    this.height = Math.max(1, Math.ceil(box.height / size));
    const rows = xs.length;
    /** Pixels from the left and top of the box; NaN outside the view. */
    this.px = new Float32Array(rows);
    this.py = new Float32Array(rows);
    /** The cell of each row; -1 outside the view. */
    this.cells = new Int32Array(rows);
    this.inView = 0;
    const fx = log.x ? Math.log : Number;
    const fy = log.y ? Math.log : Number;
    const x0 = fx(view.x0);
    const y1 = fy(view.y1);
    const sx = box.width / (fx(view.x1) - x0 || 1);
    const sy = box.height / (y1 - fy(view.y0) || 1);
    for (let row = 0; row < rows; row += 1) {
      const px = (fx(xs[row]) - x0) * sx;
      const py = (y1 - fy(ys[row])) * sy;
      if (px >= 0 && px <= box.width && py >= 0 && py <= box.height) {
        const across = Math.min(this.width - 1, Math.floor(px / size));
        const down = Math.min(this.height - 1, Math.floor(py / size));
        this.px[row] = px;
        this.py[row] = py;
        this.cells[row] = down * this.width + across;
        this.inView += 1;
      } else {
        this.px[row] = this.py[row] = NaN;
        this.cells[row] = -1;
      }
    }
  }

  /** @param {number} row Return the number of others in its cell. */
  others(row) {
    const cell = this.cells[row];
    let found = -1;
    for (let other = 0; other < this.cells.length; other += 1) {
      if (this.cells[other] === cell) found += 1;
    }
    return cell < 0 ? 0 : found;
  }
}

/** Paints cells; reuses its canvas. */
export class Painter {
  constructor() {
    this.canvas = document.createElement("canvas");
  }

  /**
   * Paint all cells into an image of the size of the grid and return it.
   * @param {{width: number, height: number}} grid
   * @param {(pixels: Uint32Array) => void} fill
   */
  image({width, height}, fill) {
    this.canvas.width = width;
    this.canvas.height = height;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const image = context.createImageData(width, height);
    fill(new Uint32Array(image.data.buffer));
    context.putImageData(image, 0, 0);
    return this.canvas;
  }

  /**
   * Draw candidates: selected ones coloured by the logarithm of their count, the rest in one colour.
   * @param {CanvasRenderingContext2D} context
   * @param {Places} places
   * @param {Uint8Array} mask
   * @param {{colors: Uint32Array, off: number}} palette
   * @returns {number} The largest count of selected candidates.
   */
  counts(context, places, mask, {colors, off}) {
    const {cells, width, height} = places;
    const kept = new Uint32Array(width * height);
    const any = new Uint8Array(width * height);
    let most = 1;
    for (let row = 0; row < cells.length; row += 1) {
      const cell = cells[row];
      if (cell < 0) continue;
      any[cell] = 1;
      if (mask[row] && ++kept[cell] > most) most = kept[cell];
    }
    const scale = 255 / Math.log(Math.max(most, 2));
    const image = this.image(places, (pixels) => {
      for (let cell = 0; cell < kept.length; cell += 1) {
        if (kept[cell]) pixels[cell] = colors[Math.round(Math.log(kept[cell]) * scale)];
        else if (any[cell]) pixels[cell] = off;
      }
    });
    stretch(context, image, places);
    return most;
  }

  /**
   * Draw the same, with selected candidates coloured by the mean of a third metric per cell.
   * @param {CanvasRenderingContext2D} context
   * @param {Places} places
   * @param {Uint8Array} mask
   * @param {{colors: Uint32Array, off: number}} palette
   * @param {{values: import("./selection.js").Values, low: number, high: number}} third
   */
  means(context, places, mask, {colors, off}, {values, low, high}) {
    const {cells, width, height} = places;
    const sums = new Float64Array(width * height);
    const counts = new Uint32Array(width * height);
    const any = new Uint8Array(width * height);
    for (let row = 0; row < cells.length; row += 1) {
      const cell = cells[row];
      if (cell < 0) continue;
      any[cell] = 1;
      if (!mask[row] || Number.isNaN(values[row])) continue;
      sums[cell] += values[row];
      counts[cell] += 1;
    }
    const scale = 255 / (high - low || 1);
    const image = this.image(places, (pixels) => {
      for (let cell = 0; cell < counts.length; cell += 1) {
        if (counts[cell]) pixels[cell] = colors[Math.round((sums[cell] / counts[cell] - low) * scale)];
        else if (any[cell]) pixels[cell] = off;
      }
    });
    stretch(context, image, places);
  }

  /**
   * Draw a grid of counts from the service.
   * @param {CanvasRenderingContext2D} context
   * @param {{width: number, height: number, counts: Uint32Array}} grid Rows from the bottom up.
   * @param {Box} box Where the grid lies, in device pixels.
   * @param {Uint32Array} colors
   */
  grid(context, {width, height, counts}, box, colors) {
    let most = 2;
    for (const count of counts) if (count > most) most = count;
    const scale = 255 / Math.log(most);
    const image = this.image({width, height}, (pixels) => {
      for (let cell = 0; cell < counts.length; cell += 1) {
        if (!counts[cell]) continue;
        const row = height - 1 - Math.floor(cell / width);
        pixels[row * width + (cell % width)] = colors[Math.round(Math.log(counts[cell]) * scale)];
      }
    });
    context.imageSmoothingEnabled = false;
    context.drawImage(image, box.left, box.top, box.width, box.height);
  }
}

/** @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} image @param {Places} places */
function stretch(context, image, {box, size, width, height}) {
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(image, box.left, box.top, width * size, height * size);
  context.restore();
}

/**
 * Draw the front as a line with points.
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number}[]} points Device pixels.
 * @param {{color: string, scale: number}} how
 */
export function drawFront(context, points, {color, scale}) {
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = 1.5 * scale;
  context.beginPath();
  points.forEach(({x, y}, rank) => (rank ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
  for (const {x, y} of points) {
    context.beginPath();
    context.arc(x, y, 3 * scale, 0, 7);
    context.fill();
  }
}

/**
 * Draw a ring with four ticks, which is recognisable without colours.
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number}} at
 * @param {{color: string, back: string, scale: number}} how
 */
export function drawRing(context, {x, y}, {color, back, scale}) {
  for (const [style, width] of /** @type {[string, number][]} */ ([[back, 5], [color, 2.5]])) {
    context.strokeStyle = style;
    context.lineWidth = width * scale;
    context.beginPath();
    context.arc(x, y, 7 * scale, 0, 7);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 7 * scale * dx, y + 7 * scale * dy);
      context.lineTo(x + 12 * scale * dx, y + 12 * scale * dy);
    }
    context.stroke();
  }
}
