/** One benchmark as a whole. */

import {ask} from "./api.js";
import {markOrigin, part, run, startPage} from "./page.js";

const page = startPage();

run(page, async () => {
  const info = await ask(`v1/benchmarks/${part(page.benchmark)}`);
  page.title(info.title);
  markOrigin(page, info.provenance);
  page.say("");
  page.ready();
});
