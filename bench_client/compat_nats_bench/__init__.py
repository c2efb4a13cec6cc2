"""The API of the package `nats_bench` (1.8) on this service, for moving programs over.

`from nats_bench import create` becomes `from bench_client.compat_nats_bench import create`, its
modules alike, and the path given to `create` becomes a client, the address of a service or a folder
of databases. Figures and their units are those of the package; they differ in the last digits only
(`compat_nats_bench.run_results` says where). What else differs:

* Where the package draws one of several runs at random (`is_random=True`, `simulate_train_eval`),
  this does, too, from Python's global generator. With a `seed` the same question has the same
  answer, whatever was asked before.
* The `comment` of `get_more_info` says the same in other words; seeds of runs are numbers.
* Trained weights are not served: `get_net_param` says so. Methods that would change recorded runs,
  and `pickle_load` and `pickle_save`, say that there is nothing of the kind here.
* Results are asked for when they are looked up. `fast_mode` and `verbose` change nothing, and
  `reload` makes them be asked for again.

New programs are better off with `BenchClient`.
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
    """Return which version of the package this is the API of."""
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
        file_path_or_dict: Whom to ask, in place of the file: a client, the address of a service, a
            folder of databases, or None for `BenchClient()`.
        search_space: `tss` or `topology`; `sss` or `size`.
        fast_mode: Taken and reported; nothing is loaded beforehand in either mode.
        verbose: Taken; nothing is printed.
        seed: Chooses the run where one of several answers, so that a search can be repeated; None:
            Python's global generator draws it, as the package does.

    Raises:
        ValueError: There is no such space.
        BenchmarkNotInstalledError: The folder holds no database that can be used.
    """
    return _space(search_space)(file_path_or_dict, fast_mode, verbose, seed=seed)


def search_space_info(main_tag: str, aux_tag: str | None = None) -> dict[str, Any]:
    """Return what architectures of a space are made of.

    Args:
        main_tag: `nats-bench`, or `nas-bench-201` for the topology space.
        aux_tag: For the former, the space as for `create`.

    Returns:
        `op_names` and `num_nodes` of the topology space, `candidates` and `num_layers` of the size
        space.

    Raises:
        ValueError: There is no such space.
    """
    if main_tag == "nas-bench-201" and aux_tag is None:
        aux_tag = "tss"
    elif main_tag != "nats-bench":
        raise ValueError(f"no space is called {main_tag!r:.80}, {aux_tag!r:.80}")
    if _space(aux_tag) is NATStopology:
        return {"op_names": list(topologies.OPERATIONS), "num_nodes": 4}
    return {"candidates": list(sizes.CHANNELS), "num_layers": sizes.NUM_LAYERS}


def _space(name: str | None) -> type[NATStopology | NATSsize]:
    if name in NATS_BENCH_TSS_NAMEs:
        return NATStopology
    if name in NATS_BENCH_SSS_NAMEs:
        return NATSsize
    raise ValueError(f"no search space is called {name!r:.80}: tss or topology, sss or size")
