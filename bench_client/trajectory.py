"""Trajectory of a simulated search, as points, data frame and plot."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from bench_client.columns import Column
from bench_client.frames import Tabular
from missing_extra import needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Trajectory", "TrajectoryPoint", "new_axes"]


_MAX_SHOWN: Final = 6
"""Largest number of points that `repr` shows in full."""


class TrajectoryPoint(NamedTuple):
    """State of a simulated search after an evaluation.

    Attributes:
        time: Simulated time after the evaluation, in seconds.
        value: Value of the evaluation.
        best: Best value so far at the simulation's own budget; None before the first.
    """

    time: float
    value: float
    best: float | None


class Trajectory(Tabular, tuple[TrajectoryPoint, ...]):  # noqa: SLOT001 - it has a metric
    """The points of a simulated search, in order: a tuple that converts to data frames and plots.

        simulation.trajectory.plot(log_time=True)

    Args:
        points: The points.
        metric: Metric of their values.
    """

    metric: str

    def __new__(cls, points: Iterable[TrajectoryPoint] = (), *, metric: str = "value") -> Self:
        """Create a trajectory from points."""
        made = super().__new__(cls, points)
        made.metric = metric
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, str]]:
        """Return the arguments of `__new__`, for pickle."""
        return (tuple(self),), {"metric": self.metric}

    def plot(
        self,
        *,
        ax: Axes | None = None,
        label: str | None = None,
        log_time: bool = False,
        log_value: bool = False,
    ) -> Axes:
        """Draw the best value so far over simulated time, as steps, and return the axes.

        Args:
            ax: Axes to draw on; None: axes of a new pyplot figure, which notebooks show.
            label: Label of the line, for a legend.
            log_time: Whether the time axis is logarithmic.
            log_value: Whether the value axis is logarithmic.

        Raises:
            ImportError: matplotlib is not installed.
        """
        axes: Axes = new_axes() if ax is None else ax
        best = [math.nan if point.best is None else point.best for point in self]
        axes.step([point.time for point in self], best, where="post", label=label)
        axes.set_xlabel("simulated time, seconds")
        axes.set_ylabel(f"best {self.metric} so far")
        if log_time:
            axes.set_xscale("log")
        if log_value:
            axes.set_yscale("log")
        return axes

    def __repr__(self) -> str:
        if len(self) <= _MAX_SHOWN:
            return super().__repr__()
        begun = ", ".join(map(repr, self[: _MAX_SHOWN // 2]))
        return f"({begun}, … {len(self):,} points of {self.metric})"

    def _repr_html_(self) -> str:
        """Return the points as an HTML table with units, for notebooks."""
        # Imported here because only notebooks need it.
        from bench_client.notebooks import html_of_columns  # noqa: PLC0415

        title = f"{len(self):,} points of {self.metric}"
        return html_of_columns(title, self._columns(intermediates=False), {"time": "seconds"})

    def _columns(self, *, intermediates: bool) -> list[Column]:
        if intermediates:
            raise ValueError("a trajectory has no intermediates")
        times, values, best = zip(*self, strict=True) if self else ((), (), ())
        return [
            Column("time", "real", nullable=False, values=list(times)),
            Column("value", "real", nullable=False, values=list(values)),
            Column("best", "real", nullable=True, values=list(best)),
        ]


def new_axes() -> Any:
    """Return the axes of a new pyplot figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    with needs("study", "drawing"):
        # Imported here because few programs draw, and matplotlib loads more slowly than the client.
        from matplotlib import pyplot  # noqa: ICN001, PLC0415

    _, axes = pyplot.subplots(layout="constrained")
    return axes
