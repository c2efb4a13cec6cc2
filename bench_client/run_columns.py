"""The runs of many architectures in columns: what a data frame is made of, without the items.

`query_many` returns an object for each run, which is what a search asks for. An analysis makes a
data frame of all, for which objects are a detour: their text, their parsing and the taking apart of
each take most of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from bench_client.arguments import Reduction, plain_arch, plain_filter
from bench_client.columns import Column, Kind, columns_of
from bench_client.errors import TableReplacedError
from bench_client.frames import PANDAS_TYPES, Tabular, library
from bench_client.models.answers import ProvenanceMark, WireModel
from bench_client.models.described import TableModels
from bench_client.models.run_columns import RUN_COLUMNS, RunColumns, StoredColumn
from bench_client.operations import Raw, Steps, ask
from bench_client.pages import BATCH, batches, malformed_error
from bench_client.tables import known_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunTable", "run_columns"]

_MOST_VALUES: Final = 2**24
"""Commas in what an answer says of itself: each value takes memory, however short it is."""

_FITTING: Final[Mapping[Kind, frozenset[str]]] = {
    "whole": frozenset({"int64", "none"}),
    "real": frozenset({"float64", "int64", "none"}),
    "truth": frozenset({"bool", "none"}),
    "text": frozenset({"text", "none"}),
}
"""What a column of a kind may come as."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """An answer about some of the architectures.

    Attributes:
        answer: The answer.
        first: How many architectures were asked about before.
        configs: The columns of its configurations, by name.
        stored: Its other columns, by name.
        defaults: What is meant by a column that is not there, by name.
    """

    answer: RunColumns[Any]
    first: int
    configs: Mapping[str, Column]
    stored: Mapping[str, StoredColumn]
    defaults: Mapping[str, Any]

    def values(self, column: Column) -> list[Any]:
        """Return the values of a column as Python's."""
        if column.name in self.configs:
            values = self.configs[column.name].values  # noqa: PD011 - a column of ours
            return [values[place] for place in self.stored["config"].numbers()]
        if column.name == "position":
            return [self.first + place for place in self.stored["position"].numbers()]
        if column.name not in self.stored:
            return [self.defaults[column.name]] * self.answer.rows
        values = self.stored[column.name].values()
        if column.kind == "real":
            return [None if value is None else float(value) for value in values]
        return values

    def pandas_array(self, column: Column) -> Any:
        """Return the values of a column as pandas has them."""
        pandas = library("pandas")
        kind = PANDAS_TYPES[column.kind, column.nullable]
        if column.name in self.configs:
            places, _ = self.stored["config"].to_numpy()
            return pandas.array(self.configs[column.name].values, dtype=kind).take(places)
        if column.name == "position":
            places, _ = self.stored["position"].to_numpy()
            return places.astype(kind) + self.first
        if column.name not in self.stored:
            return pandas.array([self.defaults[column.name]] * self.answer.rows, dtype=kind)
        if self.stored[column.name].what.type == "none":
            return pandas.array([None] * self.answer.rows, dtype=kind)
        return _pandas_array(self.stored[column.name], column.kind, kind)


def _pandas_array(stored: StoredColumn, kind: Kind, type_name: str) -> Any:
    """Return a column with values as pandas has it."""
    pandas = library("pandas")
    values, missing = stored.to_numpy()
    if kind == "text":
        return pandas.array(stored.what.legend, dtype=type_name).take(values, allow_fill=True)
    if kind == "real":
        reals = values.astype(type_name)
        reals[missing] = float("nan")
        return reals
    if type_name in {"Int64", "boolean"}:
        made = pandas.arrays.IntegerArray if kind == "whole" else pandas.arrays.BooleanArray
        return made(values.astype("int64" if kind == "whole" else "bool"), missing)
    return values.astype(type_name)


