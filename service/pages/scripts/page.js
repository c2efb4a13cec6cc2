/**
 * The frame of every page: head, navigation, theme, marks, status line.
 *
 *   const page = startPage({state});            // state: the page's AddressState, if it has one
 *   page.title("NAS-Bench-201");
 *   page.mark("made up", "Synthetic numbers for demonstration, not published results.", "made-up");
 *   page.say("loading 3 of 4 columns");          // announced by screen readers, too
 *   replace(page.content, …);
 *   page.ready();                                // sets data-state="ready": tests wait for it
 *
 * `run(page, work)` runs an asynchronous function and shows its error. `page.benchmark` is the name in
 * the URL of a page about a benchmark, unescaped; escape it in paths with `part`.
 */

import {ApiError, ROOT, address, onWaiting} from "./api.js";
import {bar, byId, coded, h, replace} from "./dom.js";
import {count} from "./format.js";
import {Replaced, forget, planOf} from "./identity.js";

const THEME = "nasbench-theme";
const THEMES = ["auto", "light", "dark"];

/** @typedef {ReturnType<typeof startPage>} ExplorerPage */

/** @param {string} name Return it escaped for a path. */
export function part(name) {
  return encodeURIComponent(name);
}

/** @param {any} info Return the URL of the page of a benchmark. */
export function pageOf(info) {
  return address(`explore/${part(info.joined_to ?? info.name)}`).href;
}

/** Return the name of the benchmark in the URL, or "". */
function benchmarkName() {
  const [, name = ""] = location.pathname.slice(ROOT.pathname.length).split("/");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** @param {{state?: import("./address.js").AddressState}} [options] */
export function startPage({state} = {}) {
  const main = byId("main");
  const status = byId("status");
  const marks = byId("marks");
  const parts = byId("parts");
  const benchmark = parts.childElementCount ? benchmarkName() : "";
  theming();
  const versions = bar({id: "versions"});
  marks.after(versions);
  parts.hidden = !benchmark;
  let said = "";
  let busy = 0;
  onWaiting((seconds) => {
    busy = seconds;
    tellStatus(seconds ? `the service is busy, retrying in ${seconds} s` : said);
  });
/** The text of the status line; null if it shows an error. @type {string | null} */
  let told = null;
  /** @param {string} text Not set again if unchanged, as screen readers would repeat it. */
  function tellStatus(text) {
    if (text !== told) replace(status, coded(text));
    told = text;
  }

  const page = {
    main,
    content: byId("content"),
    benchmark,
    /** Which version of a table is shown; filled by `versions.js`. */
    versions,
    /** Reload the page, because its data was replaced. */
    again: () => location.reload(),
    /** Add links to the pages about the same benchmark, in the shown version. */
    linkParts() {
      for (const link of parts.querySelectorAll("a")) {
        link.href = address(`explore/${part(benchmark)}${link.dataset.below}`).href;
      }
    },
    /** @param {string} text */
    title(text) {
      byId("title").textContent = text;
      document.title = `${text} – NAS benchmarks`;
    },
    /**
     * Show a mark beside the title; one with the same name is replaced.
     * @param {string} text Empty removes it.
     * @param {string} [meaning] A sentence for the tooltip.
     * @param {string} [name] Its class: "made-up", "notice", "plain".
     */
    mark(text, meaning = "", name = "plain") {
      marks.querySelector(`[data-mark="${name}"]`)?.remove();
      if (text) {
        marks.append(h("span", {class: `mark ${name}`, "data-mark": name, title: meaning}, text));
      }
    },
    /** @param {string} text Show a message in the status line. */
    say(text) {
      said = text;
      if (!busy) tellStatus(text);
    },
    ready() {
      main.dataset.state = "ready";
      main.removeAttribute("aria-busy");
    },
    /** Mark the page as loading, for tests that wait until it is ready. */
    busy() {
      main.dataset.state = "loading";
      main.setAttribute("aria-busy", "true");
    },
    /** @param {unknown} error */
    fail(error) {
      const text = error instanceof Error ? error.message : String(error);
      busy = 0;
      told = null;
      replace(status, h("strong", {}, "Failed: "), coded(text));
      main.dataset.state = "failed";
      main.removeAttribute("aria-busy");
    },
  };
  page.linkParts();
  if (state) tellUnknown(page, state);
  return page;
}

/**
 * Show the unknown parameters of the URL.
 * @param {ExplorerPage} page
 * @param {import("./address.js").AddressState} state
 */
export function tellUnknown(page, state) {
  const {unknown} = state;
  const text = unknown.length ? `unknown in the URL: ${unknown.join(", ")}` : "";
  page.mark(text.slice(0, 200), "These URL parameters are ignored.", "notice");
}

/**
 * Run a function that fills a page, and show its error.
 * @param {ExplorerPage} page
 * @param {() => Promise<void>} work
 */
export async function run(page, work) {
  try {
    await work();
  } catch (error) {
    tell(page, error);
  }
}

/**
 * Run an action of the user, and show in the status line why the service refuses it.
 * @param {ExplorerPage} page
 * @param {() => Promise<void>} work
 */
export async function attempt(page, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    page.say(error.message);
  }
}

