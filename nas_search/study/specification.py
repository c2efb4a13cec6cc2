"""Searches written down: a TOML file, or what a study file says of itself.

[problem]
benchmark = "nasbench201"
dataset = "cifar100"
num_epochs = 200
bounds = { flops = [0, 100] }
[strategy]
name = "RegularizedEvolution"
seed = 0
[budget]
trials = 200
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from bench_client import BenchClient
from nas_search.contract import Strategy
from nas_search.errors import ProblemError
from nas_search.problems import TableProblem
from nas_search.problems.goals import check_known
from nas_search.strategies import strategy_from
from nas_search.study.budget import Budget
from nas_search.study.history import StudyFile

__all__ = ["Specification"]

_TABLE: Final = (
    *("benchmark", "dataset", "num_epochs", "objectives", "bounds", "fidelities", "run_seed"),
    *("evaluation_time", "continue_training", "free_repeats"),
)
_PARTS: Final = ("problem", "strategy", "budget")


@dataclass(frozen=True)
class Specification:
    """What a search is.

    Args:
        problem: Arguments of `TableProblem` by name, `benchmark` among them.
        strategy: `name`, and settings.
        budget: Limits of `Budget` by name.
    """

    problem: Mapping[str, Any]
    strategy: Mapping[str, Any]
    budget: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Return what a TOML file says.

        Raises:
            ProblemError: It is no TOML, or a name in it is unknown or missing.
            OSError: It cannot be read.
        """
        try:
            content = tomllib.loads(Path(path).read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProblemError(f"{os.fspath(path)} is no TOML: {error}") from error
        check_known("part", content, _PARTS)
        for part in _PARTS:
            if not isinstance(content.get(part), dict):
                raise ProblemError(f"{os.fspath(path)} has no part [{part}]")
        return cls(content["problem"], content["strategy"], content["budget"])

    @classmethod
    def of(cls, study: StudyFile) -> Self:
        """Return what a study file was begun with, and the budget of its last run.

        Raises:
            ProblemError: Its problem is none that can be made anew: a function, or a space.
        """
        problem = study.spec["problem"]
        if problem["kind"] != "table":
            raise ProblemError(
                f"the study is of a {problem['kind']}: go on with it from the program that made it"
            )
        objectives = [
            ("" if one["maximise"] else "-") + one["metric"] for one in problem["objectives"]
        ]
        arguments = {name: problem[name] for name in _TABLE} | {"objectives": objectives}
        settings = study.spec["strategy"]["settings"]
        begun = [event.payload for event in study.events() if event.kind == "begun"]
        budget = begun[-1]["budget"] if begun else {}
        return cls(arguments, {"name": study.spec["strategy"]["name"], **settings}, budget)

    def make_problem(self, bench: BenchClient) -> TableProblem:
        """Return the problem.

        Raises:
            ProblemError: An argument is unknown, missing or means nothing.
            BenchError: A question was not answered.
        """
        check_known("argument of the problem", self.problem, _TABLE)
        if "benchmark" not in self.problem:
            raise ProblemError("the problem has no benchmark")
        arguments = dict(self.problem)
        bounds = arguments.get("bounds") or {}
        if not isinstance(bounds, Mapping):
            raise ProblemError(f"bounds are a least and a greatest value by metric, not {bounds!r}")
        arguments["bounds"] = {name: _finite(sides) for name, sides in bounds.items()}
        return TableProblem(bench, **arguments)

    def make_strategy(self) -> Strategy:
        """Return a new strategy.

        Raises:
            ProblemError: Its name or a setting is unknown, missing or means nothing.
        """
        settings = dict(self.strategy)
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise ProblemError("the strategy has no name")
        try:
            return strategy_from(name, settings)
        except (TypeError, ValueError) as error:
            raise ProblemError(str(error)) from error

    def make_budget(self) -> Budget:
        """Return the budget.

        Raises:
            ProblemError: A limit is unknown or means nothing, or there is none.
        """
        check_known("limit", self.budget, [field.name for field in fields(Budget)])
        return Budget(**self.budget)


def _finite(sides: Any) -> Any:
    """Return a bound with None where it is infinite: TOML has no other word for no bound."""
    if not isinstance(sides, Sequence) or isinstance(sides, str):
        return sides
    return tuple(None if isinstance(side, float) and math.isinf(side) else side for side in sides)
