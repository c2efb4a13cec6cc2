"""`nbs study`: compares searches by their regret over simulated time or trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from bench_client.untrusted import cleaned
from nas_search.errors import IncomparableRunsError
from nas_search.problems import FiguresProblem, TableProblem
from nas_search.specification import Specification
from nas_search.study import (
    RecordedRun,
    RegretBand,
    StudyFile,
    compare_runs,
    plot_regret,
    read_runs,
    regret_bands,
)
from service.cli.options import AsJson, DataDirectory, Url, client
from service.cli.output import print_items, print_json, wants_json

__all__ = ["study"]

_SHARES: Final = (0.1, 0.25, 0.5, 1.0)
"""Fractions of the smallest budget that are the default times of the table."""

_TABLES: Final = ("table", "declared")
"""Kinds of problems whose optimum can be looked up."""


def study(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            exists=True,
            help="Studies, or recorded runs as JSON: files or folders.",
        ),
    ],
    *,
    at: Annotated[
        list[float] | None,
        typer.Option(
            "--at", min=0, help="A time, in seconds or trials; may be repeated.", metavar="S"
        ),
    ] = None,
    clock: Annotated[
        Literal["seconds", "trials"],
        typer.Option(help="Unit of time of studies: simulated seconds, or trials."),
    ] = "seconds",
    oracle: Annotated[
        float | None,
        typer.Option(
            help="Optimum, instead of the runs' own; that of a study's table is looked up by "
            "default."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also plot the regret over time: FILE.png or FILE.svg.")
    ] = None,
    data: DataDirectory = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Compare searches: median and quartiles of the simple regret at simulated times, or by trials.

    Regret is the distance of the best value so far from the optimum, in the unit of the metric.
    JSON has an object per strategy, with a list per quantity; null if not every run has a value.
    Statistical tests of the final differences follow the table.
    """
    best_of = None if oracle is not None else _oracles(data, url)
    recorded = read_runs(runs, clock=clock, oracle_of=best_of)
    times = sorted(at) if at else _usual_times(recorded)
    bands = regret_bands(recorded, times=times, oracle=oracle)
    if plot is not None:
        plot_regret(regret_bands(recorded, oracle=oracle), plot)
    if wants_json(asked=as_json):
        print_json([asdict(band) for band in bands])
    else:
        one = recorded[0]
        trained = f"{one.benchmark}, {one.dataset}, {one.num_epochs} epochs"
        print_items(_rows(bands), f"Simple regret in {one.metric}: {trained}")
        if len(bands) > 1:
            try:
                told = str(compare_runs(recorded, oracle=oracle))
            except IncomparableRunsError as error:
                told = str(error)
            for line in told.splitlines():
                typer.echo(cleaned(line))


def _oracles(data: Path | None, url: str | None) -> Callable[[StudyFile], float | None]:
    """Return a function that looks up the optimum of a study's table, once per problem."""
    known: dict[str, float | None] = {}

    def oracle_of(study: StudyFile) -> float | None:
        problem = json.dumps(study.spec["problem"], sort_keys=True)
        if problem not in known:
            known[problem] = None
            if study.spec["problem"]["kind"] in _TABLES:
                with client(url, data) as bench:
                    made = Specification.of(study).make_problem(bench)
                    if isinstance(made, TableProblem | FiguresProblem):
                        known[problem] = made.optimum()
        return known[problem]

    return oracle_of


def _usual_times(runs: Sequence[RecordedRun]) -> list[float]:
    smallest = min(run.budget for run in runs)
    return [smallest * share for share in _SHARES]


def _rows(bands: Sequence[RegretBand]) -> list[dict[str, Any]]:
    return [
        {
            "strategy": band.strategy,
            "runs": band.runs,
            band.clock: time,
            "median": median,
            # One column, so that the table fits a terminal of 80 columns.
            "quartiles": None if lower is None else f"{lower:.4g} to {upper:.4g}",
        }
        for band in bands
        for time, lower, median, upper in zip(
            band.times, band.lower, band.median, band.upper, strict=True
        )
    ]
