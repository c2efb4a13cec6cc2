"""Whether one strategy finds better architectures than another, or only seemed to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from nas_search.errors import StudyError

__all__ = ["RankTest", "holm", "mann_whitney"]


@dataclass(frozen=True, slots=True)
class RankTest:
    """What the test of Mann and Whitney says of two samples.

    Args:
        u: How many pairs there are in which the first value is larger, ties counting one half.
        superiority: How probable it is that a value of the first is larger than one of the second,
            ties counting one half; 0.5 where neither is.
        p_greater: How probable so large a `u` is if both are drawn alike.
        p_two_sided: How probable a `u` so far from the middle is if both are drawn alike.
    """

    u: float
    superiority: float
    p_greater: float
    p_two_sided: float


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Test whether values of one sample tend to be larger than those of another.

    Such are the accuracies that two strategies reached, a run each. Nothing is assumed of how they
    are distributed. The probabilities are those of the normal approximation, corrected for ties and
    for continuity, which is good from about 20 runs of each on (Mann and Whitney, 1947,
    doi:10.1214/aoms/1177730491).

    Args:
        first: One value a run.
        second: The same of the other strategy.

    Raises:
        StudyError: A sample is empty or has a value that is not a number.
    """
    if not first or not second:
        raise StudyError("a test needs at least one value of each strategy")
    if any(map(math.isnan, (*first, *second))):
        raise StudyError("a value is not a number, which cannot be ranked")
    pooled = sorted((*((value, True) for value in first), *((value, False) for value in second)))
    n, m, total = len(first), len(second), len(pooled)
    rank_sum, ties, before = 0.0, 0, 0
    for _, group in groupby(pooled, key=lambda one: one[0]):
        is_first = [of_first for _, of_first in group]
        size = len(is_first)
        rank_sum += sum(is_first) * (before + (size + 1) / 2)
        ties += size**3 - size
        before += size
    u = rank_sum - n * (n + 1) / 2
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:  # all are equal
        return RankTest(u, u / (n * m), 1.0, 1.0)
    off = u - n * m / 2
    deviation = math.sqrt(variance)
    return RankTest(
        u=u,
        superiority=u / (n * m),
        p_greater=_tail((off - 0.5) / deviation),
        p_two_sided=min(1.0, 2 * _tail((abs(off) - 0.5) / deviation)),
    )


def holm(probabilities: Sequence[float]) -> list[float]:
    """Return probabilities of several tests, adjusted so that they can be read together.

    Of m tests without any difference, one or more is below a level with no more than that
    probability. The k-th smallest, from 0, is multiplied by m - k, and none is below a smaller one
    (Holm, 1979, Scandinavian Journal of Statistics 6, 65-70).

    Args:
        probabilities: Of each test.

    Raises:
        StudyError: One is no probability.
    """
    if not all(0 <= one <= 1 for one in probabilities):
        raise StudyError("a probability is not within 0 and 1")
    adjusted = [0.0] * len(probabilities)
    most = 0.0
    ascending = sorted(range(len(probabilities)), key=lambda place: probabilities[place])
    for rank, place in enumerate(ascending):
        most = max(most, min(1.0, (len(probabilities) - rank) * probabilities[place]))
        adjusted[place] = most
    return adjusted


def _tail(z: float) -> float:
    """Return how probable it is that a standard normal number is above z."""
    return math.erfc(z / math.sqrt(2)) / 2
