"""Cells as data: how they are read, and which are none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_hub.cells import CellGenotype, Merge, cell_choices
from model_hub.errors import InvalidSampleError
from model_hub.search_space import SearchSpace

ENTRIES = [["skip_connect", 0], ["sep_conv_3x3", 1], ["max_pool_3x3", 2], ["skip_connect", 0]]


def test_the_entries_of_a_genotype_are_two_a_node() -> None:
    genotype = CellGenotype.from_entries(ENTRIES, [3])
    assert genotype.nodes == (
        (("skip_connect", 0), ("sep_conv_3x3", 1)),
        (("max_pool_3x3", 2), ("skip_connect", 0)),
    )
    assert genotype.concat == (3,)


@pytest.mark.parametrize(("merge", "concat"), [("all", (2, 3)), ("loose_end", (3,))])
def test_a_cell_gives_out_all_nodes_or_those_that_nothing_uses(
    merge: Merge, concat: tuple[int, ...]
) -> None:
    nodes = CellGenotype.from_entries(ENTRIES, [3]).nodes
    assert CellGenotype.merged(nodes, merge).concat == concat


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)),
)
def test_every_sample_of_the_choices_is_a_cell_of_their_shape(
    seed: int, shape: tuple[int, int, int]
) -> None:
    nodes, inputs, each = shape
    choices = cell_choices("c", ("a", "b"), nodes, num_inputs=inputs, operations_per_node=each)
    sample = SearchSpace("cells", tuple(choices)).sample(seed)
    genotype = CellGenotype.from_sample(sample, "c", "loose_end", num_inputs=inputs)
    assert len(genotype.nodes) == nodes
    assert {len(node) for node in genotype.nodes} == {each}
    assert genotype.concat[-1] == nodes + inputs - 1
    used = {source for node in genotype.nodes for _, source in node}
    assert not used & set(genotype.concat)


@pytest.mark.parametrize(
    ("entries", "concat", "message"),
    [
        ([], [2], "a cell has 1 to 100 nodes, not 0"),
        (ENTRIES * 100, [2], "a cell has 1 to 100 nodes, not 200"),
        (ENTRIES[:3], [2], "3 entries; a node has two"),
        ([["a", 2], ["a", 0]], [2], "node 2 applies 'a' to state 2; it may use 0 to 1"),
        ([["a", True], ["a", 0]], [2], "to state True"),
        ([["a", "0"], ["a", 0]], [2], "to state '0'"),
        ([["a"], ["a", 0]], [2], r"are not \[operation, input\] pairs"),
        (ENTRIES, [4], r"output of the cell is \[4\], not distinct states of 0 to 3"),
        (ENTRIES, [3, 3], "not distinct"),
        (ENTRIES, [], "not distinct"),
        (ENTRIES, 3, "a list of states"),
    ],
)
def test_what_is_no_cell_is_refused(entries: Any, concat: Any, message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        CellGenotype.from_entries(entries, concat)


def test_a_node_needs_an_operation() -> None:
    with pytest.raises(InvalidSampleError, match="node 2 has no operations"):
        CellGenotype(((),), (2,))
