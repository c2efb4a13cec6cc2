/**
 * One plan: progress, map of its cells, cost, failures and versions; updated by long polls.
 */

import {ApiError, address, ask, pause} from "./api.js";
import {h, redraw, redrawActions, replace} from "./dom.js";
import {clientLines, copyButton, curl, python} from "./exports.js";
import {NONE, bytes, count, counted, duration, figure, shortDigest, workerTime} from "./format.js";
import {attempt, part, sayAgain} from "./page.js";
import {PlanMap} from "./plan_map.js";
import {ago, asJson, factList, plainTable, stateMark} from "./states.js";
import {noiseText} from "./versions.js";

/** Duration of a long poll in seconds, the longest that the service allows. */
const HELD = 10;
/** Pause between two requests in seconds, as a running plan changes all the time. */
const REST = 1;
const AGAIN = 2;
/** Largest number of listed failed cells. */
const LISTED = 50;
/** Seconds over which the pace is averaged. */
const PACE = 600;

/** Reversible actions by state; final ones must be done in a shell. */
const ACTIONS = /** @type {Record<string, string[]>} */ ({
  ready: ["start"],
  running: ["pause", "version"],
  paused: ["resume", "retry", "version"],
  finished: ["retry", "version"],
});
const WORDS = /** @type {Record<string, string>} */ ({
  start: "Start",
  pause: "Pause",
  resume: "Resume",
  retry: "Retry failed cells",
  version: "Create a version now",
});

/** @typedef {import("./page.js").ExplorerPage} ExplorerPage */

/** @param {any} plan */
export function progressBar(plan) {
  return h("progress", {max: 1, value: plan.fraction, "aria-label": `${plan.name}: finished cells`});
}

/** States in which cells are being trained. */
const FEEDING = ["pilot", "running"];

/** @param {any} estimate Return the worker hours with their interval. */
export function hours(estimate) {
  if (!estimate || estimate.hours === null) return NONE;
  const between = estimate.low === null ? "" : ` (${workerTime(estimate.low)} to ${workerTime(estimate.high)})`;
  return h("span", {class: "nowrap"}, `${workerTime(estimate.hours)}${between}`);
}

/** @param {any} plan */
function tablePage(plan) {
  return address(`explore/${part(plan.name)}`).href;
}

/** @param {any} plan Return a link to its served table; null if there is none yet. */
export function tableLink(plan) {
  const last = plan.versions.at(-1);
  if (!last) return null;
  const told = `version ${last.version}, ${count(last.there)} of ${count(last.expected)} cells`;
  return h("a", {href: tablePage(plan)}, told);
}

/**
 * Draw a plan and follow it.
 * @param {ExplorerPage} page
 * @param {import("./address.js").AddressState} state
 * @param {string} name
 * @param {AbortSignal} signal
 */
