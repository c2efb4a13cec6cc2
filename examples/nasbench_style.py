"""A search written for the package `nasbench`; only an import and a path are changed.

Set $NASBENCH_URL, the address of a service, or $NASBENCHMARK_DIR, a folder of databases.
"""

from __future__ import annotations

import os
import random

from bench_client import BenchClient
from bench_client.compat_nasbench import api
from missing_extra import needs

with needs("local", "this example"):
    import numpy as np

# 7 is the whole space, but the synthetic sample has only small cells.
NUM_VERTICES = 4
TRIALS = 200
SECONDS = 10_000


def random_spec(rng: random.Random, operations: list[str]) -> api.ModelSpec:
    """Return a random cell, which may be outside the space."""
    entries = [rng.randint(0, 1) for _ in range(NUM_VERTICES**2)]
    matrix = np.triu(np.reshape(entries, (NUM_VERTICES, NUM_VERTICES)), k=1)
    interior = rng.choices(operations, k=NUM_VERTICES - 2)
    return api.ModelSpec(matrix, ["input", *interior, "output"])


def main() -> None:
    """Evaluate random cells until the simulated time is used up."""
    bench = BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local()
    nasbench = api.NASBench(bench)

    # As in the package, `query` draws one of the runs of a cell from Python's generator.
    random.seed(0)
    rng = random.Random(0)
    best = None
    for _ in range(TRIALS):
        spec = random_spec(rng, nasbench.config["available_ops"])
        if not nasbench.is_valid(spec):
            continue
        try:
            data = nasbench.query(spec, epochs=108)
        except api.OutOfDomainError:
            continue  # The synthetic sample lacks most cells.
        if best is None or data["validation_accuracy"] > best["validation_accuracy"]:
            best = data
        if nasbench.get_budget_counters()[0] > SECONDS:
            break

    seconds, epochs = nasbench.get_budget_counters()
    if best is not None:
        print(f"found after {seconds:.0f} simulated seconds and {epochs} epochs:")
        print(best["module_adjacency"], best["module_operations"])
        print(f"{best['trainable_parameters']} parameters, test {best['test_accuracy']:.4f}")
    bench.close()


if __name__ == "__main__":
    main()
