/** The list of jobs with live progress, or with `?id=` one job. */

import {AddressState} from "./address.js";
import {ask, pause} from "./api.js";
import {h, prose, redraw, replace} from "./dom.js";
import {count, counted} from "./format.js";
import {drawJob} from "./job.js";
import {part, sayAgain, startPage, viewsOf} from "./page.js";
import {JOB_STATES, UNFINISHED, ago, plainTable, stateMark} from "./states.js";

const KINDS = ["model", "evaluation", "latency", "training", "supernet"];
const ROWS = 50;
/** Largest number of jobs that are followed: browsers have six connections per server. */
const FOLLOWED = 3;
/** Seconds between two requests for new jobs. */
const LOOK = 5;
/** Duration of a long poll in seconds, the longest that the service allows. */
const HELD = 10;

const state = new AddressState(["id", "state", "kind", "cursor"]);
const page = startPage({state});
const view = viewsOf(page);

/** @param {any} job Return the progress of a job. */
function progressOf(job) {
  const {progress} = job;
  if (!progress || job.state !== "running") return job.error ? job.error.kind : "";
  const far = progress.total ? `${count(progress.done)} of ${count(progress.total)}` : count(progress.done);
  return h(
    "span",
    {class: "nowrap"},
    progress.total
      ? h("progress", {max: progress.total, value: progress.done, "aria-label": progress.stage})
      : null,
    ` ${progress.stage} ${far}`,
  );
}

/** @param {any} job Return the subject of a job in a few words. */
function subject(job) {
  const {network = {}, dataset, seed, epochs} = job.request;
  const named = network.model ?? network.benchmark ?? network.space ?? "a network";
  const {arch} = network;
  const choices = arch && typeof arch === "object" ? Object.values(arch).map(plain).join(" ") : (arch ?? "");
  const training = epochs === undefined ? "" : `, ${counted(epochs, "epoch")}, seed ${seed}`;
  const told = `${named}${dataset ? ` on ${dataset}` : ""}${training} ${choices}`.slice(0, 300);
  return h("span", {class: "clip", title: told}, told);
}

/** @param {any} value */
function plain(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** @param {any} job */
function cells(job) {
  return [
    state.link({id: job.id}, job.id.slice(0, 12), {"data-job": job.id}),
    stateMark(job.state, job.cancel_requested && job.state === "running" ? "cancelling" : job.state),
    progressOf(job),
    job.kind,
    subject(job),
    ago(job.created_at),
  ];
}

/** @param {string} name @param {string} label @param {string[]} values */
function choice(name, label, values) {
  const chosen = state.get(name) ?? "";
  const options = ["", ...values].map((value) =>
    h("option", {value, selected: value === chosen}, value || "all"),
  );
  const change = (/** @type {any} */ event) => state.set({[name]: event.target.value || null, cursor: null});
  return h("label", {}, `${label} `, h("select", {name, on: {change}}, options));
}

/** Explain why no job is shown, and how to create one. */
function none() {
  if (["state", "kind", "cursor"].some((name) => state.get(name))) return h("p", {}, "No job matches.");
  return prose(
    "There are no jobs yet. Submit one with a button on the page of an architecture, or with " +
      "`bench.build(…)`, `bench.evaluate(…)` or `bench.train(…)`. `nbs worker` runs them.",
  );
}

/** @param {AbortSignal} signal */
async function list(signal) {
  const query = {
    state: state.get("state"),
    kind: state.get("kind"),
    cursor: state.get("cursor"),
    limit: ROWS,
  };
  /** @type {Map<string, any>} */
  let known = new Map();
  /** @type {string | null} */
  let following = null;
  const shown = h("div", {});
  const draw = () => {
    const jobs = [...known.values()];
    const headings = ["Job", "State", "Progress", "Kind", "What", "Submitted"];
    redraw(
      shown,
      jobs.length ? plainTable("Jobs, latest first", headings, jobs.map(cells), {keys: [...known.keys()]}) : none(),
      following
        ? h("button", {type: "button", on: {click: () => state.set({cursor: following})}}, "Older jobs")
        : null,
    );
  };
  const look = async () => {
    const answer = await ask("v1/jobs", {query, signal});
    known = new Map(answer.items.map((/** @type {any} */ job) => [job.id, job]));
    following = answer.next_cursor;
    draw();
    const open = answer.items.filter((/** @type {any} */ job) => UNFINISHED.includes(job.state));
    const jobs = counted(answer.items.length, "job");
    const some = state.get("cursor") ? "Older jobs: " : following ? "The latest " : "";
    page.say(`${some}${jobs}, ${count(open.length)} of them ${open.length === 1 ? "is queued or running" : "are queued or running"}.`);
    return open.slice(0, FOLLOWED);
  };
  page.title("Jobs");
  replace(
    page.content,
    h("form", {class: "choices"}, choice("state", "State", JOB_STATES), choice("kind", "Kind", KINDS)),
    shown,
  );
  let open = await look();
  page.ready();
  const follow = async (/** @type {any} */ job) => {
    const held = {wait: HELD, revision: job.revision};
    const now = await ask(`v1/jobs/${part(job.id)}`, {query: held, signal});
    if (known.has(now.id)) known.set(now.id, now);
    draw();
  };
  while (!signal.aborted) {
    // New jobs are polled for; changes of known ones arrive by long polls.
    const turn = pause(LOOK, signal);
    try {
      await Promise.race([Promise.all(open.map(follow)), turn]);
      await turn;
      open = await look();
    } catch (error) {
      sayAgain(page, error, signal);
      await pause(LOOK, signal);
    }
  }
}

function show() {
  const id = state.get("id");
  view((signal) => (id === null ? list(signal) : drawJob(page, state, id, signal)));
}

state.onChange(show);
show();
