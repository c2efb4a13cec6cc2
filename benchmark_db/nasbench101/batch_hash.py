"""The published hash of many cells at once, on NumPy arrays of their codes.

Each vertex of each cell has one padded MD5 message. Vertex degrees stay the same, hence also the
message's length, separators and padding; each round writes the neighbours' current hashes into the
message, in sorted order, and digests all messages together.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.batch_md5 import BLOCK_BYTES, block_count, md5_of_padded, padded
from benchmark_db.nasbench101.cell import (
    EDGE_BITS,
    MAX_VERTICES,
    VERTEX_COUNT_SHIFT,
    edge_bit,
    operation_shift,
)
from benchmark_db.nasbench101.graph_hash import hash_code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from benchmark_db.nasbench101.cell import Cell

__all__ = [
    "hash_cells",
    "hash_codes",
    "hash_pruned_codes",
    "operation_column",
    "predecessor_column",
    "prune_codes",
    "vertex_counts",
]


def vertex_counts(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of vertices of each cell."""
    return codes >> VERTEX_COUNT_SHIFT


def predecessor_column(codes: NDArray[np.int64], vertex: int) -> NDArray[np.int64]:
    """Return, per cell, the mask of the vertices that feed `vertex` (0 beyond the output)."""
    return codes >> edge_bit(0, vertex) & ((1 << vertex) - 1)


def operation_column(codes: NDArray[np.int64], vertex: int) -> NDArray[np.int64]:
    """Return, per cell, the label of an interior vertex (0 where there is none)."""
    return codes >> operation_shift(vertex) & 3


def prune_codes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each cell without the vertices on no path from input to output.

    Raises:
        ValueError: A cell's output cannot be reached from its input.
    """
    kept = _on_path(codes)
    if not (kept & 1).all():
        raise ValueError(f"cell {codes[~(kept & 1).astype(bool)][0]} does not reach its output")
    pruned = codes.copy()
    loose = np.flatnonzero(kept + 1 != np.int64(1) << vertex_counts(codes))
    if len(loose):
        pruned[loose] = _compacted(codes[loose], kept[loose])
    return pruned


def _on_path(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    columns = [predecessor_column(codes, vertex) for vertex in range(MAX_VERTICES)]
    reached = np.ones_like(codes)
    for vertex, column in enumerate(columns):
        reached |= (column & reached != 0).astype(np.int64) << vertex
    needed = np.int64(1) << (vertex_counts(codes) - 1)
    for vertex in reversed(range(MAX_VERTICES)):
        needed |= columns[vertex] * (needed >> vertex & 1)
    return reached & needed


def _compacted(codes: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop the vertices that are not in the masks `kept` and renumber the others."""
    number = [
        np.bitwise_count(kept & ((1 << vertex) - 1)).astype(np.int64)
        for vertex in range(MAX_VERTICES)
    ]
    stays = [kept >> vertex & 1 for vertex in range(MAX_VERTICES)]
    count = np.bitwise_count(kept).astype(np.int64)
    compact = count << VERTEX_COUNT_SHIFT
    for target in range(1, MAX_VERTICES):
        column = predecessor_column(codes, target)
        base = number[target] * (number[target] - 1) // 2
        for source in range(target):
            edge = (column >> source & 1) & stays[source] & stays[target]
            compact |= edge << (base + number[source])
    for vertex in range(1, MAX_VERTICES - 1):
        # The output carries no label: its two bits are and stay zero.
        label = operation_column(codes, vertex) * stays[vertex]
        compact |= label << (EDGE_BITS + 2 * np.maximum(number[vertex] - 1, 0))
    return compact


_HEX = 32  # characters of a hash as text
_MAX_DEGREE = MAX_VERTICES - 1
_LABELS = (0, 1, 2, -1, -2)  # the three operations, input, output: the published labels
_INPUT, _OUTPUT = _LABELS.index(-1), _LABELS.index(-2)


def _message_bytes(degree: int) -> int:
    """Return the length of a vertex's message: hashes of neighbours, separators, its own hash."""
    return _HEX * (degree + 1) + 2


# One hash more than the longest message: rows a power of two apart would share cache sets.
_ROW_BYTES = block_count(_message_bytes(_MAX_DEGREE)) * BLOCK_BYTES + _HEX
_HEX_PER_ROW = _ROW_BYTES // _HEX
_BLOCKS_BY_DEGREE = np.array([block_count(_message_bytes(d)) for d in range(_MAX_DEGREE + 1)])


