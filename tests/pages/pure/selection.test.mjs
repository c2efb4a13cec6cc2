/** What is kept, compared with a plain reading of every row. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {Places} from "../../../service/pages/scripts/counts.js";
import * as selection from "../../../service/pages/scripts/selection.js";
import {choosePart} from "../../../service/pages/scripts/parts.js";

let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
const column = (rows, of = random) =>
  Float32Array.from({length: rows}, () => (random() < 0.05 ? NaN : of()));
const ROWS = 500;

test("a mask keeps what lies within bounds and facets, as every row says", () => {
  for (let round = 0; round < 20; round += 1) {
    const a = column(ROWS);
    const b = column(ROWS, () => Math.floor(random() * 10));
    const f = Uint8Array.from({length: ROWS}, () => Math.floor(random() * 4));
    const mask = selection.keptMask(
      ROWS,
      [{values: a, min: 0.2}, {values: b, max: 6}],
      [{values: f, keep: new Set([1, 2, 3]), drop: new Set([2])}],
    );
    const plain = Array.from(a, (value, row) => Number(value >= 0.2 && b[row] <= 6 && [1, 3].includes(f[row])));
    assert.deepEqual([...mask], plain);
    assert.equal(selection.counted(mask), plain.reduce((sum, one) => sum + one, 0));
  }
});

test("a bound keeps the value that it was read from", () => {
  const values = new Float32Array([0.1, 94.37, 15.65]);
  for (const end of [0.1, 94.37, 15.65]) {
    const mask = selection.keptMask(3, [{values, min: end, max: end}], []);
    assert.equal(selection.counted(mask), 1);
  }
});

test("the front is that of comparing all pairs, equal ones included", () => {
  for (const larger of [{x: false, y: true}, {x: true, y: true}, {x: false, y: false}]) {
    const xs = column(ROWS, () => Math.floor(random() * 30));
    const ys = column(ROWS, () => Math.floor(random() * 30));
    const mask = Uint8Array.from({length: ROWS}, () => Number(random() < 0.8));
    const lossX = (row) => (larger.x ? -xs[row] : xs[row]);
    const lossY = (row) => (larger.y ? -ys[row] : ys[row]);
    const rows = [...mask.keys()].filter((row) => mask[row] && !Number.isNaN(xs[row]) && !Number.isNaN(ys[row]));
    const beats = (a, b) =>
      lossX(a) <= lossX(b) && lossY(a) <= lossY(b) && (lossX(a) < lossX(b) || lossY(a) < lossY(b));
    const plain = rows.filter((row) => !rows.some((other) => beats(other, row)));
    const front = selection.pareto(xs, ys, larger, mask);
    assert.deepEqual([...front].sort((a, b) => a - b), plain);
  }
});

test("sorting puts what is not recorded last and equal ones in order", () => {
  const values = new Float32Array([3, NaN, 1, 3, 2]);
  assert.deepEqual([...selection.sortedBy(values, true)], [0, 3, 4, 2, 1]);
  assert.deepEqual([...selection.sortedBy(values, false)], [2, 4, 0, 3, 1]);
  assert.deepEqual([...selection.keptRows(new Uint8Array([1, 1, 0, 1, 1]), selection.sortedBy(values, true))], [0, 3, 4, 1]);
});

test("bins add up, on a log axis too", () => {
  const values = Float32Array.from({length: 1000}, (_, row) => row + 1);
  const mask = Uint8Array.from(values, (value) => Number(value % 2));
  const all = selection.histogram(values, null, {low: 1, high: 1000, bins: 64});
  const kept = selection.histogram(values, mask, {low: 1, high: 1000, bins: 64, log: true});
  assert.equal(all.reduce((a, b) => a + b), 1000);
  assert.equal(kept.reduce((a, b) => a + b), 500);
});

test("values of a feature are counted, also those of which nothing is kept", () => {
  const counts = selection.valueCounts(new Int32Array([5, 1, 5, 1000, 1]), new Uint8Array([1, 0, 1, 1, 0]));
  assert.deepEqual([...counts], [[1, 0], [5, 2], [1000, 1]]);
});

test("walking visits every kept row once, in order", () => {
  const values = column(60, () => Math.floor(random() * 8));
  const mask = Uint8Array.from(values, () => Number(random() < 0.7));
  const walked = [];
  for (let row = -1, next; (next = selection.following(values, mask, row, 1)) !== row; row = next) walked.push(next);
  const plain = [...selection.keptRows(mask, selection.sortedBy(values, false))].filter((row) => !Number.isNaN(values[row]));
  assert.deepEqual(walked, plain);
});

test("the nearest is the nearest, and cells hold all in view", () => {
  const xs = column(400);
  const ys = column(400);
  const box = {left: 0, top: 0, width: 300, height: 200};
  const places = new Places(xs, ys, {x0: 0.1, x1: 0.9, y0: 0.01, y1: 1}, {x: false, y: true}, box, 3);
  let inView = 0;
  for (let row = 0; row < 400; row += 1) {
    const inside = xs[row] >= 0.1 && xs[row] <= 0.9 && ys[row] >= 0.01 && ys[row] <= 1;
    inView += Number(inside);
    assert.equal(places.cells[row] >= 0, inside);
  }
  assert.equal(places.inView, inView);
  const found = selection.nearest(places.px, places.py, null, 150, 100, 1e3);
  const away = (row) => Math.hypot(places.px[row] - 150, places.py[row] - 100);
  for (let row = 0; row < 400; row += 1) assert.ok(!(away(row) < away(found)));
});

test("bounds are read as people and the API write them", () => {
  assert.deepEqual(selection.readBound("flops <= 150"), {name: "flops", side: "max", value: 150});
  assert.deepEqual(selection.readBound(" hw.x.y≥1e-3 "), {name: "hw.x.y", side: "min", value: 1e-3});
  assert.deepEqual(selection.readBound("max_flops=150"), {name: "flops", side: "max", value: 150});
  for (const text of ["flops", "flops <=", "<= 3", "flops <= many", ""]) assert.equal(selection.readBound(text), null);
});

test("rounding widens, never narrows", () => {
  for (let round = 0; round < 100; round += 1) {
    const value = (random() - 0.5) * 10 ** Math.floor(random() * 8 - 4);
    const range = 10 ** Math.floor(random() * 8 - 4);
    assert.ok(selection.rounded(value, range, "down") <= value + 1e-12 * Math.abs(value));
    assert.ok(selection.rounded(value, range, "up") >= value - 1e-12 * Math.abs(value));
    assert.ok(Math.abs(selection.rounded(value, range, "up") - value) <= range / 100);
  }
});

test("the part is the one asked for, else the longest", () => {
  const axes = [{name: "num_epochs"}, {name: "dataset"}];
  const parts = [12, 200].flatMap((num_epochs) => ["a", "b"].map((dataset) => ({num_epochs, dataset})));
  assert.deepEqual(choosePart(parts, axes, {}), {num_epochs: 200, dataset: "a"});
  assert.deepEqual(choosePart(parts, axes, {dataset: "b"}), {num_epochs: 200, dataset: "b"});
  assert.deepEqual(choosePart(parts, axes, {dataset: "b", num_epochs: "12"}), {num_epochs: 12, dataset: "b"});
  assert.deepEqual(choosePart([{dataset: null}], [{name: "dataset"}], {}), {});
});
