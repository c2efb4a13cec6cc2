"""HTML tables of results for notebooks, and short representations for Python sessions.

Jupyter calls `_repr_html_` of an object. Tables show the first rows, with units, and the total
number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bench_client.columns import Column, columns_of
from bench_client.models.quantities import UNIT

__all__ = ["MOST_ROWS", "html_of_columns", "html_of_fields", "html_of_items"]
__all__ += ["html_of_values", "shortened", "units_of"]

MOST_ROWS: Final = 20
"""Most rows of a table."""

_MAX_COLUMNS: Final = 40
_MAX_TEXT: Final = 120
_NAMES: Final = frozenset({"arch", "arch_str"})
_MAX_VALUES: Final = 8
"""Largest number of values of a list that `repr` shows in full."""


class _Shortened:
    """Placeholder whose `repr` shows the beginning and length of a long list."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def __repr__(self) -> str:
        begun = ", ".join(map(repr, self._values[: _MAX_VALUES // 2]))
        return f"[{begun}, … {len(self._values)} values]"


class _Written:
    """Placeholder whose `repr` is a given text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def shortened(value: Any) -> Any:
    """Return a value, or a placeholder whose `repr` shows beginning and length of a long value."""
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return _Written(f"{value[: _MAX_TEXT // 2]!r}… {len(value):,} characters")
    if isinstance(value, dict) and len(value) > _MAX_VALUES:
        begun = ", ".join(f"{key!r}: {one!r}" for key, one in list(value.items())[:3])
        return _Written(f"{{{begun}, … {len(value)} members}}")
    if not isinstance(value, list) or len(value) <= _MAX_VALUES:
        return value
    if isinstance(value[0], BaseModel):
        return _Written(f"[{len(value):,} of {type(value[0]).__name__}]")
    return _Shortened(value)


def html_of_items(
    model: type[BaseModel],
    items: Sequence[Any],
    *,
    positions: Sequence[int] | None = None,
    total: int | None = None,
) -> str:
    """Return an HTML table of items: names, units, the first rows, and the number of items.

    Values that all rows share are shown once, above the table.

    Args:
        model: Model of the items.
        items: The items, or the first of them.
        positions: In a batch: the position of each item's architecture.
        total: Number of all items; None: that of `items`.
    """
    if not items:
        return f"<p>no {escape(model.__name__)}</p>"
    total = len(items) if total is None else total
    first = items[:MOST_ROWS]
    columns = columns_of(
        model, first, positions=None if positions is None else positions[:MOST_ROWS]
    )
    units = dict(units_of(model))
    rows = max(len(column.values) for column in columns)
    alike = {
        column.name: column.values[0]
        for column in columns
        if rows > 1 and len(set(map(str, column.values))) == 1
    }
    # Columns of single operations repeat the architecture string, which is the last column.
    parts = {name for part in _models(model) for name in getattr(part, "arch_columns", ())}
    told = [column for column in columns if column.name not in {*alike, *parts}]
    told.sort(key=lambda column: column.name in _NAMES)
    shown, hidden = told[:_MAX_COLUMNS], told[_MAX_COLUMNS:]
    common = "; ".join(
        f"{escape(name)} = {_cell(value)}{_of_unit(units.get(name))}"
        for name, value in alike.items()
        if value is not None and name not in parts
    )
    head = "".join(f"<th>{escape(column.name)}</th>" for column in shown)
    below = "".join(
        f"<td><small>{escape(units.get(column.name, ''))}</small></td>" for column in shown
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(column.values[row])}</td>" for column in shown) + "</tr>"
        for row in range(min(rows, MOST_ROWS))
    )
    notes = []
    if total > len(first) or rows > MOST_ROWS:
        notes.append(f"the first of {total:,} items")
    if hidden:
        notes.append(f"not shown: {', '.join(escape(column.name) for column in hidden[:10])}, …")
    above = f"<br><small>{common}</small>" if common else ""
    after = f"<p><small>{'; '.join(notes)}</small></p>" if notes else ""
    return (
        f"<div><p><b>{total:,} of {escape(model.__name__)}</b>{above}</p>"
        f"<table><thead><tr>{head}</tr><tr>{below}</tr></thead><tbody>{body}</tbody></table>"
        f"{after}</div>"
    )


def html_of_columns(title: str, columns: Sequence[Column], units: Mapping[str, str]) -> str:
    """Return an HTML table of columns: names, units, the first rows, and the number of rows.

    Args:
        title: Title of the table.
        columns: The columns, of equal length.
        units: Units by column name.
    """
    total = len(columns[0].values)
    head = "".join(f"<th>{escape(column.name)}</th>" for column in columns)
    below = "".join(
        f"<td><small>{escape(units.get(column.name, ''))}</small></td>" for column in columns
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(column.values[row])}</td>" for column in columns) + "</tr>"
        for row in range(min(total, MOST_ROWS))
    )
    after = f"<p><small>the first of {total:,} rows</small></p>" if total > MOST_ROWS else ""
    return (
        f"<div><p><b>{escape(title)}</b></p><table><thead><tr>{head}</tr><tr>{below}</tr></thead>"
        f"<tbody>{body}</tbody></table>{after}</div>"
    )


def html_of_values(title: str, values: Mapping[str, Any], units: Mapping[str, str]) -> str:
    """Return an HTML table of values: a row per value, with name and unit.

    Args:
        title: Title of the table.
        values: Values by name.
        units: Units by name.
    """
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td><td>{escape(units.get(name, ''))}</td>"
        "</tr>"
        for name, value in values.items()
    )
    return f"<div><p><b>{escape(title)}</b></p><table>{rows}</table></div>"


def html_of_fields(item: BaseModel) -> str:
    """Return an HTML table of an item: a row per field, with unit and description."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td><td>{escape(_unit(field) or '')}</td>"
        f"<td><small>{escape((field.description or '')[: 2 * _MAX_TEXT])}</small></td></tr>"
        for name, value, field in _fields(item)
    )
    return f"<div><p><b>{escape(type(item).__name__)}</b></p><table>{rows}</table></div>"


def _fields(item: BaseModel) -> Iterator[tuple[str, Any, FieldInfo]]:
    """Yield name, value and field, recursively for nested objects; fields of None are left out."""
    for name, field in type(item).model_fields.items():
        value = getattr(item, name)
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", *rest) for inner, *rest in _fields(value))
        elif value is not None:
            yield name, value, field


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models nested in a model, then the model itself."""
    for field in model.model_fields.values():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _models(inner)
    yield model


def units_of(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield name and unit of the fields of a model and of its nested models."""
    for part in _models(model):
        for name, field in part.model_fields.items():
            if unit := _unit(field):
                yield name, unit


def _unit(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    unit = extra.get(UNIT) if isinstance(extra, Mapping) else None
    return unit if isinstance(unit, str) else None


def _of_unit(unit: str | None) -> str:
    return "" if unit is None else f" {escape(unit)}"


def _cell(value: Any) -> str:
    """Return a value as a table cell: floats with six digits, long lists shortened."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple) and value and isinstance(value[0], BaseModel):
        return f"{len(value):,} of {escape(type(value[0]).__name__)}"
    if isinstance(value, list | tuple):
        begun = ", ".join(_cell(one) for one in value[:_MAX_VALUES])
        return begun if len(value) <= _MAX_VALUES else f"{begun}, … {len(value):,} values"
    text = str(value)
    return escape(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…")
