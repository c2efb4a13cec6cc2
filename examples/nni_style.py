"""Queries written for NNI's benchmarks; only the imports and the client are changed.

Set $NASBENCH_URL, the address of a service, or $NASBENCHMARK_DIR, a folder of databases.
"""

from __future__ import annotations

import os

from bench_client import BenchClient
from bench_client.compat_nni.nasbench101 import query_nb101_trial_stats
from bench_client.compat_nni.nasbench201 import PRIMITIVES, query_nb201_trial_stats
from bench_client.compat_nni.nds import query_nds_trial_stats

TEST_ACCURACY = 50
INCEPTION_LIKE = {
    "op1": "conv1x1",
    "op2": "conv3x3",
    "op3": "conv3x3",
    "op4": "conv3x3",
    "op5": "maxpool",
    "input1": [0],
    "input2": [0],
    "input3": [0],
    "input4": [3],
    "input5": [0],
    "input6": [1, 2, 4, 5],
}


def main() -> None:
    """Query runs of a cell, operations of good networks, and the best network of a space."""
    with BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local() as bench:
        for run in query_nb101_trial_stats(INCEPTION_LIKE, 108, client=bench):
            print(f"repeat {run['repeat']}: {run['valid_acc']:.2f} %, {run['training_time']:.0f} s")

        counts = dict.fromkeys(PRIMITIVES, 0)
        for run in query_nb201_trial_stats(None, 200, "cifar100", "mean", client=bench):
            if run["test_acc"] > TEST_ACCURACY:
                for operation in run["config"]["arch"].values():
                    counts[operation] += 1
        print(f"operations of networks above {TEST_ACCURACY} %: {counts}")

        networks = query_nds_trial_stats(
            None, "resnet", "random", None, None, "cifar10", client=bench
        )
        best = max(networks, key=lambda run: run["best_test_acc"])
        print(f"best of ResNet: {best['best_test_acc']:.2f} %, {best['parameters']:.2f} M")


if __name__ == "__main__":
    main()
