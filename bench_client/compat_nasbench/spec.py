"""Cells as programs on `nasbench` describe them: a matrix and names of operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bench_client.errors import UnsupportedQuestionError
from benchmark_db.nasbench101.graph_hash import hash_graph
from missing_extra import needs

__all__ = ["ModelSpec", "OutOfDomainError", "array"]

_DIMENSIONS: Final = 2


class OutOfDomainError(Exception):
    """A cell outside the space, or a budget that the data does not have."""


class ModelSpec:
    """A cell, pruned to the vertices on paths from input to output.

    Args:
        matrix: V x V upper triangular matrix of 0 and 1; an array or nested lists.
        ops: The V operation names, from `input` to `output`.
        data_format: Kept; nothing here depends on it.

    Attributes:
        original_matrix: The matrix given, an array of its own.
        original_ops: The names given.
        matrix: The pruned matrix; None when no path leads from input to output.
        ops: The names that remain; None likewise.
        valid_spec: Whether such a path exists.

    Raises:
        ValueError: The matrix is not square, not upper triangular or of another size than `ops`.
        ImportError: numpy is not installed.
    """

    def __init__(self, matrix: Any, ops: Sequence[str], data_format: str = "channels_last") -> None:
        self.original_matrix = array(matrix)
        self.original_ops = list(ops)
        self.data_format = data_format
        _check_shape(self.original_matrix, len(self.original_ops))
        kept = _on_paths(self.original_matrix.tolist())
        self.valid_spec = bool(kept)
        self.matrix: Any = None
        self.ops: list[str] | None = None
        if kept:
            self.matrix = self.original_matrix[kept][:, kept]
            self.ops = [self.original_ops[vertex] for vertex in kept]

    def __repr__(self) -> str:
        matrix, ops = self.original_matrix.tolist(), self.original_ops
        return f"{type(self).__name__}(matrix={matrix}, ops={ops})"

    def hash_spec(self, canonical_ops: Sequence[str]) -> str:
        """Return the hash that the pruned cell, of any size, shares with isomorphic ones.

        Args:
            canonical_ops: The operations in the order of their labels; the published hashes rest on
                `NASBench.config["available_ops"]`.

        Raises:
            ValueError: An operation is none of them.
            OutOfDomainError: No path leads from input to output.
        """
        if self.matrix is None or self.ops is None:
            raise OutOfDomainError(f"no path of {self!r} leads from input to output")
        labels = [list(canonical_ops).index(name) for name in self.ops[1:-1]]
        columns = self.matrix.T.tolist()
        return hash_graph(
            [[row for row, fed in enumerate(each) if fed] for each in columns], labels
        )

    def visualize(self) -> None:
        """Refuse: there are no pictures of single cells here.

        Raises:
            UnsupportedQuestionError: Always.
        """
        raise UnsupportedQuestionError(
            "cells are not drawn here: `matrix` and `ops` have what graphviz or networkx need"
        )


def array(matrix: Any) -> Any:
    """Return a copy of a matrix as an array.

    Raises:
        ImportError: numpy is not installed.
    """
    with needs("local", "a matrix of a cell"):
        # Not at the top: nothing else here needs it.
        import numpy as np  # noqa: PLC0415
    return np.array(matrix)


def _on_paths(matrix: list[list[int]]) -> list[int]:
    """Return the vertices on paths from the first to the last, ascending; none if there is none."""
    vertices = range(len(matrix))
    reached = {0}
    for vertex in vertices:
        if vertex in reached:
            reached |= {target for target in vertices if matrix[vertex][target]}
    needed = {len(matrix) - 1}
    for vertex in reversed(vertices):
        if any(matrix[vertex][target] for target in needed):
            needed.add(vertex)
    kept = sorted(reached & needed)
    return kept if len(kept) > 1 else []


def _check_shape(matrix: Any, names: int) -> None:
    rows = matrix.tolist()
    if matrix.ndim != _DIMENSIONS or len(set(matrix.shape)) > 1:
        raise ValueError(f"the matrix is of shape {matrix.shape}, not square")
    if len(rows) != names:
        raise ValueError(f"a matrix of {len(rows)} vertices with {names} operations")
    for vertex, row in enumerate(rows):
        if any(row[: vertex + 1]):
            raise ValueError(f"row {vertex} of the matrix is not 0 up to the diagonal")
        if not {0, 1}.issuperset(row):
            raise ValueError(f"row {vertex} of the matrix is {row}, not of 0 and 1")
