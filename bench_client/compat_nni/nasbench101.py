"""Names and functions of NNI's NAS-Bench-101."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench_client.compat import Where
from bench_client.compat_nni.answers import NniReduction, answers
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import PUBLISHED_OPERATION_NAMES, Cell
from benchmark_db.nasbench101.spelling import parse_cell

__all__ = [
    "CONV1X1",
    "CONV1X1_BN_RELU",
    "CONV3X3",
    "CONV3X3_BN_RELU",
    "INPUT",
    "LABEL2ID",
    "MAXPOOL3X3",
    "OUTPUT",
    "hash_module",
    "infer_num_vertices",
    "nasbench_format_to_architecture_repr",
    "query_nb101_computed_stats",
    "query_nb101_trial_stats",
]

INPUT: Final = "input"
OUTPUT: Final = "output"
CONV3X3_BN_RELU, CONV1X1_BN_RELU, MAXPOOL3X3 = PUBLISHED_OPERATION_NAMES
CONV3X3, CONV1X1 = CONV3X3_BN_RELU, CONV1X1_BN_RELU

LABEL2ID: Final = {INPUT: -1, OUTPUT: -2, CONV3X3: 0, CONV1X1: 1, MAXPOOL3X3: 2}
"""Labels of operations in the hash."""


def infer_num_vertices(architecture: Mapping[str, Any]) -> int:
    """Return the number of vertices of `{"op1": …, "input1": …}`, including input and output.

    Raises:
        InvalidArchitectureError: `op1` is missing, or operations are not numbered consecutively.
    """
    named = {key for key in architecture if key.startswith("op")}
    if named != {f"op{vertex}" for vertex in range(1, len(named) + 1)}:
        raise InvalidArchitectureError(
            f"operations must be op1 to op{len(named)}, not {', '.join(sorted(named))}"
        )
    return len(named) + 2


def hash_module(architecture: Mapping[str, Any], vertices: int) -> str:
    """Return the published hash of `{"op1": …, "input1": …}`, 32 hexadecimal digits.

    Args:
        architecture: The cell; operation names may be short or published.
        vertices: Number of vertices of the cell.

    Raises:
        InvalidArchitectureError: The cell is malformed or outside the space, or has another number
            of vertices.
    """
    cell = parse_cell(dict(architecture))
    if cell.num_vertices != vertices:
        raise InvalidArchitectureError(f"the cell has {cell.num_vertices} vertices, not {vertices}")
    # Imported here because it needs numpy, and queries to a server do not.
    from benchmark_db.nasbench101.graph_hash import hash_cell  # noqa: PLC0415

    return hash_cell(cell)


def nasbench_format_to_architecture_repr(
    adjacency_matrix: Any, labeling: Sequence[str]
) -> tuple[int, dict[str, str | list[int]]]:
    """Return the number of vertices and the spelling `{"op1": …, "input1": …}` of a module.

    Args:
        adjacency_matrix: V x V upper triangular matrix of 0 and 1; an array or nested lists.
        labeling: The V published operation names, from `input` to `output`.

    Raises:
        InvalidArchitectureError: The cell is malformed or outside the space.
    """
    rows = adjacency_matrix.tolist() if hasattr(adjacency_matrix, "tolist") else adjacency_matrix
    whole = [[int(entry) for entry in row] for row in rows]
    cell = parse_cell({"module_adjacency": whole, "module_operations": list(labeling)})
    return cell.num_vertices, _published(cell)


def query_nb101_trial_stats(
    arch: str | Mapping[str, Any] | None,
    num_epochs: int | None,
    isomorphism: bool = True,  # noqa: FBT001, FBT002 - the signature that users know
    reduction: NniReduction = None,
    include_intermediates: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    client: Where = None,
) -> Iterator[dict[str, Any]]:
    """Yield the runs that match, as dicts, with the operation names of this module.

    Args:
        arch: The cell; None is a wildcard.
        num_epochs: Training budget, in epochs; None is a wildcard.
        isomorphism: As for `BenchClient.query_nb101`.
        reduction: As for `BenchClient.query_nb101`; "none" is None.
        include_intermediates: Whether to include the statistics half-way and at the end.
        client: A client, the address of a service, or a folder of databases; None: a
            `BenchClient()` for this query.

    Raises:
        BenchError: As `BenchClient.query_nb101`.
    """
    runs = answers(
        client,
        lambda bench, reduced: bench.query_nb101(
            arch,
            num_epochs,
            isomorphism=isomorphism,
            reduction=reduced,
            include_intermediates=include_intermediates,
        ),
        reduction,
        include_intermediates=include_intermediates,
    )
    for run in runs:
        run["config"]["arch"] = _published(parse_cell(run["config"]["arch"]))
        yield run


query_nb101_computed_stats = query_nb101_trial_stats
"""Name of the function in NNI 1."""


def _published(cell: Cell) -> dict[str, str | list[int]]:
    """Return the spelling of a cell with the published names of its operations."""
    architecture = cell.to_dict()
    for vertex, label in enumerate(cell.operations, start=1):
        architecture[f"op{vertex}"] = PUBLISHED_OPERATION_NAMES[label]
    return architecture
