"""Names and functions of NNI's NDS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bench_client.choices import NdsDataset, NdsGenerator, NdsModelFamily, NdsProposer
from bench_client.compat import Where
from bench_client.compat_nni.answers import NniReduction, answers
from bench_client.nds import Specification

__all__ = [
    "AVG_POOL_3X3",
    "CONV_1X1",
    "CONV_3X1_1X3",
    "CONV_3X3",
    "CONV_7X1_1X7",
    "DIL_CONV_3X3",
    "DIL_CONV_5X5",
    "DIL_SEP_CONV_3X3",
    "MAX_POOL_3X3",
    "MAX_POOL_5X5",
    "MAX_POOL_7X7",
    "NONE",
    "SEP_CONV_3X3",
    "SEP_CONV_5X5",
    "SEP_CONV_7X7",
    "SKIP_CONNECT",
    "query_nds_computed_stats",
    "query_nds_trial_stats",
]

NONE: Final = "none"
SKIP_CONNECT: Final = "skip_connect"
AVG_POOL_3X3: Final = "avg_pool_3x3"
MAX_POOL_3X3: Final = "max_pool_3x3"
MAX_POOL_5X5: Final = "max_pool_5x5"
MAX_POOL_7X7: Final = "max_pool_7x7"
CONV_1X1: Final = "conv_1x1"
CONV_3X3: Final = "conv_3x3"
CONV_3X1_1X3: Final = "conv_3x1_1x3"
CONV_7X1_1X7: Final = "conv_7x1_1x7"
DIL_CONV_3X3: Final = "dil_conv_3x3"
DIL_CONV_5X5: Final = "dil_conv_5x5"
SEP_CONV_3X3: Final = "sep_conv_3x3"
SEP_CONV_5X5: Final = "sep_conv_5x5"
SEP_CONV_7X7: Final = "sep_conv_7x7"
DIL_SEP_CONV_3X3: Final = "dil_sep_conv_3x3"


def query_nds_trial_stats(  # noqa: PLR0913, PLR0917 - the signature that users know
    model_family: NdsModelFamily | None,
    proposer: NdsProposer | None,
    generator: NdsGenerator | None,
    model_spec: Specification | None,
    cell_spec: Specification | None,
    dataset: NdsDataset | None,
    num_epochs: int | None = None,
    reduction: NniReduction = None,
    include_intermediates: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    client: Where = None,
) -> Iterator[dict[str, Any]]:
    """Yield the runs that match, as dicts; None is a wildcard.

    Args:
        model_family: As for `BenchClient.query_nds`, and so are the filters below.
        proposer: Proposer of the design space.
        generator: How networks were sampled.
        model_spec: Specification of the network, keys in any order.
        cell_spec: Specification of its cells, keys in any order.
        dataset: The data set.
        num_epochs: Training budget, in epochs.
        reduction: As for `BenchClient.query_nds`; "none" is None.
        include_intermediates: Whether to include learning curves.
        client: A client, the address of a service, or a folder of databases; None: a
            `BenchClient()` for this query.

    Raises:
        BenchError: As `BenchClient.query_nds`.
    """
    yield from answers(
        client,
        lambda bench, reduced: bench.query_nds(
            model_family,
            proposer,
            generator,
            model_spec,
            cell_spec,
            dataset,
            num_epochs,
            reduction=reduced,
            include_intermediates=include_intermediates,
        ),
        reduction,
        include_intermediates=include_intermediates,
    )


query_nds_computed_stats = query_nds_trial_stats
"""Name of the function in NNI 1."""
