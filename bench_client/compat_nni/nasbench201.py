"""Names and functions of NNI's NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bench_client.choices import Nb201Dataset
from bench_client.compat import Where
from bench_client.compat_nni.answers import NniReduction, answers
from bench_client.nasbench201 import Architecture
from benchmark_db.nasbench201.architecture import OPERATIONS

__all__ = [
    "AVG_POOL_3X3",
    "CONV_1X1",
    "CONV_3X3",
    "NONE",
    "PRIMITIVES",
    "SKIP_CONNECT",
    "query_nb201_computed_stats",
    "query_nb201_trial_stats",
]

PRIMITIVES: Final = [name.removeprefix("nor_") for name in OPERATIONS]
"""The operations of an edge."""

NONE, SKIP_CONNECT, CONV_1X1, CONV_3X3, AVG_POOL_3X3 = PRIMITIVES


def query_nb201_trial_stats(
    arch: Architecture | None,
    num_epochs: int | None,
    dataset: Nb201Dataset | None,
    reduction: NniReduction = None,
    include_intermediates: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    client: Where = None,
) -> Iterator[dict[str, Any]]:
    """Yield the runs that match, as dicts; None is a wildcard.

    Args:
        arch: Architecture, as `{"0_1": …}` or in another spelling.
        num_epochs: Training budget, in epochs.
        dataset: The data set.
        reduction: As for `BenchClient.query_nb201`; "none" is None.
        include_intermediates: Whether to include learning curves.
        client: A client, the address of a service, or a folder of databases; None: a
            `BenchClient()` for this query.

    Raises:
        BenchError: As `BenchClient.query_nb201`.
    """
    yield from answers(
        client,
        lambda bench, reduced: bench.query_nb201(
            arch,
            num_epochs,
            dataset,
            reduction=reduced,
            include_intermediates=include_intermediates,
        ),
        reduction,
        include_intermediates=include_intermediates,
    )


query_nb201_computed_stats = query_nb201_trial_stats
"""Name of the function in NNI 1."""
