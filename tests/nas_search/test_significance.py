from __future__ import annotations

from itertools import product
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import StudyError
from nas_search.study import mann_whitney

samples = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12)


def test_the_figures_of_a_worked_example() -> None:
    """By hand: z is 17 - 10 - 0.5, divided by the root of 5 * 4 * 10 / 12."""
    first, second = [19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]
    found = mann_whitney(first, second)
    assert found.u == 17.0
    assert found.superiority == pytest.approx(17 / 20)
    assert found.p_two_sided == pytest.approx(0.1113, abs=5e-4)
    assert found.p_greater == pytest.approx(0.0556, abs=5e-4)


def test_ties_make_the_deviation_smaller() -> None:
    """Of eight values there are three 1 and three 2."""
    found = mann_whitney([1.0, 2.0, 2.0, 3.0], [1.0, 1.0, 0.0, 2.0])
    assert found.u == 13.0
    ties = (3**3 - 3) + (3**3 - 3)
    deviation = (16 / 12 * (9 - ties / 56)) ** 0.5
    expected = 2 * (1 - NormalDist().cdf(4.5 / deviation))
    assert found.p_two_sided == pytest.approx(expected)


@given(samples, samples)
def test_u_counts_pairs_and_the_other_way_round_is_the_rest(
    first: list[float], second: list[float]
) -> None:
    pairs = [(a > b) + (a == b) / 2 for a, b in product(first, second)]
    one, other = mann_whitney(first, second), mann_whitney(second, first)
    assert one.u == sum(pairs)
    assert one.u + other.u == len(pairs)
    assert one.p_two_sided == pytest.approx(other.p_two_sided)
    assert 0 <= one.p_greater <= 1


def test_samples_that_are_all_equal_tell_nothing() -> None:
    found = mann_whitney([1.0] * 5, [1.0] * 7)
    assert (found.superiority, found.p_greater, found.p_two_sided) == (0.5, 1.0, 1.0)


@pytest.mark.parametrize(("first", "second"), [([], [1.0]), ([1.0], []), ([float("nan")], [1.0])])
def test_what_cannot_be_ranked_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(StudyError):
        mann_whitney(first, second)
