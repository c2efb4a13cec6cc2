"""Objectives and bounds, and the scores and violations that follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from nas_search.errors import ProblemError

__all__ = ["Bound", "Bounds", "Goals", "Objective", "check_known"]

Bounds: TypeAlias = Mapping[str, Sequence[float | None]]
"""Smallest and largest value by metric, both included; None: no bound, as in `(None, 100)`."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to maximise or minimise.

    Args:
        metric: The name of the metric.
        maximise: Whether larger is better.
    """

    metric: str
    maximise: bool

    def score(self, value: float) -> float:
        """Return a value with the sign for which larger is better."""
        return value if self.maximise else -value


@dataclass(frozen=True, slots=True)
class Bound:
    """The allowed range of a metric.

    Args:
        metric: The name of the metric.
        least: The smallest allowed value; None: no bound.
        most: The largest allowed value; None: no bound.
    """

    metric: str
    least: float | None
    most: float | None

    def broken_by(self, value: float) -> float | None:
        """Return the limit that a value exceeds; None if it is within the range."""
        if self.most is not None and value > self.most:
            return self.most
        if self.least is not None and value < self.least:
            return self.least
        return None

    def violation(self, value: float) -> float:
        """Return by how much a value exceeds a limit, relative to the limit unless that is 0."""
        side = self.broken_by(value)
        return 0.0 if side is None else abs(value - side) / (abs(side) or 1.0)


@dataclass(frozen=True, slots=True)
class Goals:
    """The objectives and bounds of a problem.

    Args:
        objectives: One or more; the first is used where a single objective is needed.
        bounds: The bounds.
    """

    objectives: tuple[Objective, ...]
    bounds: tuple[Bound, ...] = ()

    @classmethod
    def of(
        cls,
        objectives: Sequence[str],
        bounds: Bounds | None,
        *,
        larger_is_better: Callable[[str], bool] = lambda _: True,
    ) -> Goals:
        """Make goals from the arguments of a problem.

        Args:
            objectives: Names of metrics; `-` in front minimises.
            bounds: Smallest and largest value by metric.
            larger_is_better: Returns the direction of a metric without `-`.

        Raises:
            ProblemError: There is no objective, one is repeated, or a bound is invalid.
        """
        given: Any = objectives  # may come from a file and have any type
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise ProblemError("objectives are a list of one metric or more")
        read = tuple(_objective(text, larger_is_better) for text in objectives)
        if len({one.metric for one in read}) < len(read):
            raise ProblemError(f"an objective comes twice: {', '.join(objectives)}")
        return cls(read, tuple(_bound(name, sides) for name, sides in (bounds or {}).items()))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of all objectives and bounds, without repeats."""
        names = [one.metric for one in self.objectives] + [one.metric for one in self.bounds]
        return tuple(dict.fromkeys(names))

    @property
    def spec(self) -> dict[str, Any]:
        """The objectives and bounds as JSON."""
        return {
            "objectives": [
                {"metric": one.metric, "maximise": one.maximise} for one in self.objectives
            ],
            "bounds": {one.metric: [one.least, one.most] for one in self.bounds},
        }

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> Goals:
        """Make goals from the JSON of `spec`."""
        return cls(
            tuple(Objective(one["metric"], one["maximise"]) for one in spec["objectives"]),
            tuple(Bound(name, *sides) for name, sides in spec["bounds"].items()),
        )

    def best(self, rows: Iterable[Mapping[str, float]]) -> float:
        """Return the best value of the first objective among rows of metrics.

        Raises:
            ProblemError: There are no rows.
        """
        goal = self.objectives[0]
        values = [row[goal.metric] for row in rows]
        if not values:
            raise ProblemError("no recorded architecture is within the bounds")
        return max(values, key=goal.score)

    def scores(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Return the score of each objective, larger being better."""
        return tuple(one.score(metrics[one.metric]) for one in self.objectives)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return the sum of the violations of all bounds; 0 within all."""
        return math.fsum(one.violation(metrics[one.metric]) for one in self.bounds)

    def lacking(self, metrics: Mapping[str, float]) -> str | None:
        """Return an error if a needed metric is missing or not finite; None if there is none."""
        for name in self.metrics:
            if name not in metrics:
                known = ", ".join(metrics) or "nothing"
                return f"the evaluation returned no {name}; it returned {known}"
            if not math.isfinite(metrics[name]):
                return f"the evaluation returned {name} = {metrics[name]}"
        return None


def check_known(what: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise if a name is unknown, with similar names in the message.

    Raises:
        ProblemError: A name is unknown.
    """
    for name in names:
        if name not in known:
            near = get_close_matches(str(name)[:80], known, n=3) or list(known)
            raise ProblemError(f"unknown {what} {name!r:.80}; is it {', '.join(near)}?")


def _objective(text: Any, larger_is_better: Callable[[str], bool]) -> Objective:
    if not isinstance(text, str) or not text.removeprefix("-"):
        raise ProblemError(f"the objective {text!r:.80} is no name of a metric")
    metric = text.removeprefix("-")
    return Objective(metric, metric == text and larger_is_better(metric))


def _bound(metric: str, sides: Any) -> Bound:
    try:
        least, most = (None if side is None else float(side) for side in sides)
    except (TypeError, ValueError, OverflowError):
        raise ProblemError(
            f"the bound of {metric} is a least and a greatest value, not {sides!r:.80}"
        ) from None
    given = [side for side in (least, most) if side is not None]
    if not given or any(map(math.isnan, given)) or given != sorted(given):
        raise ProblemError(f"the bound {sides!r:.80} of {metric} allows nothing, or everything")
    return Bound(metric, least, most)
