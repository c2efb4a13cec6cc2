import assert from "node:assert/strict";
import {test} from "node:test";

import {stepped, united} from "../../../service/pages/scripts/steps.js";

test("places of several lists are united", () => {
  assert.deepEqual(united([[1, 3], [2, 3], []]), [1, 2, 3]);
});

test("a value holds until the next one, and nothing is said beyond", () => {
  assert.deepEqual(stepped([2, 4], [0.5, null], [1, 2, 3, 4, 5]), [null, 0.5, 0.5, null, null]);
  assert.deepEqual(stepped([], [], [1]), [null]);
});
