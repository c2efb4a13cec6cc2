"""Runs random search on NAS-Bench-201 and prints its distance from the best architecture.

    NASBENCH_URL=http://127.0.0.1:8000 python examples/random_search.py
    NASBENCHMARK_DIR=data python examples/random_search.py

The first queries a service (`make serve`), the second database files (`nbs sample --convert`).
"""

from __future__ import annotations

import os

from bench_client import BenchClient

NUM_EPOCHS = 200
DATASET = "cifar100"
TRIALS = 20


def main() -> None:
    """Pick the best of random architectures by validation; print its rank by test accuracy."""
    with BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local() as bench:
        drawn = bench.random("nasbench201", n=TRIALS, seed=0)
        archs = [arch.index for arch in drawn]
        results = bench.query_nb201_many(archs, NUM_EPOCHS, DATASET, reduction="mean")
        best = max((run for runs in results for run in runs), key=lambda run: run.valid_acc or 0)
        hours = sum(run.training_time or 0 for runs in results for run in runs) / 3600
        place = bench.rank(
            "nasbench201",
            best.config.index,
            metric="test_acc",
            dataset=DATASET,
            num_epochs=NUM_EPOCHS,
        )
    print(f"found after {hours:.1f} simulated hours: {best.config.arch_str}")
    print(f"validation {best.valid_acc:.2f} %, test {best.test_acc:.2f} %")
    if place is not None:
        print(f"place {place.rank} of {place.of}, {place.regret:.2f} % below the best")


if __name__ == "__main__":
    main()
