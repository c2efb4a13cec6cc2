"""A search written for the package `nats_bench`; only an import and a path are changed.

Set $NASBENCH_URL, the address of a service, or $NASBENCHMARK_DIR, a folder of databases.
"""

from __future__ import annotations

import os
import random

from bench_client import BenchClient
from bench_client.compat_nats_bench import create

DATASET = "cifar100"
SECONDS = 20_000


def main() -> None:
    """Search at 12 epochs until the simulated time is used up; then query the best at 200."""
    bench = BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local()
    # The seed of the draws among the runs of an architecture makes the search repeatable.
    api = create(bench, "tss", fast_mode=True, verbose=False, seed=0)

    rng = random.Random(0)
    # With the whole table, use api.random().
    candidates = sorted(api.evaluated_indexes)
    best_index, best_accuracy = -1, 0.0
    api.reset_time()
    while api.used_time < SECONDS:
        index = rng.choice(candidates)
        accuracy, _latency, _cost, _spent = api.simulate_train_eval(index, DATASET, hp="12")
        if accuracy > best_accuracy:
            best_index, best_accuracy = index, accuracy

    found = api.get_more_info(best_index, DATASET, hp="200", is_random=False)
    cost = api.get_cost_info(best_index, DATASET, hp="200")
    oracle, highest = api.find_best(DATASET, "test", hp="200")
    print(f"found after {api.used_time:.0f} simulated seconds: {api.arch(best_index)}")
    print(f"test accuracy {found['test-accuracy']:.2f} %, {cost['params']:.3f} M parameters")
    print(f"the best is {api.arch(oracle)} with {highest:.2f} %")
    bench.close()


if __name__ == "__main__":
    main()
