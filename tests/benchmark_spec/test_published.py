"""The descriptions of the published benchmarks say what their tables and typed models say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from bench_client.models.benchmarks import FieldDescription, fields_of
from bench_client.models.described import TableModels
from bench_client.written import written
from benchmark_db.registry import BENCHMARKS, INSTALLABLE
from benchmark_spec import BenchmarkSpec, Like
from benchmark_spec.published import PUBLISHED

BY_NAME = pytest.mark.parametrize("spec", PUBLISHED.values(), ids=PUBLISHED)


def models_by_hand(name: str) -> TableModels:
    by_hand = written(name)
    assert by_hand is not None
    return by_hand.models


def said(name: str, kind: str) -> list[FieldDescription]:
    return [field for field in fields_of(PUBLISHED[name]) if field.kind == kind]


def examples(model: type[BaseModel], name: str) -> Any:
    found = model.model_fields[name].examples
    return None if found is None else found[0]


def test_every_benchmark_is_described() -> None:
    assert set(PUBLISHED) == set(INSTALLABLE)
    for name, spec in PUBLISHED.items():
        assert models_by_hand(name).spec is spec
        assert (models_by_hand(name).curves is None) == (not spec.curves)


@BY_NAME
def test_statistics_are_those_of_the_model(spec: BenchmarkSpec) -> None:
    beside = {"num_runs", "size_source", *([spec.label.name] if spec.label else [])}
    described = [
        (field.name, field.unit, field.description, field.derived)
        for field in said(spec.name, "computed")
        if field.name not in beside
    ]
    assert described == [(s.name, s.unit, s.description, s.derived) for s in spec.stats]
    model = models_by_hand(spec.name).stats
    assert [examples(model, s.name) for s in spec.stats] == [s.example for s in spec.stats]


@BY_NAME
def test_the_label_is_that_of_the_model(spec: BenchmarkSpec) -> None:
    if spec.label is None:
        assert not {"seed", "repeat", "num_runs"} & set(
            models_by_hand(spec.name).stats.model_fields
        )
        return
    (field,) = (f for f in said(spec.name, "computed") if f.name == spec.label.name)
    assert field.description == spec.label.description


@BY_NAME
def test_curves_are_those_of_the_model(spec: BenchmarkSpec) -> None:
    described = [
        (field.name, field.unit, field.description)
        for field in said(spec.name, "intermediate")
        if field.name != "current_epoch"
    ]
    assert described == [(c.name, c.unit, c.description) for c in spec.curves]


@BY_NAME
def test_configurations_are_those_of_the_model(spec: BenchmarkSpec) -> None:
    space = PUBLISHED["nasbench201"].space if isinstance(spec.space, Like) else spec.space
    names: Any = space.fields  # type: ignore[union-attr]  # all of them are coded
    axes = [axis for axis in spec.axes if not axis.implied]
    described = {field.name: field for field in said(spec.name, "config")}
    assert {f.name: f.description for f in described.values()} == {
        part.name: part.description for part in (*names, *axes, *spec.described_by)
    }
    assert {name: described[name].unit for name in described} == {
        part.name: getattr(part, "unit", None) for part in (*names, *axes, *spec.described_by)
    }
    model = models_by_hand(spec.name).config
    for name in names:
        assert examples(model, name.name) == name.example


@pytest.mark.parametrize("name", BENCHMARKS)
def test_tables_have_the_columns_that_are_described(name: str) -> None:
    spec, table = PUBLISHED[name], BENCHMARKS[name]
    columns = {*table.source.table._meta.fields, *table.source.columns}  # type: ignore[attr-defined]
    assert {*spec.stat_names, *(column.name for column in spec.described_by)} <= columns
    assert spec.label is not None
    assert spec.label.name in columns
    assert (table.stats, table.curves) == (spec.stat_names, spec.curve_names)


@BY_NAME
def test_a_description_survives_its_text(spec: BenchmarkSpec) -> None:
    again = BenchmarkSpec.of_text(spec.text)
    assert again == spec
    assert again.digest == spec.digest
