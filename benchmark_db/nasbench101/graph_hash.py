"""The published hash of cells, equal for isomorphic ones (Ying 2019, arXiv:1902.06192).

Each vertex starts with the MD5 of its degrees and label. Each of V rounds replaces its hash by the
MD5 of its in-neighbours' and out-neighbours' sorted hashes and its own; the hash of the cell is the
MD5 of the sorted hashes.

Seven vertices take fifty MD5 calls that hardly ever repeat between cells. `batch_hash` hashes many
cells together and needs NumPy; this module hashes one cell with the standard library alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from benchmark_db.nasbench101.cell import MAX_VERTICES, OPERATION_NAMES, Cell

__all__ = ["hash_cell", "hash_code", "hash_graph"]

try:
    # The C module behind hashlib: without OpenSSL a hash of a few bytes takes half the time.
    from _md5 import md5  # type: ignore[import-not-found] # typeshed leaves it out
except ImportError:  # a Python built without it
    from functools import partial
    from hashlib import md5 as _openssl_md5

    md5 = partial(_openssl_md5, usedforsecurity=False)


_INPUT_LABEL = -1
_OUTPUT_LABEL = -2

# Programs ask for the same cells repeatedly; an entry takes about 200 bytes.
_CACHED_CELLS = 1 << 14

_LABELS = (_INPUT_LABEL, _OUTPUT_LABEL, *range(len(OPERATION_NAMES)))
_MEMBERS = [[v for v in range(MAX_VERTICES) if mask >> v & 1] for mask in range(1 << MAX_VERTICES)]


def _md5(text: str) -> str:
    return str(md5(text.encode()).hexdigest())


class _InitialHashes(dict[tuple[int, int, int], str]):
    """Cache of the initial hashes of vertices by out degree, in degree and label."""

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


@lru_cache(maxsize=_CACHED_CELLS)
def hash_code(code: int) -> str:
    """Return the published hash of the cell with this code; see `hash_cell`."""
    cell = Cell(code).pruned()
    return hash_graph([_MEMBERS[mask] for mask in cell.predecessors], cell.operations)


def hash_graph(sources: Sequence[Sequence[int]], operations: Sequence[int]) -> str:
    """Return the published hash of a graph of any size, without pruning it.

    Args:
        sources: For each vertex the vertices that feed it; the input comes first, with none.
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
    """Return the hashes after one more round.

    Args:
        hashes: The present hashes of all vertices.
        neighbors: Per vertex the vertices that it feeds and those that feed it.
    """
    into, out = [""] * len(hashes), [""] * len(hashes)
    # Sorted once: every vertex then receives its neighbours' hashes in order.
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
