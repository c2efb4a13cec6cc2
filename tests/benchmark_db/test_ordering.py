"""What answers can be sorted by."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.run_source import Order, sorted_by


def test_a_leading_minus_means_the_largest_first() -> None:
    assert sorted_by("a", ("a", "b"), ("key",)) == Order(("a", "key"), descending=False)
    assert sorted_by("-b", ("a", "b"), ("key",)) == Order(("b", "key"), descending=True)


@pytest.mark.parametrize("sort", ["c", "--a", "", "-", None, 3, "a "])
def test_names_the_fields_to_who_asks_for_another(sort: Any) -> None:
    with pytest.raises(InvalidQuestionError, match="known are a, b") as caught:
        sorted_by(sort, ("a", "b"), ("key",))
    assert caught.value.field == "sort"


def test_a_benchmark_without_such_fields_says_so(sample: NasBench201) -> None:
    with pytest.raises(InvalidQuestionError, match="has one order"):
        sample.computed_stats({}, sort="test_acc")
