"""One question about many architectures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError
from benchmark_db.nasbench201.architecture import arch_dict, arch_str, operations_at
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.questions import MAX_BATCH, MAX_CURVES

SPELLED = [
    int,
    str,
    lambda index: arch_str(operations_at(index)),
    lambda index: dict(reversed(arch_dict(operations_at(index)).items())),
    lambda index: list(operations_at(index)),
]
members = st.lists(
    st.tuples(st.integers(0, 14), st.sampled_from(range(len(SPELLED)))) | st.just(None), max_size=12
)


@given(batch=members, reduction=st.sampled_from([None, "mean", "min"]))
def test_a_batch_is_aligned_with_single_answers(
    sample: NasBench201, batch: list[tuple[int, int] | None], reduction: str | None
) -> None:
    archs: list[Any] = [
        "nonsense" if member is None else SPELLED[member[1]](member[0]) for member in batch
    ]
    filters = {"num_epochs": 200, "dataset": "cifar100"}
    results = sample.computed_stats_many(archs, filters, reduction=reduction)
    assert len(results) == len(archs)
    for member, result in zip(batch, results, strict=True):
        if member is None:
            assert isinstance(result, InvalidArchitectureError)
        else:
            single = sample.computed_stats({**filters, "arch": member[0]}, reduction=reduction)
            assert result == single.items


def test_curves_of_a_batch_are_those_of_single_answers(sample: NasBench201) -> None:
    results = sample.computed_stats_many([3, 1, 3], {"seed": 777}, include_intermediates=True)
    for index, result in zip([3, 1, 3], results, strict=True):
        single = sample.computed_stats({"arch": index, "seed": 777}, include_intermediates=True)
        assert result == single.items
        assert len(result[0]["intermediates"]) == result[0]["config"]["num_epochs"]


def test_an_architecture_outside_the_archive_gives_an_empty_list(sample: NasBench201) -> None:
    assert sample.computed_stats_many([15_624], {}) == [[]]


def test_a_malformed_member_says_why_and_does_not_fail_the_batch(sample: NasBench201) -> None:
    archs: list[Any] = [-1, 0, None, ["none"], {}, 10**5000, "|a~0|"]
    first, found, *others = sample.computed_stats_many(archs, {})
    assert isinstance(first, InvalidArchitectureError)
    assert "0 to 15624" in first.message
    assert isinstance(found, list)
    assert found
    assert all(isinstance(other, InvalidArchitectureError) for other in others)


def test_an_empty_batch_has_no_results(sample: NasBench201) -> None:
    assert sample.computed_stats_many([], {}) == []


def test_a_filter_by_architecture_narrows_a_batch(sample: NasBench201) -> None:
    one, two = sample.computed_stats_many([1, 2], {"arch": 2, "num_epochs": 12})
    assert one == []
    assert two


def test_ten_thousand_architectures_are_answered(sample: NasBench201) -> None:
    results = sample.computed_stats_many(range(MAX_BATCH), {"seed": 777, "num_epochs": 200})
    assert len(results) == MAX_BATCH
    assert [index for index, result in enumerate(results) if result] == list(range(12))


def test_more_are_refused(sample: NasBench201) -> None:
    with pytest.raises(InvalidQuestionError, match="10001 architectures in one batch") as caught:
        sample.computed_stats_many([0] * (MAX_BATCH + 1), {})
    assert caught.value.field == "archs"


def test_a_malformed_filter_fails_the_batch(sample: NasBench201) -> None:
    with pytest.raises(InvalidQuestionError, match="unknown dataset"):
        sample.computed_stats_many([0], {"dataset": "svhn"})
    with pytest.raises(InvalidQuestionError, match="unknown reduction"):
        sample.computed_stats_many([0], {}, reduction="median")


def test_curves_are_bounded_however_often_an_architecture_is_repeated(sample: NasBench201) -> None:
    per_arch = len(sample.computed_stats({"arch": 0}).items)
    fitting = MAX_CURVES // per_arch
    full = sample.computed_stats_many([0] * fitting, {}, include_intermediates=True)
    assert len(full) == fitting
    with pytest.raises(InvalidQuestionError, match="at most 2000 runs") as caught:
        sample.computed_stats_many([0] * (fitting + 1), {}, include_intermediates=True)
    assert caught.value.field == "archs"


def test_without_curves_repeats_are_answered(sample: NasBench201) -> None:
    results = sample.computed_stats_many([0] * MAX_BATCH, {"num_epochs": 12})
    assert results[0] == results[-1] != []
