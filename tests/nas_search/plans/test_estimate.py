"""What a plan costs, from the sizes of its networks and from what some of them took."""

from __future__ import annotations

import math
import random

import pytest
from planned import a_plan

from nas_search.plans import (
    Cells,
    Selection,
    Timing,
    estimate,
    fit_seconds,
    pilot_positions,
)

NOISE = 0.08
"""Of recorded seconds on machines that have other work: their logarithm's standard deviation."""


@pytest.fixture(scope="module")
def cells() -> Cells:
    """All 15,625 cells of NAS-Bench-201, two budgets."""
    return Cells(Selection(a_plan(space__restrict={}, select={"kind": "all"})))


def took(cells: Cells, position: int, seed: int) -> Timing:
    """Return what an epoch of a network takes: part of it constant, the rest with its size."""
    counts = cells.selection.counts(position)
    assert counts is not None
    noise = random.Random(1_000_003 * seed + position).gauss(0, NOISE)  # noqa: S311 - repeatable numbers
    seconds = (0.15 + 4e-6 * counts.macs + 2e-5 * counts.activations) * math.exp(noise)
    return Timing(counts.macs, counts.activations, seconds, other_seconds=0.3)


def test_exact_seconds_are_found_again(cells: Cells) -> None:
    some = [cells.selection.counts(place) for place in range(0, 15_625, 1_000)]
    timings = [
        Timing(one.macs, one.activations, 0.5 + 3e-6 * one.macs + 1e-5 * one.activations, 0.2)
        for one in some
        if one is not None
    ]
    model = fit_seconds(timings)
    assert model.constant == pytest.approx(0.5, rel=1e-6)
    assert model.per_mac == pytest.approx(3e-6, rel=1e-6)
    assert model.per_activation == pytest.approx(1e-5, rel=1e-6)
    assert model.error < 1e-6
    assert model.other == 0.2


def test_no_term_is_negative_and_few_timings_are_said_to_tell_little() -> None:
    falling = [Timing(float(n), 0.0, 10.0 - n, 0.0) for n in range(1, 6)]
    model = fit_seconds(falling)
    assert min(model.constant, model.per_mac, model.per_activation) >= 0
    assert fit_seconds(falling[:2]).error == 0.5
    for none in ([], [Timing(1.0, 1.0, 0.0)]):
        with pytest.raises(ValueError, match="took some time"):
            fit_seconds(none)


def test_a_pilot_is_within_30_percent_and_2_percent_of_the_cells_within_10(cells: Cells) -> None:
    """Seconds are replayed: those of all cells are known, and few of them are shown."""
    total = 0.0
    for place in range(0, 15_625, 7):
        one = took(cells, place, 0)
        total += sum(epochs * one.epoch_seconds + one.other_seconds for _, epochs in cells.rounds)
    total *= 15_625 / len(range(0, 15_625, 7)) / 3600
    pilot = pilot_positions(cells)
    assert len(pilot) == 8
    sizes = [one.macs for place in pilot if (one := cells.selection.counts(place))]
    assert sizes == sorted(sizes)
    first = estimate(cells, fit_seconds([took(cells, place, 1) for place in pilot]), workers=4)
    assert first.hours == pytest.approx(total, rel=0.3)
    assert first.low < first.hours < first.high  # type: ignore[operator]  # there are hours
    assert first.days == pytest.approx(first.hours / 96)
    seen = random.Random(3).sample(range(15_625), 312)  # noqa: S311 - repeatable
    later = estimate(cells, fit_seconds([took(cells, place, 2) for place in seen]))
    assert later.hours == pytest.approx(total, rel=0.1)
    assert later.days is None


def test_without_timings_sizes_and_disk_are_told(cells: Cells) -> None:
    found = estimate(cells, None)
    assert (found.cells, found.hours, found.timings) == (62_500, None, 0)
    assert found.parameters is not None
    assert found.disk_bytes > 600 * 62_500
