/**
 * One architecture: cell, spellings, runs, learning curves, ranks, equals, neighbors, costs.
 *
 * URL parameters: `arch` in any spelling, the axes of the part, `metric` for ranks and neighbors, `curve`
 * to draw, `runs=1` for a line per run, `ys=log` or `ys=linear`.
 */

import {AddressState} from "./address.js";
import {curvesOf, figures, link, lookUp, shownName, spelling} from "./architecture.js";
import {ApiError, address, ask, askAside, pictureAddress, send} from "./api.js";
import {curveSection} from "./curves.js";
import {bar, h, redraw, replace, svg} from "./dom.js";
import {clientLines, copyButton, csvButton, curl, originOf, python, pythonArguments, saveSvg, spelled} from "./exports.js";
import {NONE, count, counted, figure} from "./format.js";
import {Replaced} from "./identity.js";
import {followState, run, startPage} from "./page.js";
import {choice, chooseMetric, linkHere, metricLabel, openBenchmark, partChoices, partText} from "./parts.js";
import {color, isDark} from "./plot.js";
import {ago, madeTable, plainTable, scrolled, stateMark} from "./states.js";
import {lookAgain} from "./versions.js";
import {costSection, equalSection, neighborSection, proxySection, rankSection} from "./relations.js";

const state = new AddressState(["arch", "metric", "curve", "runs", "ys", "d"]);
const page = startPage();
/** Identity of the drawn content; while it is the same, only curves are redrawn. */
let drawn = "";
/** @type {(() => void) | null} */
let redrawCurves = null;

/** @typedef {import("./parts.js").Benchmark} Benchmark */
/** @typedef {import("./architecture.js").Found} Found */

/**
 * Return a section that is filled asynchronously.
 * @param {string} id
 * @param {string} title
 * @param {(body: any) => Promise<any>} fill Its result or error is shown.
 * @param {string} [size] "wide" for the full width.
 */
function section(id, title, fill, size = "") {
  const body = h("div", {class: "section-body"}, h("p", {class: "quiet"}, "Loading …"));
  const element = h(
    "section",
    {class: `card ${size}`, id, "aria-labelledby": `${id}-title`},
    h("h2", {id: `${id}-title`}, title),
    body,
  );
  const work = fill(body).then(
    (children) => children && replace(body, children),
    (error) => {
      if (error instanceof Replaced) throw error;
      replace(body, h("p", {class: "bad"}, `Failed: ${error.message}`));
    },
  );
  return {element, work};
}

/** @param {Benchmark} bench @param {string} arch The form that opens an architecture. */
function opener(bench, arch) {
  const input = h("input", {id: "arch", name: "arch", value: arch, autocomplete: "off", spellcheck: "false"});
  const random = async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const {items} = await ask(`${bench.path}/architectures/random`, {query: {n: 1, seed}});
    state.set({arch: spelling(items[0])});
  };
  return h(
    "form",
    {
      class: "bar",
      role: "search",
      on: {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          if (input.value.trim()) state.set({arch: input.value.trim()});
        },
      },
    },
    h("label", {class: "choice wide"}, h("span", {}, "Architecture: index, string, hash or JSON"), input),
    h("button", {}, "Open"),
    h("button", {type: "button", on: {click: () => run(page, random)}}, "Random"),
  );
}

/**
 * Return the service's picture in the colours of the theme, or null.
 * @param {Benchmark} bench
 * @param {Found} found
 * @param {string} arch
 */
