/**
 * Requests to the service below `/v1/`, with the key of this tab.
 *
 *   const list = await ask("v1/benchmarks");
 *   const best = await ask("v1/nasbench201/top", {query: {metric: "test_acc", n: 10}, signal});
 *   const {values} = await askColumn("v1/nasbench201/column", {query: {metric: "flops"}});
 *
 * URLs are relative to the root of the service, so that they work below a prefix of a proxy. The
 * browser caches responses by entity tag. A request about a table names the version that the page is
 * pinned to, and its response is compared with earlier ones: if the data was replaced meanwhile,
 * `Replaced` of `identity.js` is thrown.
 *
 * - 429, 503: retried after `Retry-After` (at most `PATIENCE` seconds in all) and reported to
 *   `onWaiting`, which the status line of `page.js` shows; a 503 fails at once without `Retry-After`,
 *   or if the request is `atOnce`.
 * - 401: the page for entering a key opens, and returns afterwards.
 * - other statuses: `ApiError` with the `detail` of the problem; for a 403 it names the required scope.
 */

import {compare, isRenewed, pinnedTo, tableOf} from "./identity.js";

/** The address of the service; this file lies at `assets/DIGEST/api.js` below it. */
export const ROOT = new URL("../../", import.meta.url);

const KEY = "nasbench-key";
/** Largest total waiting time of a request, in seconds. */
const PATIENCE = 60;

/** An error response, or no response. */
export class ApiError extends Error {
  /**
   * @param {string} message What is wrong, for people.
   * @param {number} status 0 without a response.
   * @param {Record<string, any>} problem The problem document, or {}.
   */
  constructor(message, status, problem) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }
}

/** Return the API key of this tab, or null. */
export function key() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // session storage is disabled
  }
}

/** @param {string | null} value Null removes the key. */
export function setKey(value) {
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}

/** @typedef {string | number | boolean | null | undefined} Value */
/**
 * @typedef {object} Options
 * @property {Record<string, Value | Value[]>} [query] Null and undefined values are omitted.
 * @property {string} [method]
 * @property {unknown} [body] Sent as JSON.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [fresh] Revalidate the browser's cache.
 * @property {boolean} [atOnce] Do not retry a 503, for a part of a page.
 * @property {boolean} [apart] Do not compare the response with earlier ones.
 */

/**
 * Return a URL below the root, with the version of the table that the page is pinned to.
 * @param {string} path `v1/…` or `explore/…`, with escaped parts.
 * @param {Record<string, Value | Value[]>} [query] `version: null`: the served version.
 */
export function address(path, query = {}) {
  const url = new URL(path, ROOT);
  const version = pinnedTo(tableOf(path));
  if (version !== null && !("version" in query)) url.searchParams.set("version", String(version));
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) url.searchParams.append(name, String(one));
    }
  }
  return url;
}

/** @type {Set<(seconds: number) => void>} */
const waiting = new Set();

/**
 * Call a listener when a request has to wait: with the seconds, and with 0 when it no longer does.
 * @param {(seconds: number) => void} listener
 */
export function onWaiting(listener) {
  waiting.add(listener);
}

/**
 * Return the raw response to a request, for streams and headers.
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Response>}
 */
export async function send(path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = {...options.headers};
  const shown = key();
  if (shown) headers.Authorization = `Bearer ${shown}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const request = {
    method: options.method ?? "GET",
    headers,
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: options.signal,
    cache: /** @type {RequestCache} */ (options.fresh || isRenewed() ? "no-cache" : "default"),
  };
  let waited = 0;
  try {
    for (;;) {
      const response = await answer(address(path, options.query), request);
      const seconds = Math.max(Number(response.headers.get("Retry-After") ?? NaN), 1);
      const later = response.status === 429 || (response.status === 503 && !options.atOnce);
      if (!later || Number.isNaN(seconds) || waited + seconds > PATIENCE) {
        if (response.ok) return response;
        throw await refused(response);
      }
      waited += seconds;
      for (const tell of waiting) tell(seconds);
      await pause(seconds, options.signal);
    }
  } finally {
    // Also for an aborted request: otherwise the page would show forever that it waits.
    if (waited) for (const tell of waiting) tell(0);
  }
}

/** @param {URL} url @param {RequestInit} request */
async function answer(url, request) {
  try {
    return await fetch(url, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("the service does not answer", 0, {});
  }
}

/** Whether the page for entering a key is opening, as several requests may get a 401. */
let leaving = false;
// The browser may restore the page from its cache.
globalThis.addEventListener?.("pageshow", () => {
  leaving = false;
});

/** @param {Response} response @returns {Promise<ApiError>} */
async function refused(response) {
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && !leaving && !location.pathname.endsWith("/explore/key")) {
    leaving = true;
    const back = location.pathname.slice(ROOT.pathname.length) + location.search;
    location.assign(address("explore/key", {back}));
  }
  const detail = problem.detail ?? `the service answers ${response.status}`;
  return new ApiError(String(detail), response.status, problem);
}

/**
 * Wait.
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/**
* Return the JSON response to a request.
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function ask(path, options = {}) {
  const version = versionOf(path, options);
  const found = await (await send(path, options)).json();
  if (!options.apart) compare(version, found?.provenance);
  return found;
}

/**
 * Request optional items, such as jobs; a service without them has no such path.
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<{items: any[], missing: string}>} `missing`: why there are none.
 */
export async function askAside(path, options) {
  try {
    return {items: (await ask(path, {...options, atOnce: true})).items, missing: ""};
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return {items: [], missing: error.status === 404 ? "" : error.message};
  }
}

/** @param {string} path @param {Options} options Return the version in a request. */
function versionOf(path, {query}) {
  return address(path, query).searchParams.get("version");
}

const ARRAYS = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
};

/** @typedef {keyof typeof ARRAYS} Dtype */

/** @typedef {Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array} Values */

/**
 * Await several responses. If several fail, the error of the first in order is thrown: an unknown
 * benchmark is reported as such, and not as a missing path below it.
 * @template {readonly unknown[]} T
 * @param {T} asked
 * @returns {Promise<{-readonly [K in keyof T]: Awaited<T[K]>}>}
 */
export async function allOf(asked) {
  const settled = await Promise.allSettled(asked);
  for (const one of settled) if (one.status === "rejected") throw one.reason;
  return /** @type {any} */ (settled.map((one) => /** @type {any} */ (one).value));
}

/**
 * Return the values of a binary response, and its metadata header.
 *
 * Values are little-endian, as typed arrays are in all browsers.
 * @param {string} path
 * @param {Options & {header?: string, dtype?: Dtype}} [options] `dtype`: if the header has none.
 * @returns {Promise<{values: Values, said: Record<string, any>}>}
 */
export async function askColumn(path, {header = "X-Column", dtype = "float32", ...options} = {}) {
  const version = versionOf(path, options);
  const response = await send(path, options);
  const said = JSON.parse(response.headers.get(header) ?? "{}");
  compare(version, said.provenance);
  const named = /** @type {Dtype} */ (said.type ?? dtype);
  return {values: new ARRAYS[named](await response.arrayBuffer()), said};
}

/**
 * Return an object URL of a picture for `img`, as requests may need the key; release it with
 * `URL.revokeObjectURL`.
 * @param {string} path
 * @param {Options} [options]
 */
export async function pictureAddress(path, options = {}) {
  return URL.createObjectURL(await (await send(path, options)).blob());
}
