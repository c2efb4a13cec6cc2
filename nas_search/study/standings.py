"""Comparison of strategies by the regret of their runs at one time, with significance tests.

print(compare_runs(runs))                    # one line per strategy, and which of them differ
compare_runs(runs, at=50).to_pandas()
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Final

from missing_extra import needs
from nas_search.errors import IncomparableRunsError
from nas_search.study.regret import regret_at, regret_bands, regret_steps
from nas_search.study.runs import RecordedRun, RunClock
from nas_search.study.significance import holm, mann_whitney

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Difference", "Standing", "Standings", "compare_runs"]

_LEVEL: Final = 0.05
"""Significance level below which differences are printed."""

_FEW: Final = 20
"""Runs of each strategy from which on the normal approximation of the test is accurate."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Summary of the regrets of a strategy's runs, in the unit of the metric.

    Attributes:
        strategy: The name of the strategy.
        runs: The number of its runs.
        median: Median of the regrets.
        lower: First quartile of the regrets.
        upper: Third quartile of the regrets.
        mean: Mean of the regrets.
        std: Sample standard deviation of the regrets; None for a single run.
    """

    strategy: str
    runs: int
    median: float
    lower: float
    upper: float
    mean: float
    std: float | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The Mann-Whitney test of whether one strategy has less regret than another.

    Attributes:
        better: The strategy whose runs tend to have the smaller regret.
        other: The other strategy.
        superiority: Probability (0.5 to 1) that a run of `better` has less regret; ties count half.
        p: Two-sided p-value.
        p_holm: The p-value adjusted for all pairs tested together (`holm`).
    """

    better: str
    other: str
    superiority: float
    p: float
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class Standings:
    """Strategies ranked by their median regret at one time; prints as a table.

    Attributes:
        metric: The metric of the regrets.
        clock: The unit of `at`: simulated seconds, or trials.
        at: The time.
        rows: One for each strategy, the smallest median first.
        differences: One for each pair of strategies, the smallest p-value first.
    """

    metric: str
    clock: RunClock
    at: float
    rows: list[Standing]
    differences: list[Difference]

    def to_pandas(self) -> DataFrame:
        """Return the rows as a data frame, by strategy.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        with needs("pandas", "data frames"):
            import pandas as pd  # noqa: PLC0415 - nothing else needs it

        return pd.DataFrame([asdict(row) for row in self.rows]).set_index("strategy")

    def __str__(self) -> str:
        after = f"{self.at:g} trials" if self.clock == "trials" else f"{self.at:,.6g} s"
        table = [["", "runs", "median", "quartiles", "mean", "std"]]
        table += [
            [
                row.strategy,
                str(row.runs),
                f"{row.median:.4g}",
                f"{row.lower:.4g} to {row.upper:.4g}",
                f"{row.mean:.4g}",
                "" if row.std is None else f"{row.std:.4g}",
            ]
            for row in self.rows
        ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [f"regret in {self.metric} after {after}"]
        lines += [_line(row, widths) for row in table]
        told = [
            f"  {one.better} < {one.other}: p = {one.p_holm:.2g}, {one.superiority:.0%} of pairs"
            for one in self.differences
            if one.p_holm < _LEVEL
        ]
        if self.differences:
            lines.append(f"differences (Mann-Whitney, Holm, p < {_LEVEL:g}):")
            lines += told or ["  none"]
            if min(row.runs for row in self.rows) < _FEW:
                lines.append(f"  of fewer than {_FEW} runs each, p is a rough figure")
        return "\n".join(lines)


def compare_runs(
    runs: Iterable[RecordedRun], *, at: float | None = None, oracle: float | None = None
) -> Standings:
    """Compare strategies by the simple regret of their runs at one time.

    Strategies with the same seed begin with the same random draws, so their runs are not fully
    independent. The test assumes independence, which makes its p-values rather too large. Use
    different seeds for each strategy to avoid this.

    Args:
        runs: Runs of one or more strategies, several seeds each: `study.to_run(oracle=…)`.
        at: The time, by the clock of the runs; None: the end of the shortest run.
        oracle: The oracle, in place of the runs' own.

    Raises:
        IncomparableRunsError: There are no runs, they do not measure the same quantity, the oracle
            is not known, or a run has no result at that time.
        ValueError: The time is no finite number.
    """
    compared = list(runs)
    if not compared:
        raise IncomparableRunsError("there are no runs to compare")
    end = min(run.budget for run in compared)
    time = end if at is None else float(at)
    bands = regret_bands(compared, times=[time], oracle=oracle)
    regrets: dict[str, list[float]] = {}
    for run in compared:
        regret = regret_at(regret_steps(run, oracle), time) if time <= end else None
        if regret is None:
            raise IncomparableRunsError(
                f"the run of {run.strategy}, seed {run.seed}, has no result at {time:g} {run.clock}"
                if time <= end
                else f"one run ends at {end:g} {run.clock}, before {time:g}"
            )
        regrets.setdefault(run.strategy, []).append(regret)
    rows = []
    for band in bands:
        found = regrets[band.strategy]
        (lower,), (median,), (upper,) = band.lower, band.median, band.upper
        rows.append(
            Standing(
                strategy=band.strategy,
                runs=len(found),
                median=_known(median),
                lower=_known(lower),
                upper=_known(upper),
                mean=fmean(found),
                std=stdev(found) if len(found) > 1 else None,
            )
        )
    return Standings(
        metric=bands[0].metric,
        clock=bands[0].clock,
        at=time,
        rows=sorted(rows, key=lambda row: (row.median, row.mean, row.strategy)),
        differences=_differences(regrets),
    )


def _differences(regrets: dict[str, list[float]]) -> list[Difference]:
    pairs = []
    for one, other in combinations(sorted(regrets), 2):
        # The share of pairs in which `other` has the larger regret, so `one` is better.
        test = mann_whitney(regrets[other], regrets[one])
        first, second, share = one, other, test.superiority
        if share < 0.5:  # noqa: PLR2004 - no difference
            first, second, share = other, one, 1 - share
        pairs.append((first, second, share, test.p_two_sided))
    adjusted = holm([p for *_, p in pairs])
    found = [
        Difference(better=first, other=second, superiority=share, p=p, p_holm=together)
        for (first, second, share, p), together in zip(pairs, adjusted, strict=True)
    ]
    return sorted(found, key=lambda one: (one.p_holm, one.p, one.better, one.other))


def _known(value: float | None) -> float:
    if value is None:
        raise IncomparableRunsError("not every run has a result at that time")
    return value


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  ".join(aligned).rstrip()
