/**
 * The identity of a page's data: the version of a table in its requests, and the content digest of its
 * responses. No page mixes figures of two states of a table.
 *
 *   pin("digits", 3);              // every request and link about digits has version 3
 *   tableName("digits");           // "digits@3", as clients name it
 *   compare("digits@3", provenance);   // throws `Replaced` if earlier responses had other content
 */

/** The data of a table have changed since the page showed them. */
export class Replaced extends Error {
  constructor() {
    super("the data was replaced while the page was loading");
    this.name = "Replaced";
  }
}

/** @type {Map<string, number>} */
const pinned = new Map();
/** The content of earlier responses, by requested table and version. @type {Map<string, string>} */
const seen = new Map();
let renewed = false;

/**
 * Let all requests about a table have a version.
 * @param {string} table
 * @param {number | null} version Null: the served one.
 */
export function pin(table, version) {
  if (version === null) pinned.delete(table);
  else pinned.set(table, version);
}

/** @param {string} table Return the version in requests about it, or null. */
export function pinnedTo(table) {
  return pinned.get(table) ?? null;
}

/** @param {string} table Return its name in clients, with the version: `digits@3`. */
export function tableName(table) {
  const version = pinnedTo(table);
  return version === null ? table : `${table}@${version}`;
}

/** @param {string} path Path below the root of the service. Return the table in it, or "". */
export function tableOf(path) {
  const found = /^(?:v1\/benchmarks|v1|explore)\/([^/?#]+)/.exec(path);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return "";
  }
}

/** @param {any} provenance Return the identity of the data: its content, and for a plan's table the version. */
export function identityOf(provenance) {
  const version = provenance.version ?? planOf(provenance)?.version ?? "";
  return `${provenance.content_digest}@${version}`;
}

/** @param {any} provenance Return the plan's digest in the provenance of its table, or null. */
export function planOf({contents}) {
  return typeof contents?.plan === "string" && contents.cells ? contents : null;
}

/**
 * Compare the content of a response with that of earlier ones.
 * @param {string | null} version The requested version.
 * @param {any} provenance That of the response, if it has one.
 */
export function compare(version, provenance) {
  if (!provenance?.content_digest || !provenance.benchmark) return;
  const key = `${provenance.benchmark}@${version ?? ""}`;
  const identity = identityOf(provenance);
  if ((seen.get(key) ?? identity) !== identity) throw new Replaced();
  seen.set(key, identity);
}

/** Forget the shown data; the browser's cache may contain replaced data. */
export function forget() {
  seen.clear();
  renewed = true;
}

/** Return whether requests must revalidate the browser's cache. */
export function isRenewed() {
  return renewed;
}
