"""Correlation of two metrics over the candidates that have both.

Kendall's tau-b counts pairs (Kendall 1945, Biometrika 33): concordant minus discordant, divided by
the geometric mean of the numbers of pairs that are not tied in the one and in the other metric.
Discordant pairs are counted as the exchanges of a sort (Knight 1966, JASA 61), in O(n log n).
Spearman's rho is Pearson's r of the ranks, with mean ranks for ties.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.items import Item

__all__ = ["MAX_RESAMPLES", "MAX_TOP", "correlated", "kendall", "pearson", "spearman"]

MAX_RESAMPLES: Final = 1_000
MAX_TOP: Final = 1_000_000
_MOST_RESAMPLED: Final = 2_000_000
"""Candidates times resamples of a bootstrap: about a second of work."""
_LEVELS: Final = (0.025, 0.975)
_FEWEST: Final = 2

Values = NDArray[np.float64]


def correlated(
    x: Values,
    y: Values,
    *,
    x_larger: bool,
    y_larger: bool,
    top_k: int = 100,
    resamples: int = 0,
    resample_seed: int = 0,
) -> Item:
    """Return how well two metrics agree over the candidates that have both.

    Args:
        x: One metric, shape (n,), NaN where it is not recorded.
        y: The other, aligned with it.
        x_larger: Whether larger values of `x` are better.
        y_larger: Whether larger values of `y` are better.
        top_k: Number of the best candidates by each metric that are compared.
        resamples: Number of bootstrap resamples for the intervals, 0 to `MAX_RESAMPLES`.
        resample_seed: Seed of the resampling.

    Returns:
        `n`; `kendall`, `spearman` and `pearson` (None where a metric does not vary); `top_k`: the
        share of the `top_k` best by one metric that are among the best by the other (None if there
        are fewer candidates); `intervals`: the 2.5 % and 97.5 % quantiles over the resamples.

    Raises:
        InvalidQuestionError: A number is out of range.
    """
    _check("top_k", top_k, 1, MAX_TOP)
    _check("resamples", resamples, 0, MAX_RESAMPLES)
    _check("resample_seed", resample_seed, 0, 2**63 - 1)
    both = np.isfinite(x) & np.isfinite(y)
    first, second = x[both], y[both]
    count = len(first)
    found: Item = {"n": count, **_coefficients(first, second)}
    best = [
        _best(-values if larger else values, top_k)
        for values, larger in ((first, x_larger), (second, y_larger))
    ]
    found["top_k"] = top_k
    overlap = len(np.intersect1d(best[0], best[1], assume_unique=True)) / top_k
    found["top_k_overlap"] = overlap if count >= top_k else None
    found["intervals"] = None
    if resamples:
        if count * resamples > _MOST_RESAMPLED:
            raise InvalidQuestionError(
                "resamples",
                f"{resamples} resamples of {count} candidates are too many: at most "
                f"{_MOST_RESAMPLED // max(count, 1)}",
            )
        found["intervals"] = _intervals(first, second, resamples, resample_seed)
    return found


def kendall(x: Values, y: Values) -> float | None:
    """Return Kendall's tau-b; None if `x` or `y` does not vary."""
    return _kendall(_Ranked(x), _Ranked(y))


def pearson(x: Values, y: Values) -> float | None:
    """Return Pearson's r; None if `x` or `y` does not vary."""
    if len(x) < _FEWEST or (x == x[0]).all() or (y == y[0]).all():
        return None
    # Scaled first: the squares of very large doubles overflow.
    one, other = _centred(x), _centred(y)
    scale = np.sqrt((one @ one) * (other @ other))
    return float(np.clip((one @ other) / scale, -1, 1)) if scale else None


def spearman(x: Values, y: Values) -> float | None:
    """Return Spearman's rho with mean ranks for ties; None if `x` or `y` does not vary."""
    return pearson(_Ranked(x).mean_ranks, _Ranked(y).mean_ranks)


