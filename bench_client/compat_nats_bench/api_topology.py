"""API of the topology space, NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from bench_client.compat_nats_bench.api_utils import NASBenchMetaAPI
from bench_client.compat_nats_bench.genotype_utils import Node, nodes_of
from bench_client.table_version import TableName
from benchmark_db.nasbench201 import architecture as topologies
from missing_extra import needs

__all__ = ["ALL_BASE_NAMES", "NATStopology"]

ALL_BASE_NAMES: Final = ["NATS-tss-v1_0-3ffb9"]
"""Names of the archives."""


class NATStopology(NASBenchMetaAPI):
    """API of the topology space, NAS-Bench-201; arguments as for `create`."""

    search_space_name = "topology"
    is_size = False
    is_topology = True
    full_train_epochs = full_epochs_in_paper = 200
    _benchmark = TableName("nasbench201")
    _budgets: ClassVar = {"12": 12, "200": 200}

    def get_unique_str(self, arch: Any) -> str:
        """Return the key of the isomorphism class of an architecture.

        Raises:
            ValueError: The space has no such architecture.
        """
        return topologies.unique_str(topologies.operations_at(self._index(arch)))

    @staticmethod
    def str2lists(arch_str: str) -> list[Node]:
        """Return for each node the operations and sources of its edges.

        Args:
            arch_str: Architecture string with any number of nodes and any operations.

        Raises:
            ValueError: The string is malformed.
        """
        return nodes_of(arch_str)

    @staticmethod
    def str2matrix(arch_str: str, search_space: Sequence[str] = topologies.OPERATIONS) -> Any:
        """Return a V x V array with the number of the edge's operation at [target, source].

        Missing edges are 0, the number of `none` among the operations of the space.

        Args:
            arch_str: Architecture string with any number of nodes.
            search_space: Operations in the order of their numbers.

        Raises:
            ValueError: The string is malformed, or has an unknown operation.
            ImportError: numpy is not installed.
        """
        nodes = nodes_of(arch_str)
        matrix = _zeros(len(nodes) + 1)
        for target, node in enumerate(nodes, start=1):
            for operation, source in node:
                if operation not in search_space:
                    known = ", ".join(search_space)
                    raise ValueError(f"{operation!r:.80} is not one of {known}")
                matrix[target, source] = list(search_space).index(operation)
        return matrix

    def _names(self) -> list[str]:
        return [topologies.arch_str(operations) for operations in topologies.published_order()]

    def _curves(self, index: int, epochs: int, dataset: Any) -> Sequence[Any]:
        return self._bench.curves_nb201(index, epochs, dataset)

    def _arch_config(self, arch_str: str) -> dict[str, Any]:
        return {"channel": 16, "num_cells": 5, "arch_str": arch_str}


def _zeros(nodes: int) -> Any:
    with needs("local", "a matrix of a cell"):
        # Imported here because nothing else in this module needs numpy.
        import numpy as np  # noqa: PLC0415
    return np.zeros((nodes, nodes))