class RunTable(Tabular):
    """What was found for many architectures, as a table that becomes a data frame at once.

    Its columns, their types and their order are those of the frame that `query_many` leads to.

    Args:
        pieces: Answers, each about some of the architectures.
        model: What a run would be as an item.

    Attributes:
        provenance: Where the numbers come from; None where nothing was asked.
    """

    def __init__(self, pieces: Iterable[_Piece], model: type[WireModel]) -> None:
        self._pieces = tuple(pieces)
        self._model = model
        self.provenance: ProvenanceMark | None = None
        for piece in self._pieces:
            self.provenance = piece.answer.provenance

    def __len__(self) -> int:
        return sum(piece.answer.rows for piece in self._pieces)

    def __repr__(self) -> str:
        return f"<{len(self):,} rows of {self._model.__name__}>"

    def to_pandas(self, *, intermediates: bool = False) -> pd.DataFrame:
        """Return a pandas data frame: a row a run, with the place of its architecture.

        It is equal to that of `query_many` for the same arguments, types included.

        Args:
            intermediates: Not to be had in columns.

        Raises:
            ImportError: pandas is not installed.
            ValueError: Intermediates are wanted.
        """
        if intermediates or not self._pieces:
            return super().to_pandas(intermediates=intermediates)
        pandas = library("pandas")
        frames = [
            pandas.DataFrame(
                {column.name: piece.pandas_array(column) for column in self._described()}
            )
            for piece in self._pieces
        ]
        frame: pd.DataFrame = (
            frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)
        )
        return frame

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the values of each column by its name, None where one is missing."""
        columns = self._columns(intermediates=False)
        return {name: values for name, _, _, values in columns}

    def _columns(self, *, intermediates: bool) -> list[Column]:
        if intermediates:
            raise ValueError("there are no intermediates in columns: ask for them by query_many")
        described = self._described()
        for piece in self._pieces:
            for column in described:
                column.values.extend(piece.values(column))  # noqa: PD011 - of ours
        return described

    def _described(self) -> list[Column]:
        """Return its columns without values."""
        return columns_of(self._model, (), positions=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question(Raw[RunColumns[Any]]):
    """Asks for runs in columns.

    Attributes:
        models: Those of the benchmark: they say which columns there must be.
    """

    models: TableModels

    @property
    def media_type(self) -> str:
        return RUN_COLUMNS

    def read(self, headers: Mapping[str, str], content: bytes) -> RunColumns[Any]:
        del headers
        line, _, data = content.partition(b"\n")
        if line.count(b",") > _MOST_VALUES:
            raise ValueError(f"more than {_MOST_VALUES} values in what it says of itself")
        # As objects: errors found in JSON copy the whole of what they are about.
        said = from_json(line, allow_inf_nan=False, cache_strings="keys")
        if not isinstance(said, dict):
            raise ValueError(f"{type(said).__name__} in place of what it is of")  # noqa: TRY004 - read
        answer: RunColumns[Any] = self.answer.model_validate({**said, "data": data})
        self.check(answer)
        return answer

    def check(self, answer: RunColumns[Any]) -> None:
        """Check that an answer is one to this question.

        Raises:
            ValueError: It is not.
        """
        stored, asked = answer.stored(), len(self.options["archs"])
        own = {column.name for column in columns_of(self.models.config, ())}
        places = [*stored["position"].numbers()[-1:], *(one.position for one in answer.errors)]
        if any(place >= asked for place in places):
            raise ValueError(f"more than the {asked} architectures that were asked about")
        for column in columns_of(self.models.stats, ()):
            held = stored.get(column.name)
            if column.name in own:
                continue
            if held is None:
                if self.models.stats.model_fields[column.name].is_required():
                    raise ValueError(f"no column {column.name}")
            elif held.what.type not in _FITTING[column.kind]:
                raise ValueError(f"{column.name} of {held.what.type}")
            elif not column.nullable and held.lacks_any:
                raise ValueError(f"{column.name} lacks values")


def run_columns(
    benchmark: str,
    archs: Iterable[Any],
    *,
    reduction: Reduction | None = None,
    **filters: Any,
) -> Steps[RunTable]:
    """Return the runs of many architectures as a table that becomes a data frame at once.

    The frame is equal to that of `query_many(benchmark, archs, ...).to_pandas()`, and comes in a
    third of the time or less:

        table = bench.run_columns("nasbench201", archs, num_epochs=200, dataset="cifar100")
        frame = table.to_pandas()

    One request answers for 10,000 architectures.

    Args:
        benchmark: Name of the benchmark.
        archs: The architectures, each in any of its spellings.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        filters: The filters of the benchmark's query, by name; None is a wildcard.

    Raises:
        InvalidArchitectureError: Some architectures are malformed. Its `positions` says which.
        InvalidRequestError: A filter is unknown or malformed.
        BenchmarkNotInstalledError: There is no such benchmark.
        UnsupportedQuestionError: It has no runs.
        TableReplacedError: The database was replaced between two requests.
    """
    models = yield from known_table(benchmark)
    which = {name: plain_filter(name, value) for name, value in filters.items()}
    answer = _answer_of(models.config)
    pieces: list[_Piece] = []
    first, malformed = 0, dict[int, str]()
    for batch in batches(archs, BATCH, sendable=plain_arch):
        options = {"reduction": reduction, "archs": batch}
        found = yield from ask(
            _Question("run_columns", answer, benchmark, which, options, models=models)
        )
        malformed |= {first + one.position: one.detail for one in found.errors}
        pieces.append(_piece(found, first, models))
        if found.provenance.content_digest != pieces[0].answer.provenance.content_digest:
            raise TableReplacedError(
                f"the database of {benchmark} was replaced while it was read: ask again"
            )
        first += len(batch)
    if malformed:
        raise malformed_error(malformed, first)
    return RunTable(pieces, models.stats)


@lru_cache(maxsize=256)
def _answer_of(config: Any) -> Any:
    return RunColumns[config]


def _piece(answer: RunColumns[Any], first: int, models: TableModels) -> _Piece:
    configs = {column.name: column for column in columns_of(models.config, answer.configs)}
    fields = models.stats.model_fields.items()
    defaults = {name: field.default for name, field in fields if not field.is_required()}
    return _Piece(answer, first, configs, answer.stored(), defaults)
