"""The two spaces, and how each is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from bench_client.compat import Where
from bench_client.compat_nats_bench.api import NatsBench
from benchmark_db.nasbench201 import architecture as topologies
from benchmark_db.natssss import architecture as sizes

__all__ = ["NATSsize", "NATStopology", "create", "search_space_info"]

_NODES: Final = 4
"""Nodes of a cell, its input included."""


class NATStopology(NatsBench):
    """The topology space: NAS-Bench-201. Arguments are those of both spaces (`create`)."""

    search_space_name = "topology"
    is_size = False
    is_topology = True
    full_train_epochs = full_epochs_in_paper = 200
    _benchmark = "nasbench201"
    _budgets: ClassVar = {"12": 12, "200": 200}

    def get_unique_str(self, arch: Any) -> str:
        """Return the key that an architecture shares with those that compute the same.

        Raises:
            ValueError: The space has no such architecture.
        """
        return topologies.unique_str(topologies.operations_at(self._index(arch)))

    @staticmethod
    def str2lists(arch_str: str) -> list[tuple[tuple[str, int], ...]]:
        """Return for each node the operations and sources of its edges.

        Args:
            arch_str: The published string.

        Raises:
            InvalidArchitectureError: It is not that of an architecture of the space.
        """
        operations = iter(topologies.operations_at(topologies.parse(arch_str)))
        return [
            tuple((next(operations), source) for source in range(node)) for node in range(1, _NODES)
        ]

    def _names(self) -> list[str]:
        return [topologies.arch_str(operations) for operations in topologies.published_order()]

    def _curves(self, index: int, epochs: int, dataset: str) -> Sequence[Any]:
        return self._bench.curves_nb201(index, epochs, dataset)

    def _network(self, arch_str: str) -> dict[str, Any]:
        return {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": arch_str}


class NATSsize(NatsBench):
    """The size space. Arguments are those of both spaces (`create`)."""

    search_space_name = "size"
    is_size = True
    is_topology = False
    full_train_epochs = full_epochs_in_paper = 90
    _benchmark = "natssss"
    _budgets: ClassVar = {"01": 1, "12": 12, "90": 90}

    def _names(self) -> list[str]:
        return [
            sizes.arch_str(sizes.channels_at(index)) for index in range(sizes.NUM_ARCHITECTURES)
        ]

    def _curves(self, index: int, epochs: int, dataset: str) -> Sequence[Any]:
        return self._bench.curves_natssss(index, epochs, dataset)

    def _network(self, arch_str: str) -> dict[str, Any]:
        return {"name": "infer.shape.tiny", "channels": arch_str, "genotype": sizes.CELL}


def create(
    file_path_or_dict: Where,
    search_space: str,
    fast_mode: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    verbose: bool = True,  # noqa: FBT001, FBT002 - the signature that users know
    *,
    seed: int | None = 0,
) -> NATStopology | NATSsize:
    """Return the API of a space.

    Args:
        file_path_or_dict: Whom to ask, in place of the file: a client, the address of a service, a
            folder of databases, or None for `BenchClient()`.
        search_space: `tss` or `topology`; `sss` or `size`.
        fast_mode: Taken and reported; nothing is loaded beforehand in either mode.
        verbose: Taken; nothing is printed.
        seed: Chooses the run where one of several answers; None: Python's global generator does.

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
        return {"op_names": list(topologies.OPERATIONS), "num_nodes": _NODES}
    return {"candidates": list(sizes.CHANNELS), "num_layers": sizes.NUM_LAYERS}


def _space(name: str | None) -> type[NATStopology | NATSsize]:
    if name in {"tss", "topology"}:
        return NATStopology
    if name in {"sss", "size"}:
        return NATSsize
    raise ValueError(f"no search space is called {name!r:.80}: tss or topology, sss or size")
