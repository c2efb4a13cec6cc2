"""NAS-Bench-101 as an installed benchmark."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from peewee import SQL

from benchmark_db.benchmark import Benchmark
from benchmark_db.config_columns import ConfigColumn, json_text
from benchmark_db.curves import Curves, MalformedCurvesError
from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    UnknownBenchmarkError,
    shown,
)
from benchmark_db.features import Feature
from benchmark_db.items import Item, Row
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.features import cell_features
from benchmark_db.nasbench101.identity import NO_CELL, CellIdentities, Identity
from benchmark_db.nasbench101.space import neighboring_cells
from benchmark_db.nasbench101.spelling import parse_cell, parse_hash
from benchmark_db.nasbench101.tables import (
    BUDGETS,
    HALFWAY,
    MILLION,
    SCHEMA_VERSION,
    STATS,
    CellRow,
    Run,
)
from benchmark_db.questions import Filter, checked_batch, one_of
from benchmark_db.run_source import KEYS_PARAMETER, RunSource
from benchmark_spec.published import NASBENCH101

__all__ = ["NasBench101"]

_ISOMORPHISM: Final = "isomorphism"
_PERCENT: Final = 100
_CELLS: Final = (
    f"SELECT id, hash, code FROM cell WHERE id IN (SELECT value FROM json_each(:{KEYS_PARAMETER}))"  # noqa: S608 - of constants
)


class NasBench101(Benchmark):
    """Runs of 423,624 cells on CIFAR-10 at 4, 12, 36 and 108 epochs."""

    spec = NASBENCH101
    schema_version = SCHEMA_VERSION
    source = RunSource(
        table=Run,
        packed_curves=Run.halfway,
        joined=((CellRow, Run.cell == CellRow.id),),
        columns={
            "hash": CellRow.hash,
            "code": CellRow.code,
            "trainable_parameters": CellRow.trainable_parameters,
            "parameters": CellRow.trainable_parameters / SQL(f"{MILLION:.1f}"),
        },
    )
    key_columns = ("cell", "num_epochs")
    numbered_by = "cell"
    parts_by = ("num_epochs",)
    config_columns = (*key_columns, "hash", "code", "trainable_parameters")
    filters = {"num_epochs": Filter("num_epochs", one_of("num_epochs", BUDGETS))}  # noqa: RUF012 - read only; declared a Mapping by the base class
    # Hardly any of 1.7 million configurations is requested twice soon, and each takes 2 kB: enough
    # for the runs of one configuration.
    kept_configs = 64
    spelled_by = "hash"
    # The runs of a cell take 800 bytes: larger pages would mostly read other data.
    page_size = 4096

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._identities = CellIdentities(self.database)
        self.filters = {
            "arch": Filter("cell", self._identities.number_of, self._identities.numbers_of),
            **self.filters,
        }
        self._exact_filters = {**self.filters, "arch": Filter("code", self._exact_code)}

    @classmethod
    def network_arch(cls, arch: Any, opened: Callable[[], Benchmark]) -> Any:
        """Return a cell; for a hash, the one recorded in the database.

        Raises:
            InvalidArchitectureError: The cell is malformed or outside the space, or the hash is
                unknown.
        """
        known = parse_hash(arch)
        if known is None:
            return parse_cell(arch).to_dict()
        try:
            recorded = opened().describe(known)["arch"]
        except UnknownBenchmarkError as error:
            raise InvalidArchitectureError(
                f"a hash needs the database to find its cell, but {error}; give the cell itself"
            ) from error
        if recorded is None:
            raise InvalidArchitectureError(
                f"no cell with the hash {known} is recorded: give the cell itself"
            )
        return recorded

    def understood(
        self, filters: Mapping[str, Any]
    ) -> tuple[Mapping[str, Filter], Mapping[str, Any]]:
        """Read an architecture as exactly the recorded cell if `isomorphism` is false.

        Raises:
            InvalidQuestionError: `isomorphism` is not a truth value.
        """
        if _ISOMORPHISM not in filters:
            return self.filters, filters
        isomorphism = filters[_ISOMORPHISM]
        if not isinstance(isomorphism, bool | None):
            raise InvalidQuestionError(_ISOMORPHISM, f"{shown(isomorphism)} is not true or false")
        selecting = {name: value for name, value in filters.items() if name != _ISOMORPHISM}
        return self._exact_filters if isomorphism is False else self.filters, selecting

    def config(self, *columns: Any) -> Item:
        """Return the configuration's `config` object."""
        _, num_epochs, cell_hash, code, trainable_parameters = columns
        cell = Cell(code)
        return {
            "arch": cell.to_dict(),
            "num_vertices": cell.num_vertices,
            "hash": cell_hash,
            "num_epochs": num_epochs,
            "trainable_parameters": trainable_parameters,
        }

    def exported(self) -> Sequence[ConfigColumn]:
        """Return the columns of a configuration in exports; a cell is one text."""
        return (
            ConfigColumn("hash", "text"),
            ConfigColumn("num_vertices", "integer", "code", lambda code: Cell(code).num_vertices),
            ConfigColumn("num_epochs", "integer"),
            ConfigColumn("trainable_parameters", "integer"),
            ConfigColumn("arch", "text", "code", lambda code: json_text(Cell(code).to_dict())),
        )

    def unpack(self, row: Row) -> Curves:
        """Return the statistics half-way, from the packed column, and at the end, from the row.

        Raises:
            MalformedCurvesError: The packed column does not hold four numbers.
        """
        _, num_epochs, *_ = row
        train, valid, test, _, seconds, packed = row[-len(STATS) - 1 :]
        try:
            *halfway, halfway_seconds = HALFWAY.unpack(packed)
        except (struct.error, TypeError) as error:
            raise MalformedCurvesError(f"no half-way evaluation in {shown(packed)}") from error
        columns = [
            [_PERCENT * accuracy, final]
            for accuracy, final in zip(halfway, (train, valid, test), strict=True)
        ]
        return (num_epochs // 2, num_epochs), [*columns, [halfway_seconds, seconds]]

    def describe_many(self, archs: Sequence[Any]) -> list[Item | InvalidArchitectureError]:
        """Return the hash and the pruned form of each cell, and whether it has runs.

        For a hash without runs nothing else is known. A malformed cell gives its error.

        Raises:
            InvalidQuestionError: There are too many architectures.
        """
        found = self._identities.identify_each(checked_batch(archs))
        hashes = {meant.hash for meant in found if isinstance(meant, Identity)}
        codes = self._identities.recorded_codes(hashes)
        return [
            _described(meant, codes.get(meant.hash)) if isinstance(meant, Identity) else meant
            for meant in found
        ]

    def number_of(self, arch: Any) -> int | None:
        """Return the index of an architecture's cell; None if it has no runs.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        number = self._identities.number_of(arch)
        return None if number == NO_CELL else number

    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return the descriptions of the cells with these indices, as `describe_many` does."""
        rows = self.database.rows(_CELLS, {KEYS_PARAMETER: orjson.dumps(list(numbers)).decode()})
        found = {
            number: _described(Identity(cell_hash, None), code) for number, cell_hash, code in rows
        }
        return [found[number] for number in numbers]

    def neighbors(self, arch: Any) -> list[Item]:
        """Return the cells with one operation changed, or one edge added or removed.

        They are valid, have equally many vertices and are de-duplicated, in the order of their
        hashes; the module `space` gives the reasons.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space, or it is
                a hash without runs.
        """
        (meant,) = self._identities.identify_each([arch])
        if isinstance(meant, InvalidArchitectureError):
            raise meant
        cell = meant.cell or self._recorded_cell(meant.hash)
        near = neighboring_cells(cell)
        codes = self._identities.recorded_codes(cell_hash for cell_hash, _ in near)
        return [
            _described(Identity(cell_hash, other), codes.get(cell_hash))
            for cell_hash, other in near
        ]

    def drawn(self, arch: Any) -> Item:
        """Return the drawing of a cell, without vertices that compute nothing.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space, or it is
                a hash without runs.
        """
        described = self.describe(arch)
        if described["arch"] is None:
            raise InvalidArchitectureError(
                f"no cell with the hash {described['hash']} is recorded: give the cell itself"
            )
        return {
            "title": described["hash"],
            "row": {"benchmark": self.spec.name, "arch": described["arch"]},
        }

    def features(self) -> tuple[Feature, ...]:
        """Return the operations and edges of its cells."""
        return self._features

    @cached_property
    def _features(self) -> tuple[Feature, ...]:
        return cell_features(lambda: self._codes)

    @cached_property
    def _codes(self) -> NDArray[np.int64]:
        """The codes of all cells, by index."""
        rows = self.database.rows("SELECT code FROM cell ORDER BY id")
        return np.fromiter((code for (code,) in rows), np.int64)

    @cached_property
    def _recorded(self) -> Sequence[int]:
        # Indices are ranks by hash.
        ((count,),) = self.database.rows("SELECT COUNT(*) FROM cell")
        return range(count)

    def _recorded_cell(self, cell_hash: str) -> Cell:
        codes = self._identities.recorded_codes([cell_hash])
        if not codes:
            raise InvalidArchitectureError(
                f"no cell with the hash {cell_hash} is recorded: give the cell itself"
            )
        return Cell(codes[cell_hash])

    def _exact_code(self, arch: Any) -> int:
        """Return the code of exactly the given cell; for a hash, that of the recorded cell."""
        known = parse_hash(arch)
        if known is None:
            return parse_cell(arch).code
        return self._identities.recorded_codes([known]).get(known, NO_CELL)


def _described(meant: Identity, recorded: int | None) -> Item:
    cell = meant.cell
    if cell is None and recorded is not None:
        cell = Cell(recorded)
    pruned = cell and cell.pruned()
    return {
        "hash": meant.hash,
        "num_vertices": pruned and pruned.num_vertices,
        "num_edges": pruned and pruned.num_edges,
        "arch": pruned and pruned.to_dict(),
        "in_benchmark": recorded is not None,
    }
