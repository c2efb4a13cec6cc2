"""Compares random search and regularized evolution on NAS-Bench-201 at equal simulated time.

    python benchmarks/search_comparison.py --data DIR [--seeds 50] [--record DIR] [--plot FILE]

Two protocols on CIFAR-10 (`cifar10-valid`, validation accuracy, means over the recorded runs):

published   searches at 12 epochs for 12,000 s of training and validation time; reports the accuracy
            at 200 epochs of the best one found (Dong and Yang, NAS-Bench-201, ICLR 2020)
table       searches at 200 epochs for 200,000 s; reports the accuracy of the best one found

Evolution has a population of 10 and samples of 3, as in that paper.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench_client import BenchClient, SyntheticDataWarning
from nas_search import Budget, Study, TableProblem
from nas_search.contract import Strategy
from nas_search.strategies import RandomSearch, RegularizedEvolution
from nas_search.study import plot_regret, read_runs, regret_bands

_BENCHMARK: Final = "nasbench201"
_DATASET: Final = "cifar10-valid"
_FINAL_EPOCHS: Final = 200
_STRATEGIES: Final[Mapping[str, Callable[[int], Strategy]]] = {
    "random search": lambda seed: RandomSearch(seed=seed),
    "regularized evolution": lambda seed: RegularizedEvolution(
        population_size=10, sample_size=3, seed=seed
    ),
}


@dataclass(frozen=True)
class Protocol:
    """A setting of the comparison: epochs of an evaluation and budget in simulated seconds."""

    name: str
    num_epochs: int
    budget: float


_PROTOCOLS: Final = (Protocol("published", 12, 12_000.0), Protocol("table", 200, 200_000.0))


def final_accuracy(bench: BenchClient, study: Study) -> float:
    """Return the validation accuracy at 200 epochs of the best architecture found, in percent."""
    if study.best is None:
        sys.exit("no evaluation fits into the budget: does the database have the whole benchmark?")
    arch = study.best.arch
    (item,) = bench.query_nb201(arch, _FINAL_EPOCHS, _DATASET, reduction="mean")
    if item.valid_acc is None:
        sys.exit(f"{arch} has no validation accuracy at {_FINAL_EPOCHS} epochs")
    return item.valid_acc


def compare(
    bench: BenchClient, protocol: Protocol, seeds: range, record: Path | None
) -> dict[str, list[float]]:
    """Run every strategy with every seed; print and return the final accuracies."""
    problem = TableProblem(
        bench, _BENCHMARK, _DATASET, num_epochs=protocol.num_epochs, evaluation_time=True
    )
    problem.load()
    finals: dict[str, list[float]] = {}
    for name, strategy_of in _STRATEGIES.items():
        started = time.process_time()
        evaluations = 0
        finals[name] = []
        for seed in seeds:
            study = Study(None, problem, strategy_of(seed))
            study.run(Budget(cost=protocol.budget))
            evaluations += len(study.trials)
            finals[name].append(final_accuracy(bench, study))
            if record is not None:
                run = study.to_run(budget=protocol.budget, oracle=problem.optimum(), name=name)
                run.write(record / protocol.name / f"{name.replace(' ', '-')}-{seed:03}.json")
        used = time.process_time() - started
        show(protocol, name, finals[name], evaluations / len(seeds), used / evaluations)
    return finals


def show(
    protocol: Protocol, name: str, finals: Sequence[float], evaluations: float, each: float
) -> None:
    """Print a row of the table."""
    spread = statistics.stdev(finals) if len(finals) > 1 else 0.0
    print(
        f"| {protocol.name} | {name} | {evaluations:.0f} | {statistics.mean(finals):.3f} ± "
        f"{spread:.3f} | {statistics.median(finals):.3f} | {max(finals):.3f} | {each * 1e6:.0f} |",
        flush=True,
    )


def show_order(protocol: Protocol, finals: Mapping[str, Sequence[float]]) -> None:
    """Print how often evolution ends above random search, by seed and over all pairs."""
    random, evolution = finals.values()
    above = sum(mine > theirs for mine, theirs in zip(evolution, random, strict=True))
    equal = sum(mine == theirs for mine, theirs in zip(evolution, random, strict=True))
    pairs = [(mine > theirs) + 0.5 * (mine == theirs) for mine in evolution for theirs in random]
    print(
        f"{protocol.name}: evolution is above random search in {above} of {len(random)} seeds, "
        f"equal in {equal}; above in {statistics.mean(pairs):.0%} of all pairs (equal: half)"
    )


def main() -> None:
    """Run the comparison under both protocols."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of nasbench201.db")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--record", type=Path, help="folder to record the runs in, for nbs study")
    parser.add_argument("--plot", type=Path, help="regret of protocol `table`, from --record")
    arguments = parser.parse_args()
    if arguments.plot and not arguments.record:
        parser.error("--plot needs --record")
    warnings.simplefilter("ignore", SyntheticDataWarning)
    orders = []
    print(
        "| protocol | strategy | evaluations | final accuracy, mean ± std | median | best | "
        "us an evaluation |\n|---|---|---|---|---|---|---|"
    )
    with BenchClient.local(arguments.data) as bench:
        for protocol in _PROTOCOLS:
            finals = compare(bench, protocol, range(arguments.seeds), arguments.record)
            orders.append((protocol, finals))
    print()
    for protocol, finals in orders:
        show_order(protocol, finals)
    if arguments.plot:
        plot_regret(regret_bands(read_runs([arguments.record / "table"])), arguments.plot)


if __name__ == "__main__":
    main()
