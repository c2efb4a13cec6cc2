"""`nbs study`: searches compared by their regret over simulated time, or over trials."""

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
"""Of the smallest budget: the times of the table unless others are asked for."""

_TABLES: Final = ("table", "declared")
"""Kinds of problems whose best value can be looked up."""


def study(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            exists=True,
            help="Studies, or recorded runs as JSON: files, or folders of them.",
        ),
    ],
    *,
    at: Annotated[
        list[float] | None,
        typer.Option(
            "--at", min=0, help="Time of a row, in seconds or trials; may come again.", metavar="S"
        ),
    ] = None,
    clock: Annotated[
        Literal["seconds", "trials"],
        typer.Option(help="What times of studies are: simulated seconds, or trials."),
    ] = "seconds",
    oracle: Annotated[
        float | None,
        typer.Option(
            help="Best value there is, instead of the runs' own; that of a study's table is looked "
            "up."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw regret over time: FILE.png or FILE.svg.")
    ] = None,
    data: DataDirectory = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Compare searches: median and quartiles of the simple regret at simulated times, or by trials.

    Regret is the distance of the best so far from the oracle, in the unit of the metric. JSON has
    one object a strategy, with a list a quantity; null where not every run has a value. Below the
    table stands how strategies differ at the end.
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
    """Return what looks up the best value of the table of a study, once for each problem."""
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
            # One column, so that all fit a terminal of 80.
            "quartiles": None if lower is None else f"{lower:.4g} to {upper:.4g}",
        }
        for band in bands
        for time, lower, median, upper in zip(
            band.times, band.lower, band.median, band.upper, strict=True
        )
    ]
