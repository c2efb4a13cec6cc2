"""Correlation of two metrics over the candidates that have both.

Kendall's tau-b counts pairs (Kendall 1945, Biometrika 33): concordant minus discordant, divided by
the geometric mean of the pairs that are not tied in one metric and in the other. Discordant pairs
are the exchanges of a sort (Knight 1966, JASA 61), so that n candidates take O(n log n).
Spearman's rho is Pearson's r of the ranks, ties having their mean rank.
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
"""Candidates times resamples of a bootstrap: a second of work or so."""
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
    """Return how two metrics agree over the candidates that have both.

    Args:
        x: One metric, shape (n,), NaN where it is not recorded.
        y: The other, aligned with it.
        x_larger: Whether its larger values are the better ones.
        y_larger: Likewise of the other.
        top_k: How many of the best of both are compared.
        resamples: How often candidates are drawn anew for intervals, 0 to `MAX_RESAMPLES`.
        resample_seed: Of the draws.

    Returns:
        `n`, `kendall`, `spearman`, `pearson` (None where one metric does not vary), `top_k`, the
        share of the `top_k` best by one that are among those by the other (None where there are
        fewer candidates), and `intervals`: the 2.5 % and 97.5 % quantiles over the resamples.

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
    """Return Kendall's tau-b; None where one of both does not vary."""
    return _kendall(_Ranked(x), _Ranked(y))


def pearson(x: Values, y: Values) -> float | None:
    """Return Pearson's r; None where one of both does not vary."""
    if len(x) < _FEWEST or (x == x[0]).all() or (y == y[0]).all():
        return None
    # Brought to a common size first: squares of the largest doubles are none.
    one, other = _centred(x), _centred(y)
    scale = np.sqrt((one @ one) * (other @ other))
    return float(np.clip((one @ other) / scale, -1, 1)) if scale else None


def spearman(x: Values, y: Values) -> float | None:
    """Return Spearman's rho, ties having their mean rank; None where one of both does not vary."""
    return pearson(_Ranked(x).mean_ranks, _Ranked(y).mean_ranks)


class _Ranked:
    """Values by rank.

    Args:
        values: Shape (n,), finite.

    Attributes:
        dense: Ranks from 0, equal ones for equal values.
        sizes: How many values have each of them.
        mean_ranks: Ranks from 0, ties having their mean.
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
    # Python's integers: the product may pass 2^63, and of equal ones the root is exact.
    return score / math.sqrt((pairs - tied_x) * (pairs - tied_y))


def _intervals(x: Values, y: Values, resamples: int, seed: int) -> dict[str, list[float] | None]:
    """Return the interval of each coefficient over candidates drawn with replacement."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[str, list[float]] = {"kendall": [], "spearman": [], "pearson": []}
    for _ in range(resamples):
        # By the integers of the bit generator, which are the same in every version of numpy.
        places = (rng.bit_generator.random_raw(len(x)) % np.uint64(max(len(x), 1))).astype(np.int64)
        for name, value in _coefficients(x[places], y[places]).items():
            if value is not None:
                drawn[name].append(value)
    return {
        name: [float(end) for end in np.quantile(values, _LEVELS)] if values else None
        for name, values in drawn.items()
    }


def _best(losses: Values, count: int) -> NDArray[np.int64]:
    """Return the places of the smallest losses; of equal ones the first."""
    return np.argsort(losses, kind="stable")[:count]


def _centred(values: Values) -> Values:
    scaled: Values = values / np.abs(values).max()
    return scaled - float(scaled.mean())


def _pairs(sizes: NDArray[Any]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _exchanges(ranks: NDArray[np.int64]) -> int:
    """Return how many pairs are in descending order.

    They are what a merge sort exchanges. Here the ranks are sorted bit by bit, the highest first:
    in a group of equal higher bits, each 0 behind a 1 is a pair. Counting and moving are sums over
    the whole array, which NumPy does faster than it sorts.
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