export async function drawPlan(page, state, name, signal) {
  const path = `v1/plans/${part(name)}`;
  let plan = await ask(path, {signal});
  /** @type {{at: number, ended: number}[]} */
  let seen = [];
  let failuresOf = -1;
  const parts = {
    how: h("div", {tabindex: "-1"}),
    act: h("p", {class: "actions"}),
    map: h("section", {"aria-label": "Cells"}),
    cell: h("section", {"aria-label": "Selected cells", id: "cell"}),
    cost: h("section", {"aria-label": "Cost"}),
    failures: h("section", {"aria-label": "Failures", id: "failures"}),
    versions: h("section", {"aria-label": "Versions of the table"}),
  };
  const map = new PlanMap(parts.map, {
    onOpen: (first) => state.set({cell: first}),
    origin: () => ({title: plan.plan.title, source: `plan ${plan.name}`, digest: plan.digest, synthetic: false}),
    page,
  });
  const act = (/** @type {string} */ action) =>
    attempt(page, async () => take(await ask(`${path}/${action}`, {method: "POST"})));
  const show = () => {
    const {counts} = plan;
    const ended = plan.cells - counts.left;
    const now = performance.now() / 1000;
    seen = [...seen.filter(({at}) => now - at <= PACE), {at: now, ended}];
    // The number of cells is not in the status line, as screen readers would read out every change.
    const far = FEEDING.includes(plan.state) ? "" : `${count(ended)} of ${count(plan.cells)} cells have finished, `;
    page.say(`${plan.state}: ${far}${count(counts.failed)} failed${plan.reason ? `; ${plan.reason}` : ""}.`);
    redraw(parts.how, h("p", {}, progressBar(plan), ` ${figure(100 * plan.fraction, "percent", 3)}`), factList(facts(plan, seen)));
    redrawActions(
      parts.act,
      parts.how,
      (ACTIONS[plan.state] ?? []).map((action) =>
        h("button", {type: "button", "data-action": action, "data-key": action, on: {click: () => act(action)}}, WORDS[action]),
      ),
    );
    redraw(parts.cost, h("h2", {}, "Cost"), cost(plan));
    redraw(parts.versions, h("h2", {}, "Versions of the table"), versions(plan));
  };
  const follow = async () => {
    map.show(await ask(`${path}/map`, {query: {bins: map.bins}, signal}));
    if (plan.counts.failed !== failuresOf) await listFailures();
  };
  const listFailures = async () => {
    const {failed} = plan.counts;
    const {items} = failed
      ? await ask(`${path}/cells`, {query: {state: "failed", limit: LISTED}, signal})
      : {items: []};
    failuresOf = failed;
    redraw(parts.failures, h("h2", {}, "Failures"), failures(items, failed));
  };
  /** @param {any} now */
  async function take(now) {
    if (now.revision < plan.revision) return;
    plan = now;
    show();
    await follow();
  }
  let opened = "";
  const openCell = async () => {
    const asked = state.get("cell") ?? "";
    if (asked === opened || signal.aborted) return;
    opened = asked;
    try {
      const found = asked === "" ? null : await cellsFrom(path, map, asked, signal);
      if (asked === opened) replace(parts.cell, found);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      replace(parts.cell, h("p", {}, `The cell cannot be shown: ${error.message}`));
    }
  };
  const changed = () => {
    if (!signal.aborted) openCell().catch((error) => signal.aborted || page.fail(error));
  };
  state.onChange(changed);
  signal.addEventListener("abort", () => {
    state.listeners.delete(changed);
    map.destroy();
  });
  page.title(plan.plan.title);
  page.mark("measured here", "Measured by a plan of this service; not a published table.", "measured");
  const lines = () =>
    `${clientLines()}plan = bench.plan_named(${python(name)})\ncells = bench.plan_cells(${python(name)})\n` +
    `counts = bench.plan_map(${python(name)})\n`;
  replace(
    page.content,
    h("p", {}, state.link({name: null, cell: null}, "All plans")),
    parts.how,
    parts.act,
    parts.map,
    parts.cell,
    parts.failures,
    parts.cost,
    parts.versions,
    h("h2", {}, "Plan"),
    h(
      "p",
      {class: "actions"},
      copyButton("Copy as Python", lines, page),
      copyButton("Copy as curl", () => curl(path, {}), page),
      copyButton("Copy as JSON", () => JSON.stringify(plan.plan), page),
    ),
    asJson("plan", "Show as JSON", plan.plan),
  );
  show();
  await follow();
  await openCell();
  page.ready();
  while (!signal.aborted) {
    try {
      const now = await ask(path, {query: {wait: HELD, revision: plan.revision}, signal});
      // Too many clients wait: the response came at once and is unchanged.
      if (now.revision !== plan.revision) await take(now);
      await pause(REST, signal);
    } catch (error) {
      sayAgain(page, error, signal);
      await pause(AGAIN, signal);
    }
  }
}

