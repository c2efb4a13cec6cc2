"""NDS as an installed benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from benchmark_db.aggregates import Part
from benchmark_db.benchmark import Benchmark
from benchmark_db.config_columns import ConfigColumn, json_text
from benchmark_db.curves import Curve, Curves, every_epoch
from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    UnsupportedQuestionError,
    UnusableDatabaseError,
    shown,
)
from benchmark_db.features import Feature
from benchmark_db.items import Item, Row
from benchmark_db.nds.distribution import distributions
from benchmark_db.nds.drawing import drawing_of
from benchmark_db.nds.features import network_features
from benchmark_db.nds.specification import (
    architecture_key,
    expanded_cell,
    parse_architecture,
    spec_reader,
)
from benchmark_db.nds.streams import BOUNDS, Streams
from benchmark_db.nds.tables import (
    BUDGETS,
    CELL_FAMILY,
    CURVES,
    RANGED,
    SCHEMA_VERSION,
    SPACE_COLUMNS,
    Run,
    Space,
)
from benchmark_db.questions import (
    Filter,
    checked_batch,
    choice,
    integer,
    known_filters,
    listed,
    number,
    one_of,
)
from benchmark_db.run_source import KEYS_PARAMETER, Order, RunSource
from benchmark_spec.published import NDS

__all__ = ["Nds"]

_NETWORKS: Final = (
    "SELECT architecture, model_spec, genotype FROM run"  # noqa: S608 - of constants
    f" WHERE architecture IN (SELECT value FROM json_each(:{KEYS_PARAMETER}))"
    " GROUP BY architecture"
)

_BY_ID: Final = Order(("id",))
_RUNS_AT_A_TIME: Final = 128
"""Runs that are read together: few enough for the shortest page, enough for the longest."""


class Nds(Benchmark):
    """Runs of more than 100,000 networks of ten design spaces on CIFAR-10 and ImageNet."""

    spec = NDS
    schema_version = SCHEMA_VERSION
    source = RunSource(
        table=Run,
        packed_curves=Curve.data,
        joined=((Space, Run.space == Space.id),),
        curves_in=(Curve, Run.id == Curve.id),
        columns={name: getattr(Space, name) for name in SPACE_COLUMNS},
        bounds=BOUNDS,
    )
    key_columns = ("space", "configuration")
    numbered_by = "configuration"
    parts_by = ("space",)
    recorded_by = "SELECT DISTINCT architecture FROM run ORDER BY architecture"
    config_columns = (
        *key_columns,
        *SPACE_COLUMNS,
        *("base_lr", "weight_decay", "model_spec", "genotype", "arch"),
    )
    run_column = "run"
    sortable = RANGED
    # Most configurations have one run, and sorting separates the runs of the others.
    kept_configs = 0
    # The rows of a sorted page lie all over the file: its inner pages are read repeatedly.
    cache_kib = 16_384
    filters = {  # noqa: RUF012 - read only; declared a Mapping by the base class
        **{
            axis.name: Filter(
                axis.name, choice(axis.name, {name: name for name in NDS.names_on(axis.name)})
            )
            for axis in spec.axes
            if axis.kind == "text"
        },
        "model_spec": Filter("model_key", spec_reader("model_spec")),
        "cell_spec": Filter("cell_key", spec_reader("cell_spec")),
        "num_epochs": Filter("num_epochs", one_of("num_epochs", BUDGETS)),
        "seed": Filter("seed", integer("seed")),
        "arch": Filter("arch", parse_architecture),
        **{name: Filter(name, number(name)) for name in BOUNDS},
    }

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._streams = Streams(self.database, self.source)
        budgets = {*BUDGETS, *(space["num_epochs"] for space in self.spaces)}
        self.filters = {
            **self.filters,
            "num_epochs": Filter("num_epochs", one_of("num_epochs", budgets)),
            "seed": Filter("seed", one_of("seed", self.recorded_seeds())),
        }

    @classmethod
    def network_arch(cls, arch: Any, opened: Callable[[], Benchmark]) -> Any:
        """Return the config of a row, or the row: only these describe a network of NDS.

        Raises:
            InvalidArchitectureError: The architecture is not an object.
        """
        del opened
        if not isinstance(arch, Mapping):
            raise InvalidArchitectureError(
                f"an architecture of nds must be the config of a row, or the row, not {shown(arch)}"
            )
        return arch

    def config(self, *columns: Any) -> Item:
        """Return the configuration's `config` object."""
        _, _, family, proposer, generator, dataset, num_epochs, base_lr, *rest = columns
        weight_decay, model_spec, genotype, _ = rest
        return {
            "model_family": family,
            "model_spec": orjson.loads(model_spec),
            "cell_spec": expanded_cell(genotype),
            "dataset": dataset,
            "generator": generator,
            "proposer": proposer,
            "base_lr": base_lr,
            "weight_decay": weight_decay,
            "num_epochs": num_epochs,
        }

    def exported(self) -> Sequence[ConfigColumn]:
        """Return the columns of a configuration in exports; each specification is one text."""
        return (
            *(ConfigColumn(axis.name, axis.kind) for axis in self.spec.axes),
            *(ConfigColumn(column.name, column.kind) for column in self.spec.described_by),
            ConfigColumn("model_spec", "text", "", lambda stored: json_text(orjson.loads(stored))),
            ConfigColumn(
                "cell_spec", "text", "genotype", lambda found: json_text(expanded_cell(found))
            ),
        )

    def unpack(self, row: Row) -> Curves:
        """Return the curves of a run, one value per epoch."""
        return every_epoch(row[-1], len(CURVES))

    def describe_many(self, archs: Sequence[Any]) -> list[Item | InvalidArchitectureError]:
        """Return the key of each architecture, the same for all of its spellings, or its error.

        Raises:
            InvalidQuestionError: There are too many architectures.
        """
        keys = self.filters["arch"].read_each(checked_batch(archs))
        return [key if isinstance(key, InvalidArchitectureError) else {"key": key} for key in keys]

    def parts(self, filters: Mapping[str, Any]) -> list[Part]:
        """Return the design spaces that match the filters; each is compared within itself.

        Raises:
            InvalidQuestionError: A filter is malformed, or there is no such space.
        """
        asked = {name: filters.get(name) for name in SPACE_COLUMNS}
        where = known_filters(asked, self.filters)
        spaces, _ = self.selected_spaces(where)
        self.check_spaces(spaces, where)
        return [(space,) for space in spaces]

    def check_spaces(self, spaces: Sequence[int], where: Mapping[str, Any]) -> None:
        """Raise an error if no design space is left to compare.

        Args:
            spaces: Numbers of the remaining spaces.
            where: The conditions, for the error message; only those on spaces are read.

        Raises:
            InvalidQuestionError: No space is left.
        """
        if spaces:
            return
        asked = {name: where[name] for name in SPACE_COLUMNS if name in where}
        told = ", ".join(f"{name}={value}" for name, value in asked.items()) or "any name"
        known = ["/".join(str(space[name]) for name in SPACE_COLUMNS) for space in self.spaces]
        raise InvalidQuestionError(
            next(iter(asked), "model_family"),
            f"no design space has {told}; known are ({'/'.join(SPACE_COLUMNS)}) {listed(known)}",
        )

    def own_distribution(self, **asked: Any) -> list[Item]:
        """Return the distribution of a metric in each design space; see `nds.distribution`."""
        return distributions(self, **asked)

    def part_named(self, part: Part) -> Item:
        """Return the properties of a design space."""
        (number,) = part
        space = next(space for space in self.spaces if space["id"] == number)
        return {name: space[name] for name in SPACE_COLUMNS}

    def number_of(self, arch: Any) -> int | None:
        """Raise an error, because a network may have been trained in several ways.

        Raises:
            UnsupportedQuestionError: Always.
        """
        raise UnsupportedQuestionError(
            f"NDS ranks trained configurations, and {shown(arch)} may have been trained with "
            "several learning rates: ask for its runs, and for the distribution of its space"
        )

    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return the specifications of the networks with these indices."""
        rows = self.database.rows(_NETWORKS, {KEYS_PARAMETER: orjson.dumps(list(numbers)).decode()})
        found = {
            number: {
                "model_spec": orjson.loads(model_spec),
                "cell_spec": expanded_cell(genotype),
            }
            for number, model_spec, genotype in rows
        }
        return [found[number] for number in numbers]

    def spelled(self, filters: Mapping[str, Any], numbers: Sequence[int]) -> dict[int, str]:
        """Return the configurations with these indices, as JSON of both specifications.

        Raises:
            InvalidQuestionError: A filter is malformed, or there is no such space.
        """
        wanted, found = list(dict.fromkeys(numbers)), {}
        for part in self.parts(filters):
            among = np.isin(wanted, self.aggregates.numbers(part))
            known = [each for each, is_there in zip(wanted, among, strict=True) if is_there]
            for each, config in self.configs_of(part, known).items() if known else ():
                spec = {name: config[name] for name in ("model_spec", "cell_spec")}
                found[each] = orjson.dumps(spec).decode()
        return found

    def drawn(self, arch: Any) -> Item:
        """Return the drawing of a network: its two cells, or the widths of its stages.

        Raises:
            InvalidArchitectureError: The architecture is malformed, or has neither cells nor
                stages.
        """
        return drawing_of(arch)

    def features(self) -> tuple[Feature, ...]:
        """Return the columns of design space (family, proposer, generator), depth and width."""
        return network_features(self.database, self.part_named)

    @cached_property
    def spaces(self) -> list[Item]:
        """The design spaces as sampled and trained: their numbers and properties."""
        query = Space.select().order_by(Space.id)
        names = ("id", *SPACE_COLUMNS)
        return [
            dict(zip(names, row, strict=True))
            for row in self.database.rows(self.database.compile(query))
        ]

    def selected_spaces(self, where: Mapping[str, Any]) -> tuple[list[int], dict[str, Any]]:
        """Return the numbers of the spaces that match the conditions, and the other conditions."""
        rest = {name: value for name, value in where.items() if name not in SPACE_COLUMNS}
        wanted = [name for name in SPACE_COLUMNS if name in where]
        spaces = [
            space for space in self.spaces if all(space[name] == where[name] for name in wanted)
        ]
        if "arch" not in rest and {"model_key", "cell_key"} <= rest.keys():
            # Both specifications together identify an architecture, which has few runs.
            rest["arch"] = architecture_key(rest.pop("model_key"), rest.pop("cell_key"))
        elif rest.get("cell_key") == b"":
            # The absence of a cell is a condition on the family, not on a run.
            del rest["cell_key"]
            spaces = [space for space in spaces if space["model_family"] != CELL_FAMILY]
        return [space["id"] for space in spaces], rest

    def _rows(
        self,
        where: Mapping[str, Any],
        position: Sequence[float | str] = (),
        *,
        with_curves: bool,
        among: str | None = None,
        order: Order | None = None,
    ) -> Iterator[Row]:
        """Yield the matching runs after a position, in order.

        Indexes tell which runs come next; each run is then read once.
        """
        if among is not None:
            yield from super()._rows(where, position, with_curves=with_curves, among=among)
            return
        sql = self._statement(frozenset(), "id", 0, with_curves, _BY_ID)
        spaces, rest = self.selected_spaces(where)
        found = self._streams.places(order or self._order, rest, spaces, position)
        while ids := [number for *_, number in islice(found, _RUNS_AT_A_TIME)]:
            ascending = sorted(ids)
            keys = {KEYS_PARAMETER: orjson.dumps(ascending).decode()}
            rows = list(self.database.rows(sql, keys))
            if len(rows) != len(ids):
                raise UnusableDatabaseError(
                    f"{self.database.path.name} is damaged: an index refers to missing runs"
                )
            row_of = dict(zip(ascending, rows, strict=True))
            yield from map(row_of.__getitem__, ids)
