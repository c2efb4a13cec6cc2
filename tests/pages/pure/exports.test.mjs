/** What is exported: files that other programs read. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {csv, npy, originLine, python, spelled} from "../../../service/pages/scripts/exports.js";

const origin = {title: "T", source: "a.pth", digest: `sha256:${"ab".repeat(32)}`, synthetic: true};

test("csv tells its origin, has plain numbers and no formulas", () => {
  const columns = [
    {name: "index", values: [1, 2]},
    {name: "flops", unit: "millions", values: [1234.5, NaN]},
    {name: "arch", values: ["=cmd()", 'a "b",\nc']},
  ];
  const text = csv(columns, origin, {question: "x=1", date: "2026"});
  assert.equal(
    text,
    '# MADE-UP DATA · T · a.pth · abababababab · x=1 · 2026\nindex,flops (M),arch\n' +
      "1,1234.5,'=cmd()\n2,,\"a \"\"b\"\",\nc\"\n",
  );
});

test("npy begins as NumPy's format says and is aligned", () => {
  const file = npy(new Int32Array([1, 2, -3]));
  assert.deepEqual([...file.slice(0, 8)], [0x93, 78, 85, 77, 80, 89, 1, 0]);
  assert.equal((10 + file[8] + 256 * file[9]) % 64, 0);
  assert.equal(file.length, 10 + file[8] + 256 * file[9] + 12);
});

test("python writes values as Python reads them", () => {
  assert.equal(python(["a\"b", 1.5, null, true]), '["a\\"b", 1.5, None, True]');
});

test("an architecture becomes Python without its strings being changed or its text being run", () => {
  assert.equal(spelled('{"a": true, "true \\" null": [null, 1.0]}'), '{"a": True, "true \\" null": [None, 1.0]}');
  assert.equal(spelled('{"a": exit()}'), JSON.stringify('{"a": exit()}'));
  assert.equal(spelled("null"), '"null"');
});

test("made-up data is marked and real data is not", () => {
  assert.match(originLine(origin), /^MADE-UP DATA/);
  assert.doesNotMatch(originLine({...origin, synthetic: false}), /MADE/);
});
