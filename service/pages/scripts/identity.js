/**
 * Which data the answers of a page are of: the version of a table that its questions name, and the
 * content that its answers had. No page shows figures of two states of a table side by side.
 *
 *   pin("digits", 3);              // every question and link about digits names version 3
 *   tableName("digits");           // "digits@3", as clients write it
 *   compare("digits@3", provenance);   // throws `Replaced` if earlier answers had another content
 */

/** The data of a table are others than those that the page has shown. */
export class Replaced extends Error {
  constructor() {
    super("the data was replaced meanwhile");
    this.name = "Replaced";
  }
}

/** @type {Map<string, number>} */
const pinned = new Map();
/** The content of earlier answers, by table and version that was asked for. @type {Map<string, string>} */
const seen = new Map();
let renewed = false;

/**
 * Let every question about a table name a version.
 * @param {string} table
 * @param {number | null} version Null: that which is served.
 */
export function pin(table, version) {
  if (version === null) pinned.delete(table);
  else pinned.set(table, version);
}

/** @param {string} table Return the version that questions about it name, or null. */
export function pinnedTo(table) {
  return pinned.get(table) ?? null;
}

/** @param {string} table Return how clients name it, with the version: `digits@3`. */
export function tableName(table) {
  const version = pinnedTo(table);
  return version === null ? table : `${table}@${version}`;
}

/** @param {string} path Below the root of the service. Return the table that it is about, or "". */
export function tableOf(path) {
  const found = /^(?:v1\/benchmarks|v1|explore)\/([^/?#]+)/.exec(path);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return "";
  }
}

/** @param {any} provenance Return what answers depend on: content, and of a plan's table its version. */
export function identityOf(provenance) {
  const version = provenance.version ?? planOf(provenance)?.version ?? "";
  return `${provenance.content_digest}@${version}`;
}

/** @param {any} provenance Return what a plan says of the table that it made, or null. */
export function planOf({contents}) {
  return typeof contents?.plan === "string" && contents.cells ? contents : null;
}

/**
 * Compare the content of an answer with that of earlier ones.
 * @param {string | null} version That was asked for.
 * @param {any} provenance Of the answer, where it has one.
 */
export function compare(version, provenance) {
  if (!provenance?.content_digest || !provenance.benchmark) return;
  const key = `${provenance.benchmark}@${version ?? ""}`;
  const identity = identityOf(provenance);
  if ((seen.get(key) ?? identity) !== identity) throw new Replaced();
  seen.set(key, identity);
}

/** Begin anew: nothing was shown, and what the browser keeps may be of what was replaced. */
export function forget() {
  seen.clear();
  renewed = true;
}

/** Return whether each question must ask whether what the browser keeps is still so. */
export function isRenewed() {
  return renewed;
}
