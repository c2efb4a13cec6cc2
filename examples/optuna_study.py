"""Searches accuracy against multiply-adds on NATS-Bench's size space with Optuna.

Set $NASBENCH_URL, the address of a service, or $NASBENCHMARK_DIR, a folder of databases.
"""

from __future__ import annotations

import os

from bench_client import BenchClient
from bench_client.compat_optuna import objective
from missing_extra import needs

with needs("optuna", "this example"):
    import optuna

TRIALS = 60
# The sizes of the synthetic sample; omit `choices` for the whole space.
NARROW = {"layer_1": [8], "layer_2": [8], "layer_3": [8]}


def main() -> None:
    """Search the Pareto front and print it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local() as bench:
        search = objective(bench, "natssss", "cifar100", 90, ["valid_acc", "flops"], choices=NARROW)
        study = optuna.create_study(
            directions=search.directions, sampler=optuna.samplers.NSGAIISampler(seed=0)
        )
        study.optimize(search, n_trials=TRIALS)
    front = {trial.user_attrs["arch"]: trial.values for trial in study.best_trials}
    for arch, (accuracy, flops) in sorted(front.items(), key=lambda item: item[1][1]):
        print(f"{arch:>14}  {accuracy:6.2f} %  {flops:7.2f} M multiply-adds")


if __name__ == "__main__":
    main()
