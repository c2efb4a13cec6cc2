"""Readers that convert rows to spaces and samples, one module per benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from model_hub.rows.nasbench101 import NASBENCH101
from model_hub.rows.nasbench201 import NASBENCH201
from model_hub.rows.natssss import NATSSSS
from model_hub.rows.nds import NDS
from model_hub.rows.reading import RowReader

__all__ = ["READERS"]

READERS: Final[Mapping[str, RowReader]] = MappingProxyType(
    {reader.benchmark: reader for reader in (NASBENCH101, NASBENCH201, NATSSSS, NDS)}
)
"""The readers by name of the benchmark."""
