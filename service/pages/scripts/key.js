/** Enter, test and remove the API key of this tab. */

import {ApiError, ROOT, address, ask, key, setKey} from "./api.js";
import {byId, h, prose, replace} from "./dom.js";
import {counted} from "./format.js";
import {run, startPage} from "./page.js";

const page = startPage();

/** @param {string} token Return its id and last four characters, never the whole key. */
function shown(token) {
  const name = token.split("_")[1] ?? "";
  return `${name.slice(0, 20)} … ${token.slice(-4)}`;
}

/** Return the page that needed the key, restricted to this service. */
function back() {
  const asked = new URLSearchParams(location.search).get("back");
  if (!asked || !URL.canParse(asked, ROOT)) return null;
  const url = new URL(asked, ROOT);
  const inside = url.origin === ROOT.origin && url.pathname.startsWith(`${ROOT.pathname}explore`);
  return inside ? url : null;
}

async function test() {
  try {
    const answer = await ask("v1/benchmarks");
    page.say(`The key is accepted and reads ${counted(answer.items.length, "benchmark")}.`);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    page.say(error.status === 401 ? "The service does not accept this key." : error.message);
    return false;
  }
}

function draw() {
  const held = key();
  const input = h("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
  });
  const form = h(
    "form",
    {
      class: "stack",
      on: {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          run(page, async () => {
            const before = key();
            setKey(input.value.trim());
            if (!(await test())) {
              setKey(before);
              return;
            }
            const target = back();
            if (target) location.assign(target);
            else {
              draw();
              page.content.querySelector("#held button")?.focus();
            }
          });
        },
      },
    },
    h("label", {for: "key"}, "Access key"),
    input,
    h("button", {type: "submit"}, "Test and use"),
  );
  const forget = () => {
    setKey(null);
    page.say("The key was removed.");
    draw();
    byId("key").focus();
  };
  const buttons = [
    h("button", {type: "button", on: {click: () => run(page, async () => void (await test()))}}, "Test"),
    h("button", {type: "button", on: {click: forget}}, "Forget"),
  ];
  replace(
    page.content,
    prose(
      "The key is stored in this browser tab only, until the tab closes. It is sent with every request, " +
        "never in a URL. `nbs keys create` creates a key.",
    ),
    held ? h("p", {id: "held"}, "In use: ", h("code", {}, shown(held)), " ", buttons) : null,
    form,
    h("p", {}, h("a", {href: address("explore").href}, "All benchmarks")),
  );
}

draw();
page.say(back() ? "The service requires a key." : "");
page.ready();
