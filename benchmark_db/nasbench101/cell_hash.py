"""The published hash of one cell, equal for isomorphic cells (Ying 2019, arXiv:1902.06192).

Each vertex starts with md5 of its degrees and label, then takes V times the md5 of its in- and
out-neighbours' sorted hashes and its own; the fingerprint is the md5 of the sorted hashes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from benchmark_db.nasbench101.cell import Cell

__all__ = ["hash_cell", "hash_code"]

_INPUT_LABEL = -1
_OUTPUT_LABEL = -2

# A server asks for the same cells again and again; an entry takes about 200 bytes.
_REMEMBERED_CELLS = 1 << 16


def hash_cell(cell: Cell) -> str:
    """Return the 32 hexadecimal digits of the pruned cell's published hash.

    Raises:
        ValueError: The output cannot be reached from the input.
    """
    return hash_code(cell.code)


@lru_cache(maxsize=_REMEMBERED_CELLS)
def hash_code(code: int) -> str:
    """Return what `hash_cell` returns for the cell with this code."""
    cell = Cell(code).pruned()
    vertices = range(cell.num_vertices)
    sources = [[u for u in vertices if mask >> u & 1] for mask in cell.predecessors]
    targets: list[list[int]] = [[] for _ in vertices]
    for vertex, feeding in enumerate(sources):
        for source in feeding:
            targets[source].append(vertex)
    labels = (_INPUT_LABEL, *cell.operations, _OUTPUT_LABEL)
    hashes = [
        _md5(str((len(out), len(into), label)))
        for out, into, label in zip(targets, sources, labels, strict=True)
    ]
    neighbors = list(zip(sources, targets, vertices, strict=True))
    for _ in vertices:
        hashes = [
            _md5(f"{_sorted_text(hashes, into)}|{_sorted_text(hashes, out)}|{hashes[own]}")
            for into, out, own in neighbors
        ]
    return _md5(str(sorted(hashes)))


def _sorted_text(hashes: list[str], vertices: list[int]) -> str:
    # Most vertices have one neighbour on a side, which spares the sort.
    if len(vertices) == 1:
        return hashes[vertices[0]]
    return "".join(sorted([hashes[vertex] for vertex in vertices]))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
