/** Places of the map of a plan, and the cells that they stand for. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {firstCell, placeCounts, placeOf} from "../../../service/pages/scripts/plan_map.js";

const ROUNDS = [
  {seed: 0, num_epochs: 1},
  {seed: 0, num_epochs: 6},
  {seed: 1, num_epochs: 1},
];

for (const order of ["breadth", "depth"]) {
  for (const size of [1, 3, 7]) {
    test(`places and cells say the same, ${order}, ${size} in a place`, () => {
      const counts = {order, size, architectures: 10, rounds: ROUNDS};
      const seen = new Map();
      for (let number = 0; number < 30; number += 1) {
        const {turn, bin, size: whole} = placeOf(counts, number);
        const first = firstCell(counts, turn, bin);
        assert.deepEqual(placeOf(counts, first).bin, bin);
        assert.deepEqual(placeOf(counts, first).turn, turn);
        assert.ok(first <= number);
        seen.set(`${turn},${bin}`, (seen.get(`${turn},${bin}`) ?? 0) + 1);
        assert.ok(seen.get(`${turn},${bin}`) <= whole);
      }
      assert.equal(seen.size, 3 * Math.ceil(10 / size));
      for (const odd of [-1, 30, 1.5, NaN, 2 ** 60]) assert.equal(placeOf(counts, odd), null);
    });
  }
}

test("what is in no count is to come", () => {
  const counts = {
    size: 4,
    architectures: 10,
    rounds: ROUNDS,
    done: [[4, 1, 0]],
    diverged: [[0, 1, 0]],
    outstanding: [[0, 0, 1]],
    failed: [[0, 1, 0]],
  };
  assert.deepEqual(placeCounts(counts, 0, 0), {done: 4, diverged: 0, outstanding: 0, failed: 0, left: 0});
  assert.deepEqual(placeCounts(counts, 0, 1), {done: 1, diverged: 1, outstanding: 0, failed: 1, left: 1});
  assert.deepEqual(placeCounts(counts, 0, 2), {done: 0, diverged: 0, outstanding: 1, failed: 0, left: 1});
});
