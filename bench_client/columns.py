"""Columns of data frames: names, types and values for the items of a result.

The columns follow from the model of the items, so that empty results have them too: first the
configuration, then what was recorded, in the order and with the names of the model. An architecture
becomes text that queries accept, `arch_str` or JSON, plus a column for each of its operations or
layers after the rest of the configuration. An item with values per epoch (or per point of a
distribution) makes one row for each, with all other values repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, repeat
from operator import attrgetter
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, get_args, get_origin

from pydantic import BaseModel

__all__ = ["Column", "Kind", "columns_of"]

Kind: TypeAlias = Literal["whole", "real", "truth", "text"]

_KINDS: Final[Mapping[Any, Kind]] = MappingProxyType(
    {bool: "truth", int: "whole", float: "real", str: "text"}
)

_SPREAD: Final = frozenset({"current_epoch", "fraction"})
"""Fields whose lists have one value per row: an item with one of them makes several rows, and all
its other lists are spread over these rows too."""

_CURVES: Final = "intermediates"
_RUN: Final = frozenset({"config", "seed", "repeat", "num_runs"})
"""Fields that identify a run; the other fields are its final statistics."""

_FIGURES: Final = (dict[str, float], dict[str, float | None])
"""Types of fields that hold values by name."""


class Column(NamedTuple):
    """A column of a data frame.

    Attributes:
        name: Name of the column.
        kind: Kind of its values.
        nullable: Whether values may be missing.
        values: One value per row; None if missing.
    """

    name: str
    kind: Kind
    nullable: bool
    values: list[Any]


@dataclass(frozen=True, slots=True)
class _Source:
    """Getter of a column's values: one value per item or, if `spread`, a list per item."""

    name: str
    kind: Kind
    nullable: bool
    get: Callable[[Any], Any]
    spread: bool = False

    def within(self, outer: Callable[[Any], Any]) -> _Source:
        """Return the same column for items that contain these items."""
        inner = self.get
        return replace(self, get=lambda item: inner(outer(item)))


@dataclass(frozen=True, slots=True)
class _Metrics:
    """A field with values by name, which becomes a column for each name that occurs."""

    get: Callable[[Any], Mapping[str, float | None]]

    def within(self, outer: Callable[[Any], Any]) -> _Metrics:
        """Return the same columns for items that contain these items."""
        inner = self.get
        return _Metrics(lambda item: inner(outer(item)))

    def among(self, items: Sequence[Any]) -> Iterator[_Source]:
        """Yield a column for each name that occurs in the items."""
        for name in dict.fromkeys(chain.from_iterable(map(self.get, items))):
            yield _Source(name, "real", True, partial(_figure, self.get, name))  # noqa: FBT003 - a field


_Sources: TypeAlias = tuple[_Source | _Metrics, ...]


def columns_of(
    model: type[BaseModel],
    items: Sequence[Any],
    *,
    curves: bool = False,
    positions: Sequence[int] | None = None,
) -> list[Column]:
    """Return items as columns of equal length.

    Args:
        model: Model of the items.
        items: The items.
        curves: Whether to make a row per epoch, with the statistics of the epoch in place of the
            final ones.
        positions: A number for each item, for a first column `position`.

    Raises:
        ValueError: `curves` is set and an item has no curves.
    """
    if curves:
        _check_curves(model, items)
    sources = _known(_curve_sources(model) if curves else _sources(model), items)
    rows = next((source.get for source in sources if source.spread), None)
    lengths = None if rows is None else [len(rows(item)) for item in items]
    columns = [
        Column(source.name, source.kind, source.nullable, list(_values(source, items, lengths)))
        for source in sources
    ]
    if positions is None:
        return columns
    return [Column("position", "whole", False, list(_repeated(positions, lengths))), *columns]  # noqa: FBT003 - a field


def _known(sources: _Sources, items: Sequence[Any]) -> list[_Source]:
    """Return the sources, with fields of values by name expanded for these items."""
    return [
        known
        for source in sources
        for known in ((source,) if isinstance(source, _Source) else source.among(items))
    ]


