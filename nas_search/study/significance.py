"""Significance tests for the difference between two strategies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from nas_search.errors import StudyError

__all__ = ["RankTest", "holm", "mann_whitney"]


@dataclass(frozen=True, slots=True)
class RankTest:
    """The result of a Mann-Whitney test of two samples.

    Args:
        u: The number of pairs in which the first value is larger, ties counting one half.
        superiority: Probability that a value of the first sample is larger than one of the second,
            ties counting one half; 0.5 without a difference.
        p_greater: One-sided p-value, for the first sample being larger.
        p_two_sided: Two-sided p-value.
    """

    u: float
    superiority: float
    p_greater: float
    p_two_sided: float


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Test whether values of one sample tend to be larger than those of another.

    The samples are, for example, the final accuracies of the runs of two strategies. The test
    assumes no distribution. The p-values are those of the normal approximation with corrections for
    ties and continuity, which is accurate from about 20 runs of each (Mann and Whitney, 1947,
    doi:10.1214/aoms/1177730491).

    Args:
        first: One value for each run of a strategy.
        second: The same for the other strategy.

    Raises:
        StudyError: A sample is empty or contains NaN.
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
    """Return the p-values of several tests, adjusted for multiple comparisons by Holm's method.

    If no test has a true difference, the chance that any adjusted p-value is below a level is at
    most that level. The k-th smallest of m, counted from 0, is multiplied by m - k, and then raised
    to at least the one before it (Holm, 1979, Scandinavian Journal of Statistics 6, 65-70).

    Args:
        probabilities: The p-value of each test.

    Raises:
        StudyError: A p-value is not within 0 and 1.
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
    """Return the probability that a standard normal variable exceeds z."""
    return math.erfc(z / math.sqrt(2)) / 2
