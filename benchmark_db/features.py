"""Features: columns derived from architectures alone, such as the operation of an edge.

They complement the metrics: a page filters by them, and a script groups by them. Their names begin
with `@`, unlike the name of any metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark_db.aggregates import Part
from benchmark_spec import Product

__all__ = ["MARK", "Feature", "FeatureKind", "FeatureValues", "by_number", "choice"]
__all__ += ["equal_feature", "flag", "product_features"]

MARK: Final = "@"
"""First character of a feature's name."""

FeatureKind: TypeAlias = Literal["number", "choice", "count", "flag"]
FeatureValues: TypeAlias = Callable[[Part, NDArray[np.int64]], NDArray[Any]]
"""Returns the values of candidates from their part and indices, aligned with the indices."""

_MOST_BYTES: Final = 256
"""Most choices that fit a byte."""
_MOST_COMPARED: Final = 200_000
"""Most architectures of a space that are searched for equal ones: about a second of work."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A column that is derived from architectures alone.

    Attributes:
        name: Its name, with the mark.
        kind: `number` (index of the candidate), `choice` (position in the legend), `count`, `flag`.
        type: `uint8` or `int32`.
        description: A sentence.
        values: Returns the values of candidates.
        legend: Names of the values of a choice or a flag; empty for numbers and counts.
    """

    name: str
    kind: FeatureKind
    type: Literal["uint8", "int32"]
    description: str
    values: FeatureValues
    legend: tuple[str, ...] = ()


def by_number(table: Callable[[], NDArray[Any]]) -> FeatureValues:
    """Return the values of architectures from a table that is ordered by index.

    Args:
        table: Computes the table, shape (architectures,); called when values are needed.
    """

    def values(_: Part, numbers: NDArray[np.int64]) -> NDArray[Any]:
        return table()[numbers]

    return values


def choice(place: str, description: str, legend: Sequence[str], values: FeatureValues) -> Feature:
    """Return the feature of the choice at one decision, called `@op.PLACE`."""
    return Feature(
        name=f"{MARK}op.{place}",
        kind="choice",
        type="uint8" if len(legend) <= _MOST_BYTES else "int32",
        description=description,
        values=values,
        legend=tuple(legend),
    )


def flag(name: str, description: str, values: FeatureValues) -> Feature:
    """Return a feature that is true or false."""
    return Feature(
        name=f"{MARK}{name}",
        kind="flag",
        type="uint8",
        description=description,
        values=values,
        legend=("no", "yes"),
    )


def equal_feature(classes: Callable[[], Sequence[int]]) -> Feature:
    """Return the feature that tells whether another architecture computes the same function.

    Args:
        classes: Returns for each architecture the smallest index of those that compute the same.
    """

    def table() -> NDArray[np.bool_]:
        smallest = np.asarray(classes())
        several: NDArray[np.bool_] = np.bincount(smallest)[smallest] > 1
        return several

    told = "Whether another architecture of the space computes the same."
    return flag("equal", told, by_number(table))


@cache
def product_features(space: Product) -> tuple[Feature, ...]:
    """Return the features of a product space: the choice at each of its decisions."""
    counts = [len(choices) for choices in space.places]
    weights = [prod(counts[place + 1 :]) for place in range(space.length)]
    features = [
        choice(str(place), f"The choice at place {place}.", choices, _digits(weight, len(choices)))
        for place, (choices, weight) in enumerate(zip(space.places, weights, strict=True))
    ]
    if space.equal is not None and space.size <= _MOST_COMPARED:
        features.append(equal_feature(lambda: _classes(space)))
    return tuple(features)


@cache
def _classes(space: Product) -> tuple[int, ...]:
    return tuple(map(space.equals, range(space.size)))


def _digits(weight: int, count: int) -> FeatureValues:
    """Return the digit of an index at the position with this weight."""

    def values(_: Part, numbers: NDArray[np.int64]) -> NDArray[Any]:
        return numbers // weight % count

    return values