/** @param {any} plan @param {{at: number, ended: number}[]} seen @returns {[string, any][]} */
function facts(plan, seen) {
  const {counts} = plan;
  const ended = plan.cells - counts.left;
  const data = plan.plan.data;
  return [
    ["Name", plan.name],
    ["State", [stateMark(plan.state), plan.reason ? ` ${plan.reason}` : ""]],
    [
      "Cells",
      `${count(plan.cells)}: ${count(counts.done)} done, ${count(counts.diverged)} diverged, ` +
        `${count(counts.failed)} failed, ${count(counts.outstanding)} queued or running`,
    ],
    ["Withdrawn", counts.withdrawn ? count(counts.withdrawn) : null],
    ["Pace", pace(seen)],
    ["Mean time per cell", ended && plan.worker_hours ? `${duration((3600 * plan.worker_hours) / ended)} of a worker` : null],
    ["Left", remaining(plan)],
    ["Table", tableLink(plan) ?? "no version yet"],
    ["Noise", noise(plan)],
    ["Data", `${data.name}${plan.data_sha256 ? `, ${shortDigest(plan.data_sha256)}` : ""}`],
    ["Trainer", trainer(plan.plan.protocol.trainer)],
    ["Licence", plan.plan.licence],
    ["Submitted", ago(plan.created_at)],
    ["Digest", h("code", {title: plan.digest}, shortDigest(plan.digest))],
  ];
}

/** @param {any} plan Return the noise of cells that were trained twice, from its last version. */
function noise(plan) {
  const told = plan.versions.at(-1)?.noise;
  return told ? h("span", {id: "noise"}, noiseText(told)) : null;
}

/** @param {any} used Return the custom trainer of the networks; null if there is none. */
function trainer(used) {
  return used ? `${used.name} of ${used.package} ${used.version}, ${shortDigest(used.sha256)}` : null;
}

/** @param {{at: number, ended: number}[]} seen Return the pace of cells since the page was opened. */
function pace(seen) {
  const first = seen[0];
  const last = seen[seen.length - 1];
  const ended = last.ended - first.ended;
  if (ended <= 0 || last.at <= first.at) return null;
  return `${figure((60 * ended) / (last.at - first.at), null, 3)} cells a minute since this page was opened`;
}

/** @param {any} plan */
function remaining(plan) {
  if (plan.hours_left === null || !plan.counts.left) return null;
  const {days, workers} = plan.estimate ?? {};
  const share = plan.counts.left / plan.cells;
  const when = days && workers ? `, ${duration(86_400 * days * share)} with ${counted(workers, "worker")}` : "";
  return `${workerTime(plan.hours_left)} of a worker${when}`;
}

/** @param {any} plan Return the estimated and the actual cost. */
function cost(plan) {
  const {first_estimate: first, estimate: now, worker_hours: used, counts} = plan;
  const ended = plan.cells - counts.left;
  const each = (/** @type {any} */ one) =>
    one && one.hours !== null ? duration((3600 * one.hours) / one.cells) : NONE;
  const rows = [
    ["Estimate after the pilot", hours(first), each(first), told(first?.timings), percent(first?.error)],
    ["Current estimate", hours(now), each(now), told(now?.timings), percent(now?.error)],
    [
      "Actual, including the pilot",
      workerTime(used),
      ended ? duration((3600 * used) / ended) : NONE,
      `${count(ended)} of ${count(plan.cells)} cells`,
      "",
    ],
  ];
  const limit = plan.plan.limits?.hours;
  const disk = now ? `The finished table takes about ${bytes(now.disk_bytes)} of disk space.` : "";
  return [
    plainTable("Cost in worker time", ["When", "Worker time (80 %)", "Per cell", "Based on", "Prediction error"], rows),
    h("p", {class: "quiet"}, `${disk}${limit ? ` The plan pauses after ${figure(limit)} worker hours.` : ""}`),
  ];
}

