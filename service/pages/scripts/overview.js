/** The installed benchmarks as cards, and the state of the service. */

import {ApiError, ask} from "./api.js";
import {Painter, ramp} from "./counts.js";
import {h, prose, replace} from "./dom.js";
import {bytes, count, counted, shortDigest} from "./format.js";
import {originMarks, pageOf, run, startPage, tell} from "./page.js";
import {Replaced, identityOf, planOf} from "./identity.js";
import {isDark} from "./plot.js";
import {partText} from "./parts.js";
import {factList} from "./states.js";
import {Store} from "./store.js";

const page = startPage();
const COUNTED = ["architectures", "cells", "configurations", "runs", "costs", "spaces"];
/** @param {any} info @returns {[string, any][]} The facts about a benchmark, by name. */
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
    ["Budgets", info.budgets.length ? `${info.budgets.join(", ")} ${info.budgets.join() === "1" ? "epoch" : "epochs"}` : ""],
    ["Figures", info.fields.filter((/** @type {any} */ field) => field.unit).length || null],
    ["Source", size && !planOf(info.provenance) ? `${source}, ${bytes(size)}` : source],
    ["Digest", h("code", {}, shortDigest(digest))],
    ["Licence", info.licence],
  ];
}

/** @param {any} info */
function card(info) {
  const joined = info.joined_to;
  return h(
    "article",
    {class: "card", "aria-labelledby": `card-${info.name}`},
    h("h2", {id: `card-${info.name}`}, h("a", {href: pageOf(info)}, info.title)),
    joined ? null : thumbnail(info),
    h(
      "p",
      {class: "marks"},
      originMarks(info.provenance).map(({name, text, meaning}) => h("span", {class: `mark ${name}`, title: meaning}, text)),
      joined ? h("span", {class: "mark plain"}, `columns of ${joined}`) : null,
    ),
    factList(told(info)),
    h("details", {}, h("summary", {}, "Citation and notes"), h("p", {}, info.citation), notes(info)),
  );
}

/** Cells per side of a thumbnail. */
const BINS = 64;

/** @param {any} info Return a small density plot, which is loaded when it becomes visible. */
function thumbnail(info) {
  const canvas = h("canvas", {class: "thumbnail", width: BINS, height: BINS, role: "img"});
  canvas.setAttribute("aria-label", `All of ${info.title}`);
  const caption = h("figcaption", {class: "quiet"}, "…");
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    waiting = waiting.then(() => fill(info, canvas, caption)).catch((error) => {
      caption.textContent = error instanceof Error ? error.message : String(error);
      if (error instanceof Replaced) tell(page, error);
    });
  });
  observer.observe(canvas);
  return h("figure", {}, canvas, caption);
}

/** Chains the requests of thumbnails, as there may be thirty of them. */
let waiting = Promise.resolve();

/** @param {any} info @param {HTMLCanvasElement} canvas @param {Element} caption */
async function fill(info, canvas, caption) {
  const store = new Store(info.name);
  store.info = info;
  await store.describe(new URLSearchParams());
  store.read(new URLSearchParams());
  if (!store.rows || !store.x) {
    caption.textContent = "No figures are recorded.";
    return;
  }
  const grid = await store.density(BINS);
  const paint = () => {
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, BINS, BINS);
    const box = {left: 0, top: 0, width: BINS, height: BINS};
    new Painter().grid(context, {width: BINS, height: BINS, counts: grid.counts}, box, ramp(isDark()));
  };
  paint();
  addEventListener("themechange", paint);
  const where = partText(store.part);
  caption.textContent = `${store.y} by ${store.x}${where ? ` (${where})` : ""}`;
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
  prose("`nbs generate --help` lists them; a file can declare any other table."),
);

/** @returns {Promise<string>} The state of the service in a line. */
async function health() {
  try {
    const state = await ask("readyz");
    const poor = Object.entries(state.benchmarks).filter(([, one]) => one.status !== "ready");
    if (!poor.length) return "all of them are available";
    return poor.map(([name, one]) => `${name} is unavailable: ${one.reason}`).join("; ");
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** @param {any[]} items Return the identity of the data of all cards. */
function statesOf(items) {
  return items.map(({name, provenance}) => `${name} ${identityOf(provenance)}`).join("\n");
}

let drawn = "";
const draw = () => run(page, async () => {
  const [list, state] = await Promise.all([ask("v1/benchmarks", {fresh: true}), health()]);
  drawn = statesOf(list.items);
  replace(page.content, h("div", {class: "cards"}, list.items.map(card), MORE));
  const installed = list.items.length;
  page.say(
    installed
      ? `${counted(installed, "benchmark is", "benchmarks are")} installed: ${state}.`
      : "No benchmark is installed.",
  );
  page.ready();
});
page.again = draw;
draw();
document.addEventListener("visibilitychange", () =>
  run(page, async () => {
    if (document.hidden || !drawn) return;
    const {items} = await ask("v1/benchmarks", {fresh: true});
    if (statesOf(items) !== drawn) throw new Replaced();
  }),
);
