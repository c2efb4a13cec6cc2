"""Two spellings of a specification are one network; two networks are never one."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError
from benchmark_db.nds.specification import (
    cell_spec,
    expanded_cell,
    parse_architecture,
    spec_key,
    spec_reader,
)

SCALARS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.booleans()
)
SPECS = st.dictionaries(st.text(max_size=5), SCALARS | st.lists(SCALARS, max_size=4), max_size=5)
OPERATIONS = st.sampled_from(["skip_connect", "sep_conv_3x3"])


@st.composite
def genotypes(draw: st.DrawFn) -> dict[str, Any]:
    genotype: dict[str, Any] = {}
    for cell in ("normal", "reduce"):
        nodes = draw(st.integers(1, 5))
        genotype[cell] = [
            [draw(OPERATIONS), draw(st.integers(0, rank // 2 + 1))] for rank in range(2 * nodes)
        ]
        genotype[f"{cell}_concat"] = list(range(2, nodes + 2))
    return genotype


def canonical(spec: dict[str, Any]) -> Any:
    """Return what two specifications have in common if and only if they are the same."""

    def plain(value: Any) -> Any:
        if isinstance(value, bool | str):
            return (type(value).__name__, value)
        return ("number", value)

    return frozenset(
        (name, tuple(map(plain, value)) if isinstance(value, list) else plain(value))
        for name, value in spec.items()
        if value != []
    )


@given(SPECS, st.randoms(use_true_random=False))
def test_neither_order_nor_json_nor_empty_lists_make_a_difference(
    spec: dict[str, Any], rng: random.Random
) -> None:
    members = [*spec.items(), ("nothing", [])]
    rng.shuffle(members)
    key = spec_key("model_spec", spec)
    assert spec_key("model_spec", dict(members)) == key
    assert spec_key("model_spec", json.dumps(dict(members))) == key


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_are_the_same_with_a_point(number: int) -> None:
    assert spec_key("s", {"a": number, "b": [number]}) == spec_key(
        "s", {"a": float(number), "b": [float(number)]}
    )


@given(SPECS, SPECS)
def test_different_specifications_have_different_keys(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    same = canonical(one) == canonical(two)
    assert (spec_key("s", one) == spec_key("s", two)) == same


def test_true_is_not_one() -> None:
    assert spec_key("s", {"aux": True}) != spec_key("s", {"aux": 1})


def test_an_empty_specification_has_no_key() -> None:
    assert spec_key("s", {}) is None
    assert spec_key("s", {"ds": []}) is None
    assert spec_reader("s")("{}") == b""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        (3, "is not an object"),
        ({"a": {"b": 1}}, "is not a number or text"),
        ({"a": [[1]]}, "is a list in a list"),
        ({"a": float("nan")}, "is not a number"),
        ({"a": float("inf")}, "is not a number"),
        ({"a": 2**63}, "is not a number"),
        ({1: 2}, "has no JSON form"),
        ({"a": "\ud800"}, "has no JSON form"),
        ('{"a": NaN}', "is not JSON"),
        ("[" * 2000, "is not JSON"),
    ],
)
def test_says_what_is_wrong_with_a_specification(spec: Any, message: str) -> None:
    with pytest.raises(InvalidQuestionError, match=message) as caught:
        spec_key("cell_spec", spec)
    assert caught.value.field == "cell_spec"


@given(genotypes())
def test_a_cell_names_every_operation_and_input(genotype: dict[str, Any]) -> None:
    spec = cell_spec(genotype)
    for cell in ("normal", "reduce"):
        for rank, (operation, source) in enumerate(genotype[cell]):
            node, side = rank // 2, "xy"[rank % 2]
            assert spec.pop(f"{cell}_{node}_op_{side}") == operation
            assert spec.pop(f"{cell}_{node}_input_{side}") == source
        assert spec.pop(f"{cell}_concat") == genotype[f"{cell}_concat"]
    assert spec == {}
    assert expanded_cell(json.dumps(genotype)) == cell_spec(genotype)
    assert expanded_cell(None) == {}


@given(SPECS, SPECS)
def test_an_architecture_is_both_specifications(
    model: dict[str, Any], cell: dict[str, Any]
) -> None:
    arch = {"model_spec": model, "cell_spec": cell}
    assert parse_architecture(arch) == parse_architecture(json.dumps(arch))
    same = canonical(model) == canonical(cell)
    flipped = {"model_spec": cell, "cell_spec": model}
    assert (parse_architecture(arch) == parse_architecture(flipped)) == same


def test_a_network_without_cells_needs_no_cell_specification() -> None:
    assert parse_architecture({"model_spec": {"ds": [1]}}) == parse_architecture(
        {"model_spec": {"ds": [1]}, "cell_spec": {}}
    )


@pytest.mark.parametrize(
    "arch",
    [None, 3, "text", [], {}, {"cell_spec": {}}, {"model_spec": 3}, {"model_spec": {}, "x": 1}],
)
def test_anything_else_is_no_architecture(arch: Any) -> None:
    with pytest.raises(InvalidArchitectureError):
        parse_architecture(arch)