/** @param {number | undefined} timings */
function told(timings) {
  return timings === undefined ? NONE : `${count(timings)} trainings`;
}

/** @param {number | null | undefined} error */
function percent(error) {
  return error === null || error === undefined ? NONE : figure(100 * error, "percent", 2);
}

/** @param {any[]} items @param {number} failed */
function failures(items, failed) {
  if (!failed) return h("p", {}, "No cell has failed.");
  const rows = items.map((cell) => [...cellNames(cell), h("div", {class: "long"}, cell.reason ?? NONE)]);
  return [
    plainTable("Failed cells", ["Cell", "Architecture", "Seed", "Epochs", "Reason"], rows),
    items.length < failed ? h("p", {}, `${count(items.length)} of ${count(failed)} are shown.`) : null,
  ];
}

/** @param {any} cell */
function cellNames(cell) {
  return [
    count(cell.cell),
    h("span", {class: "clip", title: cell.arch_str}, cell.arch_str),
    String(cell.seed),
    count(cell.num_epochs),
  ];
}

/** @param {any} plan */
function versions(plan) {
  if (!plan.versions.length) {
    return h("p", {}, "There is no version yet. While cells finish, one is created every 15 minutes, and on request.");
  }
  const rows = [...plan.versions].reverse().map((/** @type {any} */ one) => [
    h("a", {href: address(`explore/${part(plan.name)}`, {version: one.version}).href}, count(one.version)),
    one.complete ? stateMark("sealed") : stateMark("growing", "partial"),
    `${count(one.there)} of ${count(one.expected)}`,
    h("span", {class: "nowrap"}, `${count(one.diverged)} diverged, ${count(one.failed)} failed, ${count(one.withdrawn)} withdrawn`),
    h("code", {title: one.content_digest}, shortDigest(one.content_digest)),
    ago(one.created_at),
  ]);
  const headings = ["Version", "State", "Cells", "Without figures", "Digest", "Created"];
  return [plainTable("Versions, latest first", headings, rows), h("p", {}, h("a", {href: tablePage(plan)}, "Open the table"))];
}

/**
 * Return the cells at a position of the map.
 * @param {string} path
 * @param {PlanMap} map
 * @param {string} asked The number of the first one.
 * @param {AbortSignal} signal
 */
async function cellsFrom(path, map, asked, signal) {
  const place = map.placeOf(Number(asked));
  if (!/^\d{1,12}$/.test(asked) || !place) return h("p", {}, `There is no cell ${asked.slice(0, 40)}.`);
  const query = {cursor: map.first(place), limit: map.cellsToAsk()};
  const {items} = await ask(`${path}/cells`, {query, signal});
  const {seed, num_epochs: epochs} = place;
  const own = items.filter((/** @type {any} */ cell) => cell.seed === seed && cell.num_epochs === epochs).slice(0, map.most);
  map.pointTo(place.turn, place.bin);
  const names = [...new Set(own.flatMap((/** @type {any} */ cell) => Object.keys(cell.figures ?? {})))].slice(0, 12);
  const rows = own.map((/** @type {any} */ cell) => [
    ...cellNames(cell),
    stateMark(cell.state),
    ...names.map((name) => figure(cell.figures?.[name])),
    cell.provenance?.worker ?? (cell.reason ? h("div", {class: "long"}, cell.reason) : NONE),
  ]);
  const headings = ["Cell", "Architecture", "Seed", "Epochs", "State", ...names, "Worker or error"];
  const first = own.length === 1 ? own[0].provenance : null;
  return [
    h("h2", {}, own.length === 1 ? `Cell ${count(own[0].cell)}` : "Cells at this position"),
    plainTable("Selected cells", headings, rows),
    own.length < place.size ? h("p", {}, `${count(own.length)} of ${count(place.size)} are shown.`) : null,
    first ? asJson("provenance", "Provenance of its figures", first) : null,
  ];
}
