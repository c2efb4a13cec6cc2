/** One job: state, results, artifacts and request; updated by its event stream. */

import {ApiError, address, ask, key, pause, send} from "./api.js";
import {h, redraw, redrawActions, replace} from "./dom.js";
import {copyButton, save} from "./exports.js";
import {bytes, count, duration, figure} from "./format.js";
import {attempt, part} from "./page.js";
import {UNFINISHED, ago, asJson, factList, plainTable, stateMark} from "./states.js";

/** Path for submissions of each kind of job. @type {Record<string, string>} */
const PATHS = {
  model: "v1/models",
  evaluation: "v1/evaluations",
  latency: "v1/latency",
  training: "v1/trainings",
  supernet: "v1/supernets",
};
/** Largest file in bytes that is downloaded by the page; for others a shell command is shown. */
const MOST = 50e6;
/** Seconds until an interrupted stream is requested again. */
const AGAIN = 2;

/**
 * Yield the data of the events of a stream. `EventSource` cannot send a key.
 * @param {Response} response
 */
async function* events(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      rest += decoder.decode(value, {stream: true}).replaceAll("\r", "");
      const blocks = rest.split("\n\n");
      rest = /** @type {string} */ (blocks.pop());
      for (const block of blocks) {
        const data = block.split("\n").filter((line) => line.startsWith("data:"));
        if (data.length) yield data.map((line) => line.slice(5).trimStart()).join("\n");
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/**
 * Draw a job and follow it until it has ended.
 * @param {import("./page.js").ExplorerPage} page
 * @param {import("./address.js").AddressState} state
 * @param {string} id
 * @param {AbortSignal} signal
 */
export async function drawJob(page, state, id, signal) {
  const path = `v1/jobs/${part(id)}`;
  const parts = {how: h("div", {tabindex: "-1"}), out: h("div", {}), act: h("p", {class: "actions"})};
  let job = await ask(path, {signal});
  page.title(`Job ${job.id}`);
  const show = () => {
    page.say(`${job.kind}: ${job.cancel_requested && job.state === "running" ? "cancelling" : job.state}`);
    redraw(parts.how, progress(job), factList(facts(job)));
    redraw(parts.out, problem(job), result(job), artifacts(job, page));
    redrawActions(parts.act, parts.how, actions(job));
  };
  /** @param {any} job */
  function actions(job) {
    const open = UNFINISHED.includes(job.state);
    const cancel = () =>
      job.cancel_requested ||
      attempt(page, async () => {
        job = await ask(`${path}/cancel`, {method: "POST"});
        take(job);
      });
    const again = () =>
      attempt(page, async () => {
        const other = await ask(PATHS[job.kind], {method: "POST", body: job.request});
        if (other.id === job.id) page.say("An identical job has this result already.");
        else state.set({id: other.id});
      });
    return open
      ? [h("button", {type: "button", "data-key": "cancel", "aria-disabled": job.cancel_requested ? "true" : null, on: {click: cancel}}, "Cancel")]
      : [h("button", {type: "button", "data-key": "again", on: {click: again}}, "Again")];
  }
  /** @param {any} now */
  function take(now) {
    if (now.revision < job.revision) return;
    job = now;
    show();
  }
  replace(
    page.content,
    h("p", {}, state.link({id: null}, "All jobs")),
    parts.how,
    parts.act,
    parts.out,
    h("h2", {}, "Request"),
    h("p", {}, copyButton("Copy as JSON", () => JSON.stringify(job.request), page)),
    h("pre", {tabindex: "0", id: "request"}, JSON.stringify(job.request, null, 2)),
  );
  show();
  page.ready();
  while (UNFINISHED.includes(job.state) && !signal.aborted) {
    try {
      const stream = await send(`${path}/events`, {headers: {Accept: "text/event-stream"}, signal});
      for await (const data of events(stream)) take(JSON.parse(data));
      if (UNFINISHED.includes(job.state)) throw new ApiError("the service closed the event stream", 0, {});
    } catch (error) {
      // If the server stops, the reader of the stream throws a TypeError.
      if (signal.aborted || !(error instanceof ApiError || error instanceof TypeError)) throw error;
      page.say(`${error.message}; retrying`);
      await pause(AGAIN, signal);
    }
  }
}

/** @param {any} job */
function progress({state, progress: far}) {
  if (state !== "running" || !far) return null;
  const told = far.total ? `${count(far.done)} of ${count(far.total)}` : count(far.done);
  const figures = Object.entries(far.figures ?? {}).map(([name, value]) => `${name} ${shown(value)}`);
  return h(
    "p",
    {id: "progress"},
    far.total ? h("progress", {max: far.total, value: far.done, "aria-label": far.stage}) : null,
    ` ${far.stage} ${told}${far.message ? `: ${far.message}` : ""}`,
    figures.length ? h("span", {class: "quiet"}, ` (${figures.join(", ")})`) : null,
  );
}

/** @param {any} job @returns {[string, any][]} */
function facts(job) {
  const {started_at: started, finished_at: finished} = job;
  const took = started && finished ? (Date.parse(finished) - Date.parse(started)) / 1000 : null;
  return [
    ["State", stateMark(job.state)],
    ["Kind", job.kind],
    ["Submitted", ago(job.created_at)],
    ["Began", started ? ago(started) : null],
    ["Ended", finished ? ago(finished) : null],
    ["Took", took === null ? null : duration(took)],
    ["Attempts", `${job.attempts}, time limit ${duration(job.time_limit)} each`],
    ["Priority", job.priority],
    ["Worker", job.worker],
    ["Request id", job.request_id],
  ];
}

/** @param {any} job */
function problem({error}) {
  if (!error) return null;
  return h("section", {class: "card problem", "aria-label": "Error"}, h("h2", {}, error.kind), h("p", {}, error.message));
}

/** @param {any} value */
function shown(value) {
  return typeof value === "number" ? figure(value, null, 6) : String(value);
}

/** @param {any} job */
function result({result: found}) {
  if (!found) return null;
  const plain = Object.entries(found).flatMap(([name, value]) =>
    name === "metrics" ? Object.entries(value) : [[name, value]],
  );
  const simple = plain.filter(([, value]) => value === null || typeof value !== "object");
  return [
    h("h2", {}, "Result"),
    factList(simple.map(([name, value]) => [name, value === null ? null : shown(value)])),
    asJson("result", "Show as JSON", found),
  ];
}

/** @param {any} job @param {import("./page.js").ExplorerPage} page */
function artifacts(job, page) {
  if (!job.artifacts.length) return null;
  const path = (/** @type {any} */ file) => `v1/jobs/${part(job.id)}/artifacts/${part(file.name)}`;
  const fetched = (/** @type {any} */ file) =>
    attempt(page, async () => save(file.name, await (await send(path(file))).blob(), file.media_type));
  const command = (/** @type {any} */ file) => {
    const shown = key() ? ' -H "Authorization: Bearer $NASBENCH_API_KEY"' : "";
    return `curl -O${shown} '${address(path(file))}'`;
  };
  const rows = job.artifacts.map((/** @type {any} */ file) => [
    file.name,
    file.media_type,
    bytes(file.size),
    h("code", {title: file.sha256}, file.sha256.slice(0, 12)),
    file.size < MOST
      ? h("button", {type: "button", "aria-label": `Save ${file.name}`, on: {click: () => fetched(file)}}, "Save")
      : copyButton("Copy as curl", () => command(file), page),
  ]);
  return [
    h("h2", {}, "Files"),
    plainTable("Files of the job", ["Name", "Type", "Size", "SHA-256", "Download"], rows),
  ];
}
