"""Problems on a declared table, which is loaded once and then looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench_client import BenchClient, BenchmarkInfo, InvalidRequestError, TableName
from bench_client.parts import part_named
from benchmark_spec import BenchmarkSpec
from benchmark_spec.published import PUBLISHED
from benchmark_spec.spec import AxisValue
from nas_search.contract import Domain
from nas_search.domains import described_domain
from nas_search.errors import ProblemError
from nas_search.problems.figures import FiguresProblem
from nas_search.problems.goals import Bounds
from nas_search.problems.problem import check_client

__all__ = ["DeclaredProblem"]

_KNOWN: Final = ("parameters", "flops", "latency")
"""Statistics that are known before a training, if the table has them."""

_CHARGED: Final = "training_time"
"""The statistic that drives the simulated clock, if the table has it."""

_USUAL: Final = "valid_acc"


class DeclaredProblem(FiguresProblem):
    """Search of a declared table, such as `nasbenchmacro`, without training.

    Metrics are means over the training runs of an architecture. If the architectures of the table
    are a plain list, strategies that change architectures are refused. A trial costs the
    `training_time` of the table, or nothing if none is recorded.

    Args:
        bench: The client.
        benchmark: Name of the table.
        objectives: Names of its statistics. Statistics for which smaller is better are minimised,
            as is any with `-` in front. None: `valid_acc`, if the table has it.
        bounds: Smallest and largest value by statistic. Architectures outside a bound on
            `parameters`, `flops` or `latency` are never proposed; trials outside another bound are
            infeasible.
        free_repeats: Whether a repeated evaluation costs nothing.
        part: Values of the axes of the table by name, such as `dataset="cora"`. Axes with a single
            value may be left out.

    Raises:
        ProblemError: An argument is invalid, or the table lacks a statistic.
        BenchError: The benchmark did not answer.
    """

    def __init__(
        self,
        bench: BenchClient,
        benchmark: str,
        *,
        objectives: Sequence[str] | None = None,
        bounds: Bounds | None = None,
        free_repeats: bool = False,
        **part: Any,
    ) -> None:
        check_client(bench)
        self.benchmark = benchmark
        self._info = bench.benchmark(benchmark)
        self._table = _description(self._info)
        try:
            self.part = part_named(self._table, part)
        except InvalidRequestError as error:
            raise ProblemError(str(error)) from error
        figures = _figures(bench, self._table, self.part)
        names = [stat.name for stat in self._table.stats]
        if objectives is None and _USUAL not in names:
            raise ProblemError(f"give the objectives of {benchmark}, from {', '.join(names)}")
        asked = [_USUAL] if objectives is None else objectives
        super().__init__(
            None,
            figures,
            objectives=asked if isinstance(asked, str) else list(map(self._directed, asked)),
            bounds=bounds,
            known=[name for name in _KNOWN if any(name in row for row in figures.values())],
            free_repeats=free_repeats,
        )

    @property
    def spec(self) -> dict[str, Any]:
        """The problem as JSON: the table with the digest of its content, objectives and bounds."""
        return {
            "kind": "declared",
            "benchmark": self.benchmark,
            "content_digest": self._info.provenance.content_digest,
            "part": self.part,
            "fidelities": [],
            "free_repeats": self.free_repeats,
            **self.goals.spec,
        }

    def _plain_domain(self) -> Domain:
        return described_domain(self._table, list(self._rows))

    def _directed(self, objective: Any) -> Any:
        """Return an objective, with `-` in front if smaller is better."""
        stat = self._table.stat(objective)
        if stat is None:
            return objective
        return objective if stat.better_within(self.part) == "larger" else f"-{objective}"


def _description(info: BenchmarkInfo) -> BenchmarkSpec:
    if info.name in PUBLISHED:
        raise ProblemError(f"{info.name} is searched by TableProblem, and nds by nds_problem")
    if info.spec is None:
        raise ProblemError(f"{info.name} cannot be searched: it records no training runs")
    return BenchmarkSpec.of_json(info.spec)


def _figures(
    bench: BenchClient, table: BenchmarkSpec, part: Mapping[str, AxisValue]
) -> dict[str, dict[str, float]]:
    """Return the recorded metrics by architecture string."""
    reduction: Any = {} if table.label is None else {"reduction": "mean"}
    figures = {}
    for item in bench.query(TableName(table.name), **part, **reduction):
        row = {
            stat.name: float(value)
            for stat in table.stats
            if (value := getattr(item, stat.name)) is not None
        }
        if _CHARGED in row:
            row["seconds"] = row[_CHARGED]
        figures[item.config.arch_str] = row
    if not figures:
        told = ", ".join(f"{axis} {value}" for axis, value in part.items())
        raise ProblemError(f"{table.name} has no results for {told or 'any architecture'}")
    return figures
