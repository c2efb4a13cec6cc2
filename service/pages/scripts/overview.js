/** The installed benchmarks as cards, and how the service is. */

import {ApiError, address, ask} from "./api.js";
import {h, replace} from "./dom.js";
import {bytes, count, shortDigest} from "./format.js";
import {part, run, startPage} from "./page.js";

const page = startPage();
const COUNTED = ["architectures", "cells", "configurations", "runs", "costs", "spaces"];
/** The one table that this program knows and that has no architectures of its own. */
const COSTS = {"hw-nas-bench": "nasbench201"};

/** @param {any} info Return the benchmark whose columns a table adds to, or null. */
function joinedTo(info) {
  return info.spec ? (info.spec.space?.like ?? null) : (COSTS[info.name] ?? null);
}

/** @param {any} info @returns {[string, any][]} What is told of a benchmark, by name. */
function told(info) {
  const contents = info.provenance.contents ?? {};
  const counted = COUNTED.filter((name) => typeof contents[name] === "number").map(
    (name) => `${count(contents[name])} ${name}`,
  );
  if (info.num_architectures !== null) {
    counted.push(`${count(info.num_architectures)} in the whole space`);
  }
  const {source_name: source, source_size: size, content_digest: digest} = info.provenance;
  return [
    ["Holds", counted.join(" · ")],
    ["Data sets", info.datasets.join(", ")],
    ["Budgets", info.budgets.length ? `${info.budgets.join(", ")} epochs` : ""],
    ["Figures", info.fields.filter((/** @type {any} */ field) => field.unit).length],
    ["Source", size ? `${source}, ${bytes(size)}` : source],
    ["Digest", h("code", {}, shortDigest(digest))],
    ["Licence", info.licence],
  ];
}

/** @param {any} info */
function card(info) {
  const joined = joinedTo(info);
  const target = address(`explore/${part(joined ?? info.name)}`).href;
  return h(
    "article",
    {class: "card", "aria-labelledby": `card-${info.name}`},
    h("h2", {id: `card-${info.name}`}, h("a", {href: target}, info.title)),
    h(
      "p",
      {class: "marks"},
      info.provenance.synthetic
        ? h("span", {class: "mark made-up", title: "These numbers are made up."}, "made-up data")
        : null,
      joined ? h("span", {class: "mark plain"}, `columns of ${joined}`) : null,
    ),
    h(
      "dl",
      {class: "facts"},
      told(info)
        .filter(([, value]) => value !== "" && value !== 0)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    h("details", {}, h("summary", {}, "Citation and notes"), h("p", {}, info.citation), notes(info)),
  );
}

/** @param {any} info */
function notes(info) {
  return h("ul", {}, info.notes.map((/** @type {string} */ note) => h("li", {}, note)));
}

const MORE = h(
  "section",
  {class: "card quiet", "aria-label": "More benchmarks"},
  h("h2", {}, "More benchmarks"),
  h("p", {}, "Further tables become available once they are installed:"),
  h("pre", {tabindex: "0"}, "nbs fetch BENCHMARK\nnbs generate BENCHMARK ARCHIVE"),
  h("p", {}, "`nbs generate --help` lists them; a file can declare any other table."),
);

/** @returns {Promise<string>} How the service is, in a line. */
async function health() {
  try {
    const state = await ask("readyz");
    const poor = Object.entries(state.benchmarks).filter(([, one]) => one.status !== "ready");
    if (!poor.length) return "all of them can be asked";
    return poor.map(([name, one]) => `${name} cannot be asked: ${one.reason}`).join("; ");
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

run(page, async () => {
  const [list, state] = await Promise.all([ask("v1/benchmarks"), health()]);
  replace(page.content, h("div", {class: "cards"}, list.items.map(card), MORE));
  const installed = list.items.length;
  page.say(
    installed
      ? `${count(installed)} ${installed === 1 ? "benchmark is" : "benchmarks are"} installed: ${state}.`
      : "No benchmark is installed.",
  );
  page.ready();
});
