"""Fronts: what none is better than in all objectives, and the volume that it dominates.

Everywhere larger is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

__all__ = ["dominates", "front_of", "hypervolume"]

T = TypeVar("T")


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether one is nowhere worse than the other, and better somewhere."""
    pairs = list(zip(first, second, strict=True))
    return all(mine >= theirs for mine, theirs in pairs) and any(
        mine > theirs for mine, theirs in pairs
    )


def front_of(items: Iterable[tuple[Sequence[float], T]]) -> list[T]:
    """Return what nothing dominates, the best by the first objective first; of equals the first."""
    # Nothing is dominated by what comes after it in descending order.
    ordered = sorted(items, key=lambda item: tuple(-score for score in item[0]))
    kept: list[tuple[Sequence[float], T]] = []
    for scores, item in ordered:
        if not any(tuple(other) == tuple(scores) or dominates(other, scores) for other, _ in kept):
            kept.append((scores, item))
    return [item for _, item in kept]


def hypervolume(points: Iterable[Sequence[float]], reference: Sequence[float]) -> float:
    """Return the volume between points and a reference point that is worse than they.

    Slices along the last objective, each a volume of one dimension less (While et al. 2006).

    Args:
        points: Values of the objectives.
        reference: The worst values that count; points beyond add nothing.
    """
    worst = tuple(reference)
    inside = [
        tuple(point)
        for point in points
        if all(mine > least for mine, least in zip(point, worst, strict=True))
    ]
    if not inside:
        return 0.0
    if len(worst) == 1:
        return max(point[0] for point in inside) - worst[0]
    heights = sorted({point[-1] for point in inside}, reverse=True)
    total = 0.0
    for upper, lower in pairwise([*heights, worst[-1]]):
        reaching = front_of((point[:-1], point[:-1]) for point in inside if point[-1] >= upper)
        total += (upper - lower) * hypervolume(reaching, worst[:-1])
    return total
