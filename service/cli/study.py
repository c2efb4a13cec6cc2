"""`nbs study`: recorded searches compared by their regret over simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nas_search.study import RecordedRun, RegretBand, plot_regret, read_runs, regret_bands
from service.cli.options import AsJson
from service.cli.output import print_items, print_json, wants_json

__all__ = ["study"]

_SHARES: Final = (0.1, 0.25, 0.5, 1.0)
"""Of the smallest budget: the times of the table unless others are asked for."""


def study(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", exists=True, help="Recorded runs: JSON files, or folders of them."
        ),
    ],
    *,
    at: Annotated[
        list[float] | None,
        typer.Option(
            "--at", min=0, help="Simulated time of a row, in seconds; may come again.", metavar="S"
        ),
    ] = None,
    oracle: Annotated[
        float | None, typer.Option(help="Best value there is, instead of the runs' own.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw regret over time: FILE.png or FILE.svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare recorded searches: median and quartiles of the simple regret at simulated times.

    Regret is the distance of the best so far from the oracle, in the unit of the metric. JSON has
    one object a strategy, with a list a quantity; null where not every run has a value.
    """
    recorded = read_runs(runs)
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


def _usual_times(runs: Sequence[RecordedRun]) -> list[float]:
    smallest = min(run.budget for run in runs)
    return [smallest * share for share in _SHARES]


def _rows(bands: Sequence[RegretBand]) -> list[dict[str, Any]]:
    return [
        {
            "strategy": band.strategy,
            "runs": band.runs,
            "seconds": time,
            "median": median,
            # One column, so that all fit a terminal of 80.
            "quartiles": None if lower is None else f"{lower:.4g} to {upper:.4g}",
        }
        for band in bands
        for time, lower, median, upper in zip(
            band.times, band.lower, band.median, band.upper, strict=True
        )
    ]
