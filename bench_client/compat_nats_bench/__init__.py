"""Adapter with the API of the package `nats_bench` (1.8), for porting programs.

`from nats_bench import create` becomes `from bench_client.compat_nats_bench import create`,
likewise its modules, and the path given to `create` becomes a client, the address of a service or a
folder of databases. Values and units are those of the package, except for the last digits (see
`compat_nats_bench.run_results`). Other differences:

* Where the package draws one of several runs at random (`is_random=True`, `simulate_train_eval`),
  the adapter draws from Python's global generator, too. With a `seed` the same query has the same
  result, whatever was queried before.
* The `comment` of `get_more_info` is worded differently; seeds of runs are numbers.
* Trained weights are not served. `get_net_param`, methods that would change recorded runs,
  `pickle_load` and `pickle_save` raise UnsupportedQuestionError.
* Results are fetched on access. `fast_mode` and `verbose` have no effect; after `reload`, results
  are fetched again.

New programs should use `BenchClient`.
"""

from __future__ import annotations

from typing import Any, Final

from bench_client.compat import Where
from bench_client.compat_nats_bench.api_size import NATSsize
from bench_client.compat_nats_bench.api_topology import NATStopology
from bench_client.compat_nats_bench.api_utils import pickle_load, pickle_save
from bench_client.compat_nats_bench.arch_results import ArchResults
from bench_client.compat_nats_bench.run_results import ResultsCount
from benchmark_db.nasbench201 import architecture as topologies
from benchmark_db.natssss import architecture as sizes

__all__ = [
    "ArchResults",
    "NATS_BENCH_API_VERSIONs",
    "NATS_BENCH_SSS_NAMEs",
    "NATS_BENCH_TSS_NAMEs",
    "NATSsize",
    "NATStopology",
    "ResultsCount",
    "create",
    "pickle_load",
    "pickle_save",
    "search_space_info",
    "version",
]

NATS_BENCH_API_VERSIONs: Final = ["v1.8"]
NATS_BENCH_SSS_NAMEs: Final = ("sss", "size")
NATS_BENCH_TSS_NAMEs: Final = ("tss", "topology")


def version() -> str:
    """Return the version of the package whose API this is."""
    return NATS_BENCH_API_VERSIONs[-1]


def create(
    file_path_or_dict: Where,
    search_space: str,
    fast_mode: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    verbose: bool = True,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    seed: int | None = None,
) -> NATStopology | NATSsize:
    """Return the API of a space.

    Args:
        file_path_or_dict: Instead of the file, a client, the address of a service, a folder of
            databases, or None for `BenchClient()`.
        search_space: `tss` or `topology`; `sss` or `size`.
        fast_mode: Stored, but has no effect: results are fetched on access.
        verbose: Ignored; nothing is printed.
        seed: Seed of the choice among several runs, which makes a search repeatable; None: draw
            from Python's global generator, as the package does.

    Raises:
        ValueError: There is no such space.
        BenchmarkNotInstalledError: The folder holds no usable database.
    """
    return _space(search_space)(file_path_or_dict, fast_mode, verbose, seed=seed)


def search_space_info(main_tag: str, aux_tag: str | None = None) -> dict[str, Any]:
    """Return the operations and nodes, or channels and layers, of a space.

    Args:
        main_tag: `nats-bench`, or `nas-bench-201` for the topology space.
        aux_tag: For `nats-bench`, the space as for `create`.

    Returns:
        `op_names` and `num_nodes` of the topology space, `candidates` and `num_layers` of the size
        space.

    Raises:
        ValueError: There is no such space.
    """
    if main_tag == "nas-bench-201" and aux_tag is None:
        aux_tag = "tss"
    elif main_tag != "nats-bench":
        raise ValueError(f"there is no space {main_tag!r:.80}, {aux_tag!r:.80}")
    if _space(aux_tag) is NATStopology:
        return {"op_names": list(topologies.OPERATIONS), "num_nodes": 4}
    return {"candidates": list(sizes.CHANNELS), "num_layers": sizes.NUM_LAYERS}


def _space(name: str | None) -> type[NATStopology | NATSsize]:
    if name in NATS_BENCH_TSS_NAMEs:
        return NATStopology
    if name in NATS_BENCH_SSS_NAMEs:
        return NATSsize
    raise ValueError(
        f"there is no search space {name!r:.80}; known are tss or topology, and sss or size"
    )
