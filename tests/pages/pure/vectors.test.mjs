/** What a curve is broken into where values are missing. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {runsOf} from "../../../service/pages/scripts/vectors.js";

test("a curve is broken where nothing is recorded", () => {
  const of = (values) => runsOf(values.length, (place) => values[place] !== null);
  assert.deepEqual(of([1, 2, null, 3, null, null, 4]), [[0, 1], [3], [6]]);
  assert.deepEqual(of([null, null]), []);
  assert.deepEqual(of([]), []);
  assert.deepEqual(of([5]), [[0]]);
});
