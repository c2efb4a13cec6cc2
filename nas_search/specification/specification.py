"""Searches described by a TOML file, or by the file of a study.

[problem]                            [problem]
benchmark = "nasbench201"            space = "ProxylessNAS"
dataset = "cifar100"                 arguments = { num_labels = 100 }
num_epochs = 200                     dataset = "cifar-100-python"
bounds = { flops = [0, 100] }        recipe = { epochs = 10, lr = 0.05 }
                                     bounds = { macs = [0, 100e6] }
[strategy]
name = "RegularizedEvolution"
seed = 0
[budget]
trials = 200
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from benchmark_spec.published import PUBLISHED
from nas_search.contract import Strategy
from nas_search.errors import ProblemError
from nas_search.problems import DeclaredProblem, Problem, TableProblem, nds_problem
from nas_search.specification.keys import DECLARED, TABLE, check_keys, read_toml
from nas_search.strategies import strategy_from
from nas_search.study.budget import Budget
from nas_search.study.history import StudyFile
from nas_search.study.stopping import StoppingRule, rule_from

if TYPE_CHECKING:
    from bench_client import BenchClient

__all__ = ["Specification"]


@dataclass(frozen=True)
class Specification:
    """The description of a search: problem, strategy and budget.

    Args:
        problem: `benchmark` and arguments of `TableProblem`, `DeclaredProblem` or `nds_problem` by
            name; or `space`, its `arguments`, a `dataset`, and a recipe or proxies.
        strategy: `name`, and settings.
        budget: Limits of `Budget` by name.
        folder: The folder for relative paths.
        workers: The number of parallel trials in the last run of a study.
        stop: `name` and arguments of a rule that stops trainings early; None: no rule.
    """

    problem: Mapping[str, Any]
    strategy: Mapping[str, Any]
    budget: Mapping[str, Any]
    folder: Path = Path()
    workers: int = 1
    stop: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a TOML file.

        Raises:
            ProblemError: The file is no TOML, or a name in it is unknown or missing; the message
                has the line and similar names.
            OSError: The file cannot be read.
        """
        file = Path(path)
        content, lines = read_toml(file)
        check_keys(content, lines)
        try:
            json.dumps(content)
        except TypeError as error:
            raise ProblemError(f"{file} has a date or time, which no key accepts") from error
        folder = file.absolute().parent
        parts = content["problem"], content["strategy"], content["budget"]
        return cls(*parts, folder, stop=content.get("stop"))

    @classmethod
    def of(cls, study: StudyFile) -> Self:
        """Return the search of a study file, with budget, workers and rule of its last run.

        Raises:
            ProblemError: Its problem cannot be made from the file, such as a function.
        """
        begun = [event.payload for event in study.events() if event.kind == "begun"]
        budget = begun[-1]["budget"] if begun else {}
        workers = begun[-1]["workers"] if begun else 1
        stop = begun[-1].get("stop") if begun else None
        problem, strategy = study.spec["problem"], study.spec["strategy"]
        if written := study.spec.get("specification"):
            folder = Path(written["folder"])
            return cls(written["problem"], written["strategy"], budget, folder, workers, stop)
        if problem["kind"] not in {"table", "declared"}:
            raise ProblemError(
                f"the study is of a {problem['kind']}: resume it from the program that made it"
            )
        objectives = [
            ("" if one["maximise"] else "-") + one["metric"] for one in problem["objectives"]
        ]
        known = TABLE if problem["kind"] == "table" else DECLARED
        arguments = {name: problem[name] for name in known if name in problem} | {
            "objectives": objectives
        }
        settings = {"name": strategy["name"], **strategy["settings"]}
        return cls(arguments, settings, budget, workers=workers, stop=stop)

    @property
    def asks_benchmark(self) -> bool:
        """Whether the problem is on a benchmark."""
        return "space" not in self.problem

    @property
    def trains_as_jobs(self) -> bool:
        """Whether the workers of a service train the networks of a space."""
        return not self.asks_benchmark and "jobs" in self.problem

    @property
    def reference(self) -> Mapping[str, float] | None:
        """The worst value of interest for each objective, if given.

        Raises:
            ProblemError: A value is no finite number.
        """
        stated = self.problem.get("reference")
        numbers = (int, float)
        if stated is None:
            return None
        if not isinstance(stated, Mapping) or not all(
            isinstance(one, numbers) and abs(one) <= sys.float_info.max for one in stated.values()
        ):
            raise ProblemError(f"a reference point has a number by objective, not {stated!r:.80}")
        return dict(stated)

    @property
    def written(self) -> dict[str, Any]:
        """The JSON that a study stores, so that it can be resumed from its file alone."""
        return {
            "problem": dict(self.problem) | {"bounds": self._bounds()},
            "strategy": dict(self.strategy),
            "folder": str(self.folder.absolute()),
        }

    def make_problem(self, bench: BenchClient | None) -> Problem:
        """Make the problem.

        Args:
            bench: The client; None for a problem on a space that is not trained by a service.

        Raises:
            ProblemError: An argument is missing or invalid.
            BenchError: The benchmark did not answer.
            ModelHubError: A space, a recipe or a data set is invalid.
        """
        arguments = dict(self.problem) | {"bounds": self._bounds()}
        if not self.asks_benchmark:
            from nas_search.specification.networks import space_problem

            return space_problem(arguments, self.folder, bench)
        if "benchmark" not in arguments:
            raise ProblemError("the problem has neither a benchmark nor a space")
        if bench is None:
            raise ProblemError("a problem on a benchmark needs a client")
        arguments.pop("reference", None)
        if arguments["benchmark"] == "nds":
            del arguments["benchmark"]
            if "proposer" not in arguments:
                raise ProblemError("a problem on nds needs the proposer of the design space")
            return nds_problem(bench, **arguments)
        if str(arguments["benchmark"]) in PUBLISHED:
            return TableProblem(bench, **arguments)
        part = arguments.pop("part", {})
        if not isinstance(part, Mapping):
            raise ProblemError(f"part has a value by axis, not {part!r:.80}")
        for name in part.keys() & arguments.keys():
            raise ProblemError(f"{name} is given twice: in part and in [problem]")
        return DeclaredProblem(bench, **arguments, **part)

    def make_strategy(self, problem: Problem | None = None) -> Strategy:
        """Make a new strategy.

        Args:
            problem: The problem; needed if a setting names a score.

        Raises:
            ProblemError: The name or a setting is unknown, missing or invalid.
            ModelHubError: There is no such proxy, or it does not support the networks.
        """
        settings = dict(self.strategy)
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise ProblemError("the strategy has no name")
        if isinstance(score := settings.get("score"), str):
            settings["score"] = self._score(score, problem)
        try:
            return strategy_from(name, settings)
        except (TypeError, ValueError) as error:
            raise ProblemError(str(error)) from error

    def make_budget(self) -> Budget:
        """Make the budget.

        Raises:
            ProblemError: A limit is invalid, or there is none.
        """
        return Budget(**self.budget)

    def make_rule(self) -> StoppingRule | None:
        """Make the rule that stops trainings early; None if there is none.

        Raises:
            ProblemError: The rule is unknown, or an argument is invalid.
        """
        return None if self.stop is None else rule_from(self.stop)

    def _score(self, name: str, problem: Problem | None) -> Any:
        """Return a score by name: a proxy for networks, or a metric of a table."""
        if not self.asks_benchmark:
            from nas_search.specification.networks import network_score

            return network_score(self.problem, self.folder, name)
        if not isinstance(problem, TableProblem):
            raise ProblemError(f"the score {name!r:.80} is a metric of a table, and there is none")
        return problem.score(name)

    def _bounds(self) -> dict[str, Any]:
        bounds = self.problem.get("bounds") or {}
        if not isinstance(bounds, Mapping):
            raise ProblemError(
                f"bounds are a smallest and a largest value by metric, not {bounds!r:.80}"
            )
        return {name: _finite(sides) for name, sides in bounds.items()}


def _finite(sides: Any) -> Any:
    """Return a bound with None for infinite sides, as TOML has no null."""
    if not isinstance(sides, Sequence) or isinstance(sides, str):
        return sides
    return [None if isinstance(side, float) and math.isinf(side) else side for side in sides]
