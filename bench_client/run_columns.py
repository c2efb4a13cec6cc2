"""Runs of many architectures, transferred as columns.

An analysis needs a data frame of all runs; transferring, parsing and converting an object for each
run would take most of its time. A search needs objects, which are created from the columns for one
architecture at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from pydantic_core import from_json

from bench_client.arguments import Reduction, plain_arch
from bench_client.columns import Column, Kind, columns_of
from bench_client.errors import TableReplacedError
from bench_client.frames import Batch, Items, arrow, library
from bench_client.models.answers import Listed, WireModel
from bench_client.models.described import TableModels
from bench_client.models.run_columns import RUN_COLUMNS, RunColumns
from bench_client.operations import Raw, Steps, ask
from bench_client.pages import BATCH, batches, malformed_error
from bench_client.run_pieces import Piece

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from arro3.core import Table

__all__ = ["runs_in_columns"]

_MAX_VALUES: Final = 2**24
"""Limit of commas in the header line of a response, because each JSON value takes memory."""

_FITTING: Final[Mapping[Kind, frozenset[str]]] = {
    "whole": frozenset({"int64", "none"}),
    "real": frozenset({"float64", "int64", "none"}),
    "truth": frozenset({"bool", "none"}),
    "text": frozenset({"text", "none"}),
}
"""Types on the wire that are accepted for each kind of column."""


class _Runs(Batch[Any]):
    """A batch that holds its runs in columns.

    Args:
        pieces: One response per request.
        asked: Number of architectures in the batch.
        model: Model of a run.
    """

    def __init__(self, pieces: Sequence[Piece], asked: int, model: type[WireModel]) -> None:
        super().__init__((), model)
        self._pieces = pieces
        self._found = _LazyItems(pieces, asked, model)

    def to_pandas(self, *, intermediates: bool = False) -> pd.DataFrame:
        if intermediates or not self._pieces:
            return super().to_pandas(intermediates=intermediates)
        pandas = library("pandas")
        described = self._described()
        frames = [
            pandas.DataFrame({one.name: piece.pandas_array(one) for one in described})
            for piece in self._pieces
        ]
        frame: pd.DataFrame = (
            frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)
        )
        return frame

    def to_polars(self, *, intermediates: bool = False) -> pl.DataFrame:
        if intermediates or not self._pieces:
            return super().to_polars(intermediates=intermediates)
        polars = library("polars")
        described = self._described()
        frame: pl.DataFrame = polars.concat(piece.polars_frame(described) for piece in self._pieces)
        return frame

    def to_arrow(self, *, intermediates: bool = False) -> Table:
        if intermediates or not self._pieces:
            return super().to_arrow(intermediates=intermediates)
        core, described = arrow(), self._described()
        batches = [
            core.RecordBatch.from_pydict({one.name: piece.arrow_array(one) for one in described})
            for piece in self._pieces
        ]
        table: Table = core.Table.from_batches(batches)
        return table

    def _rows(self) -> int:
        return sum(piece.answer.rows for piece in self._pieces)

    def _columns(self, *, intermediates: bool) -> list[Column]:
        if intermediates:
            return super()._columns(intermediates=True)  # raises an error that names the option
        described = self._described()
        for piece in self._pieces:
            for column in described:
                column.values.extend(piece.values(column))  # noqa: PD011 - not pandas
        return described

    def _described(self) -> list[Column]:
        """Return the columns without values."""
        return columns_of(self.model, (), positions=())


class _LazyItems(Sequence[Items[Any]]):
    """The items of each architecture, created from columns on first access.

    Args:
        pieces: As for `_Runs`, and so are the arguments below.
        asked: Number of architectures.
        model: Model of the items.
    """

    def __init__(self, pieces: Sequence[Piece], asked: int, model: type[WireModel]) -> None:
        self._pieces, self._model = pieces, model
        self._kept: list[Items[Any] | None] = [None] * asked

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: Any, /) -> Any:
        kept = self._kept[index]
        if kept is None:
            place = range(len(self._kept))[index]
            items = self._pieces[place // BATCH].items(place % BATCH)
            kept = self._kept[place] = Items(items, self._model)
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question(Raw[RunColumns[Any]]):
    """Asks for runs as columns.

    Attributes:
        models: Models of the benchmark; they define the required columns.
    """

    models: TableModels

    @property
    def media_type(self) -> str:
        return RUN_COLUMNS

    def read(self, headers: Mapping[str, str], content: bytes) -> RunColumns[Any]:
        del headers
        line, _, data = content.partition(b"\n")
        if line.count(b",") > _MAX_VALUES:
            raise ValueError(f"more than {_MAX_VALUES} values in its header line")
        # Validated as objects: each error that pydantic finds in JSON text copies the input.
        said = from_json(line, allow_inf_nan=False, cache_strings="keys")
        if not isinstance(said, dict):
            raise ValueError(f"a header line of type {type(said).__name__}")  # noqa: TRY004 - read
        answer: RunColumns[Any] = self.answer.model_validate({**said, "data": data})
        self.check(answer)
        return answer

    def check(self, answer: RunColumns[Any]) -> None:
        """Check that a response answers this question.

        Raises:
            ValueError: A column is missing or has another type, or a position is out of range.
        """
        stored, asked = answer.stored, len(self.options["archs"])
        own = {column.name for column in columns_of(self.models.config, ())}
        places = [*stored["position"].numbers()[-1:], *(one.position for one in answer.errors)]
        if any(place >= asked for place in places):
            raise ValueError(f"more than the {asked} architectures of the request")
        for column in columns_of(self.models.stats, ()):
            held = stored.get(column.name)
            if column.name in own:
                continue
            if held is None:
                if self.models.stats.model_fields[column.name].is_required():
                    raise ValueError(f"no column {column.name}")
            elif held.what.type not in _FITTING[column.kind]:
                raise ValueError(f"column {column.name} of type {held.what.type}")
            elif not column.nullable and held.lacks_any:
                raise ValueError(f"column {column.name} lacks values")
            elif held.what.type == "text":
                _texts_of(self.models.stats, column.name).validate_python(held.what.legend)


def runs_in_columns(
    models: TableModels,
    archs: Iterable[Any],
    filters: Mapping[str, Any],
    *,
    reduction: Reduction | None,
) -> Steps[Batch[Any]]:
    """Fetch the runs of each of many architectures as columns, with one request for 10,000.

    Args:
        models: Models of the benchmark.
        archs: Architectures in any spelling.
        filters: Values by filter, None being a wildcard.
        reduction: How several runs become one item.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; the error's `positions` lists
            them and its `results` holds the results of the others.
        TableReplacedError: The database was replaced between two requests.
    """
    answer = _answer_of(models.config)
    pieces: list[Piece] = []
    first, malformed = 0, dict[int, str]()
    for batch in batches(archs, BATCH, sendable=plain_arch):
        options = {"reduction": reduction, "archs": batch}
        found = yield from ask(
            _Question("run_columns", answer, models.name, filters, options, models=models)
        )
        malformed |= {first + one.position: one.detail for one in found.errors}
        pieces.append(Piece(found, first, models.stats))
        if found.provenance.content_digest != pieces[0].answer.provenance.content_digest:
            raise TableReplacedError(
                f"the database of {models.name} was replaced during the query: repeat it"
            )
        first += len(batch)
    runs = _Runs(pieces, first, models.stats)
    if malformed:
        error = malformed_error(malformed, first)
        error.results = [None if place in malformed else items for place, items in enumerate(runs)]
        raise error
    return runs


@lru_cache(maxsize=256)
def _texts_of(model: type[WireModel], name: str) -> TypeAdapter[Any]:
    """Return a validator of lists of a text field, because some fields allow few values."""
    kind: Any = model.model_fields[name].annotation
    return TypeAdapter(Listed[kind])


@lru_cache(maxsize=256)
def _answer_of(config: Any) -> Any:
    return RunColumns[config]
