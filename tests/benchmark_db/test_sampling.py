"""Samples: uniform, without repeats, and the same for ever."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.sampling import sample_numbers


@given(st.data(), st.integers(1, 500), st.integers(0, 2**63 - 1))
def test_a_sample_has_no_repeats_and_starts_with_the_shorter_one(
    data: st.DataObject, population: int, seed: int
) -> None:
    count = data.draw(st.integers(0, population))
    drawn = sample_numbers(population, count, seed)
    assert len(set(drawn)) == count
    assert all(0 <= number < population for number in drawn)
    assert sample_numbers(population, count // 2, seed) == drawn[: count // 2]


def test_the_whole_population_is_a_permutation() -> None:
    assert sorted(sample_numbers(1000, 1000, 7)) == list(range(1000))


@pytest.mark.parametrize(
    ("population", "seed", "drawn"),
    [
        # What the definition in the module gave when it was written: it must never give another.
        (15_625, 0, [7590, 4459, 10101, 12529, 5725]),
        (423_624, 0, [81086, 286074, 386241, 315898, 74070]),
        (5, 1, [0, 1, 4, 3, 2]),
    ],
)
def test_samples_never_change(population: int, seed: int, drawn: list[int]) -> None:
    assert sample_numbers(population, 5, seed) == drawn


def test_every_number_is_drawn_about_as_often_as_any_other() -> None:
    counts = Counter(sample_numbers(10, 1, seed)[0] for seed in range(20_000))
    # Of 20,000 draws among 10, 2,000 each with a standard deviation of 42.
    assert all(abs(counts[number] - 2000) < 5 * 42 for number in range(10))


def test_another_seed_gives_another_sample() -> None:
    assert len({tuple(sample_numbers(1000, 5, seed)) for seed in range(100)}) == 100
