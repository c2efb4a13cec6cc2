"""Random draws that stay the same from one version of Python to the next.

Of the methods of `random.Random`, `random()` alone is promised to keep its sequence for a seed.
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
    """Return the generator of a seed.

    Raises:
        TypeError: The seed is no integer.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"the seed is {seed!r:.80}; it is a whole number") from None
    return Random(number)  # noqa: S311 - repeatable draws, not secrets


def drawn_below(rng: Random, bound: int) -> int:
    """Return a whole number from 0 to below `bound`, which is at most 2^53."""
    return int(rng.random() * bound)


def drawn_one(rng: Random, members: Sequence[T]) -> T:
    """Return a member, each as likely as the others."""
    return members[drawn_below(rng, len(members))]


def drawn_sample(rng: Random, population: Sequence[T], count: int) -> list[T]:
    """Return distinct members, the first of a Fisher-Yates shuffle; all when there are fewer."""
    members = list(population)
    size = min(count, len(members))
    for place in range(size):
        other = place + drawn_below(rng, len(members) - place)
        members[place], members[other] = members[other], members[place]
    return members[:size]


def drawn_index(rng: Random, weights: Sequence[float]) -> int:
    """Return a place, each as likely as its weight, of which at least one is above 0."""
    left = rng.random() * math.fsum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight > 0)


def drawn_normal(rng: Random) -> float:
    """Return a number of the standard normal distribution (Box and Muller, 1958)."""
    radius = math.sqrt(-2 * math.log(1 - rng.random()))
    return radius * math.cos(2 * math.pi * rng.random())