def _initial_digests() -> NDArray[np.uint8]:
    """Return md5(str((out degree, in degree, label))), shape (7, 7, 5, 16)."""
    degrees = range(_MAX_DEGREE + 1)
    digests = b"".join(
        hashlib.md5(str((out, into, label)).encode(), usedforsecurity=False).digest()
        for out in degrees
        for into in degrees
        for label in _LABELS
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(len(degrees), len(degrees), -1, 16)


def _message_templates() -> NDArray[np.uint8]:
    """Return padded messages with blank hashes by (in, out) degree, shape (7, 7, row)."""
    templates = np.zeros((_MAX_DEGREE + 1, _MAX_DEGREE + 1, _ROW_BYTES), dtype=np.uint8)
    for into in range(_MAX_DEGREE + 1):
        for out in range(_MAX_DEGREE + 1 - into):
            blank = bytes(_HEX * into) + b"|" + bytes(_HEX * out) + b"|" + bytes(_HEX)
            message = padded(blank)
            templates[into, out, : len(message)] = np.frombuffer(message, dtype=np.uint8)
    return templates


_INITIAL_DIGESTS = _initial_digests()
_TEMPLATES = _message_templates()


@dataclass(frozen=True, slots=True)
class _Vertices:
    """Properties of the vertices of a batch that stay the same in all rounds.

    Vertices are numbered by vertex, then by cell (shape (V, N), flattened), and their messages are
    stored in `row` order: longest first, as `md5_of_padded` requires. The place of a hash is its
    position in all messages, counted in hashes; the places of an edge are those of the first
    outgoing hash of its source and of the first incoming hash of its target.
    """

    size: int
    row: NDArray[np.intp]
    blocks: NDArray[np.intp]
    templates: NDArray[np.uint8]
    initial: NDArray[np.uint8]
    own_place: NDArray[np.intp]
    edges: _Edges


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges of the batch: their ends, rows, masks of sibling vertices, and places of hashes."""

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    source_row: NDArray[np.intp]
    target_row: NDArray[np.intp]
    target_siblings: NDArray[np.uint8]
    source_siblings: NDArray[np.uint8]
    place_in_source: NDArray[np.intp]
    place_in_target: NDArray[np.intp]


def hash_pruned_codes(codes: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Return the published hash of pruned cells of one size.

    Args:
        codes: Shape (N,), codes of pruned cells that all have `size` vertices; a few thousand are
            best, since the messages take N x 2 KiB.
        size: Number of vertices V, 2 to 7.

    Returns:
        Shape (N, 16), the digests.
    """
    vertices = _lay_out(codes, size)
    messages = vertices.templates
    digests = vertices.initial
    for _ in range(size):
        _write_hashes(messages, digests, vertices)
        digests = md5_of_padded(messages, vertices.blocks)
    return _fingerprints(digests, vertices)


def _lay_out(codes: NDArray[np.int64], size: int) -> _Vertices:
    """Derive degrees, labels and the order of messages from the codes."""
    shape = (size, len(codes))
    predecessors = np.zeros(shape, dtype=np.uint8)
    successors = np.zeros(shape, dtype=np.uint8)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[0], labels[-1] = _INPUT, _OUTPUT
    for target in range(1, size):
        predecessors[target] = predecessor_column(codes, target)
        for source in range(target):
            successors[source] |= (predecessors[target] >> source & 1) << target
        if target < size - 1:
            labels[target] = operation_column(codes, target)
    in_degree, out_degree = np.bitwise_count(predecessors), np.bitwise_count(successors)
    degree = (in_degree + out_degree).ravel()
    longest_first = np.argsort(_MAX_DEGREE - degree, kind="stable")
    row = np.empty_like(longest_first)
    row[longest_first] = np.arange(len(row))
    ins, outs = in_degree.ravel()[longest_first], out_degree.ravel()[longest_first]
    return _Vertices(
        size=size,
        row=row,
        blocks=_BLOCKS_BY_DEGREE[degree[longest_first]],
        templates=_TEMPLATES[ins, outs],
        initial=_INITIAL_DIGESTS[outs, ins, labels.ravel()[longest_first]],
        own_place=_HEX_PER_ROW * np.arange(len(row)) + ins + outs,
        edges=_edges(predecessors, successors, row.reshape(shape)),
    )


def _edges(
    predecessors: NDArray[np.uint8], successors: NDArray[np.uint8], row: NDArray[np.intp]
) -> _Edges:
    """Collect all edges; the three arguments have shape (V, N)."""
    size, cells = row.shape
    sources, targets = [], []
    for column in range(1, size):
        for line in range(column):
            (having,) = np.nonzero(predecessors[column] >> line & 1)
            sources.append(having + line * cells)
            targets.append(having + column * cells)
    source, target = np.concatenate(sources), np.concatenate(targets)
    source_row, target_row = row.ravel()[source], row.ravel()[target]
    return _Edges(
        source=source,
        target=target,
        source_row=source_row,
        target_row=target_row,
        source_siblings=predecessors.ravel()[target],
        target_siblings=successors.ravel()[source],
        place_in_source=_HEX_PER_ROW * source_row + np.bitwise_count(predecessors.ravel()[source]),
        place_in_target=_HEX_PER_ROW * target_row,
    )


def _write_hashes(
    messages: NDArray[np.uint8], digests: NDArray[np.uint8], vertices: _Vertices
) -> None:
    """Write the sorted hashes of each vertex's neighbours, then its own, into its message."""
    hashes = _as_text(digests)
    smaller = _smaller_in_cell(digests, vertices)
    edges = vertices.edges
    # The place of a neighbour's hash is the number of the other neighbours' hashes before it.
    before = np.bitwise_count(edges.source_siblings & smaller[edges.source])
    _places(messages, 0)[edges.place_in_target + before] = hashes[edges.source_row]
    before = np.bitwise_count(edges.target_siblings & smaller[edges.target])
    _places(messages, 1)[edges.place_in_source + before] = hashes[edges.target_row]
    _places(messages, 2)[vertices.own_place] = hashes


def _places(messages: NDArray[np.uint8], separators: int) -> NDArray[np.void]:
    """View all messages as hash-sized items that start after this many separators."""
    flat = messages.reshape(-1)
    return flat[separators : len(flat) - _HEX + separators].view(f"V{_HEX}")


def _smaller_in_cell(digests: NDArray[np.uint8], vertices: _Vertices) -> NDArray[np.uint8]:
    """Return per vertex the mask of vertices of its cell that sort before it, ties by number.

    The first eight bytes decide: different hashes share them with a probability of 2^-64.
    """
    size = vertices.size
    leading = digests.view(">u8")[:, 0].astype(np.uint64)
    keys = leading[vertices.row].reshape(size, -1)
    smaller = np.zeros(keys.shape, dtype=np.uint8)
    for later in range(1, size):
        for earlier in range(later):
            first = (keys[earlier] <= keys[later]).view(np.uint8)
            smaller[later] |= first << earlier
            smaller[earlier] |= (first ^ 1) << later
    return smaller.ravel()


def _fingerprints(digests: NDArray[np.uint8], vertices: _Vertices) -> NDArray[np.uint8]:
    """Return md5(str(sorted(hashes))) of each cell, shape (N, 16)."""
    size, cells = vertices.size, len(digests) // vertices.size
    rank = np.bitwise_count(_smaller_in_cell(digests, vertices)).reshape(size, cells)
    ordered = np.empty((cells, size), dtype=f"V{_HEX}")
    ordered[np.arange(cells), rank] = _as_text(digests)[vertices.row].reshape(size, cells)
    # Python writes ['…', '…']: start from the list of blanks and insert the hashes.
    blank = str(["." * _HEX] * size).encode()
    text = np.tile(np.frombuffer(blank, dtype=np.uint8), (cells, 1))
    characters = ordered.view(np.uint8).reshape(cells, size, _HEX)
    for place in range(size):
        begin = blank.index(b".") + place * (_HEX + 4)
        text[:, begin : begin + _HEX] = characters[:, place]
    whole, width = text.tobytes(), len(blank)
    # Per cell: hashlib is as fast here, and has no fixed cost that would slow small batches.
    fingerprints = b"".join(
        hashlib.md5(whole[i : i + width], usedforsecurity=False).digest()
        for i in range(0, len(whole), width)
    )
    return np.frombuffer(fingerprints, dtype=np.uint8).reshape(cells, 16)


def _as_text(digests: NDArray[np.uint8]) -> NDArray[np.void]:
    """Return the digests as items of 32 lower-case hexadecimal digits, shape (M,)."""
    return np.frombuffer(hexlify(digests.data), dtype=f"V{_HEX}")


# Cells per run of the array code, which holds two kilobytes of messages for each; larger batches
# gain nothing.
_BATCH_CELLS = 4096
# For fewer cells the fixed cost of some ten thousand array calls exceeds the gain.
_WORTH_A_BATCH = 150


def hash_cells(cells: Iterable[Cell]) -> list[str]:
    """Return the published hash of each cell, in order; batches are much cheaper per cell.

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
        # Equal parts: a short last batch would cost nearly as much as a full one.
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
