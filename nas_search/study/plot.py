"""Plots of studies: regret over simulated time, and the front of two objectives."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench_client.trajectory import new_axes
from missing_extra import MissingExtraError, needs
from nas_search.errors import PlotError
from nas_search.study.history import History
from nas_search.study.regret import RegretBand

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_front", "plot_regret"]

_FORMATS: Final = (".png", ".svg")
_INCHES: Final = (6.4, 4.0)
_BAND_OPACITY: Final = 0.2
_AXES: Final = 2
_CLOCKS: Final = {"seconds": "simulated time, seconds", "trials": "trials"}
_SALT: Final = "nas-bench-service"
"""Salt of the ids in an SVG; a fixed one makes the bytes of equal plots equal."""


def plot_regret(
    bands: Sequence[RegretBand],
    path: str | os.PathLike[str] | None = None,
    *,
    ax: Axes | None = None,
    log_time: bool = False,
    log_regret: bool = False,
) -> Axes:
    """Plot regret over time: into a PNG or SVG file, into given axes, or into a new figure.

    Args:
        bands: One for each strategy, as `regret_bands` returns them.
        path: A file; its suffix, `.png` or `.svg`, selects the format.
        ax: The axes to draw into. Without `ax` and `path`, a new figure of pyplot is made.
        log_time: Whether the time axis is logarithmic.
        log_regret: Whether the regret axis is logarithmic, on which a regret of 0 is not visible.

    Returns:
        The axes.

    Raises:
        PlotError: The suffix is unknown, matplotlib is not installed, or some bands are over
            seconds and others over trials.
        ValueError: Both `path` and `ax` are given.
        OSError: The file cannot be written.
    """
    if len({band.clock for band in bands}) > 1:
        raise PlotError(
            "some bands are over seconds and some over trials, which have no axis in common: "
            'make all runs by `to_run(clock="trials")`'
        )
    with _axes(path, ax) as axes:
        _draw(axes, bands)
        if log_time:
            axes.set_xscale("log")
        if log_regret:
            axes.set_yscale("log")
    return axes


def plot_front(
    study: History, path: str | os.PathLike[str] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Plot the trials of a study with two objectives, and their front as a line.

    The first objective is on the y axis, the second on the x axis. Infeasible trials are left out.

    Args:
        study: A `Study` or a `StudyFile`.
        path: A file; its suffix, `.png` or `.svg`, selects the format.
        ax: As for `plot_regret`.

    Returns:
        The axes.

    Raises:
        ValueError: Both `path` and `ax` are given.
        PlotError: The study does not have two objectives, no trial is within the bounds, the
            suffix is unknown, or matplotlib is not installed.
        OSError: The file cannot be written.
    """
    metrics = [one.metric for one in study.goals.objectives]
    if len(metrics) != _AXES:
        raise PlotError(f"a front is drawn of two objectives; this study has {len(metrics)}")
    if not study.front:
        raise PlotError("no trial is within the bounds, so there is no front to draw")
    upwards, rightwards = metrics
    feasible = [one for one in study.trials if one.scores and not one.violation]
    with _axes(path, ax) as axes:
        axes.scatter(
            [one.metrics[rightwards] for one in feasible],
            [one.metrics[upwards] for one in feasible],
            color="0.7",
            label=f"{len(feasible)} trials",
        )
        axes.plot(
            [one.metrics[rightwards] for one in study.front],
            [one.metrics[upwards] for one in study.front],
            marker="o",
            label=f"front, {len(study.front)} of them",
        )
        axes.set_xlabel(rightwards)
        axes.set_ylabel(upwards)
        axes.legend()
    return axes


@contextmanager
def _axes(path: str | os.PathLike[str] | None, ax: Axes | None) -> Iterator[Axes]:
    """Provide axes to draw into, and write the figure to the file afterwards, if one is given."""
    if path is None:
        yield _new_axes() if ax is None else ax
        return
    if ax is not None:
        raise ValueError("both a file and axes to draw into: give one of them")
    target = Path(path)
    if target.suffix.lower() not in _FORMATS:
        raise PlotError(f"{target}: plots are drawn as {' or '.join(_FORMATS)}")
    try:
        with needs("study", "drawing"):
            # Imported here: only plots need matplotlib.
            from matplotlib import rc_context  # noqa: PLC0415
            from matplotlib.figure import Figure  # noqa: PLC0415
    except MissingExtraError as error:
        raise PlotError(str(error)) from error
    with rc_context({"svg.hashsalt": _SALT}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        yield figure.add_subplot()
        metadata = {"Date": None} if target.suffix.lower() == ".svg" else {}
        figure.savefig(target, metadata=metadata)


def _new_axes() -> Any:
    try:
        return new_axes()
    except MissingExtraError as error:
        raise PlotError(str(error)) from error


def _draw(axes: Any, bands: Sequence[RegretBand]) -> None:
    for band in bands:
        runs = f"{band.runs} {'run' if band.runs == 1 else 'runs'}" if band.runs else "exact"
        label = f"{band.strategy} ({runs})"
        (line,) = axes.step(band.times, _gaps(band.median), where="post", label=label)
        axes.fill_between(
            band.times,
            _gaps(band.lower),
            _gaps(band.upper),
            step="post",
            color=line.get_color(),
            alpha=_BAND_OPACITY,
            linewidth=0,
        )
    axes.set_xlabel("".join(_CLOCKS[clock] for clock in {band.clock for band in bands}))
    metrics = ", ".join(dict.fromkeys(band.metric for band in bands))
    axes.set_ylabel(f"simple regret in {metrics}: median, quartiles")
    axes.legend()


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
