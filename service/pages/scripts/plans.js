/** The list of plans, or with `?name=` one plan. */

import {AddressState} from "./address.js";
import {ask, pause} from "./api.js";
import {h, prose, redraw} from "./dom.js";
import {NONE, count, counted, workerTime} from "./format.js";
import {sayAgain, startPage, viewsOf} from "./page.js";
import {drawPlan, hours, progressBar, tableLink} from "./plan.js";
import {ago, plainTable, stateMark} from "./states.js";

/** Seconds between two requests for the list. */
const LOOK = 5;

const state = new AddressState(["name", "cell"]);
const page = startPage({state});
const view = viewsOf(page);
/** The shown plan, whose parameters are handled by `plan.js`. @type {string | null | undefined} */
let shown;

/** @param {any} plan Return the cells of a row. */
function row(plan) {
  const {done, diverged, failed} = plan.counts;
  const ended = `${count(done + diverged + failed)} of ${count(plan.cells)}`;
  return [
    state.link({name: plan.name}, plan.name, {"data-plan": plan.name}),
    stateMark(plan.state),
    h("span", {class: "nowrap"}, progressBar(plan), ` ${ended}`),
    failed + diverged ? h("span", {class: "nowrap"}, `${count(failed)} failed, ${count(diverged)} diverged`) : NONE,
    h("span", {class: "nowrap"}, workerTime(plan.worker_hours)),
    plan.hours_left === null ? NONE : h("span", {class: "nowrap"}, workerTime(plan.hours_left)),
    hours(plan.first_estimate ?? plan.estimate),
    tableLink(plan) ?? NONE,
    ago(plan.created_at),
  ];
}

/** @param {AbortSignal} signal */
async function list(signal) {
  page.title("Plans");
  page.mark("", "", "measured");
  const headings = [
    ...["Plan", "State", "Finished cells", "Without figures", "Worker time", "Time left"],
    ...["First estimate", "Table", "Submitted"],
  ];
  const none =
    "There are no plans yet. `nbs plan start FILE` starts one; its table is served while it grows.";
  const look = async () => {
    const {items} = await ask("v1/plans", {signal});
    redraw(page.content, items.length ? plainTable("Plans, latest first", headings, items.map(row), {keys: items.map((/** @type {any} */ plan) => plan.name)}) : prose(none));
    const running = items.filter((/** @type {any} */ plan) => plan.state === "running").length;
    page.say(`${counted(items.length, "plan")}, ${count(running)} running.`);
  };
  await look();
  page.ready();
  while (!signal.aborted) {
    await pause(LOOK, signal);
    try {
      if (!document.hidden) await look();
    } catch (error) {
      sayAgain(page, error, signal);
    }
  }
}

function show() {
  const name = state.get("name");
  if (name === shown && name !== null) return;
  shown = name;
  view((signal) => (name === null ? list(signal) : drawPlan(page, state, name, signal)));
}

state.onChange(show);
show();
