"""Where random numbers come from: the same seed gives the same draws in every Python version.

Only `random()` of a source is called. Python promises that `random.Random(seed).random()` never
changes; it does not promise so of `choice` or `sample`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from model_hub.errors import InvalidArgumentError, shown

__all__ = ["RandomSource", "Seed", "pick", "random_source"]

T = TypeVar("T")


@runtime_checkable
class RandomSource(Protocol):
    """Draws numbers uniformly from 0 (included) to 1 (excluded).

    `random.Random` and `numpy.random.Generator` both do.
    """

    def random(self) -> float:
        """Draw the next number."""
        ...


Seed: TypeAlias = int | RandomSource | None
"""A seed, a source to go on drawing from, or None for draws that nobody can repeat."""


def random_source(seed: Seed) -> RandomSource:
    """Return the source that a seed stands for.

    Raises:
        InvalidArgumentError: It is neither an integer, None nor a source.
    """
    if seed is None or (isinstance(seed, int) and not isinstance(seed, bool)):
        return Random(seed)  # noqa: S311 - architectures, not secrets
    if isinstance(seed, RandomSource):
        return seed
    raise InvalidArgumentError("seed", f"{shown(seed)} is neither an integer nor a random source")


def pick(values: Sequence[T], source: RandomSource, weights: Sequence[float] | None = None) -> T:
    """Draw one of `values`, uniformly or in proportion to `weights`."""
    if weights is None:
        return values[int(source.random() * len(values))]
    *bounds, total = accumulate(weights)
    drawn = source.random() * total
    return values[sum(bound <= drawn for bound in bounds)]
