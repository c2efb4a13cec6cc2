"""Compares a strategy of your own, simulated annealing, with random search.

    python examples/own_strategy.py

Needs neither data nor a service, because the objective is a formula. With a `TableProblem` instead
of the `FunctionProblem`, the same strategy searches a benchmark.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nas_search import Budget, FunctionProblem, Study
from nas_search.contract import Candidate, Domain, Proposal, Result, Status
from nas_search.strategies import RandomSearch, SeededStrategy
from nas_search.study import mann_whitney

RUNS = 20
TRIALS = 60


@dataclass(kw_only=True, eq=False)
class Annealing(SeededStrategy):
    """Simulated annealing: moves to neighbors, and accepts worse ones less and less often."""

    temperature: float = 1.0
    cooling: float = 0.95

    name = "Annealing"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.here: Result | None = None

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Propose a random start, then neighbors of the current architecture."""
        if self.here is None:
            arch = yield from self.sample(domain)
        else:
            arch = yield from domain.neighbor(self.here.candidate.arch, self.rng)
        return None if arch is None else Candidate(arch=arch)

    def learn(self, result: Result) -> None:
        """Move to a better result, and sometimes to a worse one; ignore failed trials."""
        if result.status is not Status.OK:
            return
        temperature = self.temperature * self.cooling**result.number
        loss = 0.0 if self.here is None else self.here.values[0] - result.values[0]
        if loss <= 0 or self.rng.random() < math.exp(-loss / temperature):
            self.here = result


def agreement(sample: dict[str, Any]) -> float:
    """Return the objective: 0 if widths double from stage to stage and start at 8 x depth."""
    widths = [sample[f"width {stage}"] for stage in range(5)]
    steps = (later / earlier - 2 for earlier, later in pairwise(widths))
    return -sum(step * step for step in steps) - abs(widths[0] - 8 * sample["depth"]) / 8


def main() -> None:
    """Run both strategies with many seeds on one problem, and test the difference."""
    choices: dict[str, list[Any]] = {f"width {stage}": [8, 16, 32, 64, 128] for stage in range(5)}
    problem = FunctionProblem({"depth": [1, 2, 3, 4], **choices}, agreement)
    best: dict[str, list[float]] = {}
    for new in (RandomSearch, Annealing):
        for seed in range(RUNS):
            study = Study(None, problem, new(seed=seed))
            study.run(Budget(trials=TRIALS))
            if study.best is not None:
                best.setdefault(new.name, []).append(study.best.value)
    for name, values in best.items():
        print(f"{name}: {statistics.mean(values):.2f} on average of {len(values)} runs")
    test = mann_whitney(best["Annealing"], best["RandomSearch"])
    print(f"annealing is better in {test.superiority:.0%} of pairs, p = {test.p_greater:.1g}")


if __name__ == "__main__":
    main()