async function picture(bench, found, arch) {
  // For a space that is too large to list, the service knows only the recorded networks.
  const known = found.runs.length || bench.info.num_architectures !== null;
  if (!bench.has("picture") || !known) return null;
  const path = `${bench.path}/picture`;
  const query = () => ({arch, theme: isDark() ? "dark" : "light"});
  const image = h("img", {id: "picture", alt: pictureText(found.names)});
  let latest = 0;
  const load = async () => {
    latest += 1;
    const turn = latest;
    const src = await pictureAddress(path, {query: query()});
    const decoded = h("img", {src});
    await decoded.decode();
    // The theme has changed meanwhile.
    const old = turn === latest ? image.src : src;
    if (turn === latest) image.src = src;
    if (old) URL.revokeObjectURL(old);
  };
  await load();
  // Pictures of earlier drawings are removed and need no update.
  addEventListener("themechange", () => image.isConnected && run(page, load));
  const file = async () => {
    const drawn = await (await send(path, {query: query()})).text();
    const href = `data:image/svg+xml;base64,${btoa(String.fromCharCode(...new TextEncoder().encode(drawn)))}`;
    const [width, height] = [Math.max(image.naturalWidth, 320), image.naturalHeight];
    saveSvg("architecture.svg", {
      width,
      height,
      parts: [svg("image", {href, width: image.naturalWidth, height})],
      title: shownName(found.names),
      origin: originOf(bench.info),
      colors: {text: color("--text"), back: color("--back"), mark: color("--mark")},
    });
  };
  return [
    scrolled("Picture", image),
    h("p", {}, h("button", {type: "button", on: {click: () => run(page, file)}}, "Picture as SVG")),
  ];
}

/** @param {Record<string, any>} names Return a text that describes the picture. */
function pictureText({arch}) {
  if (!arch || typeof arch !== "object") return "The architecture";
  const parts = Object.entries(arch).map(([place, op]) => `${place.replace("_", " to ")}: ${op}`);
  return `The architecture: ${parts.join(", ")}`;
}

/** @param {Benchmark} bench @param {Found} found @param {string} arch */
async function nameSection(bench, found, arch) {
  const rows = Object.entries(found.names).filter(([name]) => name !== "isomorphic_indices");
  const drawn = await picture(bench, found, arch);
  return h(
    "div",
    {class: drawn ? "split" : ""},
    drawn && h("div", {}, drawn),
    h(
      "dl",
      {class: "facts spellings"},
      rows.map(([name, value]) => {
        const text = typeof value === "object" ? JSON.stringify(value) : String(value);
        return h(
          "div",
          {},
          h("dt", {}, name),
          h("dd", {}, h("code", {}, text), " ", copyButton(`Copy ${name}`, () => text, page)),
        );
      }),
    ),
  );
}

/** @param {Benchmark} bench @param {Found} found */
function runSection(bench, found) {
  const {runs, mean, spread} = figures(found, bench.part);
  if (!runs.length) return h("p", {}, `No runs are recorded for ${partText(bench.part) || "this architecture"}.`);
  const label = ["seed", "repeat", "run"].find((name) => name in runs[0]) ?? "";
  const own = bench.metrics.filter(({source, name}) => source === bench.name && name in runs[0]);
  const heads = runs.map((item, place) => `${label || "run"} ${item[label] ?? place}`);
  const rows = own.map(({name}) => ({
    name,
    values: [mean?.[name] ?? null, runs.length > 1 ? (spread?.[name] ?? null) : null, ...runs.map((item) => item[name])],
  }));
  const columns = ["mean", "spread (std)", ...heads];
  const file = [
    {name: "metric", values: rows.map(({name}) => metricLabel(bench, name))},
    ...columns.map((name, place) => ({name, values: rows.map(({values}) => values[place])})),
  ];
  return [
    madeTable(
      "Runs, as a table",
      ["figure", ...columns],
      rows.map(({name, values}) =>
        h(
          "tr",
          {"data-metric": name},
          h("th", {scope: "row", title: bench.byName.get(name)?.description}, metricLabel(bench, name)),
          values.map((value) => h("td", {class: "number", "data-value": value ?? ""}, figure(value, null, 5))),
        ),
      ),
      {id: "runs-table"},
    ),
    csvButton("Runs as CSV", "runs.csv", file, bench.info, `${shownName(found.names)} ${partText(bench.part)}`),
  ];
}

