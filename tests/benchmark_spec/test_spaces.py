"""Spellings, names, neighbors and equals of declared spaces."""

from __future__ import annotations

import json
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_spec import Equal, Listed, Product, SpecError, SpellingError
from benchmark_spec.spaces import check_listed_name

NAMES = st.text("abcdefgXYZ0189_.+-", min_size=1, max_size=6)
MACRO = Product(
    length=8,
    choices=("identity", "mb3_k3", "mb6_k5"),
    digits="012",
    equal=Equal(within=((3, 4), (6, 7)), drop="identity"),
)


@st.composite
def products(draw: st.DrawFn) -> Product:
    named = st.lists(NAMES, min_size=2, max_size=6, unique=True).map(tuple)
    choices = draw(named)
    length = draw(st.integers(1, 6))
    if draw(st.booleans()):
        return Product(length=length + 1, choices=tuple(draw(named) for _ in range(length + 1)))
    digits = "abcdef"[: len(choices)] if draw(st.booleans()) else None
    try:
        return Product(length=length, choices=choices, digits=digits)
    except SpecError:
        return Product(length=length + 1, choices=("p", "q"), digits="ab")


@given(products(), st.data())
def test_every_spelling_leads_back(space: Product, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, space.size - 1))
    names = space.names(number)
    spellings = [names["arch_str"], names["arch"], json.dumps(names["arch"]), number, str(number)]
    assert {space.number(spelling) for spelling in spellings} == {number}
    assert names.keys() == {field.name for field in space.fields}


@given(products(), st.data())
def test_neighbors_are_symmetric_and_differ_in_one_place(
    space: Product, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, space.size - 1))
    found = space.neighbors(number)
    assert len(set(found)) == len(found) == sum(len(choices) - 1 for choices in space.places)
    arch = space.names(number)["arch"]
    for other in found:
        differing = zip(arch, space.names(other)["arch"], strict=True)
        assert sum(one != two for one, two in differing) == 1
        assert number in space.neighbors(other)


def test_numbers_count_in_the_order_of_the_choices() -> None:
    archs = list(product(MACRO.choices, repeat=8))
    assert [tuple(MACRO.names(number)["arch"]) for number in range(MACRO.size)] == archs


def test_macro_has_3969_different_networks() -> None:
    assert len({MACRO.equals(number) for number in range(MACRO.size)}) == 3_969
    assert MACRO.equals(MACRO.number("22212220")) == MACRO.equals(MACRO.number("22212202"))


@pytest.mark.parametrize("drop", ["a", "b", "c"])
def test_equals_are_the_orders_that_keep_all_else(drop: str) -> None:
    space = Product(length=4, choices=("a", "b", "c"), equal=Equal(within=((1, 2, 3),), drop=drop))
    for number in range(space.size):
        first, *group = space.names(number)["arch"]
        kept = [choice for choice in group if choice != drop]
        same = [
            space.number([first, *order])
            for order in set(permutations(group))
            if [choice for choice in order if choice != drop] == kept
        ]
        assert {space.equals(one) for one in same} == {min(same)}


@pytest.mark.parametrize(
    "spelling",
    [
        *("", "2221220", "222122020", "3" * 8, "identity", "-1", "6561", "9" * 5_000),
        *("[" * 60, '["identity"]', "{}", "\uff11\uff12\uff13", "2221220\x00", "x" * 5_000),
        *(-1, 6_561, 10**30, 1.0, True, None, {}, b"22212202"),
        *([0] * 7, [True] * 8, [3] * 8, ["0"] * 8, [None] * 8, [[0]] * 8),
    ],
)
def test_what_is_no_architecture_is_refused(spelling: Any) -> None:
    with pytest.raises(SpellingError):
        MACRO.number(spelling)


def test_digits_and_an_index_are_told_apart_by_their_number() -> None:
    assert MACRO.number("00000111") == 13
    assert MACRO.number("111") == MACRO.number(111) == 111


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        # 512 architectures: index 111 and the digits 111 would be two.
        ({"length": 3, "choices": tuple("abcdefgh"), "digits": "01234567"}, "index"),
        ({"length": 1, "choices": ("8", "16")}, "numbers"),
        ({"length": 0, "choices": ("a", "b")}, "length"),
        ({"length": 24, "choices": ("a", "b")}, "listed"),
        ({"length": 2, "choices": ("a", "a")}, "distinct"),
        ({"length": 2, "choices": ("a", "b|c")}, "not a name"),
        ({"length": 2, "choices": ()}, "two or more"),
        ({"length": 3, "choices": (("a", "b"), ("c", "d"))}, "each of 3 positions"),
        ({"length": 2, "choices": ("a", ("c", "d"))}, "each of 2 positions"),
        ({"length": 2, "choices": (("a", "b"), ("c",))}, "two or more"),
        ({"length": 2, "choices": (("a", "b"), ("c", "d")), "digits": "xy"}, "same choices"),
        ({"length": 2, "choices": ("a", "b"), "digits": "xx"}, "one for each"),
        (
            {"length": 2, "choices": ("a", "b"), "equal": Equal(within=((0, 2),), drop="a")},
            "position",
        ),
        ({"length": 2, "choices": ("a", "b"), "equal": Equal(within=((0, 1),), drop="c")}, "drops"),
    ],
)
def test_a_space_that_could_be_misread_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Product(**settings)


def test_numbers_that_are_names_mean_the_choice_of_that_name() -> None:
    space = Product(length=2, choices=("8", "16"))
    assert space.number([16, 8]) == space.number("16|8") == space.number(["16", "8"]) == 2
    with pytest.raises(SpellingError):
        space.number([1, 0])


def test_listed_names_are_read_by_name_and_place() -> None:
    space = Listed(example="b").opened(["a", "b", "b c"])
    assert [space.number(spelling) for spelling in ("a", "b c", 1, "1")] == [0, 2, 1, 1]
    assert space.names(2) == {"arch_str": "b c", "index": 2}
    assert space.neighbors(0) is None
    for wrong in ("c", "", 3, -1, None, True, ["a"], "9" * 5_000):
        with pytest.raises(SpellingError):
            space.number(wrong)


@pytest.mark.parametrize("name", ["", "12", " a", "a ", "ä", "a\n", "x" * 501, 5, None])
def test_a_name_that_could_be_misread_is_refused(name: Any) -> None:
    with pytest.raises(SpellingError):
        check_listed_name(name)
