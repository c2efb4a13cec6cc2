import assert from "node:assert/strict";
import {test} from "node:test";

import {band, differences, isOf, quantile, spelling} from "../../../service/pages/scripts/architecture.js";
import {letters} from "../../../service/pages/scripts/cells.js";
import {chooseCurve} from "../../../service/pages/scripts/curves.js";
import {chooseMetric, partText} from "../../../service/pages/scripts/parts.js";

test("a part is told in a line", () => {
  assert.equal(partText({num_epochs: 12, dataset: "a"}), "12 epochs · a");
});

test("a metric is chosen as asked, else what is bought", () => {
  const metrics = [
    {name: "flops", better: "smaller", missing: 0},
    {name: "valid_acc", better: "larger", missing: 0},
    {name: "test_acc", better: "larger", missing: 0},
  ];
  assert.equal(chooseMetric(metrics, null), "test_acc");
  assert.equal(chooseMetric(metrics, "valid_acc"), "valid_acc");
  assert.equal(chooseMetric(metrics, "odd", "smaller"), "flops");
  assert.equal(chooseMetric([], null), "");
});

test("a band goes from the smallest to the largest run, over the epochs of all", () => {
  const items = [
    {current_epoch: [1, 2], acc: [10, 30]},
    {current_epoch: [1, 2, 3], acc: [20, null, 50]},
  ];
  const {epochs, mean, low, high, each} = band(items, "acc");
  assert.deepEqual(epochs, [1, 2, 3]);
  assert.deepEqual(mean, [15, 30, 50]);
  assert.deepEqual(low, [10, 30, 50]);
  assert.deepEqual(high, [20, 30, 50]);
  assert.deepEqual(each, [[10, 30, null], [20, null, 50]]);
  assert.deepEqual(band(items, "odd").epochs, []);
});

test("a curve that has figures of the last epoch alone is shown where it is asked for", () => {
  const fields = [{name: "train_loss"}, {name: "test_acc"}, {name: "valid_acc"}];
  const items = [{current_epoch: [1, 2, 3], train_loss: [3, 2, 1], test_acc: [null, null, 80], valid_acc: [50, 60, 70]}];
  const chosen = (/** @type {any[]} */ runs, /** @type {string | null} */ asked) => chooseCurve(fields, runs, asked).field?.name;
  assert.equal(chosen(items, null), "valid_acc");
  assert.equal(chosen(items, "test_acc"), "test_acc");
  assert.deepEqual(band(items, "test_acc").epochs, [3]);
  assert.equal(chosen([{...items[0], test_acc: [60, null, 80]}], null), "test_acc");
  assert.equal(chosen([{...items[0], valid_acc: undefined}], null), "train_loss");
  assert.equal(chosen([], null), undefined);
});

test("architectures differ at places of dicts and of lists", () => {
  const one = {arch: {"0_1": "none", "0_2": "skip"}};
  assert.deepEqual(differences(one, {arch: {"0_1": "conv", "0_2": "skip"}}), [
    {place: "0_1", from: "none", to: "conv"},
  ]);
  assert.deepEqual(differences({arch: [8, 16]}, {arch: [8, 32]}), [{place: "1", from: "16", to: "32"}]);
  assert.deepEqual(differences(one, {}).length, 2);
});

test("names and figures are read as each benchmark has them", () => {
  assert.equal(spelling({index: 0, arch_str: "x"}), "0");
  assert.equal(spelling({hash: "ab"}), "ab");
  assert.equal(spelling({model_spec: {ds: [1]}}), '{"model_spec":{"ds":[1]},"cell_spec":{}}');
  assert.ok(isOf({config: {num_epochs: 12}}, {num_epochs: 12}));
  assert.ok(!isOf({config: {num_epochs: 12}}, {num_epochs: 200}));
  assert.equal(quantile({rank: 1, of: 11}), 1);
  assert.equal(quantile({rank: 11, of: 11}), 0);
  assert.deepEqual(["nor_conv_3x3", "skip_connect", "mb6_k5"].map(letters), ["C3", "S", "M5"]);
});