/** @param {Benchmark} bench @param {Found} found @param {string} arch */
function takeAway(bench, found, arch) {
  const where = pythonArguments(bench.part);
  const start = clientLines();
  const asked = bench.has("architecture") ? python(/^\d{1,6}$/.test(arch) && found.names.index !== undefined ? Number(arch) : arch) : spelled(arch);
  const lines = `${start}runs = bench.query(${python(bench.table)}, ${asked}${where})\n`;
  const build = `import model_hub\n${start}(row,) = bench.query(${python(bench.table)}, ${asked}${where}, reduction="mean")\nnetwork = model_hub.build(row)\n`;
  const figured = figures(found, bench.part).runs.length > 0;
  return [
    h(
      "p",
      {class: "bar"},
      copyButton("Copy link", () => linkHere(bench), page),
      copyButton("Copy as Python", () => lines, page),
      copyButton("Copy as curl", () => curl(`${bench.path}/computed-stats`, {arch, ...bench.part}), page),
      h("a", {href: link("compare", bench, {arch})}, "Compare with others"),
    ),
    bench.has("network") && figured
      ? h(
          "details",
          {},
          h("summary", {}, "Build the PyTorch network"),
          h("pre", {tabindex: "0", id: "build"}, build),
          copyButton("Copy this code", () => build, page),
        )
      : null,
    bench.has("network") && figured ? jobForm(bench, arch) : null,
  ];
}

/** Kinds of jobs about a network, with the path for submissions. */
const JOBS = /** @type {const} */ ([["Build network", "v1/models"], ["Measure latency", "v1/latency"]]);
/** Largest number of listed jobs, latest first. */
const MOST_JOBS = 20;

/** @param {any} job Return its link. */
function jobLink(job) {
  return h("a", {href: address("explore/jobs", {id: job.id}).href}, `job ${job.id.slice(0, 12)}`);
}

/** @param {any} job Return its main figure, if it has one. */
function foundBy(job) {
  const {median, top1, accuracy, parameters} = job.result?.metrics ?? job.result ?? {};
  if (typeof median === "number") return figure(1000 * median, "milliseconds");
  const percent = top1 ?? accuracy;
  if (typeof percent === "number") return `${figure(percent, "percent")} on ${job.request.dataset}`;
  return typeof parameters === "number" ? `${count(parameters)} parameters` : "";
}

/**
 * Return the jobs about an architecture, and buttons to submit new ones.
 * @param {Benchmark} bench
 * @param {string} arch
 */
function jobForm(bench, arch) {
  const told = h("span", {role: "status", id: "job"});
  const earlier = h("div", {id: "jobs"});
  const {dataset = null} = bench.part;
  // If architectures belong to parts, such as design spaces, the part selects the network as well.
  const whole = arch.startsWith("{") ? {...bench.part, ...JSON.parse(arch)} : arch;
  const network = {benchmark: bench.name, arch: whole, dataset};
  const asked = {...network, arch: typeof whole === "string" ? whole : JSON.stringify(whole)};
  const list = async () => {
    const {items: jobs, missing} = await askAside("v1/jobs", {query: {...asked, limit: MOST_JOBS}});
    if (missing) {
      replace(earlier, h("p", {class: "quiet"}, `Jobs cannot be listed: ${missing}`));
      return;
    }
    const rows = jobs.map((/** @type {any} */ job) => [jobLink(job), job.kind, stateMark(job.state), foundBy(job), ago(job.created_at)]);
    const label = `${jobs.length === MOST_JOBS ? "Latest jobs" : "Jobs"} for this architecture`;
    redraw(
      earlier,
      rows.length
        ? h("details", {}, h("summary", {}, `${label} (${count(rows.length)})`), plainTable(label, ["Job", "Kind", "State", "Result", "Submitted"], rows))
        : null,
    );
  };
  const submit = async (/** @type {string} */ path) => {
    replace(told, "Submitting …");
    try {
      const job = await ask(path, {method: "POST", body: {network}});
      const found = foundBy(job);
      replace(told, stateMark(job.state), `${found ? ` ${found}` : ""}: `, jobLink(job));
      await list();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      replace(told, h("span", {class: "bad"}, error.message));
    }
  };
  const buttons = JOBS.map(([label, path]) => h("button", {type: "button", on: {click: () => run(page, () => submit(path))}}, label));
  run(page, list);
  return [h("p", {class: "bar", title: "Runs as a job on a worker of this service"}, buttons, told), earlier];
}

