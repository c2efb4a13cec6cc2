"""Names that users of NNI's NAS-Bench-101 and NDS functions know, for moving their programs over.

`from nni.nas.benchmark.nasbench101 import …` becomes `from bench_client.compat_nni import …`. The
functions work on this service's data: times of finished runs are in seconds, where NNI has 60 times
as many, and a cell is pruned before it is hashed, as the benchmark itself does. New programs are
better off with `BenchClient`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench_client.arguments import Reduction
from bench_client.clients import BenchClient
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import PUBLISHED_OPERATION_NAMES
from benchmark_db.nasbench101.cell_hash import hash_cell
from benchmark_db.nasbench101.spelling import parse_cell

__all__ = [
    "CONV1X1",
    "CONV3X3",
    "INPUT",
    "LABEL2ID",
    "MAXPOOL3X3",
    "OUTPUT",
    "hash_module",
    "infer_num_vertices",
    "nasbench_format_to_architecture_repr",
    "query_nb101_computed_stats",
    "query_nds_computed_stats",
]

INPUT: Final = "input"
OUTPUT: Final = "output"
CONV3X3, CONV1X1, MAXPOOL3X3 = PUBLISHED_OPERATION_NAMES

LABEL2ID: Final = {INPUT: -1, OUTPUT: -2, CONV3X3: 0, CONV1X1: 1, MAXPOOL3X3: 2}
"""What the hash is made of, by operation."""


def infer_num_vertices(architecture: Mapping[str, Any]) -> int:
    """Return the vertices of `{"op1": …, "input1": …}`, input and output included.

    Raises:
        InvalidArchitectureError: It has no `op1`, or its operations are not numbered in a row.
    """
    named = {key for key in architecture if key.startswith("op")}
    if named != {f"op{vertex}" for vertex in range(1, len(named) + 1)}:
        raise InvalidArchitectureError(
            f"operations are op1 to op{len(named)}, not {', '.join(sorted(named))}"
        )
    return len(named) + 2


def hash_module(architecture: Mapping[str, Any], vertices: int) -> str:
    """Return the published hash of `{"op1": …, "input1": …}`, 32 hexadecimal digits.

    Args:
        architecture: The cell; operation names may be short or published.
        vertices: How many vertices it has.

    Raises:
        InvalidArchitectureError: The cell is malformed or outside the space, or has another number
            of vertices.
    """
    cell = parse_cell(dict(architecture))
    if cell.num_vertices != vertices:
        raise InvalidArchitectureError(f"the cell has {cell.num_vertices} vertices, not {vertices}")
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
    architecture = cell.to_dict()
    for vertex, label in enumerate(cell.operations, start=1):
        architecture[f"op{vertex}"] = PUBLISHED_OPERATION_NAMES[label]
    return cell.num_vertices, architecture


def query_nb101_computed_stats(
    arch: str | Mapping[str, Any] | None,
    num_epochs: int | None,
    isomorphism: bool = True,  # noqa: FBT001, FBT002 - the signature that users know
    reduction: Reduction | None = None,
    include_intermediates: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    client: BenchClient | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the runs that match, as dicts.

    Args:
        arch: The cell; None is a wildcard.
        num_epochs: Training budget, in epochs; None is a wildcard.
        isomorphism: As for `BenchClient.query_nb101`.
        reduction: As for `BenchClient.query_nb101`.
        include_intermediates: As for `BenchClient.query_nb101`.
        client: Whom to ask, such as `BenchClient.local()`; None: a `BenchClient()` for this one
            question.

    Raises:
        BenchError: As `BenchClient.query_nb101`.
    """
    bench = client or BenchClient()
    try:
        runs = bench.query_nb101(
            arch,
            num_epochs,
            isomorphism=isomorphism,
            reduction=reduction,
            include_intermediates=include_intermediates,
        )
    finally:
        if client is None:
            bench.close()
    for run in runs:
        yield run.model_dump()


def query_nds_computed_stats(  # noqa: PLR0913, PLR0917 - the signature that users know
    model_family: str | None,
    proposer: str | None,
    generator: str | None,
    model_spec: str | Mapping[str, Any] | None,
    cell_spec: str | Mapping[str, Any] | None,
    dataset: str | None,
    num_epochs: int | None = None,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    client: BenchClient | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the runs of NDS that match, as dicts; None is a wildcard.

    Args:
        model_family: As for `BenchClient.query_nds`, and so on.
        proposer: Whose design space.
        generator: How networks were sampled.
        model_spec: The network, its keys in any order.
        cell_spec: Its cells, likewise.
        dataset: The data set.
        num_epochs: Training budget, in epochs.
        reduction: As for `BenchClient.query_nds`.
        include_intermediates: As for `BenchClient.query_nds`.
        client: Whom to ask, such as `BenchClient.local()`; None: a `BenchClient()` for this one
            question.

    Raises:
        BenchError: As `BenchClient.query_nds`.
    """
    bench = client or BenchClient()
    try:
        runs = bench.query_nds(
            model_family,
            proposer,
            generator,
            model_spec,
            cell_spec,
            dataset,
            num_epochs,
            reduction=reduction,
            include_intermediates=include_intermediates,
        )
    finally:
        if client is None:
            bench.close()
    for run in runs:
        yield run.model_dump()
