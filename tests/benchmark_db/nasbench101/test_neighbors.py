import itertools

import pytest

from benchmark_db.nasbench101.cell import MAX_EDGES, Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.space import enumerate_cells, neighboring_cells
from benchmark_db.nasbench101.spelling import parse_cell


def test_the_single_edge_has_no_neighbour() -> None:
    assert neighboring_cells(parse_cell({"input1": [0]})) == []


def test_a_chain_of_one_operation_has_two_other_operations_and_a_shortcut() -> None:
    chain = {"op1": "conv3x3", "input1": [0], "input2": [1]}
    expected = [
        {**chain, "op1": "conv1x1"},
        {**chain, "op1": "maxpool"},
        {**chain, "input2": [0, 1]},
    ]
    neighbors = neighboring_cells(parse_cell(chain))
    assert [digest for digest, _ in neighbors] == sorted(
        hash_cell(parse_cell(spelled)) for spelled in expected
    )


def test_an_edge_is_added_in_both_directions_between_unrelated_vertices() -> None:
    branches = {"op1": "conv3x3", "op2": "maxpool", "input1": [0], "input2": [0], "input3": [1, 2]}
    forward = {**branches, "input2": [0, 1]}
    backward = {**forward, "op1": "maxpool", "op2": "conv3x3"}
    found = dict(neighboring_cells(parse_cell(branches)))
    assert hash_cell(parse_cell(forward)) in found
    assert hash_cell(parse_cell(backward)) in found


def test_no_edge_is_added_to_nine() -> None:
    full = parse_cell(
        {
            **{f"op{i}": "conv3x3" for i in range(1, 6)},
            "input1": [0],
            "input2": [1],
            "input3": [2],
            "input4": [3],
            "input5": [0, 4],
            "input6": [0, 1, 5],
        }
    )
    assert full.num_edges == MAX_EDGES
    assert all(neighbor.num_edges <= MAX_EDGES for _, neighbor in neighboring_cells(full))


def edits(cell: Cell) -> set[str]:
    """Hashes of all one-entry changes of the matrix and all changes of one operation."""
    masks = list(cell.predecessors[1:])
    found = set()
    for source, target in itertools.combinations(range(cell.num_vertices), 2):
        changed = list(masks)
        changed[target - 1] ^= 1 << source
        found.add(Cell.from_predecessors(changed, cell.operations))
    for vertex, label in itertools.product(range(cell.num_vertices - 2), range(3)):
        labels = list(cell.operations)
        labels[vertex] = label
        found.add(Cell.from_predecessors(masks, labels))
    valid = {c for c in found if c.is_pruned and c.num_edges <= MAX_EDGES}
    return {hash_cell(c) for c in valid} - {hash_cell(cell)}


@pytest.fixture(scope="module")
def small_space() -> dict[str, Cell]:
    return dict(enumerate_cells(max_vertices=5))


@pytest.mark.usefixtures("unmeasured")
def test_neighbours_are_what_brute_force_finds_over_all_numberings(
    small_space: dict[str, Cell],
) -> None:
    # Brute force sees one numbering a cell; an edge it cannot draw from one side it sees
    # removed from the other.
    edited = {digest: edits(cell) for digest, cell in small_space.items()}
    expected = {digest: set(found) for digest, found in edited.items()}
    for digest, found in edited.items():
        for other in found:
            expected[other].add(digest)
    for digest, cell in small_space.items():
        assert {found for found, _ in neighboring_cells(cell)} == expected[digest]
