"""What holds for every cell, whatever it is."""

import hashlib
import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.nasbench101.cell import MAX_EDGES, MAX_VERTICES, Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.space import neighboring_cells
from benchmark_db.nasbench101.spelling import parse_cell


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Any cell of the space, stranded vertices included."""
    size = draw(st.integers(2, MAX_VERTICES))
    pairs = list(itertools.combinations(range(size), 2))
    edges = draw(st.sets(st.sampled_from(pairs), min_size=1, max_size=MAX_EDGES))
    masks = [sum(1 << u for u, w in edges if w == v) for v in range(1, size)]
    cell = Cell.from_predecessors(
        masks, draw(st.lists(st.integers(0, 2), min_size=size - 2, max_size=size - 2))
    )
    if cell.on_path:
        return cell
    masks[-1] |= 1  # a direct edge makes any cell reach its output
    if sum(mask.bit_count() for mask in masks) > MAX_EDGES:
        masks = [0] * (size - 2) + [1]
    return Cell.from_predecessors(masks, cell.operations)


def renumberings(cell: Cell) -> list[Cell]:
    """Every permutation of the interior vertices under which all edges still go forward."""
    found = []
    predecessors = cell.predecessors
    for interior in itertools.permutations(range(1, cell.num_vertices - 1)):
        order = [0, *interior, cell.num_vertices - 1]
        if all(
            not predecessors[earlier] >> later & 1
            for earlier, later in itertools.combinations(order, 2)
        ):
            found.append(cell.reordered(order))
    return found


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def hash_as_written(cell: Cell) -> str:
    """The published definition, word by word, from the matrix of the pruned cell."""
    matrix = cell.pruned().to_adjacency()
    labels = [-1, *cell.pruned().operations, -2]
    size = range(len(matrix))
    into = [[u for u in size if matrix[u][v]] for v in size]
    out = [[u for u in size if matrix[v][u]] for v in size]
    h = [md5(str((len(out[v]), len(into[v]), labels[v]))) for v in size]
    for _ in size:
        sides = [["".join(sorted(h[u] for u in side)) for side in (into[v], out[v])] for v in size]
        h = [md5(f"{before}|{after}|{h[v]}") for v, (before, after) in enumerate(sides)]
    return md5(str(sorted(h)))


@given(cells())
def test_the_hash_is_the_published_one(cell: Cell) -> None:
    assert hash_cell(cell) == hash_as_written(cell)


@given(cells())
def test_every_permutation_of_interior_vertices_hashes_alike(cell: Cell) -> None:
    assert {hash_cell(renumbered) for renumbered in renumberings(cell)} == {hash_cell(cell)}


@given(cells())
def test_every_permutation_of_interior_vertices_has_the_same_neighbours(cell: Cell) -> None:
    expected = [digest for digest, _ in neighboring_cells(cell)]
    for renumbered in renumberings(cell)[:6]:
        assert [digest for digest, _ in neighboring_cells(renumbered)] == expected


@given(cells())
def test_every_spelling_is_read_back_as_the_same_cell(cell: Cell) -> None:
    for spelled in (cell.to_dict(), cell.to_module()):
        assert parse_cell(spelled) == cell
        assert parse_cell(json.dumps(spelled)) == cell


@given(cells())
def test_pruning_is_idempotent_and_keeps_the_hash(cell: Cell) -> None:
    pruned = cell.pruned()
    assert pruned.is_pruned
    assert pruned.pruned() == pruned
    assert pruned.num_vertices <= cell.num_vertices
    assert hash_cell(pruned) == hash_cell(cell)


@given(cells())
def test_a_cell_is_a_neighbour_of_each_of_its_neighbours(cell: Cell) -> None:
    own = hash_cell(cell)
    for _, neighbor in neighboring_cells(cell):
        assert own in dict(neighboring_cells(neighbor))


@given(cells())
def test_neighbours_are_distinct_pruned_cells_of_the_space_other_than_the_cell(cell: Cell) -> None:
    neighbors = neighboring_cells(cell)
    digests = [digest for digest, _ in neighbors]
    assert digests == sorted(set(digests))
    assert hash_cell(cell) not in digests
    for digest, neighbor in neighbors:
        assert parse_cell(neighbor.to_dict()) == neighbor
        assert neighbor.is_pruned
        assert hash_cell(neighbor) == digest
