from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import bench_client.models
from bench_client.models import (
    BatchAnswer,
    BatchError,
    Nb201Config,
    Nb201Curves,
    Nb201Epoch,
    Nb201Stats,
    Page,
    fields_of,
)
from benchmark_db import answers
from benchmark_db.catalog import Catalog
from benchmark_db.nasbench201.benchmark import CURVES, STATS
from benchmark_spec.published import PUBLISHED

MODELS = [
    model
    for model in vars(bench_client.models).values()
    if isinstance(model, type) and issubclass(model, BaseModel)
]


@pytest.fixture(scope="module")
def answer(databases: Path) -> dict[str, Any]:
    catalog = Catalog(databases)
    filters = {"arch": 0, "num_epochs": 200}
    found = answers.computed_stats_answer(
        catalog["nasbench201"], filters, include_intermediates=True
    )
    catalog.close()
    return found


def test_items_are_exactly_what_the_database_answers(answer: dict[str, Any]) -> None:
    page = Page[Nb201Stats].model_validate(answer)
    # What is left out for a single run has its default.
    assert page.model_dump(exclude_unset=True) == answer
    assert [list(item.model_dump(exclude_unset=True)) for item in page.items] == [
        list(item) for item in answer["items"]
    ]
    assert Page[Nb201Stats].model_validate_json(json.dumps(answer)) == page


def test_the_models_have_the_columns_of_the_database_in_order() -> None:
    stats = list(Nb201Stats.model_fields)
    assert stats == ["config", "seed", "num_runs", *STATS, "size_source", "intermediates"]
    assert list(Nb201Epoch.model_fields) == ["current_epoch", *CURVES]
    assert list(Nb201Curves.model_fields) == [*stats[:3], "current_epoch", *CURVES]


def test_changing_an_answer_does_not_change_the_next(databases: Path) -> None:
    with bench_client.BenchClient.local(databases) as bench:
        (first, *_) = bench.query_nb201(0)
        first.config.arch["0_1"] = "changed"
        (again, *_) = bench.query_nb201(0)
        assert again.config.arch["0_1"] == "avg_pool_3x3"


def test_items_are_frozen(answer: dict[str, Any]) -> None:
    page = Page[Nb201Stats].model_validate(answer)
    with pytest.raises(ValidationError, match="frozen"):
        page.items[0].test_acc = 100.0  # type: ignore[misc]


def test_fields_of_a_newer_server_are_ignored(answer: dict[str, Any]) -> None:
    newer = {**answer, "new": 1, "items": [{**answer["items"][0], "new": [2]}]}
    assert Page[Nb201Stats].model_validate_json(json.dumps(newer)).items[0].seed == 777


def test_a_batch_holds_results_and_errors_side_by_side(answer: dict[str, Any]) -> None:
    entry = {"error": {"title": "Invalid architecture", "status": 422, "detail": "no"}}
    batch = BatchAnswer[Nb201Stats].model_validate(
        {"results": [answer["items"], [], entry], "provenance": answer["provenance"]}
    )
    good, empty, bad = batch.results
    assert isinstance(good, list)
    assert isinstance(good[0], Nb201Stats)
    assert empty == []
    assert isinstance(bad, BatchError)
    assert (bad.error.status, bad.error.detail) == (422, "no")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_described_in_the_json_schema(model: type[BaseModel]) -> None:
    fields = {**model.model_fields}
    assert [name for name, field in fields.items() if not field.description] == []


def test_units_are_in_the_json_schema_and_in_the_description() -> None:
    schema = Nb201Stats.model_json_schema()["properties"]
    units = {"percent": "in percent", "seconds": "in seconds", "millions": "in millions"}
    for name, field in schema.items():
        if field.get("unit") in units:
            assert units[field["unit"]] in field["description"], name
    assert schema["training_time"]["derived"] is True
    assert "derived" in schema["training_time"]["description"]
    assert "null for cifar10" in schema["valid_acc"]["description"]


def test_the_fields_of_a_benchmark_are_those_of_its_models() -> None:
    fields = fields_of(PUBLISHED["nasbench201"])
    names = {
        kind: [field.name for field in fields if field.kind == kind]
        for kind in ("config", "computed", "intermediate")
    }
    assert names == {
        "config": list(Nb201Config.model_fields),
        "computed": ["seed", "num_runs", *STATS, "size_source"],
        "intermediate": ["current_epoch", *CURVES],
    }
    assert [field.name for field in fields if field.derived] == ["training_time"]
    units = {field.name: field.unit for field in fields if field.kind == "computed"}
    assert {units[name] for name in STATS[:4]} == {"percent"}
    assert {units[name] for name in STATS[4:8]} == {"cross-entropy"}
    assert {units[name] for name in STATS[8:10]} == {"millions"}
    assert {units[name] for name in STATS[10:]} == {"seconds"}
    assert units["seed"] is None
