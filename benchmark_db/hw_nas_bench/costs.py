"""HW-NAS-Bench: measured costs of NAS-Bench-201's architectures, joined by their index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from peewee import SQL

from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.hw_nas_bench.tables import (
    DATASETS,
    DEVICES,
    KEY,
    METRICS,
    SCHEMA_VERSION,
    Cost,
)
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.items import Item, Row
from benchmark_db.metrics import Metric, metrics_of_spec
from benchmark_db.nasbench201 import architecture as space
from benchmark_db.questions import (
    MAX_LIMIT,
    Filter,
    Page,
    Paging,
    checked_count,
    choice,
    known_filters,
)
from benchmark_db.run_source import Order, RunSource, Selection
from benchmark_spec.published import HW_NAS_BENCH

__all__ = ["HwNasBench", "cost_dataset"]

_DEVICE: Final = "device"
_CODES: Final = {name: code for code, name in enumerate(DATASETS)}
_ORDER: Final = Order(KEY)
_NO_CURVES: Final = SQL("NULL")

cost_dataset: Final = choice("dataset", {**_CODES, "cifar10-valid": _CODES["cifar10"]})
"""Reads a data set's name, in any case, and returns its code. cifar10-valid has the images and
classes of cifar10, hence the same networks and costs."""


class HwNasBench(InstalledDataset):
    """Costs of 15,625 architectures for three image data sets on six devices."""

    spec = HW_NAS_BENCH
    schema_version = SCHEMA_VERSION
    counted = "costs"
    joined_to = "nasbench201"
    key_columns = KEY
    numbered_by = "arch_index"
    parts_by = ("dataset",)
    compared = METRICS
    source = RunSource(table=Cost, packed_curves=_NO_CURVES)
    filters: Mapping[str, Filter] = {
        "arch": Filter("arch_index", space.parse),
        "dataset": Filter("dataset", cost_dataset),
    }

    @property
    def num_architectures(self) -> int:
        """Size of NAS-Bench-201's space."""
        size: int = space.NUM_ARCHITECTURES
        return size

    def joined_metrics(self) -> Mapping[str, Metric]:
        """Return the costs as metrics of NAS-Bench-201, by their published names."""
        return metrics_of_spec(self.spec, joined_to=self.joined_to, prefixed=False)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._statements: dict[tuple[Any, ...], str] = {}

    def costs(
        self, filters: Mapping[str, Any], *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return the costs of matching architectures: one item per architecture and data set.

        Args:
            filters: Values of `arch`, `dataset` and `device`; None and absent ones are wildcards.
                With a device, items carry only the costs on that device.
            limit: Items in the page.
            cursor: `next_cursor` of the previous page.

        Raises:
            InvalidQuestionError: A filter, the limit or the cursor is malformed.
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        limit = checked_count("limit", limit, MAX_LIMIT)
        selecting = {name: value for name, value in filters.items() if name != _DEVICE}
        metrics = _metrics_of(filters.get(_DEVICE))
        where = known_filters(selecting, self.filters)
        paging = Paging(
            table=self.version,
            question=(where, metrics),
            columns=KEY,
            place=KEY,
            by_number=False,
            limit=limit,
        )
        position = () if cursor is None else paging.position(cursor)
        sql = self._statement(metrics, Selection(frozenset(where), after=len(position)))
        after = {f"after_{rank}": value for rank, value in enumerate(position)}
        rows = self.database.rows(sql, {**where, **after})
        return paging.page((row, _item(row, metrics)) for row in rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `all_rows`."""
        return (*KEY, *METRICS)

    def all_rows(self) -> Iterator[Row]:
        """Yield every row in key order: the key, then the costs."""
        sql = self._statement(METRICS, Selection(frozenset(), with_curves=True))
        return self.database.rows(sql)

    def _statement(self, metrics: tuple[str, ...], selection: Selection) -> str:
        key = (metrics, selection)
        if key not in self._statements:
            query = self.source.query((*KEY, *metrics), _ORDER, selection)
            self._statements[key] = self.database.compile(query)
        return self._statements[key]


def _metrics_of(device: Any) -> tuple[str, ...]:
    if device is None:
        return METRICS
    known = DEVICES.get(device.lower()) if isinstance(device, str) else None
    if known is None:
        raise InvalidQuestionError(
            _DEVICE, f"unknown device {shown(device)}; known are {', '.join(DEVICES)}"
        )
    return known


def _item(row: Row, metrics: tuple[str, ...]) -> Item:
    index, dataset, *costs = row
    operations = space.operations_at(index)
    config = {
        "arch": space.arch_dict(operations),
        "arch_str": space.arch_str(operations),
        "index": index,
        "dataset": DATASETS[dataset],
    }
    return {"config": config, **dict(zip(metrics, costs, strict=True))}
