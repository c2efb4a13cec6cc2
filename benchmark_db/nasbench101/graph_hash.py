"""The published hash of cells, equal for isomorphic ones (Ying 2019, arXiv:1902.06192).

Each vertex starts with md5 of its degrees and label, then takes V times the md5 of its in- and
out-neighbours' sorted hashes and its own; the hash of the cell is the md5 of the sorted hashes.

Seven vertices make fifty md5 calls that hardly ever repeat between cells, so that many cells are
hashed side by side (`batch_hash`), and one alone by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.batch_hash import hash_pruned_codes, prune_codes, vertex_counts
from benchmark_db.nasbench101.cell import MAX_VERTICES, OPERATION_NAMES, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "hash_cell",
    "hash_cells",
    "hash_code",
    "hash_codes",
    "hash_graph",
]

try:
    # What hashlib wraps: without OpenSSL a hash of a few bytes takes half the time.
    from _md5 import md5  # type: ignore[import-not-found] # typeshed leaves it out
except ImportError:  # a Python built without it
    from functools import partial
    from hashlib import md5 as _openssl_md5

    md5 = partial(_openssl_md5, usedforsecurity=False)


_INPUT_LABEL = -1
_OUTPUT_LABEL = -2

# A program asks for the same cells again and again; an entry takes about 200 bytes.
_REMEMBERED_CELLS = 1 << 14

_LABELS = (_INPUT_LABEL, _OUTPUT_LABEL, *range(len(OPERATION_NAMES)))
_MEMBERS = [[v for v in range(MAX_VERTICES) if mask >> v & 1] for mask in range(1 << MAX_VERTICES)]


def _md5(text: str) -> str:
    return str(md5(text.encode()).hexdigest())


class _InitialHashes(dict[tuple[int, int, int], str]):
    """Hashes of vertices by out degree, in degree and label; those of the space are kept."""

    def __missing__(self, vertex: tuple[int, int, int]) -> str:
        return _md5(str(vertex))


_INITIAL_HASHES = _InitialHashes(
    ((out, into, label), _md5(str((out, into, label))))
    for out in range(MAX_VERTICES)
    for into in range(MAX_VERTICES)
    for label in _LABELS
)


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
    return hash_graph([_MEMBERS[mask] for mask in cell.predecessors], cell.operations)


def hash_graph(sources: Sequence[Sequence[int]], operations: Sequence[int]) -> str:
    """Return the published hash of a graph of any size, as it is given: nothing is pruned.

    Args:
        sources: For each vertex those that feed it; those of the input, none, come first.
        operations: Labels of the vertices between the input and the output, 0 or more.
    """
    targets: list[list[int]] = [[] for _ in sources]
    for vertex, feeding in enumerate(sources):
        for source in feeding:
            targets[source].append(vertex)
    labels = (_INPUT_LABEL, *operations, _OUTPUT_LABEL)
    hashes = [
        _INITIAL_HASHES[len(out), len(into), label]
        for out, into, label in zip(targets, sources, labels, strict=True)
    ]
    neighbors = list(zip(targets, sources, strict=True))
    for _ in neighbors:
        hashes = _refined(hashes, neighbors)
    return _md5(str(sorted(hashes)))


def _refined(hashes: list[str], neighbors: list[tuple[list[int], Sequence[int]]]) -> list[str]:
    """Return the hashes of one round later.

    Args:
        hashes: Of all vertices.
        neighbors: Per vertex the vertices that it feeds and those that feed it.
    """
    into, out = [""] * len(hashes), [""] * len(hashes)
    # Sorted once for all: each vertex then meets its neighbours' hashes in their order.
    for vertex in sorted(range(len(hashes)), key=hashes.__getitem__):
        own = hashes[vertex]
        targets, sources = neighbors[vertex]
        for target in targets:
            into[target] += own
        for source in sources:
            out[source] += own
    return [
        md5(f"{before}|{after}|{own}".encode()).hexdigest()
        for before, after, own in zip(into, out, hashes, strict=True)
    ]


# Cells per run of the array code, which holds two kilobytes of messages for each; more of them
# gain nothing, since the cost of the calls is spread thin by then.
_BATCH_CELLS = 4096
# Below this many cells the fixed cost of some ten thousand array calls exceeds what they save.
_WORTH_A_BATCH = 150


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
    digests = b"".join(bytes.fromhex(hash_code(code)) for code in codes.tolist())
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)
