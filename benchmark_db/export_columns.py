"""What a row of an export holds: the item of an answer, laid flat.

A configuration becomes columns of its own, named as in `config`. What is an object there is one
text, its JSON with sorted keys, which is an accepted spelling too. An architecture that has a
string is told by it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson

from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench201 import architecture as nasbench201
from benchmark_db.nats_bench.tables import DATASETS
from benchmark_db.natssss import architecture as natssss
from benchmark_db.nds.specification import expanded_cell

__all__ = ["CONFIG_COLUMNS", "Column", "ConfigColumn", "Kind"]

Kind: TypeAlias = Literal["boolean", "integer", "number", "text"]
"""64-bit integers, doubles, UTF-8; each may be null."""

_KEPT: Final = 4096
"""Values kept of a conversion: runs of an architecture are neighbours."""


@dataclass(frozen=True)
class Column:
    """A column of an export.

    Attributes:
        name: Its name, the same everywhere.
        kind: What its values are.
    """

    name: str
    kind: Kind


@dataclass(frozen=True)
class ConfigColumn(Column):
    """A column of the configuration.

    Attributes:
        source: The column of the database's rows that it is made of.
        convert: Makes a value of one of that column; None where they are the same.
    """

    source: str
    convert: Callable[[Any], Any] | None = None

    def values(self, rows: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
        """Return the values for rows that are given as columns."""
        found = rows[self.source]
        return found if self.convert is None else list(map(self.convert, found))


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _same(name: str, kind: Kind) -> ConfigColumn:
    return ConfigColumn(name, kind, name)


@lru_cache(_KEPT)
def _cell(code: int) -> str:
    return _json(Cell(code).to_dict())


@lru_cache(_KEPT)
def _num_vertices(code: int) -> int:
    return Cell(code).num_vertices


@lru_cache(_KEPT)
def _topology(index: int) -> str:
    return nasbench201.arch_str(nasbench201.operations_at(index))


@lru_cache(_KEPT)
def _channels(index: int) -> str:
    return natssss.arch_str(natssss.channels_at(index))


@lru_cache(_KEPT)
def _model_spec(stored: str) -> str:
    return _json(orjson.loads(stored))


@lru_cache(_KEPT)
def _cell_spec(genotype: str | None) -> str:
    return _json(expanded_cell(genotype))


_EPOCHS: Final = _same("num_epochs", "integer")
_INDEX: Final = ConfigColumn("index", "integer", "arch_index")
_NATS_DATASET: Final = ConfigColumn("dataset", "text", "dataset", DATASETS.__getitem__)

CONFIG_COLUMNS: Final[Mapping[str, tuple[ConfigColumn, ...]]] = {
    "nasbench101": (
        _same("hash", "text"),
        ConfigColumn("num_vertices", "integer", "code", _num_vertices),
        _EPOCHS,
        _same("trainable_parameters", "integer"),
        ConfigColumn("arch", "text", "code", _cell),
    ),
    "nasbench201": (
        _INDEX,
        ConfigColumn("arch_str", "text", "arch_index", _topology),
        _EPOCHS,
        _NATS_DATASET,
        _same("num_channels", "integer"),
        _same("num_cells", "integer"),
    ),
    "natssss": (
        _INDEX,
        ConfigColumn("arch_str", "text", "arch_index", _channels),
        _EPOCHS,
        _NATS_DATASET,
    ),
    "nds": (
        *(_same(name, "text") for name in ("model_family", "proposer", "generator", "dataset")),
        _EPOCHS,
        _same("base_lr", "number"),
        _same("weight_decay", "number"),
        ConfigColumn("model_spec", "text", "model_spec", _model_spec),
        ConfigColumn("cell_spec", "text", "genotype", _cell_spec),
    ),
}
"""The columns of each benchmark's configurations, in order."""
