"""Pages: every page size walks the whole answer, once, in one order."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.questions import MAX_LIMIT

STATS = NasBench201.stats
FILTERS: list[dict[str, Any]] = [{}, {"arch": 5}, {"dataset": "cifar10", "num_epochs": 200}]


def walk(benchmark: NasBench201, filters: dict[str, Any], **options: Any) -> Iterator[Any]:
    cursor = None
    while True:
        page = benchmark.computed_stats(filters, cursor=cursor, **options)
        assert len(page.items) <= options["limit"]
        yield from page.items
        if page.next_cursor is None:
            return
        assert len(page.items) == options["limit"]
        cursor = page.next_cursor


def place(item: dict[str, Any]) -> tuple[Any, ...]:
    config = item["config"]
    datasets = NasBench201.spec.datasets
    rank = datasets.index(config["dataset"])
    return config["index"], config["num_epochs"], rank, item["seed"] or 0


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("reduction", [None, "mean", "max"])
def test_every_page_size_walks_the_whole_answer_once(
    sample: NasBench201, filters: dict[str, Any], reduction: str | None
) -> None:
    whole = sample.computed_stats(filters, reduction=reduction, limit=MAX_LIMIT)
    assert whole.next_cursor is None
    size = len(whole.items)
    for limit in {1, 2, 3, 7, size // 2 or 1, size - 1, size, size + 1}:
        walked = list(walk(sample, filters, reduction=reduction, limit=limit))
        assert walked == whole.items


def test_items_come_in_the_order_of_their_keys(sample: NasBench201) -> None:
    places = [place(item) for item in walk(sample, {}, limit=11)]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_a_reduced_answer_has_every_configuration_once(sample: NasBench201) -> None:
    runs = list(walk(sample, {}, limit=1000))
    reduced = list(walk(sample, {}, reduction="mean", limit=5))
    counts: dict[str, int] = {}
    for run in runs:
        key = json.dumps(run["config"])
        counts[key] = counts.get(key, 0) + 1
    assert {json.dumps(item["config"]): item["num_runs"] for item in reduced} == counts
    assert all(item["seed"] is None for item in reduced)


def test_a_page_that_ends_inside_a_configuration_reduces_all_its_runs(sample: NasBench201) -> None:
    one = next(walk(sample, {"arch": 0}, reduction="mean", limit=1))
    runs = [run for run in walk(sample, {"arch": 0}, limit=1) if run["config"] == one["config"]]
    assert one["num_runs"] == len(runs)
    for name in STATS:
        values = [run[name] for run in runs]
        if None not in values:
            assert one[name] == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_the_same_question_always_gives_the_same_answer(sample: NasBench201) -> None:
    first, second = (sample.computed_stats({"arch": 3}, limit=5) for _ in range(2))
    assert orjson.dumps(first.items) == orjson.dumps(second.items)
    assert first.next_cursor == second.next_cursor


def test_a_cursor_serves_either_shape_of_the_same_question(sample: NasBench201) -> None:
    cursor = sample.computed_stats({"arch": 3}, limit=5).next_cursor
    plain = sample.computed_stats({"arch": 3}, limit=3, cursor=cursor)
    curves = sample.computed_stats({"arch": 3}, limit=3, cursor=cursor, include_intermediates=True)
    columns = sample.intermediate_stats({"arch": 3}, limit=3, cursor=cursor)
    for page in (curves, columns):
        assert [place(item) for item in page.items] == [place(item) for item in plain.items]


def test_a_cursor_does_not_depend_on_how_the_question_is_spelled(sample: NasBench201) -> None:
    cursor = sample.computed_stats({"arch": 3, "dataset": "cifar100"}, limit=1).next_cursor
    page = sample.computed_stats({"dataset": "CIFAR100", "arch": "3"}, limit=1, cursor=cursor)
    assert len(page.items) == 1


@pytest.mark.parametrize(
    ("filters", "options"),
    [
        ({"arch": 4}, {}),
        ({}, {}),
        ({"arch": 3, "dataset": "cifar10"}, {}),
        ({"arch": 3, "seed": 777}, {}),
        ({"arch": 3}, {"reduction": "mean"}),
    ],
)
def test_a_cursor_of_another_question_is_refused(
    sample: NasBench201, filters: dict[str, Any], options: dict[str, Any]
) -> None:
    cursor = sample.computed_stats({"arch": 3}, limit=1).next_cursor
    with pytest.raises(InvalidQuestionError, match="belongs to another question") as caught:
        sample.computed_stats(filters, cursor=cursor, **options)
    assert caught.value.field == "cursor"


def test_a_cursor_of_one_reduction_does_not_serve_another(sample: NasBench201) -> None:
    cursor = sample.computed_stats({}, reduction="mean", limit=1).next_cursor
    with pytest.raises(InvalidQuestionError, match="belongs to another question"):
        sample.computed_stats({}, reduction="max", cursor=cursor)


@pytest.mark.parametrize(
    "cursor",
    ["", " ", "null", "garbage", "W10", "e30", "é", "\ud800", "=" * 9, "A" * 100_000, 5, b"W10"],
)
def test_garbage_is_no_cursor(sample: NasBench201, cursor: Any) -> None:
    with pytest.raises(InvalidQuestionError) as caught:
        sample.computed_stats({}, cursor=cursor)
    assert caught.value.field == "cursor"
    assert len(caught.value.message) < 200


def _question(sample: NasBench201) -> list[str]:
    cursor = sample.computed_stats({}, limit=1).next_cursor
    assert cursor is not None
    return list(orjson.loads(base64.urlsafe_b64decode(cursor + "=="))[:2])


def _forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "value", [None, True, 1.5, [], {}, {"a": [1]}, 2**63, 2**64 - 1, -(2**63) - 1, 1e300]
)
def test_a_forged_position_is_no_cursor(sample: NasBench201, value: Any) -> None:
    forged = _forged(*_question(sample), 1, 12, 0, value)
    with pytest.raises(InvalidQuestionError, match="is not a cursor"):
        sample.computed_stats({}, cursor=forged)


json_parts = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(parts=st.lists(json_parts, max_size=6), honest=st.booleans())
def test_any_json_in_a_cursor_is_a_page_or_refused(
    sample: NasBench201, parts: list[Any], *, honest: bool
) -> None:
    start = _question(sample) if honest else []
    with suppress(InvalidQuestionError):
        sample.computed_stats({}, cursor=_forged(*start, *parts), limit=1)


@pytest.mark.parametrize(
    "limit",
    [
        *(0, -1, 1001, 2**64, True, False, None, 1.0, "10", [1], float("nan")),
        pytest.param(10**5000, id="5000 digits"),
    ],
)
def test_an_absurd_limit_is_refused(sample: NasBench201, limit: Any) -> None:
    for ask in (sample.computed_stats, sample.intermediate_stats):
        with pytest.raises(InvalidQuestionError, match="is not in 1 to 1000") as caught:
            ask({}, limit=limit)
        assert caught.value.field == "limit"


def test_an_answer_without_items_has_no_next_page(sample: NasBench201) -> None:
    page = sample.computed_stats({"arch": 15_624})
    assert page.items == []
    assert page.next_cursor is None
