"""What a plan selects, and its cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planned import a_plan

from benchmark_spec import Listed, Product
from nas_search.plans import CellMap, Cells, PlanError, Selection, table_of


def test_a_sample_begins_with_a_smaller_one_and_numbers_are_those_of_the_table() -> None:
    small, large = Selection(a_plan(select__n=5)), Selection(a_plan(select__n=40))
    assert list(large.numbers)[:5] == list(small.numbers)
    assert sorted(large.numbers) == list(range(40))
    space = small.table_space
    assert isinstance(space, Product)
    for place, number in enumerate(small.numbers):
        names = space.names(number)
        sample = small.sample(place)
        assert names["arch"] == [sample[label] for label in small.places]
        assert small.name(place) == names["arch_str"]


def test_a_list_is_read_in_any_spelling() -> None:
    whole = Selection(a_plan(select__n=40))
    archs = [whole.sample(3), whole.numbers[4], whole.name(5)]
    found = Selection(a_plan(select={"kind": "list", "archs": archs}))
    assert list(found.numbers) == list(whole.numbers)[3:6]
    for wrong in ([999], [{"cell/0_1": "none"}], ["x"], [archs[1], archs[2], archs[1]]):
        with pytest.raises(PlanError) as refused:
            Selection(a_plan(select={"kind": "list", "archs": wrong}))
        assert refused.value.path == ("select", "archs")


def test_one_of_those_that_compute_the_same_is_trained() -> None:
    selection = Selection(a_plan(select={"kind": "all", "unique": True}))
    space = selection.plan.model_space
    keys = [space.computes(selection.sample(place)) for place in range(len(selection))]
    assert len(selection.trained) == len(set(keys)) < len(selection)
    for place, first in enumerate(selection.stands_for):
        assert keys[place] == keys[first]
        assert first in set(selection.trained)
    assert table_of(selection).stat("trained_as") is not None


@pytest.mark.parametrize("name", ["NasBench101", "MobileNetV3Space", "NASNet"])
def test_spaces_whose_choices_depend_on_each_other_are_listed(name: str) -> None:
    selection = Selection(a_plan(space={"name": name}, select={"kind": "sample", "n": 4}))
    spec = table_of(selection)
    assert isinstance(spec.space, Listed)
    assert list(selection.names) == sorted(selection.name(n) for n in range(4))
    assert sorted(selection.numbers) == list(range(4))
    for place in range(4):
        assert selection.sample(place) in selection.plan.model_space.choices
    depths = {"name": "MobileNetV3Space", "restrict": {"s1_depth": [1]}}
    few = Selection(a_plan(space=depths, select={"kind": "sample", "n": 3}))
    assert {few.sample(place)["s1_depth"] for place in range(3)} == {1}


def test_the_first_round_has_every_architecture_at_the_least_budget() -> None:
    cells = Cells(Selection(a_plan()))
    first = [cells[number] for number in range(5)]
    assert [(cell.seed, cell.epochs) for cell in first] == [(0, 1)] * 5
    assert [cell.position for cell in first] == list(range(5))
    assert [(cell.seed, cell.epochs) for cell in map(cells.__getitem__, (5, 10, 15))] == [
        (0, 2),
        (1, 1),
        (1, 2),
    ]
    deep = Cells(Selection(a_plan(order="depth")))
    assert [cell.position for cell in map(deep.__getitem__, range(5))] == [0, 0, 0, 0, 1]
    assert {(c.position, c.seed, c.epochs) for c in deep} == {
        (c.position, c.seed, c.epochs) for c in cells
    }


@given(st.integers(1, 200), st.data())
def test_a_map_of_cells_is_a_set(size: int, data: st.DataObject) -> None:
    numbers = st.integers(0, size - 1)
    there, gone = data.draw(st.sets(numbers)), data.draw(st.sets(numbers))
    found = CellMap(size)
    for number in there:
        found.add(number)
    for number in gone:
        found.discard(number)
    again = CellMap(size, bytes(found))
    assert set(again) == there - gone
    assert len(again) == len(there - gone)
    assert all((number in again) == (number in there - gone) for number in range(size))
    with pytest.raises(ValueError, match="no map of"):
        CellMap(size + 8, bytes(found))
    start, count = data.draw(st.integers(0, size + 20)), data.draw(st.integers(0, size + 1))
    assert again.first(count, start=start) == [n for n in sorted(again) if n >= start][:count]
    left = again.none_of(CellMap(size), again)
    assert set(left) == set(range(size)) - set(again)


def test_a_long_map_is_read_in_parts() -> None:
    found = CellMap(2_000_003)
    for number in (0, 32_767, 32_768, 1_000_000, 2_000_002):
        found.add(number)
    assert found.first(10) == list(found)
    assert found.first(2, start=32_768) == [32_768, 1_000_000]
    assert found.first(1, start=2_000_003) == []
