/** Which data the answers of a page are of. */
import assert from "node:assert/strict";
import {test} from "node:test";

import {Replaced, compare, forget, identityOf, isRenewed, pin, tableName, tableOf} from "../../../service/pages/scripts/identity.js";

test("a path is about the table in it", () => {
  assert.equal(tableOf("v1/digits/top"), "digits");
  assert.equal(tableOf("v1/benchmarks/digits"), "digits");
  assert.equal(tableOf("explore/digits"), "digits");
  assert.equal(tableOf("explore/a%20b/arch"), "a b");
  assert.equal(tableOf("explore/%E0%A4%A/arch"), "");
  assert.equal(tableOf("assets/digits/top"), "");
  assert.equal(tableOf("explore"), "");
});

test("a pinned table is named with its version", () => {
  pin("digits", 3);
  assert.equal(tableName("digits"), "digits@3");
  assert.equal(tableName("other"), "other");
  pin("digits", null);
  assert.equal(tableName("digits"), "digits");
});

test("answers of one state of a table agree, and another one is told until all begins anew", () => {
  const answer = (digest, version) => ({benchmark: "digits", content_digest: digest, version});
  compare(null, answer("a", 1));
  compare(null, answer("a", 1));
  compare("2", answer("b", 2)); // of another version: asked for apart
  compare(null, {...answer("c", 9), benchmark: "joined"});
  compare(null, undefined);
  compare(null, {source: "no table"});
  assert.throws(() => compare(null, answer("a", 2)), Replaced); // equal rows, but sealed
  assert.throws(() => compare(null, answer("b", 1)), Replaced);
  assert.equal(isRenewed(), false);
  forget();
  assert.equal(isRenewed(), true);
  compare(null, answer("b", 1));
});

test("the description of a table and its answers have the same identity", () => {
  const contents = {plan: "sha256:1", version: 4, cells: {there: 1, expected: 2}, complete: false};
  assert.equal(identityOf({content_digest: "a", contents}), identityOf({content_digest: "a", version: 4}));
  assert.equal(identityOf({content_digest: "a", contents: {version: 4}}), identityOf({content_digest: "a"}));
});
