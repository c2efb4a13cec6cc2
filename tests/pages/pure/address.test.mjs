/** State and address. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {changed, unknownIn} from "../../../service/pages/scripts/address.js";
import {count, figure, shortDigest} from "../../../service/pages/scripts/format.js";

test("a change keeps what it does not name, unknown ones too", () => {
  assert.equal(changed("?x=a&odd=%3Cb%3E&y=c", {x: "f", y: null}), "x=f&odd=%3Cb%3E");
  assert.equal(changed("arch=1&arch=2", {arch: ["3", "4", "5"]}), "arch=3&arch=4&arch=5");
  assert.equal(changed("", {view: "0,1,2,3", "op.0_1": "conv:1"}), "view=0,1,2,3&op.0_1=conv:1");
});

test("unknown parameters are told once", () => {
  assert.deepEqual(unknownIn("?x=1&odd=2&odd=3&min_flops=4", ["x"], ["min_"]), ["odd"]);
});

test("numbers are written with thousands, four digits and their unit", () => {
  assert.equal(count(423624), "423,624");
  assert.equal(figure(94.37333, "percent"), "94.37 %");
  assert.equal(figure(15625), "15,625");
  assert.equal(figure(0.0000123), "1.230e-5");
  assert.equal(figure(0), "0");
  assert.equal(figure(null), "–");
  assert.equal(figure(NaN, "percent"), "–");
  assert.equal(figure(-150.126, "millions"), "-150.1 M");
  assert.equal(shortDigest("sha256:0123456789abcdef"), "0123456789ab");
});