/** Restore the focus that was lost to new elements. @param {Element | null} before */
function refocus(before) {
  const name = before?.getAttribute("name");
  if (name) page.content.querySelector(`[name="${CSS.escape(name)}"]`)?.focus();
}

async function draw() {
  const bench = await openBenchmark(page, state);
  const arch = state.get("arch") ?? "";
  const metric = chooseMetric(bench.metrics.filter(({source}) => source === bench.name), state.get("metric"));
  const signature = JSON.stringify([arch, bench.part, metric, bench.table, bench.info.provenance.content_digest]);
  if (signature === drawn && redrawCurves) {
    redrawCurves();
    page.ready();
    return;
  }
  drawn = "";
  redrawCurves = null;
  const before = document.activeElement;
  const form = opener(bench, arch);
  replace(page.content, form);
  page.title(arch ? `${bench.info.title}: one architecture` : `${bench.info.title}: open an architecture`);
  if (!arch) {
    page.say("Enter an architecture, or open a random one.");
    page.ready();
    return;
  }
  const found = await lookUp(bench, arch);
  const short = Object.keys(found.names).length ? spelling(found.names) : arch;
  const {mean, runs: {length: runs}} = figures(found, bench.part);
  const recorded = found.runs.length > 0;
  const controls = bar(
    {"aria-label": "What is shown"},
    partChoices(bench, state),
    choice(state, "metric", "metric", bench.metrics.filter(({source}) => source === bench.name).map(({name}) => name), metric),
  );
  const shown = {bench, found, arch: short, metric, state, page};
  const sections = [
    section("cell", "Names", () => nameSection(bench, found, short), "wide"),
    section("runs", `Runs: ${partText(bench.part) || "all"}`, async () => runSection(bench, found), runs > 2 ? "wide" : ""),
    ...(recorded && bench.has("curves")
      ? [
          section("curves", "Learning curves", async (body) => {
            const items = await curvesOf(bench, short, bench.part);
            redrawCurves = () => curveSection(body, {...shown, items});
            redrawCurves();
            return null;
          }),
        ]
      : []),
    ...(recorded && bench.has("rank") ? [section("ranks", `Ranks by ${metric}`, () => rankSection(shown))] : []),
    ...(recorded && bench.has("rank") ? [section("costs", "Costs", () => costSection(shown))] : []),
    ...(bench.has("neighbors") ? [section("neighbors", "Neighbors: one edit away", () => neighborSection(shown), "wide")] : []),
    ...(found.names.isomorphic_indices ? [section("equals", "Equals", () => equalSection(shown))] : []),
    ...(recorded && bench.has("rank") && bench.metrics.some(({source}) => source !== bench.name)
      ? [section("proxies", "Proxies and other tables", () => proxySection(shown))]
      : []),
  ];
  replace(
    page.content,
    form,
    found.names.arch_str || found.names.hash ? h("p", {class: "arch-name"}, h("code", {}, shownName(found.names))) : null,
    takeAway(bench, found, short),
    controls,
    h("div", {class: "sections"}, sections.map(({element}) => element)),
  );
  refocus(before);
  const unit = bench.byName.get(metric)?.unit;
  page.say(
    recorded
      ? `${metric} is ${mean ? figure(mean[metric], unit) : NONE} for ${partText(bench.part) || "it"}, over ${counted(runs, "run")}.`
      : "This architecture is not recorded in the table, but its neighbors may be.",
  );
  await Promise.all(sections.map(({work}) => work));
  drawn = signature;
  page.ready();
}

followState(page, state, draw);
lookAgain(page);
