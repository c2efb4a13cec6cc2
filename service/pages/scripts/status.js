/** The state of the service for its users: databases, workers, and degraded functions. */

import {ApiError, address, ask, send} from "./api.js";
import {h, prose, redraw} from "./dom.js";
import {bytes, count, counted, duration, shortDigest} from "./format.js";
import {originMarks, pageOf, run, startPage} from "./page.js";
import {JOB_STATES, ago, factList, plainTable, stateMark} from "./states.js";

/** Seconds between two requests. */
const LOOK = 5;

const page = startPage();

/**
 * Request something that the service may not have.
 * @param {string} path
 * @returns {Promise<{answer: any, missing: string}>}
 */
async function tried(path) {
  try {
    return {answer: await ask(path, {atOnce: true}), missing: ""};
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A service that is not ready gives the details in its problem document.
    return {answer: error.problem.benchmarks ? error.problem : null, missing: error.message};
  }
}

/** @returns {Promise<Map<string, {labels: Record<string, string>, value: number}[]>>} */
async function metrics() {
  const found = new Map();
  try {
    const text = await (await send("metrics")).text();
    for (const line of text.split("\n")) {
      const read = /^(nasbench_\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!read) continue;
      const labels = Object.fromEntries(
        [...(read[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]),
      );
      if (!found.has(read[1])) found.set(read[1], []);
      found.get(read[1]).push({labels, value: Number(read[3])});
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  return found;
}

/** @param {any} ready @param {any} listed */
function databases(ready, listed) {
  const infos = new Map((listed?.items ?? []).map((/** @type {any} */ info) => [info.name, info]));
  const rows = Object.entries(ready?.benchmarks ?? {}).map(([name, one]) => {
    const info = infos.get(name);
    const reason = one.reason ?? (one.replacement ? `a newer file is not served: ${one.replacement}` : "");
    const checked = one.verifying ? "being checked" : one.verified_at ? ago(one.verified_at) : "not yet";
    return [
      info ? h("a", {href: pageOf(info)}, info.title) : name,
      one.replacement ? stateMark("degraded") : stateMark(one.status),
      [
        (info ? originMarks(info.provenance) : []).map(({name: of, text, meaning}) => [h("span", {class: `mark ${of}`, title: meaning}, text), " "]).flat(),
        reason,
      ],
      one.content_digest ? h("code", {}, shortDigest(one.content_digest)) : "–",
      info ? info.provenance.generator_version : "–",
      checked,
    ];
  });
  if (!rows.length) return h("p", {}, "No database is installed.");
  const headings = ["Benchmark", "State", "Notes", "Digest", "Written by version", "Checked"];
  return plainTable("Databases", headings, rows);
}

/** @param {any} list */
function workers(list) {
  if (!list) return h("p", {}, "This service runs no jobs.");
  if (!list.items.length) return h("p", {}, "No worker has sent a heartbeat in the last day.");
  const rows = list.items.map((/** @type {any} */ worker) => [
    worker.id,
    stateMark(worker.alive ? "alive" : "silent"),
    ago(worker.seen_at),
    worker.devices
      .map((/** @type {any} */ device) => `${device.name}: ${device.model}, ${bytes(device.memory)}`)
      .join("; "),
    worker.running.map((/** @type {string} */ id) => [
      h("a", {href: address("explore/jobs", {id}).href}, id.slice(0, 12)),
      " ",
    ]).flat(),
    worker.datasets.join(", "),
    worker.trainers.map((/** @type {any} */ one) => `${one.name} (${one.package} ${one.version})`).join(", "),
    worker.version,
  ]);
  const headings = ["Worker", "State", "Last heartbeat", "Devices", "Running jobs", "Data sets", "Trainers", "Version"];
  return plainTable("Workers", headings, rows, {keys: list.items.map((/** @type {any} */ worker) => worker.id)});
}

/** @param {Awaited<ReturnType<typeof metrics>>} told */
function queue(told) {
  const jobs = told.get("nasbench_jobs") ?? [];
  if (told.get("nasbench_jobs_available")?.[0].value === 0) return prose("The number of queued jobs is unknown: the job database does not answer.");
  if (!jobs.length) return prose("The number of queued jobs needs a key that may read `/metrics`.");
  const by = new Map(jobs.map(({labels, value}) => [labels.state, value]));
  return h(
    "dl",
    {class: "tally"},
    JOB_STATES.map((state) => {
      const many = by.get(state) ?? 0;
      const mark = stateMark(state, count(many));
      // Zero failures are not marked.
      if (!many) mark.className = "state quiet";
      return h("div", {}, h("dt", {}, state), h("dd", {}, mark));
    }),
  );
}

/** @param {Awaited<ReturnType<typeof metrics>>} told @returns {[string, any][]} */
function machine(told) {
  const one = (/** @type {string} */ name) => told.get(name)?.[0];
  const sizes = told.get("nasbench_database_bytes") ?? [];
  const disk = sizes.reduce((sum, {value}) => sum + value, 0);
  return [
    ["Version", one("nasbench_server_info")?.labels.version ?? null],
    ["Databases", sizes.length ? `${bytes(disk)} on the disk` : null],
    ["Artifacts", size(one("nasbench_artifact_bytes"))],
    ["Free disk", size(one("nasbench_disk_free_bytes"))],
    ["Jobs", one("nasbench_jobs_available")?.value === 0 ? "the job database does not answer" : null],
  ];
}

/** @param {{value: number} | undefined} told */
function size(told) {
  return told ? bytes(told.value) : null;
}

async function look() {
  const [ready, listed, working, data, told] = await Promise.all([
    tried("readyz"),
    tried("v1/benchmarks"),
    tried("v1/workers"),
    tried("v1/datasets"),
    metrics(),
  ]);
  const poor = Object.values(ready.answer?.benchmarks ?? {}).filter(
    (/** @type {any} */ one) => one.status !== "ready" || one.replacement,
  );
  const alive = (working.answer?.items ?? []).filter((/** @type {any} */ worker) => worker.alive);
  const waiting = (told.get("nasbench_jobs") ?? []).find(({labels}) => labels.state === "queued")?.value ?? 0;
  const idle = waiting && working.answer && !alive.length ? `${counted(waiting, "job is", "jobs are")} queued, but no worker is alive` : "";
  const databasesTold = poor.length ? `${counted(poor.length, "database has", "databases have")} a problem (see below)` : "";
  const wrong = ready.missing || databasesTold || working.missing || idle;
  const whole = wrong || "everything works";
  page.say(working.missing ? `${whole}.` : `${whole}; ${counted(alive.length, "worker is", "workers are")} alive.`);
  redraw(
    page.content,
    h("p", {id: "whole"}, stateMark(wrong ? "degraded" : "ready", whole)),
    factList(machine(told)),
    h("h2", {}, "Databases"),
    databases(ready.answer, listed.answer),
    h("h2", {}, "Workers"),
    working.missing ? h("p", {}, stateMark("degraded", working.missing)) : workers(working.answer),
    h("h2", {}, "Data sets for jobs"),
    h(
      "p",
      {id: "datasets"},
      data.missing ||
        (data.answer?.items ?? []).map((/** @type {any} */ one) => one.name).join(", ") ||
        "No worker that is alive offers a data set.",
    ),
    h("h2", {}, "Queue"),
    queue(told),
    h("p", {class: "quiet"}, `Updates every ${duration(LOOK)}.`),
  );
}

run(page, async () => {
  await look();
  page.ready();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK * 1000));
    if (!document.hidden) await look();
  }
});
