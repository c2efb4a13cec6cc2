"""Measures the overhead of studies, and checks that killed searches lose nothing.

    python benchmarks/studies.py --data DIR [--seeds 500] [--kills 200]

DIR contains `nasbench201.db`. Prints the time to propose and observe, of a whole trial, of a trial
in a file and of a replay, and whether searches killed at random moments and resumed end with the
trials of an undisturbed one.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench_client import BenchClient, SyntheticDataWarning
from bench_client.operations import drive
from nas_search import Budget, FunctionProblem, Study, StudyFile, TableProblem
from nas_search.contract import Candidate, Result, Strategy
from nas_search.strategies import LocalSearch, RandomSearch, RegularizedEvolution

_STRATEGIES: Final[Mapping[str, Callable[[int], Strategy]]] = {
    "random": lambda seed: RandomSearch(seed=seed),
    "evolution": lambda seed: RegularizedEvolution(population_size=10, sample_size=3, seed=seed),
    "local search": lambda seed: LocalSearch(seed=seed),
}
_TRIALS: Final = 100
_LONG: Final = 10_000
_KILLED_TRIALS: Final = 40


def strategy_cost(problem: TableProblem, strategy: Strategy) -> float:
    """Return the microseconds of proposing and observing a candidate."""
    domain, spent = problem.domain(), 0.0
    goals = problem.goals
    for number in range(1_000):
        begun = time.perf_counter()
        candidate = drive(strategy.propose(domain), problem.answer)
        spent += time.perf_counter() - begun
        if not isinstance(candidate, Candidate):
            raise TypeError(f"{strategy.name} proposes nothing")
        values = goals.scores(problem.evaluate(candidate).metrics)
        result = Result(number=number, candidate=candidate, values=values)
        begun = time.perf_counter()
        strategy.observe(result)
        spent += time.perf_counter() - begun
    return spent * 1e3


def run_seeds(problem: TableProblem, seeds: int) -> None:
    """Measure every strategy with every seed in memory."""
    whole = time.perf_counter()
    for name, new in _STRATEGIES.items():
        begun = time.perf_counter()
        for seed in range(seeds):
            Study(None, problem, new(seed)).run(Budget(trials=_TRIALS))
        each = (time.perf_counter() - begun) / seeds / _TRIALS
        alone = strategy_cost(problem, new(0))
        print(f"{name}: {alone:.0f} us to propose and observe, {each * 1e6:.0f} us a trial")
    took = time.perf_counter() - whole
    print(f"{seeds} seeds x {_TRIALS} trials x {len(_STRATEGIES)} strategies: {took:.1f} s")


def run_file(problem: TableProblem, folder: Path) -> None:
    """Measure writing a long study and opening it again, and trials that wait for the disk."""
    file = folder / "long.study"
    begun = time.perf_counter()
    with Study(file, problem, _STRATEGIES["evolution"](0)) as study:
        study.run(Budget(trials=_LONG))
    each = (time.perf_counter() - begun) / _LONG
    begun = time.perf_counter()
    Study(file, problem, _STRATEGIES["evolution"](0)).close()
    took = time.perf_counter() - begun
    print(f"a trial in a file: {each * 1e3:.2f} ms; {_LONG} trials opened in {took:.2f} s")
    safe = folder / "safe.study"
    begun = time.perf_counter()
    with Study(safe, _summed(), RandomSearch()) as study:
        study.run(Budget(trials=500))
    print(f"a trial that waits for the disk: {(time.perf_counter() - begun) / 500 * 1e3:.2f} ms")


def run_killed(folder: Path, kills: int) -> None:
    """Kill searches at random moments, resume them, and compare their trials."""
    begun = time.monotonic()
    _searched(folder / "whole", None)
    took = time.monotonic() - begun
    whole = _content(folder / "whole")
    draws, done, different = random.Random(0), 0, 0  # noqa: S311 - moments, not secrets
    while done < kills:
        file = folder / f"{draws.random()}.study"
        if _searched(file, draws.random() * took):
            done += 1
            _searched(file, None)
            different += _content(file) != whole
    print(f"killed {done} times: {different} searches ended differently")


def _summed() -> FunctionProblem:
    choices = {name: list(range(30)) for name in "xy"}
    return FunctionProblem(choices, lambda sample: float(sample["x"] + sample["y"]))


def _searched(file: Path, seconds: float | None) -> bool:
    """Search in a child process; return whether it was killed before its end."""
    child = os.fork()
    if not child:
        strategy = RegularizedEvolution(population_size=6, sample_size=3, seed=5)
        Study(file, _summed(), strategy).run(Budget(trials=_KILLED_TRIALS))
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _content(file: Path) -> list[tuple[Any, ...]]:
    trials = StudyFile(file).trials
    return [(one.number, one.candidate, one.state, one.metrics, one.told_order) for one in trials]


def main() -> None:
    """Measure everything and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of nasbench201.db")
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SyntheticDataWarning)
    with BenchClient.local(arguments.data) as bench:
        problem = TableProblem(bench, "nasbench201", "cifar10-valid")
        begun = time.perf_counter()
        problem.load()
        print(f"the table is loaded in {time.perf_counter() - begun:.1f} s")
        run_seeds(problem, arguments.seeds)
        with tempfile.TemporaryDirectory() as folder:
            run_file(problem, Path(folder))
            run_killed(Path(folder), arguments.kills)


if __name__ == "__main__":
    main()
