"""A description is checked when it is made, and is the same after a journey through JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from benchmark_spec import (
    Axis,
    BenchmarkSpec,
    Column,
    Curve,
    Equal,
    Label,
    Like,
    Listed,
    Product,
    SpecError,
    Stat,
)

ACC = Stat(name="test_acc", unit="percent", better="larger", description="Accuracy, in percent.")
SPACE = Product(length=3, choices=("a", "b"), equal=Equal(within=((0, 1),), drop="a"))
SPEC = BenchmarkSpec(
    name="my-table",
    title="My table",
    citation="Me 2026",
    licence="MIT",
    space=SPACE,
    axes=(
        Axis(name="dataset", values=("one", "two"), description="Data.", same_as={"ein": "one"}),
        Axis(name="num_epochs", values=(12, 200), description="Budget.", unit="epochs"),
    ),
    label=Label(name="seed", description="Seed."),
    stats=(ACC, replace(ACC, name="loss", unit="cross-entropy", better="smaller")),
    curves=(Curve(name="test_acc", unit="percent", description="Course.", of="test_acc"),),
    described_by=(Column(name="base_lr", kind="number", description="Rate."),),
    notes=("A note.",),
    not_answered={"rank": "because"},
)


@pytest.mark.parametrize("space", [SPACE, Listed(example="x"), Like(benchmark="nasbench201")])
def test_json_gives_the_description_back(space: Any) -> None:
    spec = replace(SPEC, space=space)
    read = BenchmarkSpec.of_text(json.dumps(spec.json()))
    assert read == spec
    assert read.digest == spec.digest


def test_what_a_reader_sees_is_in_the_digest() -> None:
    turned = replace(SPEC, stats=(replace(ACC, better="smaller"), *SPEC.stats[1:]))
    reordered = replace(SPEC, axes=SPEC.axes[::-1])
    assert len({SPEC.digest, turned.digest, reordered.digest}) == 3


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "My_Table"}, "lower-case letters"),
        ({"name": "jobs"}, "reserved"),
        ({"stats": ()}, "statistics"),
        ({"stats": (ACC, ACC)}, "two fields"),
        ({"label": Label(name="test_acc", description="x")}, "two fields"),
        ({"stats": (replace(ACC, name="config"),)}, "reserved"),
        ({"stats": (replace(ACC, name="model_size"),)}, "reserved"),
        ({"stats": (replace(ACC, name="class"),)}, "reserved"),
        ({"stats": (replace(ACC, name="__proto__"),)}, "not a field name"),
        ({"stats": (replace(ACC, name="acc); DROP TABLE run"),)}, "not a field name"),
        ({"axes": (Axis(name="min_x", values=(1,), description="x"),)}, "reserved"),
        ({"axes": (Axis(name="num_epochs", values=("x",), description="x"),)}, "whole numbers"),
        ({"axes": (SPEC.axes[0],) * 21}, "at most 20"),
        ({"title": " "}, "empty"),
        ({"title": "a\x1b[31m"}, "printable"),
        ({"curves": (replace(SPEC.curves[0], of="other"),)}, "not a statistic"),
        ({"stats": (replace(ACC, unit_by={"dataset": {"three": "ssim"}}),)}, "unknown"),
    ],
)
def test_a_contradiction_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        replace(SPEC, **changed)


@pytest.mark.parametrize(
    "values", [(), ("a", 1), ("a", "A"), ("Big",), (-1,), ("x" * 61,), (True, False, 2)]
)
def test_values_of_an_axis_are_told_apart(values: Any) -> None:
    with pytest.raises(SpecError):
        Axis(name="dataset", values=values, description="x")


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(SpecError, match="known are percent"):
        replace(ACC, unit="parsec")


@pytest.mark.parametrize(
    "place", ["name", "stats", "stats.0.better", "axes.0.values", "space.kind", "space.length"]
)
@pytest.mark.parametrize("value", [None, 7.5, {"a": 1}, [], "X", float("nan")])
def test_a_file_that_lies_about_its_description_is_refused(place: str, value: Any) -> None:
    lie = SPEC.json()
    *way, last = place.split(".")
    inner: Any = lie
    for step in way:
        inner = inner[int(step) if step.isdecimal() else step]
    inner[last] = value
    with pytest.raises(SpecError):
        BenchmarkSpec.of_json(lie)


@pytest.mark.parametrize("value", ["1", True, float("inf"), -(10**400)])
def test_what_is_no_float_is_refused_where_one_is_needed(value: Any) -> None:
    lie = SPEC.json()
    lie["stats"][0]["example"] = value
    with pytest.raises(SpecError, match="example"):
        BenchmarkSpec.of_json(lie)


def test_an_unknown_member_is_refused() -> None:
    with pytest.raises(SpecError, match="unknown keys"):
        BenchmarkSpec.of_json({**SPEC.json(), "query": "SELECT 1"})


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", "1" * 5_000, '"' + "x" * 2**20 + '"'])
def test_a_text_that_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        BenchmarkSpec.of_text(text)
