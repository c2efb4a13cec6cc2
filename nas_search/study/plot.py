"""Regret over simulated time as a picture: a line for the median, a band for the quartiles."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from missing_extra import MissingExtraError, needs
from nas_search.errors import PlotError
from nas_search.study.regret import RegretBand

__all__ = ["plot_regret"]

_FORMATS: Final = (".png", ".svg")
_INCHES: Final = (6.4, 4.0)
_BAND_OPACITY: Final = 0.2
_SALT: Final = "nas-bench-service"
"""Of the names in an SVG: a fixed one gives the same picture the same bytes."""


def plot_regret(bands: Sequence[RegretBand], path: str | os.PathLike[str]) -> None:
    """Draw regret over time, both axes linear, into a PNG or SVG file.

    Args:
        bands: One a strategy, as `regret_bands` returns them.
        path: Where to; its ending says which format.

    Raises:
        PlotError: The ending is another, or matplotlib is not installed.
        OSError: The file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in _FORMATS:
        raise PlotError(f"{target}: plots are drawn as {' or '.join(_FORMATS)}")
    try:
        with needs("study", "drawing"):
            # Not at the top: comparing needs no plots.
            from matplotlib import rc_context  # noqa: PLC0415
            from matplotlib.figure import Figure  # noqa: PLC0415
    except MissingExtraError as error:
        raise PlotError(str(error)) from error
    with rc_context({"svg.hashsalt": _SALT}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        _draw(figure.add_subplot(), bands)
        metadata = {"Date": None} if target.suffix.lower() == ".svg" else {}
        figure.savefig(target, metadata=metadata)


def _draw(axes: Any, bands: Sequence[RegretBand]) -> None:
    for band in bands:
        label = f"{band.strategy} ({band.runs} {'run' if band.runs == 1 else 'runs'})"
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
    axes.set_xlabel("simulated time, seconds")
    metrics = ", ".join(dict.fromkeys(band.metric for band in bands))
    axes.set_ylabel(f"simple regret in {metrics}: median, quartiles")
    axes.legend()


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