class _Ranked:
    """Ranks of values.

    Args:
        values: Shape (n,), finite.

    Attributes:
        dense: Ranks from 0, equal ones for equal values.
        sizes: Number of values of each dense rank.
        mean_ranks: Ranks from 0, ties having their mean rank.
    """

    def __init__(self, values: Values) -> None:
        order = np.argsort(values, kind="stable")
        ascending = values[order]
        leads = np.ones(len(values), np.bool_)
        leads[1:] = ascending[1:] != ascending[:-1]
        starts = np.flatnonzero(leads)
        self.dense = np.empty(len(values), np.int64)
        self.dense[order] = np.cumsum(leads) - 1
        self.sizes = np.diff(starts, append=len(values))
        self.mean_ranks = (starts + (self.sizes - 1) / 2)[self.dense]


def _coefficients(x: Values, y: Values) -> dict[str, float | None]:
    first, second = _Ranked(x), _Ranked(y)
    return {
        "kendall": _kendall(first, second),
        "spearman": pearson(first.mean_ranks, second.mean_ranks),
        "pearson": pearson(x, y),
    }


def _kendall(x: _Ranked, y: _Ranked) -> float | None:
    count = len(x.dense)
    pairs = count * (count - 1) // 2
    tied_x, tied_y = _pairs(x.sizes), _pairs(y.sizes)
    if pairs in (tied_x, tied_y):
        return None
    keys = np.sort(x.dense * len(y.sizes) + y.dense)
    leads = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    tied_both = _pairs(np.diff(leads, append=count))
    discordant = _exchanges(keys % len(y.sizes))
    score = pairs - tied_x - tied_y + tied_both - 2 * discordant
    # Python's integers: the product may exceed 2^63, and the root of a square is exact.
    return score / math.sqrt((pairs - tied_x) * (pairs - tied_y))


def _intervals(x: Values, y: Values, resamples: int, seed: int) -> dict[str, list[float] | None]:
    """Return the bootstrap interval of each coefficient: candidates are drawn with replacement."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[str, list[float]] = {"kendall": [], "spearman": [], "pearson": []}
    for _ in range(resamples):
        # Raw integers of the bit generator are the same in every version of NumPy.
        places = (rng.bit_generator.random_raw(len(x)) % np.uint64(max(len(x), 1))).astype(np.int64)
        for name, value in _coefficients(x[places], y[places]).items():
            if value is not None:
                drawn[name].append(value)
    return {
        name: [float(end) for end in np.quantile(values, _LEVELS)] if values else None
        for name, values in drawn.items()
    }


def _best(losses: Values, count: int) -> NDArray[np.int64]:
    """Return the positions of the smallest losses; among equal ones the first."""
    return np.argsort(losses, kind="stable")[:count]


def _centred(values: Values) -> Values:
    scaled: Values = values / np.abs(values).max()
    return scaled - float(scaled.mean())


def _pairs(sizes: NDArray[Any]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _exchanges(ranks: NDArray[np.int64]) -> int:
    """Return the number of pairs in descending order, which a merge sort would exchange.

    The ranks are sorted bit by bit, from the highest bit: in a group of equal higher bits, each 0
    behind a 1 is such a pair. Counting and moving are cumulative sums over the whole array, which
    NumPy computes faster than it sorts.
    """
    count = len(ranks)
    starts, ends = np.zeros(count, np.int64), np.full(count, count)
    places = np.arange(count)
    exchanges = 0
    for bit in reversed(range(int(ranks.max(initial=0)).bit_length())):
        ones = (ranks >> bit) & 1 == 1
        before = np.zeros(count + 1, np.int64)
        np.cumsum(ones, out=before[1:])
        of_group = before[:-1] - before[starts]
        exchanges += int(of_group[~ones].sum())
        split = ends - (before[ends] - before[starts])
        moved = np.where(ones, split + of_group, places - of_group)
        starts_then, ends_then = np.where(ones, split, starts), np.where(ones, ends, split)
        for array, values in ((starts, starts_then), (ends, ends_then)):
            array[moved] = values
        ranks_then = np.empty_like(ranks)
        ranks_then[moved] = ranks
        ranks = ranks_then
    return exchanges


def _check(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise InvalidQuestionError(name, f"{shown(value)} is not in {least} to {most}")
