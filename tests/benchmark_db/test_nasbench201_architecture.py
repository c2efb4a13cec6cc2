"""Every spelling of every NAS-Bench-201 architecture, and what is none."""

from __future__ import annotations

import bz2
import csv
import json
import pickle
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench201.architecture import (
    EDGES,
    NUM_ARCHITECTURES,
    OPERATIONS,
    arch_dict,
    arch_str,
    isomorphism_classes,
    operations_at,
    parse,
    published_order,
    unique_str,
)
from benchmark_db.nasbench201.benchmark import describe_architecture

INSTALLABLE = {  # ../shared/data/nasbench201/accuracies.csv
    0: (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
        "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    ),
    1: (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+"
        "|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    ),
    11: ("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"),
    15624: ("|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|"),
}
indices = st.integers(0, NUM_ARCHITECTURES - 1)


@pytest.mark.parametrize(("index", "string"), INSTALLABLE.items())
def test_golden_indices_have_their_published_strings(index: int, string: str) -> None:
    assert arch_str(operations_at(index)) == string
    assert parse(string) == index


def test_the_order_is_that_of_the_real_archive(real_folder: Path) -> None:
    meta = pickle.loads(bz2.decompress((real_folder / "meta.pickle.pbz2").read_bytes()))
    assert [arch_str(operations) for operations in published_order()] == meta["meta_archs"]


def test_the_order_is_that_of_the_published_accuracies(shared: Path) -> None:
    with (shared / "data/nasbench201/accuracies.csv").open() as file:
        rows = [(int(row["index"]), row["arch"]) for row in csv.DictReader(file)]
    assert rows == [(i, arch_str(operations)) for i, operations in enumerate(published_order())]


def test_all_architectures_are_different() -> None:
    assert len(set(published_order())) == NUM_ARCHITECTURES == 15_625


def test_every_architecture_round_trips_through_its_string() -> None:
    assert [parse(arch_str(o)) for o in published_order()] == list(range(NUM_ARCHITECTURES))


def test_every_architecture_round_trips_through_its_short_string() -> None:
    strings = (arch_str(operations).replace("nor_", "") for operations in published_order())
    assert [parse(string) for string in strings] == list(range(NUM_ARCHITECTURES))


def test_every_architecture_round_trips_through_its_dict_in_any_key_order() -> None:
    rng = Random(201)  # noqa: S311 - repeatable, not secret
    for index, operations in enumerate(published_order()):
        edges = list(arch_dict(operations).items())
        rng.shuffle(edges)
        assert parse(dict(edges)) == index


def test_every_architecture_round_trips_through_its_list() -> None:
    for index, operations in enumerate(published_order()):
        assert parse(operations) == parse(list(arch_dict(operations).values())) == index


def test_every_architecture_round_trips_through_its_index() -> None:
    for index in range(NUM_ARCHITECTURES):
        assert parse(index) == parse(str(index)) == index


@given(index=indices, data=st.data())
def test_every_json_text_of_an_architecture_is_read(index: int, data: st.DataObject) -> None:
    edges = list(arch_dict(operations_at(index)).items())
    shuffled = dict(data.draw(st.permutations(edges)))
    indent = data.draw(st.sampled_from([None, 0, 2, 8]))
    names = data.draw(st.sampled_from([list(shuffled), list(EDGES)]))
    text = json.dumps({name: shuffled[name] for name in names}, indent=indent)
    assert parse(text) == parse(f" {text}\n") == index
    assert parse(json.dumps([shuffled[edge] for edge in EDGES], indent=indent)) == index


@given(index=indices, short=st.lists(st.booleans(), min_size=6, max_size=6))
def test_long_and_short_names_may_be_mixed(index: int, short: list[bool]) -> None:
    operations = operations_at(index)
    names = [
        name.removeprefix("nor_") if brief else name
        for name, brief in zip(operations, short, strict=True)
    ]
    assert parse(names) == parse(dict(zip(EDGES, names, strict=True))) == index
    assert parse("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*names)) == index


def test_the_dict_form_uses_the_short_names() -> None:
    assert arch_dict(operations_at(0)) == {
        "0_1": "avg_pool_3x3",
        "0_2": "conv_1x1",
        "1_2": "skip_connect",
        "0_3": "conv_1x1",
        "1_3": "skip_connect",
        "2_3": "skip_connect",
    }


def _key(operations: tuple[str, ...], *, keep_nothing: bool) -> str:
    """Work out a class's key as ../shared/specs/raw-formats.md, section 2, puts it."""
    nodes = {0: "0"}
    for target in (1, 2, 3):
        parts = []
        for source in range(target):
            operation = operations[EDGES.index(f"{source}_{target}")]
            if operation == "none" or nodes[source] == "#":
                parts.append("#")
            elif operation == "skip_connect":
                parts.append(nodes[source])
            else:
                parts.append(f"({nodes[source]})@{operation}")
        kept = [part for part in sorted(parts) if keep_nothing or part != "#"]
        nodes[target] = "+".join(kept) or "#"
    return nodes[3]


def test_there_are_6466_isomorphism_classes() -> None:
    assert len({unique_str(operations) for operations in published_order()}) == 6466
    assert len(set(isomorphism_classes())) == 6466


def test_the_keys_are_those_of_the_published_rules() -> None:
    order = published_order()
    assert [unique_str(o) for o in order] == [_key(o, keep_nothing=True) for o in order]


def test_dropping_edges_that_carry_nothing_would_give_the_wrong_count() -> None:
    assert len({_key(o, keep_nothing=False) for o in published_order()}) == 5390


def test_golden_keys() -> None:
    pool, conv = "(0)@avg_pool_3x3", "(0)@nor_conv_1x1"
    assert unique_str(operations_at(0)) == f"{pool}+{pool}+{conv}+{conv}"
    assert unique_str(("none",) * 6) == "#+#+#"
    assert unique_str(("skip_connect",) * 6) == "0+0+0+0"


def test_each_class_is_named_by_its_smallest_member() -> None:
    keys = [unique_str(operations) for operations in published_order()]
    assert [keys.index(keys[index]) for index in range(500)] == list(isomorphism_classes()[:500])


def test_an_architecture_is_described_with_all_its_equals() -> None:
    keys = [unique_str(operations) for operations in published_order()]
    common, count = Counter(keys).most_common(1)[0]
    described = describe_architecture(keys.index(common))
    assert described["unique_str"] == common
    assert len(described["isomorphic_indices"]) == count
    assert {keys[index] for index in described["isomorphic_indices"]} == {common}


@given(index=indices)
def test_equals_describe_one_another(index: int) -> None:
    described = describe_architecture(index)
    assert index in described["isomorphic_indices"]
    for equal in described["isomorphic_indices"][:5]:
        assert (
            describe_architecture(equal)["isomorphic_indices"] == (described["isomorphic_indices"])
        )


GOOD = INSTALLABLE[0]
DICT = arch_dict(operations_at(0))


@pytest.mark.parametrize(
    ("spelling", "says"),
    [
        pytest.param("", "is not an architecture: write", id="nothing"),
        pytest.param("darts", "is not an architecture: write", id="word"),
        pytest.param("-1", "is not an architecture", id="negative text"),
        pytest.param("1.0", "is not an architecture", id="decimal text"),
        pytest.param("١٢", "is not an architecture", id="digits of another script"),
        pytest.param(GOOD[:-1], "does not have the form", id="cut string"),
        pytest.param(GOOD + GOOD, "does not have the form", id="string twice"),
        pytest.param(GOOD.replace("~2", "~1"), "does not have the form", id="wrong source"),
        pytest.param(
            GOOD.replace("avg_pool_3x3", "max_pool_3x3"),
            "'max_pool_3x3' on edge 0_1",
            id="max pool",
        ),
        pytest.param(GOOD.upper(), "unknown operation 'AVG_POOL_3X3'", id="upper case"),
        pytest.param("|" * 2000, "2000 characters", id="long string"),
        pytest.param(15_625, "0 to 15624", id="index past the end"),
        pytest.param(-1, "0 to 15624", id="negative index"),
        pytest.param("15625", "0 to 15624", id="index past the end as text"),
        pytest.param("9" * 999, "0 to 15624", id="enormous index as text"),
        pytest.param(10**5000, "0 to 15624", id="index of 5000 digits"),
        pytest.param(True, "not True", id="true"),
        pytest.param(None, "not None", id="none"),
        pytest.param(1.0, "not 1.0", id="float"),
        pytest.param({1, 2}, "not {1, 2}", id="set"),
        pytest.param([], "a list of 0 operations", id="empty list"),
        pytest.param(["none"] * 5, "a list of 5 operations", id="five operations"),
        pytest.param(["none"] * 7, "a list of 7 operations", id="seven operations"),
        pytest.param(["none"] * 5 + [3], "unknown operation 3 on edge 2_3", id="number"),
        pytest.param(["none"] * 5 + [["none"]], "unknown operation ['none']", id="nested"),
        pytest.param(["none"] * 5 + [10**5000], "too large to show", id="huge operation"),
        pytest.param(b"|avg_pool_3x3~0|", "a list of 16 operations", id="bytes"),
        pytest.param({}, "lacks '0_1', '0_2'", id="empty dict"),
        pytest.param({**DICT, "3_4": "none"}, "does not know '3_4'", id="edge too many"),
        pytest.param({**DICT, 1: "none"}, "does not know 1", id="number as an edge"),
        pytest.param({**DICT, "0_1": "op"}, "unknown operation 'op' on edge 0_1", id="operation"),
        pytest.param({**DICT, "0_1": None}, "unknown operation None", id="no operation"),
        pytest.param("{", "not valid JSON", id="half JSON"),
        pytest.param("[" * 1000, "not valid JSON", id="deep JSON"),
        pytest.param('{"0_1": "none"}', "lacks '0_2'", id="JSON lacks edges"),
        pytest.param("[1,2,3,4,5,6]", "unknown operation 1 on edge 0_1", id="JSON numbers"),
        pytest.param("\ud800", "is not an architecture", id="half a surrogate"),
    ],
)
def test_a_malformed_spelling_is_refused_with_the_reason(spelling: Any, says: str) -> None:
    with pytest.raises(InvalidArchitectureError) as caught:
        parse(spelling)
    assert says in caught.value.message
    assert caught.value.field == "arch"
    assert len(caught.value.message) < 400


def test_the_operations_that_exist_are_in_the_message() -> None:
    with pytest.raises(InvalidArchitectureError, match=", ".join(OPERATIONS)):
        parse(["conv"] * 6)


def test_lists_nested_without_end_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for spelling in (deep, [deep] * 6, {**DICT, "0_1": deep}, {"0_1": deep}):
        with pytest.raises(InvalidArchitectureError):
            parse(spelling)  # type: ignore[arg-type]
    # Taken apart from the outside: freeing it whole would recurse as deep.
    while deep:
        deep = deep.pop()


names = st.sampled_from([*OPERATIONS, "conv_1x1", "conv_3x3"]) | st.text(max_size=12)
edges = st.sampled_from(EDGES) | st.text(max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | names,
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.lists(names, min_size=6, max_size=6)
        | st.dictionaries(edges, inner, max_size=7)
        | st.fixed_dictionaries(dict.fromkeys(EDGES, names))
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_an_architecture_or_refused(value: Any) -> None:
    for spelling in (value, json.dumps(value)):
        with suppress(InvalidArchitectureError):
            assert 0 <= parse(spelling) < NUM_ARCHITECTURES


@given(st.text() | st.binary())
def test_any_text_is_an_architecture_or_refused(value: Any) -> None:
    with suppress(InvalidArchitectureError):
        assert 0 <= parse(value) < NUM_ARCHITECTURES
