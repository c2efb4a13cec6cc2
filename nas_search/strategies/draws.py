"""Random draws that are the same in all versions of Python.

Of the methods of `random.Random`, only `random()` is guaranteed to keep its sequence for a seed.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from random import Random
from typing import TypeVar

__all__ = [
    "drawn_below",
    "drawn_index",
    "drawn_normal",
    "drawn_one",
    "drawn_sample",
    "generator_of",
]

T = TypeVar("T")


def generator_of(seed: int) -> Random:
    """Return a new generator with the given seed.

    Raises:
        TypeError: The seed is no integer.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"the seed is {seed!r:.80}; it is a whole number") from None
    return Random(number)  # noqa: S311 - repeatable draws, not secrets


def drawn_below(rng: Random, bound: int) -> int:
    """Draw an integer from 0 to `bound` - 1; `bound` is at most 2^53."""
    return int(rng.random() * bound)


def drawn_one(rng: Random, members: Sequence[T]) -> T:
    """Draw one member; all are equally likely."""
    return members[drawn_below(rng, len(members))]


def drawn_sample(rng: Random, population: Sequence[T], count: int) -> list[T]:
    """Draw distinct members by a Fisher-Yates shuffle; at most as many as there are."""
    members = list(population)
    size = min(count, len(members))
    for place in range(size):
        other = place + drawn_below(rng, len(members) - place)
        members[place], members[other] = members[other], members[place]
    return members[:size]


def drawn_index(rng: Random, weights: Sequence[float]) -> int:
    """Draw an index with probability proportional to its weight; one has to be above 0."""
    left = rng.random() * math.fsum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight > 0)


def drawn_normal(rng: Random) -> float:
    """Draw from the standard normal distribution (Box and Muller, 1958)."""
    radius = math.sqrt(-2 * math.log(1 - rng.random()))
    return radius * math.cos(2 * math.pi * rng.random())