def _values(source: _Source, items: Sequence[Any], lengths: Sequence[int] | None) -> Iterator[Any]:
    values = map(source.get, items)
    return chain.from_iterable(values) if source.spread else _repeated(values, lengths)


def _repeated(values: Iterable[Any], lengths: Sequence[int] | None) -> Iterator[Any]:
    return iter(values) if lengths is None else chain.from_iterable(map(repeat, values, lengths))


def _check_curves(model: type[BaseModel], items: Sequence[Any]) -> None:
    if _CURVES not in model.model_fields:
        raise ValueError(f"{model.__name__} has no intermediates")
    if any(item.intermediates is None for item in items):
        raise ValueError("there are no intermediates: ask for them with include_intermediates=True")


@lru_cache(maxsize=256)
def _sources(model: type[BaseModel], among: frozenset[str] | None = None) -> _Sources:
    """Return the column sources of a model, or of some of its fields."""
    types = {
        name: _without_none(field.annotation)
        for name, field in model.model_fields.items()
        if among is None or name in among
    }
    spread = any(get_origin(types[name][0]) is list for name in _SPREAD & types.keys())
    whole: list[_Source | _Metrics] = []
    parts: list[_Source] = []
    for name, (kind, nullable) in types.items():
        columns = getattr(model, "arch_columns", None) if name == "arch" else None
        if columns:
            parts += _part_sources(kind, columns)
            whole += [] if "arch_str" in types else [_source(name, kind, nullable=nullable)]
        elif _is_model(kind):
            whole += [source.within(attrgetter(name)) for source in _sources(kind)]
        elif kind in _FIGURES:
            whole.append(_Metrics(attrgetter(name)))
        elif get_origin(kind) is list and _is_model(get_args(kind)[0]):
            continue
        elif get_origin(kind) is list and spread:
            element, missing = _without_none(get_args(kind)[0])
            whole.append(_Source(name, _KINDS[element], missing, attrgetter(name), spread=True))
        else:
            whole.append(_source(name, kind, nullable=nullable))
    return (*whole, *parts)


@lru_cache(maxsize=256)
def _curve_sources(model: type[BaseModel]) -> _Sources:
    kind, _ = _without_none(model.model_fields[_CURVES].annotation)
    (epoch,) = get_args(kind)
    of_epochs = (
        _Source(source.name, source.kind, source.nullable, partial(_of_epochs, source.get), True)  # noqa: FBT003 - a field
        for source in _known(_sources(epoch), ())
    )
    return (*_sources(model, _RUN), *of_epochs)


def _source(name: str, annotation: Any, *, nullable: bool) -> _Source:
    """Return the column source of a field: its values if they are scalars, else their JSON."""
    kind = "text" if get_origin(annotation) is Literal else _KINDS.get(annotation)
    if kind is not None:
        return _Source(name, kind, nullable, attrgetter(name))
    return _Source(name, "text", nullable, partial(_json, attrgetter(name)))


def _part_sources(kind: Any, columns: Mapping[str, str | int]) -> list[_Source]:
    """Return a column source for each operation or layer of an architecture."""
    part: Kind = "whole" if kind == list[int] else "text"
    return [
        _Source(name, part, True, partial(_part, place))  # noqa: FBT003 - a field
        for name, place in columns.items()
    ]


def _json(get: Callable[[Any], Any], item: Any) -> str | None:
    value = get(item)
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _part(place: str | int, item: Any) -> Any:
    """Return an operation or layer of an item's architecture; None if there is none."""
    arch = item.arch
    return arch[place] if isinstance(place, int) else (arch or {}).get(place)


def _figure(get: Callable[[Any], Mapping[str, float | None]], name: str, item: Any) -> float | None:
    return get(item).get(name)


def _of_epochs(get: Callable[[Any], Any], item: Any) -> list[Any]:
    return [get(epoch) for epoch in item.intermediates]


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Strip annotations and None from a type; also return whether it included None."""
    while get_origin(annotation) is Annotated:
        annotation, *_ = get_args(annotation)
    members = get_args(annotation)
    if NoneType not in members:
        return annotation, False
    (rest,) = (member for member in members if member is not NoneType)
    return _without_none(rest)[0], True


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
