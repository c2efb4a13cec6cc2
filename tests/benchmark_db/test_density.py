"""Grids hold every candidate once, in the cell of its figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.density import MAX_BINS, GridSide, counted
from benchmark_db.errors import InvalidQuestionError

FIGURES = st.floats(-1e6, 1e6, width=32) | st.just(float("nan")) | st.sampled_from([0.0, 1.0, 2.0])
POINTS = st.lists(st.tuples(FIGURES, FIGURES, st.booleans()), max_size=60)
X, Y = GridSide(name="x"), GridSide(name="y")


def grid(found: dict[str, object]) -> np.ndarray:
    """Return the counts, shape (bins, bins), whatever the layout."""
    bins, numbers = found["bins"], np.frombuffer(found["data"], "<u4")
    if found["layout"] == "dense":
        return numbers.reshape(bins, bins)
    places, counts = numbers.reshape(2, -1)
    whole = np.zeros(bins * bins, np.uint32)
    whole[places] = counts
    return whole.reshape(bins, bins)


@given(POINTS, st.tuples(st.booleans(), st.booleans()))
def test_every_candidate_is_counted_once_where_it_lies(
    points: list[tuple[float, float, bool]], logs: tuple[bool, bool]
) -> None:
    x, y, kept = (np.array([point[n] for point in points]) for n in range(3))
    kept, (x_log, y_log) = kept.astype(bool), logs
    sides = GridSide(name="x", log=x_log), GridSide(name="y", log=y_log)
    found = counted(x, y, kept, of_x=sides[0], of_y=sides[1], bins=8)
    assert found["counted"] + found["outside"] + found["left_out"] == kept.sum()
    assert found["outside"] == 0
    counts = grid(found)
    assert (counts.sum(), np.count_nonzero(counts)) == (found["counted"], found["cells"])
    ends = [(found[side]["low"], found[side]["high"]) for side in "xy"]
    if found["counted"]:
        right = np.zeros((8, 8), int)
        for one, other in zip(x[kept], y[kept], strict=True):
            place = [
                cell_of(value, *end, log=log)
                for value, end, log in zip((one, other), ends, (x_log, y_log), strict=True)
            ]
            if None not in place:
                right[place[1], place[0]] += 1
        assert counts.tolist() == right.tolist()


def cell_of(value: float, low: float, high: float, *, log: bool) -> int | None:
    """Return the part of a side that a figure is in, as the documentation says it."""
    if np.isnan(value) or (log and value <= 0):
        return None
    low, high, value = (float(np.log(each)) if log else each for each in (low, high, value))
    return min(max(int((value - low) / (high - low) * 8), 0), 7)


def test_counts_are_those_of_a_histogram() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5000).astype(np.float32), rng.normal(size=5000).astype(np.float32)
    x, y = x.astype(float), y.astype(float)
    side_x, side_y = GridSide(name="x", low=-2.0, high=2.0), GridSide(name="y", low=-1.0, high=1.5)
    found = counted(x, y, np.ones(5000, bool), of_x=side_x, of_y=side_y, bins=32)
    right, _, _ = np.histogram2d(y, x, bins=32, range=((-1.0, 1.5), (-2.0, 2.0)))
    assert grid(found).tolist() == right.tolist()
    assert found["outside"] == 5000 - right.sum() > 0


def test_a_grid_that_is_mostly_empty_is_sent_as_what_is_filled() -> None:
    x = np.arange(100.0)
    found = counted(x, x, x >= 0, of_x=X, of_y=Y, bins=MAX_BINS)
    assert (found["layout"], len(found["data"])) == ("sparse", 2 * 4 * found["cells"])
    full = np.repeat(x[:8], 8), np.tile(x[:8], 8)
    found = counted(*full, full[0] >= 0, of_x=X, of_y=Y, bins=8)
    assert (found["layout"], len(found["data"])) == ("dense", 4 * 64)


@pytest.mark.parametrize("log", [False, True])
def test_one_figure_has_a_cell_around_it(*, log: bool) -> None:
    x = np.full(3, 5.0)
    sides = GridSide(name="x", log=log), GridSide(name="y", log=log)
    found = counted(x, x, x > 0, of_x=sides[0], of_y=sides[1], bins=8)
    assert found["x"]["low"] < 5.0 < found["x"]["high"]
    assert grid(found)[3:5, 3:5].sum() == 3
    nothing = counted(x, x, x < 0, of_x=sides[0], of_y=sides[1], bins=8)
    assert (nothing["counted"], nothing["x"]["low"], nothing["data"]) == (0, None, b"")


@pytest.mark.parametrize(
    ("side", "bins", "field"),
    [
        ({}, 7, "bins"),
        ({}, 513, "bins"),
        ({}, True, "bins"),
        ({"low": 2.0, "high": 2.0}, 8, "x_to"),
        ({"low": 2.0, "high": 1.0}, 8, "x_to"),
        ({"low": 0.0, "log": True}, 8, "x_from"),
        ({"high": -1.0, "log": True}, 8, "x_to"),
    ],
)
def test_what_is_no_grid_is_refused(side: dict[str, object], bins: int, field: str) -> None:
    x = np.arange(3.0)
    with pytest.raises(InvalidQuestionError) as caught:
        counted(x, x, x >= 0, of_x=GridSide(name="x", **side), of_y=Y, bins=bins)
    assert caught.value.field == field


def test_figures_beyond_the_end_that_is_given_are_outside() -> None:
    x = np.arange(1.0, 4.0)
    found = counted(x, x, x > 0, of_x=GridSide(name="x", high=0.5), of_y=Y, bins=8)
    assert (found["counted"], found["outside"]) == (0, 3)
    assert found["x"]["low"] < found["x"]["high"]
