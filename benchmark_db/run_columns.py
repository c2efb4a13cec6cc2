"""The runs of many architectures as columns: each distinct configuration once, figures packed.

Thirty thousand runs as JSON objects would repeat every name and architecture thirty thousand times,
and a client that builds a data frame would have to take them apart again. Here a statistic of all
runs is one array, and a run refers to its configuration by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.items import Item, Row
from benchmark_db.questions import checked_reduction

__all__ = ["run_columns"]

_Columns: TypeAlias = dict[str, Sequence[Any]]

_WHOLE: Final[Mapping[type, tuple[str, str]]] = {int: ("int64", "<i8"), bool: ("bool", "u1")}
"""Names and codes of the types that have no value to stand for a missing one."""


class _Runs(NamedTuple):
    """Runs, or the results of reducing them.

    Attributes:
        configs: Configuration of each row, as its columns.
        columns: The other columns, by name.
    """

    configs: Sequence[Row]
    columns: _Columns


def run_columns(
    benchmark: Benchmark,
    archs: Sequence[Any],
    filters: Mapping[str, Any],
    *,
    reduction: str | None = None,
) -> Item:
    """Return the runs of many architectures in columns, in the order of the architectures.

    Returns:
        `rows`; `configs`, each once; `columns`, with `name`, `type`, whether values may be
        `missing`, and for text its `legend`; their values, one column after the other,
        little-endian, as `data`; and `errors` of malformed architectures. The first columns are
        `position`, that of the architecture in the question, and `config`, the position of the
        configuration in `configs`. Types are `int32`, `int64`, `float64` (NaN: not recorded),
        `bool` (a byte), `text` (`int32`, the position in the legend, -1: none) and `none` (no
        values, and no bytes). After the values of an `int64` or `bool` column with `missing` values
        comes one byte per value, 1 where it is missing.

    Raises:
        InvalidQuestionError: There are too many architectures, or a filter is malformed.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    how = checked_reduction(reduction)
    keys, groups = benchmark.runs_of_many(archs, filters)
    found: list[Any] = []
    places: dict[Any, list[int]] = {}
    for key, rows in groups:
        begin = len(found)
        found.extend(rows if how is None else benchmark.maker.items(rows, how, None))
        places.setdefault(key, []).extend(range(begin, len(found)))
    # Malformed architectures have an error in place of a key.
    each = [places.get(key, []) for key in keys]
    found = [found[place] for place in chain.from_iterable(each)]
    # Without items, rows determine the columns.
    by_rows = how is None or not found
    runs = _of_rows(benchmark, found) if by_rows else _of_items(benchmark, found)
    codes: dict[Row, int] = {}
    numbers = [codes.setdefault(config, len(codes)) for config in runs.configs]
    counts = [len(places) for places in each]
    packed = [
        _numbered("position", np.repeat(np.arange(len(counts), dtype="<i4"), counts)),
        _numbered("config", np.array(numbers, dtype="<i4")),
        *(_packed(name, values) for name, values in runs.columns.items()),
    ]
    return {
        "rows": len(found),
        "configs": [benchmark.maker.config(*config) for config in codes],
        "columns": [described for described, _ in packed],
        "errors": [
            {"position": position, "detail": key.message}
            for position, key in enumerate(keys)
            if isinstance(key, InvalidArchitectureError)
        ],
        "data": b"".join(data for _, data in packed),
    }


def _of_rows(benchmark: Benchmark, rows: Sequence[Row]) -> _Runs:
    maker, width = benchmark.maker, benchmark.maker.config_width
    values = list(zip(*rows, strict=True)) or [()] * len(benchmark.columns)
    columns: _Columns = {}
    if maker.label is not None:
        columns |= {maker.label: values[width], "num_runs": [1] * len(rows)}
    columns |= zip(maker.stats, values[width + 1 :], strict=False)
    return _Runs([row[:width] for row in rows], columns)


def _of_items(benchmark: Benchmark, reduced: Sequence[tuple[Row, Item]]) -> _Runs:
    width = benchmark.maker.config_width
    items = [item for _, item in reduced]
    names = [name for name in items[0] if name != "config"]
    columns: _Columns = {name: [item[name] for item in items] for name in names}
    return _Runs([row[:width] for row, _ in reduced], columns)


def _packed(name: str, values: Sequence[Any]) -> tuple[Item, bytes]:
    """Return the description of a column, and its bytes."""
    kinds = set(map(type, values))
    missing = NoneType in kinds
    kinds.discard(NoneType)
    if not kinds:
        return {"name": name, "type": "none"}, b""
    if kinds == {str}:
        legend = list(dict.fromkeys(text for text in values if text is not None))
        codes = {None: -1, **{text: code for code, text in enumerate(legend)}}
        data = np.array([codes[text] for text in values], dtype="<i4").tobytes()
        return {"name": name, "type": "text", "legend": legend}, data
    if kinds in ({float}, {float, int}):
        reals = np.array(values, dtype="<f8")  # None becomes NaN
        reals[np.isinf(reals)] = np.nan  # as in JSON, which has null for both
        return {"name": name, "type": "float64"}, reals.tobytes()
    (kind,) = kinds
    called, code = _WHOLE[kind]
    filled = [kind() if value is None else value for value in values] if missing else values
    data = np.array(filled, dtype=code).tobytes()
    if missing:
        data += np.array([value is None for value in values], dtype="u1").tobytes()
    return {"name": name, "type": called, "missing": missing}, data


def _numbered(name: str, values: NDArray[np.int32]) -> tuple[Item, bytes]:
    return {"name": name, "type": "int32"}, values.tobytes()
