"""The published hash of a cell, equal for isomorphic cells (Ying 2019, arXiv:1902.06192).

Each vertex starts with md5 of its degrees and label, then takes V times the md5 of its in- and
out-neighbours' sorted hashes and its own; the fingerprint is the md5 of the sorted hashes. Seven
vertices make fifty md5 calls that hardly ever repeat between cells, so a batch runs them side by
side (`batch_md5`) rather than remembering them.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.batch_refinement import hash_pruned_codes
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.code_arrays import prune_codes, vertex_counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["hash_cell", "hash_cells", "hash_codes"]

_INPUT_LABEL = -1
_OUTPUT_LABEL = -2

# Cells per run of the array code, which holds two kilobytes of messages for each; more of them
# gain nothing, since the cost of the calls is spread thin by then.
_BATCH_CELLS = 4096
# Below this many cells the fixed cost of some ten thousand array calls exceeds what they save.
_WORTH_A_BATCH = 100
# A server asks for the same cells again and again; an entry takes about 200 bytes.
_REMEMBERED_CELLS = 1 << 16


def hash_cell(cell: Cell) -> str:
    """Return the 32 hexadecimal digits of the pruned cell's published hash.

    Raises:
        ValueError: The output cannot be reached from the input.
    """
    return _hash_pruned(cell.pruned().code)


def hash_cells(cells: Iterable[Cell]) -> list[str]:
    """Return the published hash of each cell, in order; many are much cheaper at once.

    Raises:
        ValueError: A cell's output cannot be reached from its input.
    """
    codes = np.fromiter((cell.code for cell in cells), dtype=np.int64)
    digits = hash_codes(codes).tobytes().hex()
    return [digits[i : i + 32] for i in range(0, len(digits), 32)]


def hash_codes(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the published hash of each cell.

    Args:
        codes: Shape (N,), codes of cells, pruned or not.

    Returns:
        Shape (N, 16), the digests.

    Raises:
        ValueError: A cell's output cannot be reached from its input.
    """
    pruned = prune_codes(codes)
    sizes = vertex_counts(pruned)
    digests = np.empty((len(codes), 16), dtype=np.uint8)
    for size in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == size)
        # Even parts: a short last batch would cost nearly as much as a full one.
        for part in np.array_split(chosen, -(-len(chosen) // _BATCH_CELLS)):
            digests[part] = (
                hash_pruned_codes(pruned[part], size)
                if len(part) >= _WORTH_A_BATCH
                else _hash_one_by_one(pruned[part])
            )
    return digests


def _hash_one_by_one(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    digests = b"".join(bytes.fromhex(_hash_pruned(code)) for code in codes.tolist())
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)


@lru_cache(maxsize=_REMEMBERED_CELLS)
def _hash_pruned(code: int) -> str:
    cell = Cell(code)
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
