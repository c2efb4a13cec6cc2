"""API of the size space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from bench_client.compat_nats_bench.api_utils import NASBenchMetaAPI
from bench_client.table_version import TableName
from benchmark_db.natssss import architecture as sizes

__all__ = ["ALL_BASE_NAMES", "NATSsize"]

ALL_BASE_NAMES: Final = ["NATS-sss-v1_0-50262"]
"""Names of the archives."""


class NATSsize(NASBenchMetaAPI):
    """API of the size space; arguments as for `create`."""

    search_space_name = "size"
    is_size = True
    is_topology = False
    full_train_epochs = full_epochs_in_paper = 90
    _benchmark = TableName("natssss")
    _budgets: ClassVar = {"01": 1, "12": 12, "90": 90}

    def _names(self) -> list[str]:
        return [
            sizes.arch_str(sizes.channels_at(index)) for index in range(sizes.NUM_ARCHITECTURES)
        ]

    def _curves(self, index: int, epochs: int, dataset: Any) -> Sequence[Any]:
        return self._bench.curves_natssss(index, epochs, dataset)

    def _arch_config(self, arch_str: str) -> dict[str, Any]:
        return {
            "name": "infer.shape.tiny",
            "channels": arch_str,
            "arch_str": arch_str,
            "genotype": sizes.CELL,
        }
