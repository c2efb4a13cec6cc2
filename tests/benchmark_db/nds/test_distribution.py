"""Counts and distributions of design spaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.distribution import _steps
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.distribution import METRICS, distributions, families
from benchmark_db.nds.tables import SPACE_COLUMNS


def means_of(nds: Nds, space: dict[str, Any]) -> list[dict[str, Any]]:
    filters = {name: space[name] for name in SPACE_COLUMNS}
    return nds.computed_stats(filters, reduction="mean", limit=1000).items


def test_every_run_is_counted_in_one_space(nds: Nds) -> None:
    spaces = families(nds)
    contents = nds.provenance.contents
    assert len(spaces) == contents["spaces"]
    assert sum(space["runs"] for space in spaces) == contents["runs"]
    assert sum(space["configurations"] for space in spaces) == contents["configurations"]
    for space in spaces:
        assert space["configurations"] == len(means_of(nds, space))
        assert space["architectures"] <= space["configurations"] <= space["runs"]


@pytest.mark.parametrize("metric", METRICS)
def test_a_distribution_counts_each_configuration_once(nds: Nds, metric: str) -> None:
    for item in distributions(nds, metric, {}, points=1000):
        means = [
            100 - mean[metric.replace("_error", "_acc")] if "_error" in metric else mean[metric]
            for mean in means_of(nds, item)
        ]
        recorded = sorted(mean for mean in means if mean is not None)
        assert item["count"] == len(recorded)
        assert item["not_recorded"] == len(means) - len(recorded)
        assert item["value"] == pytest.approx(sorted(set(recorded)))
        assert item["min"] == pytest.approx(min(recorded, default=None))
        assert item["max"] == pytest.approx(max(recorded, default=None))
        assert item["mean"] == pytest.approx(np.mean(recorded))
        assert item["std"] == pytest.approx(np.std(recorded))
        assert item["fraction"][-1] == 1


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 50))
def test_every_step_lies_on_the_distribution_function(numbers: list[int], points: int) -> None:
    ascending = np.sort(np.array(numbers, dtype=np.float64))
    values, fractions = _steps(ascending, points)
    assert len(values) <= points
    for value, fraction in zip(values, fractions, strict=True):
        assert fraction == np.mean(ascending <= value)
    assert fractions[-1] == 1
    # Between two steps lies no more than one part of all.
    gaps = np.searchsorted(ascending, values, side="left") / len(numbers)
    assert (gaps - np.concatenate([[0.0], fractions[:-1]]) <= 1 / points).all()


def test_filters_say_what_is_counted(nds: Nds) -> None:
    (item,) = distributions(
        nds, "parameters", {"proposer": "resnet", "generator": "random", "max_parameters": 1.0}
    )
    assert item["proposer"] == "resnet"
    assert item["max"] <= 1
    assert distributions(nds, "parameters", {"min_parameters": 10**6}) == []


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"metric": "accuracy"}, "metric"),
        ({"metric": None}, "metric"),
        ({"points": 0}, "points"),
        ({"points": 1001}, "points"),
        ({"points": "10"}, "points"),
        ({"filters": {"model_spec": {}}}, "model_spec"),
        ({"filters": {"dataset": "mnist"}}, "dataset"),
    ],
)
def test_names_what_is_malformed(nds: Nds, question: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidQuestionError) as caught:
        distributions(nds, **{"metric": "best_test_error", "filters": {}, **question})
    assert caught.value.field == field