/**
 * Show that a failed request is retried; rethrow other errors, and all if the view was left.
 * @param {ExplorerPage} page
 * @param {unknown} error
 * @param {AbortSignal} signal
 */
export function sayAgain(page, error, signal) {
  if (!(error instanceof ApiError) || signal.aborted) throw error;
  page.say(`${error.message}; retrying`);
}

/** Milliseconds until a page reloads, as the replicas of a service do not switch at the same time. */
const RENEWED = 500;
/** Whether a reload is pending, as several responses may trigger it. */
let renewing = false;

/**
 * Show an error. If the data of a table was replaced, the page is reloaded and says so.
 * @param {ExplorerPage} page
 * @param {unknown} error
 */
export function tell(page, error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof Replaced) {
    if (renewing) return;
    renewing = true;
    page.busy();
    page.mark("the data was replaced while this page was open", "The page shows the new data.", "replaced");
    setTimeout(() => {
      renewing = false;
      forget();
      page.again();
    }, RENEWED);
    return;
  }
  page.fail(error);
  if (!(error instanceof ApiError)) throw error;
}

/**
 * Return a function that shows one view of a page after another. A new view aborts the requests of
 * the previous one through the signal passed to its drawing function.
 * @param {ExplorerPage} page
 * @returns {(draw: (signal: AbortSignal) => Promise<void>) => void}
 */
export function viewsOf(page) {
  let leaving = new AbortController();
  return (draw) => {
    leaving.abort();
    leaving = new AbortController();
    const {signal} = leaving;
    page.busy();
    run(page, async () => {
      try {
        await draw(signal);
      } catch (error) {
        // Errors of a view that was left are ignored, except programming errors.
        const expected = error instanceof ApiError || error instanceof DOMException || error instanceof Replaced;
        if (!signal.aborted || !expected) throw error;
      }
    });
  };
}

/**
 * Draw a page, now and whenever the state in its URL changes. Drawings run one after another, so that
 * a late response for an earlier state does not overwrite a later one.
 * @param {ExplorerPage} page
 * @param {import("./address.js").AddressState} state
 * @param {() => Promise<void>} draw
 */
export function followState(page, state, draw) {
  let turn = Promise.resolve();
  const show = () => {
    page.busy();
    // An error of a drawing has been shown, and does not prevent later ones.
    turn = turn.catch(() => {}).then(() => run(page, draw));
  };
  state.onChange(show);
  page.again = show;
  show();
}

/**
 * Return the marks about the origin of numbers, each with class, text and explanation.
 * @param {any} provenance That of a benchmark.
 * @param {boolean} [here] Whether the plan that made the table is one of this service.
 * @returns {{name: string, text: string, meaning: string}[]}
 */
export function originMarks(provenance, here = true) {
  const made = {name: "made-up", text: "made-up data", meaning: "Synthetic numbers for demonstration, not published results."};
  const plan = planOf(provenance);
  if (!plan) return provenance.synthetic ? [made] : [];
  const {there, expected, diverged, failed, withdrawn} = plan.cells;
  const lost = Object.entries({diverged, failed, withdrawn})
    .filter(([, many]) => many)
    .map(([what, many]) => ` ${count(many)} ${what}.`);
  const some = `${plan.complete ? "sealed with" : "partial:"} ${count(there)} of ${count(expected)} cells`;
  return [
    ...(provenance.synthetic ? [made] : []),
    here
      ? {name: "measured", text: "measured here", meaning: "Measured by a plan of this service; not a published table."}
      : {name: "measured", text: "measured by a plan", meaning: "Measured by a plan of another laboratory; not a published table."},
    {
      name: "cells",
      text: there === expected ? `all ${count(there)} cells` : some,
      meaning: `A cell is one architecture, seed and budget.${lost.join("")}`,
    },
  ];
}

/**
 * Mark a page by the origin of its numbers.
 * @param {ExplorerPage} page
 * @param {any} provenance
 * @param {boolean} [here] Whether the plan that made the table is one of this service.
 */
export function markOrigin(page, provenance, here) {
  const marks = originMarks(provenance, here);
  for (const name of ["made-up", "measured", "cells"]) {
    const {text = "", meaning = ""} = marks.find((mark) => mark.name === name) ?? {};
    page.mark(text, meaning, name);
  }
}

/** Set the theme from the URL or else from this browser, and create the selector. */
function theming() {
  const asked = new URLSearchParams(location.search).get("theme");
  let theme = asked && THEMES.includes(asked) ? asked : (stored() ?? "auto");
  const button = h("button", {type: "button", class: "tool", id: "theme"});
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    dispatchEvent(new CustomEvent("themechange"));
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem(THEME, theme);
    } catch {
      // Storage is disabled: the choice is not remembered.
    }
    apply();
  });
  byId("tools").append(button);
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}

function stored() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}
