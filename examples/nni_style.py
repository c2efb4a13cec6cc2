"""Questions written for NNI's benchmarks, on this service: one import and the client differ.

Run it with $NASBENCH_URL, the address of a service, or $NASBENCHMARK_DIR, a folder of databases.
"""

from __future__ import annotations

import os

from bench_client import BenchClient
from bench_client.compat_nni import query_nb101_computed_stats, query_nds_computed_stats

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
    """Ask for the runs of one cell and for the best network of a design space."""
    with BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local() as bench:
        for run in query_nb101_computed_stats(INCEPTION_LIKE, 108, client=bench):
            print(f"repeat {run['repeat']}: {run['valid_acc']:.2f} %, {run['training_time']:.0f} s")

        networks = query_nds_computed_stats(
            None, "resnet", "random", None, None, "cifar10", client=bench
        )
        best = max(networks, key=lambda run: run["best_test_acc"])
        print(f"best of ResNet: {best['best_test_acc']:.2f} %, {best['parameters']:.2f} M")


if __name__ == "__main__":
    main()
