"""Pareto dominance: fronts, crowding distance and hypervolume. Larger values are better."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import TypeAlias

from nas_search.contract import Result, Status

__all__ = ["crowding", "dominates", "fronts", "hypervolume", "non_dominated"]

Point: TypeAlias = Sequence[float]


def dominates(first: Point, second: Point) -> bool:
    """Return whether a point is at least as good as another in all values, and better in one."""
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def non_dominated(points: Sequence[Point]) -> list[int]:
    """Return the indices of all non-dominated points, ascending, with all of equal points."""
    if points and len(points[0]) <= 2:  # noqa: PLR2004 - one pass after a sort serves two
        return _non_dominated_of_two(points)
    return [
        place
        for place, point in enumerate(points)
        if not any(dominates(other, point) for other in points)
    ]


def fronts(results: Sequence[Result]) -> list[list[int]]:
    """Sort successful results into non-dominated fronts.

    Feasible results are compared by their values. A feasible result dominates any infeasible one,
    and of two infeasible ones the smaller violation dominates (Deb, Pratap, Agarwal and Meyarivan,
    2002, doi:10.1109/4235.996017, sections III.A and VI.A).

    Returns:
        The indices of the results, front by front.
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
    """Return the crowding distance of each point of a front, infinite at its ends.

    It is the distance between both neighbors of a point, relative to the extent of the front and
    summed over the objectives (Deb et al., section III.B).
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
    """Return the exact hypervolume that points dominate, above a reference point.

    Two objectives take a sweep, more the recursion of While, Bradstreet and Barone (2012,
    doi:10.1109/TEVC.2010.2077298), which suits fronts of up to a few hundred points.

    Args:
        points: The points. Those that do not exceed the reference in all values add nothing.
        reference: The worst value of interest for each objective.

    Returns:
        The volume, in the product of the units of the objectives.

    Raises:
        ValueError: A point and the reference differ in length.
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
