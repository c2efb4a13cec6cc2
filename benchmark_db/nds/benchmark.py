"""NDS as an installed benchmark."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import orjson

from benchmark_db.benchmark import Benchmark
from benchmark_db.curves import Curve, Curves, every_epoch
from benchmark_db.description import Description
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.items import Item, Row
from benchmark_db.nds.specification import expanded_cell, parse_architecture, spec_reader
from benchmark_db.nds.streams import BOUNDS, narrowest, positions
from benchmark_db.nds.tables import (
    BUDGETS,
    CELL_FAMILY,
    CURVES,
    DATASETS,
    FAMILIES,
    GENERATORS,
    PROPOSERS,
    RANGED,
    SCHEMA_VERSION,
    SPACE_COLUMNS,
    STATS,
    Architecture,
    Run,
    Space,
)
from benchmark_db.ordering import Order
from benchmark_db.questions import Filter, checked_batch, choice, integer, number
from benchmark_db.run_source import RunSource

__all__ = ["Nds"]

_SEVERAL_RUNS: Final = (
    "A configuration (network, learning rate, weight decay, data set, epochs) may have several "
    "runs, and several of them the same seed: the archive holds reruns."
)
_FLOPS: Final = (
    "flops are multiply-adds as the archive counts them, which for cell networks is close to, not "
    "equal to, the multiply-adds of the network."
)
_LOSSES: Final = "A loss that was no number is null; the best loss is the best of the others."
_BEST: Final = (
    "best_ is the best epoch of a run, chosen by the very figure it reports: test accuracies "
    "chosen so are optimistic."
)


class Nds(Benchmark):
    """Runs of more than 100,000 networks of ten design spaces on CIFAR-10 and ImageNet."""

    description = Description(
        name="nds",
        title="NDS",
        citation=(
            "I. Radosavovic, J. Johnson, S. Xie, W.-Y. Lo and P. Dollár. On Network Design Spaces "
            "for Visual Recognition. ICCV 2019."
        ),
        licence="MIT",
        datasets=DATASETS,
        budgets=BUDGETS,
        num_architectures=None,
        notes=(_SEVERAL_RUNS, _FLOPS, _LOSSES, _BEST),
    )
    schema_version = SCHEMA_VERSION
    source = RunSource(
        table=Run,
        packed_curves=Curve.data,
        joined=(
            (Space, Run.space == Space.id),
            (Architecture, Run.architecture == Architecture.id),
        ),
        curves_in=(Curve, Run.curve == Curve.id),
        columns={
            **{name: getattr(Space, name) for name in SPACE_COLUMNS},
            "arch": Architecture.key,
            "model_key": Architecture.model_key,
            "cell_key": Architecture.cell_key,
            "model_spec": Architecture.model_spec,
            "genotype": Architecture.genotype,
        },
        bounds=BOUNDS,
    )
    key_columns = ("space", "configuration")
    config_columns = (
        *key_columns,
        *SPACE_COLUMNS,
        *("base_lr", "weight_decay", "model_spec", "genotype", "arch"),
    )
    label = "seed"
    run_column = "run"
    stats = STATS
    curves = CURVES
    sortable = RANGED
    # Most configurations have one run, and each of these objects is fifty: garbage collections
    # that look at thousands of them make a page wait longer than making them anew does.
    kept_configs = 256
    # A sorted page lies all over the file: its inner pages are read again and again.
    cache_kib = 16_384
    filters = {  # noqa: RUF012 - read only; declared a Mapping by the base class
        "model_family": Filter(
            "model_family", choice("model_family", {name: name for name in FAMILIES})
        ),
        "proposer": Filter("proposer", choice("proposer", {name: name for name in PROPOSERS})),
        "generator": Filter("generator", choice("generator", {name: name for name in GENERATORS})),
        "model_spec": Filter("model_key", spec_reader("model_spec")),
        "cell_spec": Filter("cell_key", spec_reader("cell_spec")),
        "dataset": Filter("dataset", choice("dataset", {name: name for name in DATASETS})),
        "num_epochs": Filter("num_epochs", integer("num_epochs", least=1)),
        "seed": Filter("seed", integer("seed")),
        "arch": Filter("arch", parse_architecture),
        **{name: Filter(name, number(name)) for name in BOUNDS},
    }

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

    def unpack(self, row: Row) -> Curves:
        """Return the curves of a run, one value an epoch."""
        return every_epoch(row[-1], len(CURVES))

    def describe_many(self, archs: Sequence[Any]) -> list[Item | InvalidArchitectureError]:
        """Return the key of each architecture, which all its spellings share, or its error.

        Raises:
            InvalidQuestionError: They are too many.
        """
        keys = self.filters["arch"].read_each(checked_batch(archs))
        return [key if isinstance(key, InvalidArchitectureError) else {"key": key} for key in keys]

    @cached_property
    def spaces(self) -> list[Item]:
        """The design spaces as sampled and trained: their numbers and what they are."""
        query = Space.select().order_by(Space.id)
        names = ("id", *SPACE_COLUMNS)
        return [
            dict(zip(names, row, strict=True))
            for row in self.database.rows(self.database.compile(query))
        ]

    def selected_spaces(self, where: Mapping[str, Any]) -> tuple[list[int], dict[str, Any]]:
        """Return the numbers of the spaces that conditions leave, and the other conditions."""
        rest = {name: value for name, value in where.items() if name not in SPACE_COLUMNS}
        wanted = [name for name in SPACE_COLUMNS if name in where]
        spaces = [
            space for space in self.spaces if all(space[name] == where[name] for name in wanted)
        ]
        if rest.get("cell_key") == b"":
            # No cell is no condition on a run but one on its family.
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

        Each space is asked by itself, so that its part of an index leads straight to the position
        and past whatever belongs to other spaces.
        """
        if among is not None:
            return super()._rows(where, position, with_curves=with_curves, among=among)
        spaces, rest = self.selected_spaces(where)
        whole = order or self._order
        within = Order(
            tuple(name for name in whole.columns if name != "space"),
            whole.descending,
            None if "arch" in rest else narrowest(self.database, rest, spaces, whole.columns[0]),
        )
        parts = (
            self._rows_of(space, rest, after, within, with_curves=with_curves)
            for space, after in positions(position, spaces, within, by_value=order is not None)
        )
        if order is None:
            return chain.from_iterable(parts)
        place = itemgetter(*map(self._columns.index, order.columns))
        return heapq.merge(*parts, key=place, reverse=order.descending)

    def _rows_of(
        self,
        space: int,
        where: Mapping[str, Any],
        after: Sequence[float | str],
        order: Order,
        *,
        with_curves: bool,
    ) -> Iterator[Row]:
        given = frozenset(where) | {"space"}
        sql = self._statement(given, None, len(after), with_curves, order)
        place = {f"after_{rank}": value for rank, value in enumerate(after)}
        # A statement of its own for each space: one text cannot run twice at a time, and would
        # have to be prepared anew for all streams but one.
        return self.database.rows(sql.replace(":space", str(space)), {**where, **place})
