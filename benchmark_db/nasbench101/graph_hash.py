"""The published hash of many cells; `cell_hash` says what it is.

Seven vertices make fifty md5 calls that hardly ever repeat between cells, so a batch runs them side
by side (`batch_md5`) rather than remembering them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.batch_refinement import hash_pruned_codes
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.cell_hash import hash_cell, hash_code
from benchmark_db.nasbench101.code_arrays import prune_codes, vertex_counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["hash_cell", "hash_cells", "hash_codes"]

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
