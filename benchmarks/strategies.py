"""Compares all strategies on the accuracies of NAS-Bench-201 at equal numbers of trials.

    python benchmarks/strategies.py --accuracies FILE.csv [--seeds 500] [--trials 100]
        [--only NAME ...] [--columns SIGNAL ... --final COLUMN]

FILE has a row per architecture and a column `arch`. A run picks the architecture with the best
value of a signal and is judged by its value in the final column. For each strategy, prints mean and
standard deviation of that value, the p-value against random search (Mann-Whitney, one-sided), and
the time to propose a trial and observe its result.

Multi-fidelity strategies receive the same signal at every fidelity, so they only show that they
run.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench_client.operations import drive
from nas_search.contract import Candidate, Result
from nas_search.domains import served_domain
from nas_search.strategies import STRATEGIES, SeededStrategy
from nas_search.study import mann_whitney

_BENCHMARK: Final = "nasbench201"
_SIGNALS: Final = ("cifar10_x_valid_12", "cifar10_x_valid_200")
_FINAL: Final = "cifar10_ori_test_200"


class Entry(NamedTuple):
    """A line of the table.

    Attributes:
        strategy: Name of the strategy.
        settings: Settings that differ from the defaults.
        share: Share of the seeds that are run; slow strategies run fewer.
    """

    strategy: str
    settings: Mapping[str, Any] = {}
    share: float = 1.0

    @property
    def title(self) -> str:
        """The name of the entry in the table."""
        told = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.strategy} ({told})" if told else self.strategy


_ENTRIES: Final = (
    Entry("RandomSearch"),
    Entry("GridSearch", {"shuffled": True}, 0.1),
    Entry("Reinforce"),
    Entry("Reinforce", {"learning_rate": 0.1}),
    Entry("RegularizedEvolution", {"population_size": 10, "sample_size": 3}),
    Entry("RegularizedEvolution", {"population_size": 30, "sample_size": 10}),
    Entry("RegularizedEvolution", {"population_size": 30, "sample_size": 10, "draw": "replace"}),
    Entry("LocalSearch"),
    Entry("LocalSearch", {"num_init": 1}),
    Entry("LocalSearch", {"steepest": False}),
    Entry("SposEvolution"),
    Entry("ParentEvolution"),
    Entry("NSGA2"),
    Entry("NSGA2", {"population_size": 10}),
    Entry("TPE", share=0.05),
    Entry("Predictor", share=0.2),
    Entry("Predictor", {"encoding": "paths"}, 0.2),
    Entry("SuccessiveHalving"),
    Entry("ASHA"),
    Entry("Hyperband"),
    Entry("BOHB"),
)
_RANDOM: Final = _ENTRIES[0]


def picked(strategy: SeededStrategy, signal: Mapping[str, float], trials: int) -> str:
    """Return the architecture with the best signal among those that a strategy evaluates."""
    domain = served_domain(_BENCHMARK)
    seen = []
    for number in range(trials):
        candidate = drive(strategy.propose(domain), _refuse)
        if not isinstance(candidate, Candidate):
            break
        seen.append(candidate.arch)
        values = (signal[candidate.arch],)
        strategy.observe(Result(number=number, candidate=candidate, values=values))
    return max(seen, key=signal.__getitem__)


def _refuse(ask: Callable[[Any], Any]) -> Any:
    raise TypeError(f"a computed domain sends no requests, but sent {ask}")


def read(file: Path) -> dict[str, dict[str, float]]:
    """Return the columns of a CSV file by name; each maps architectures to values."""
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    names = [name for name in rows[0] if name not in {"arch", "index"}]
    return {name: {row["arch"]: float(row[name]) for row in rows} for name in names}


def compare(
    columns: Mapping[str, Mapping[str, float]],
    signal: str,
    final: str,
    entries: Sequence[Entry],
    *,
    seeds: int,
    trials: int,
) -> None:
    """Run all entries on one signal and print their table."""
    print(f"{signal}: {final} of the pick, {trials} trials a run")
    random: list[float] = []
    for entry in entries:
        runs = max(5, round(seeds * entry.share))
        begun = time.process_time()
        found = []
        for seed in range(runs):
            strategy = STRATEGIES[entry.strategy](seed=seed, **entry.settings)
            found.append(columns[final][picked(strategy, columns[signal], trials)])
        micros = (time.process_time() - begun) / (runs * trials) * 1e6
        random = random or found
        chance = "" if found is random else f", p {mann_whitney(found, random).p_greater:.1g}"
        print(
            f"  {entry.title:70} {statistics.mean(found):7.3f} ± {statistics.stdev(found):.3f}"
            f" ({runs} runs, {micros:,.0f} µs{chance})",
            flush=True,
        )


def main() -> None:
    """Print a table for each signal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accuracies", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    parser.add_argument("--columns", nargs="+", default=list(_SIGNALS), metavar="SIGNAL")
    parser.add_argument("--final", default=_FINAL, metavar="COLUMN")
    arguments = parser.parse_args()
    columns = read(arguments.accuracies)
    if missing := {*arguments.columns, arguments.final} - set(columns):
        parser.error(f"no column {', '.join(sorted(missing))}; there are {', '.join(columns)}")
    entries = [_RANDOM, *(one for one in _ENTRIES[1:] if one.strategy in arguments.only)]
    warnings.simplefilter("ignore")
    for signal in arguments.columns:
        compare(
            columns,
            signal,
            arguments.final,
            entries,
            seeds=arguments.seeds,
            trials=arguments.trials,
        )


if __name__ == "__main__":
    main()
