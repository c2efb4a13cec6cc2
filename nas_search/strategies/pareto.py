"""Several objectives at once: fronts, crowding, and the volume that a front dominates.

Values are larger-is-better throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import TypeAlias

from nas_search.contract import Result, Status

__all__ = ["crowding", "dominates", "fronts", "hypervolume", "non_dominated"]

Point: TypeAlias = Sequence[float]


def dominates(first: Point, second: Point) -> bool:
    """Return whether a point is nowhere worse than another and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def non_dominated(points: Sequence[Point]) -> list[int]:
    """Return the places of the points that none dominates, in order; of equal points all."""
    if points and len(points[0]) <= 2:  # noqa: PLR2004 - one pass after a sort serves two
        return _non_dominated_of_two(points)
    return [
        place
        for place, point in enumerate(points)
        if not any(dominates(other, point) for other in points)
    ]


def fronts(results: Sequence[Result]) -> list[list[int]]:
    """Sort results that succeeded into fronts: each is dominated by none but those before it.

    Of feasible results the values decide; a feasible one dominates any other, and of two that
    are outside bounds the one that violates them less (Deb, Pratap, Agarwal and Meyarivan, 2002,
    doi:10.1109/4235.996017, sections III.A and VI.A).

    Returns:
        The places of the results, front by front.
    """
    worse: list[list[int]] = [[] for _ in results]
    better = [0] * len(results)
    for place, one in enumerate(results):
        for other in range(place):
            if _precedes(one, results[other]):
                worse[place].append(other)
                better[other] += 1
            elif _precedes(results[other], one):
                worse[other].append(place)
                better[place] += 1
    sorted_fronts = []
    front = [place for place, count in enumerate(better) if not count]
    while front:
        sorted_fronts.append(front)
        following = []
        for place in front:
            for other in worse[place]:
                better[other] -= 1
                if not better[other]:
                    following.append(other)
        front = sorted(following)
    return sorted_fronts


def crowding(points: Sequence[Point]) -> list[float]:
    """Return how far the neighbors of each point of a front are, infinite at its ends.

    Distances are relative to the extent of the front and summed over the objectives (ibid., III.B).
    """
    distances = [0.0] * len(points)
    for objective in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda place: points[place][objective])
        extent = points[order[-1]][objective] - points[order[0]][objective]
        distances[order[0]] = distances[order[-1]] = inf
        if not extent:
            continue
        for before, place, after in zip(order, order[1:], order[2:], strict=False):
            distances[place] += (points[after][objective] - points[before][objective]) / extent
    return distances


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Return the volume of what lies between a reference and at least one of some points.

    Exact: a sweep for two objectives, for more the recursion of While, Bradstreet and Barone
    (2012, doi:10.1109/TEVC.2010.2077298), for fronts of up to a few hundred points.

    Args:
        points: One a solution; those that do not exceed the reference in everything add nothing.
        reference: The worst value of each objective that is of interest.

    Returns:
        The volume in the product of the units of the objectives.

    Raises:
        ValueError: A point has more or fewer values than the reference.
    """
    above = [
        tuple(point)
        for point in points
        if all(value > worst for value, worst in zip(point, reference, strict=True))
    ]
    front = sorted({above[place] for place in non_dominated(above)}, reverse=True)
    if len(reference) == 2:  # noqa: PLR2004
        volume, reached = 0.0, reference[1]
        for first, second in front:
            volume += (first - reference[0]) * (second - reached)
            reached = second
        return volume
    return sum(
        _box(point, reference) - hypervolume(_limited(front[place + 1 :], point), reference)
        for place, point in enumerate(front)
    )


def _precedes(one: Result, other: Result) -> bool:
    feasible = one.status is Status.OK
    if feasible is not (other.status is Status.OK):
        return feasible
    if not feasible and one.violation != other.violation:
        return one.violation < other.violation
    return dominates(one.values, other.values)


def _non_dominated_of_two(points: Sequence[Point]) -> list[int]:
    order = sorted(range(len(points)), key=lambda place: tuple(points[place]), reverse=True)
    best: Point | None = None
    found = []
    for place in order:
        point = points[place]
        if best is None or point[-1] > best[-1] or tuple(point) == tuple(best):
            best = point
            found.append(place)
    return sorted(found)


def _box(point: Point, reference: Point) -> float:
    return prod(value - worst for value, worst in zip(point, reference, strict=True))


def _limited(points: Sequence[Point], point: Point) -> list[Point]:
    return [tuple(map(min, other, point)) for other in points]
