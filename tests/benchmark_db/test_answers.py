"""Whole answers: the items and where their numbers come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmark_db.answers import (
    benchmark_answer,
    benchmarks_answer,
    computed_stats_answer,
    intermediate_stats_answer,
    many_computed_stats_answer,
    provenance_mark,
)
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError, UnknownBenchmarkError
from benchmark_db.nasbench201.benchmark import NasBench201


@pytest.fixture
def catalog(sample_database: Path) -> Iterator[Catalog]:
    catalog = Catalog(sample_database.parent)
    yield catalog
    catalog.close()


def answers(benchmark: NasBench201) -> list[dict[str, Any]]:
    return [
        computed_stats_answer(benchmark, {"arch": 0}),
        computed_stats_answer(benchmark, {}, reduction="mean", include_intermediates=True),
        computed_stats_answer(benchmark, {"arch": 15_000}),
        intermediate_stats_answer(benchmark, {"arch": 0}, limit=2),
        many_computed_stats_answer(benchmark, [0, "x"], {}),
        many_computed_stats_answer(benchmark, [], {}),
    ]


def test_every_answer_says_where_its_numbers_come_from(sample: NasBench201) -> None:
    for answer in answers(sample):
        assert answer["provenance"] == provenance_mark(sample)
        assert answer["provenance"] == {
            "benchmark": "nasbench201",
            "source": "NAS-Bench-201-synthetic.pth",
            "synthetic": True,
            "content_digest": sample.provenance.content_digest,
        }


def test_answers_of_real_records_are_not_called_synthetic(real: NasBench201) -> None:
    assert all(answer["provenance"]["synthetic"] is False for answer in answers(real))


def test_every_answer_is_json(sample: NasBench201, catalog: Catalog) -> None:
    for answer in [*answers(sample), benchmarks_answer(catalog)]:
        text = orjson.dumps(answer)
        assert b"NaN" not in text
        assert b"Infinity" not in text


def test_a_page_says_where_the_next_one_starts(sample: NasBench201) -> None:
    first = computed_stats_answer(sample, {"arch": 0}, limit=1)
    second = computed_stats_answer(sample, {"arch": 0}, limit=1, cursor=first["next_cursor"])
    assert first["items"] != second["items"]
    assert computed_stats_answer(sample, {"arch": 0})["next_cursor"] is None


def test_a_malformed_member_of_a_batch_is_an_error_in_its_place(sample: NasBench201) -> None:
    results = many_computed_stats_answer(sample, [0, 99_999, 15_000], {})["results"]
    assert results[0]
    assert results[1] == {
        "error": {
            "title": "Invalid architecture",
            "status": 422,
            "detail": "index 99999 is out of range: the space has indices 0 to 15624",
        }
    }
    assert results[2] == []


def test_an_item_has_the_fields_of_the_contract_in_their_order(sample: NasBench201) -> None:
    # ../shared/specs/api.md, section 1.
    (item, *_) = computed_stats_answer(sample, {"arch": 0}, include_intermediates=True)["items"]
    assert list(item) == ["config", "seed", "num_runs", *sample.stats, "intermediates"]
    assert list(item["config"]) == [
        *("arch", "arch_str", "index", "num_epochs", "dataset", "num_channels", "num_cells")
    ]
    epochs = item["intermediates"]
    assert list(epochs[0]) == ["current_epoch", *sample.curves]
    assert [epoch["current_epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))


def test_curves_in_columns_are_the_curves_in_epochs(sample: NasBench201) -> None:
    rows = computed_stats_answer(sample, {"arch": 1}, include_intermediates=True)["items"]
    columns = intermediate_stats_answer(sample, {"arch": 1})["items"]
    for row, column in zip(rows, columns, strict=True):
        for name in ("current_epoch", *sample.curves):
            assert column[name] == [epoch[name] for epoch in row["intermediates"]]
        assert column["config"] == row["config"]
        assert column["seed"] == row["seed"]


def test_the_last_epoch_of_a_curve_is_the_computed_statistic(sample: NasBench201) -> None:
    for item in computed_stats_answer(sample, {}, include_intermediates=True, limit=200)["items"]:
        for name in sample.curves:
            last = item["intermediates"][-1][name]
            assert last == (None if item[name] is None else pytest.approx(item[name], rel=1e-6))


def test_reduced_curves_are_the_mean_of_the_runs(sample: NasBench201) -> None:
    filters = {"arch": 1, "num_epochs": 200, "dataset": "cifar10"}
    (mean,) = intermediate_stats_answer(sample, filters, reduction="mean")["items"]
    runs = intermediate_stats_answer(sample, filters)["items"]
    assert mean["num_runs"] == len(runs)
    for name in ("train_acc", "test_loss"):
        expected = [
            sum(values) / len(runs) for values in zip(*(r[name] for r in runs), strict=True)
        ]
        assert mean[name] == pytest.approx(expected, rel=1e-9)
    assert mean["valid_acc"] == [None] * 200


def test_a_malformed_question_is_an_error(sample: NasBench201) -> None:
    with pytest.raises(InvalidQuestionError):
        computed_stats_answer(sample, {"arch": 0}, reduction="sum")


def test_a_benchmark_is_described_with_its_provenance(catalog: Catalog) -> None:
    answer = benchmark_answer(catalog, "nasbench201")
    assert answer["name"] == "nasbench201"
    assert answer["budgets"] == (12, 200)
    assert answer["datasets"] == ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")
    assert answer["provenance"]["contents"]["architectures"] == 12
    assert any("valid_acc" in note and "null" in note for note in answer["notes"])
    assert any("derived" in note for note in answer["notes"])
    assert answer in benchmarks_answer(catalog)["items"]


def test_a_benchmark_that_is_not_installed_is_not_described(tmp_path: Path) -> None:
    with pytest.raises(UnknownBenchmarkError):
        benchmark_answer(Catalog(tmp_path), "nasbench201")
    assert benchmarks_answer(Catalog(tmp_path)) == {"items": []}
