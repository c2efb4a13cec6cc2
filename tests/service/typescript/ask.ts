// Asks a served sample by the types that are generated from its /openapi.json, and prints the answers.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[]; env: Record<string, string | undefined> };

const client = createClient<paths>({ baseUrl: process.argv[2] });
const where = { num_epochs: 200, dataset: "cifar100" } as const;

const one = await client.GET("/v1/nasbench201/computed-stats", {
  params: { query: { arch: "3", ...where } },
});
const runs: components["schemas"]["Nb201Stats"][] = one.data?.items ?? [];

const best = await client.GET("/v1/nasbench201/top", {
  params: { query: { metric: "test_acc", n: 3, max_flops: 200, ...where } },
});

const many = await client.POST("/v1/nasbench201/computed-stats/query", {
  body: { archs: [3, 5], reduction: "mean", ...where },
});
// Text only where an Arrow stream is asked for.
const aligned = typeof many.data === "string" ? undefined : many.data?.results;

const refused = await client.GET("/v1/nasbench201/rank", {
  // @ts-expect-error: a metric is one of those that there are.
  params: { query: { arch: "3", metric: "tst_acc", ...where } },
});

// Never called: that each of these is an error of types is what the compiler checks.
export const wrong = [
  // @ts-expect-error: a data set is one of those that there are.
  () => client.GET("/v1/nasbench201/computed-stats", { params: { query: { dataset: "mnist" } } }),
  // @ts-expect-error: so is a budget.
  () => client.GET("/v1/nasbench201/computed-stats", { params: { query: { num_epochs: 7 } } }),
  // @ts-expect-error: a metric is needed.
  () => client.GET("/v1/nasbench201/top", { params: { query: where } }),
  // @ts-expect-error: there is no such path.
  () => client.GET("/v1/nasbench201/best"),
];

console.log(
  JSON.stringify({
    runs,
    best: best.data?.items,
    many: aligned,
    refused: { status: refused.response.status, type: refused.error?.type },
  }),
);
