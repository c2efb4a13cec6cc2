"""Whole columns: a metric or a feature of every candidate, and the description of each column.

The figures are those that `top` and `pareto` compare: means over runs, here as 32-bit floats. Their
seven digits are more than runs agree on, at half the bytes. Columns of one part are aligned: the
n-th value of each belongs to the n-th candidate, in ascending order of the indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from benchmark_db.benchmark import Benchmark
from benchmark_db.candidates import Candidates
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError, UnknownBenchmarkError, shown
from benchmark_db.features import MARK, Feature
from benchmark_db.items import Item
from benchmark_db.metrics import Metric, metric_named
from benchmark_db.questions import listed

__all__ = ["MAX_NUMBERS", "NUMBER", "ValuesOfColumn", "column", "columns", "spellings"]

MAX_NUMBERS: Final = 1_000
"""Most architecture strings in one answer."""

NUMBER: Final = f"{MARK}number"
"""The column of the candidates' indices."""

_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "float32": np.dtype("<f4"),
    "int32": np.dtype("<i4"),
    "uint8": np.dtype("u1"),
}
_LONGEST_NAME: Final = 100
"""Most characters of an unknown name that are compared with the known ones."""


@dataclass(frozen=True, kw_only=True)
class ValuesOfColumn:
    """A column with its values.

    Attributes:
        described: `metric`, `type`, `rows`, `unit`, `better`, `part`.
        values: Shape (rows,), little-endian, of the described type.
    """

    described: Item
    values: NDArray[Any]


def columns(catalog: Catalog, benchmark: str, filters: Mapping[str, Any]) -> Item:
    """Return the columns of a benchmark; with figures if the filters name a part.

    Args:
        catalog: What is installed.
        benchmark: Name of the benchmark.
        filters: The part, as for `Candidates`. If a required axis is missing, no part is selected,
            and everything that depends on values is None.

    Returns:
        `rows` and `part` (None without a part), `axes`, the `parts` that are recorded, and
        `items`: the columns, metrics first.

    Raises:
        InvalidQuestionError: A filter is malformed, or nothing is recorded of the part.
        UnknownBenchmarkError: The benchmark is not installed.
    """
    installed = catalog[benchmark]
    required = _required(installed)
    named = all(filters.get(axis) is not None for axis in required)
    given = {name: value for name, value in filters.items() if value is not None}
    candidates = _candidates(catalog, benchmark, filters) if named else None
    installed.check_dataset(filters)
    if not named:
        installed.parts({**_first_part(installed), **given})  # rejects malformed filters
    items = [
        _metric_item(catalog, candidates, metric, given)
        for metric in catalog.metrics(benchmark).values()
        if _is_installed(catalog, metric)
    ]
    items += [_feature_item(candidates, feature, given) for feature in _features(installed)]
    return {
        "rows": None if candidates is None else len(candidates),
        "part": None if candidates is None else candidates.named_part(),
        "axes": [
            {"name": axis.name, "values": list(axis.values), "required": axis.name in required}
            for axis in installed.spec.axes
            if not axis.implied
        ],
        "parts": [dict(installed.part_named(part)) for part in installed.aggregates.parts()],
        "items": items,
    }


def column(
    catalog: Catalog, benchmark: str, filters: Mapping[str, Any], *, metric: str
) -> ValuesOfColumn:
    """Return one column.

    Args:
        catalog: What is installed.
        benchmark: Name of the benchmark.
        filters: The part, as for `Candidates`.
        metric: A metric, or a feature such as `@number`.

    Returns:
        Values ordered by part and index: for metrics means over the runs, NaN where nothing is
        recorded.

    Raises:
        InvalidQuestionError: There is no such column or no such part, or a filter is malformed.
        UnknownBenchmarkError: The benchmark, or the data that holds the metric, is not installed.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    found = _named(catalog, benchmark, metric)
    candidates = _candidates(catalog, benchmark, filters)
    described: Item = {"metric": metric, "part": candidates.named_part()}
    values: NDArray[Any]
    if isinstance(found, Feature):
        described |= {"type": found.type, "unit": None, "better": None}
        values = _feature_values(candidates, found)
    else:
        meant = candidates.metric_in_parts(found)
        described |= {"type": "float32", "unit": meant.unit, "better": _better(meant)}
        values = _as_floats(candidates.values(found))
    return ValuesOfColumn(described={**described, "rows": len(values)}, values=values)


def spellings(
    catalog: Catalog, benchmark: str, filters: Mapping[str, Any], *, numbers: Sequence[int]
) -> list[Item]:
    """Return the architecture strings of some candidates: `number` and `arch`, in order.

    `arch` is None for an unknown index.

    Args:
        catalog: What is installed.
        benchmark: Name of the benchmark.
        filters: The part, where candidates depend on it: for NDS, fields of its spaces.
        numbers: 1 to `MAX_NUMBERS` indices, as in the column `@number`.

    Raises:
        InvalidQuestionError: There are no or too many numbers, or a filter is malformed.
        UnknownBenchmarkError: The benchmark is not installed.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    if not 1 <= len(numbers) <= MAX_NUMBERS:
        raise InvalidQuestionError(
            "numbers", f"{len(numbers)} numbers; 1 to {MAX_NUMBERS} in one answer"
        )
    installed = catalog[benchmark]
    installed.check_dataset(filters)
    texts = installed.spelled(filters, numbers)
    return [{"number": number, "arch": texts.get(number)} for number in numbers]


def _named(catalog: Catalog, benchmark: str, name: Any) -> Metric | Feature:
    """Return the metric or the feature with a name.

    Raises:
        InvalidQuestionError: The name is unknown; the message lists similar ones.
    """
    installed, metrics = catalog[benchmark], catalog.metrics(benchmark)
    features = {feature.name: feature for feature in _features(installed)}
    if isinstance(name, str) and name in features:
        return features[name]
    try:
        return metric_named(metrics, name)
    except InvalidQuestionError:
        known = [*metrics, *features]
        near = get_close_matches(str(name)[:_LONGEST_NAME], known, n=3)
        if near:
            message = f"unknown column {shown(name)}; is it {', '.join(near)}?"
        elif str(name).startswith(MARK):
            message = f"unknown column {shown(name)}; known are {listed(list(features))}"
        else:
            raise
        raise InvalidQuestionError("metric", message) from None


def _candidates(catalog: Catalog, benchmark: str, filters: Mapping[str, Any]) -> Candidates:
    candidates = Candidates(catalog, benchmark, filters)
    if not len(candidates):
        # Raises an error that lists the parts with runs.
        first = next(iter(candidates.benchmark.metrics().values()))
        candidates.recorded(first, "metric")
    return candidates


def _required(benchmark: Benchmark) -> list[str]:
    """Return the axes that a question about figures must name."""
    several = (axis for axis in benchmark.spec.axes if len(axis.values) > 1)
    return [axis.name for axis in several if axis.name in benchmark.parts_by]


def _first_part(benchmark: Benchmark) -> Mapping[str, Any]:
    return {axis.name: axis.values[0] for axis in benchmark.spec.axes if not axis.implied}


def _is_installed(catalog: Catalog, metric: Metric) -> bool:
    return metric.lies_in in catalog.installed


def _metric_item(
    catalog: Catalog, candidates: Candidates | None, metric: Metric, given: Mapping[str, Any]
) -> Item:
    meant = metric if candidates is None else candidates.metric_in_parts(metric)
    stat = catalog.entry(metric.lies_in).spec.stat(metric.column)
    return {
        "name": metric.name,
        "kind": "metric",
        "type": "float32",
        "description": "" if stat is None else stat.description,
        "unit": meant.unit,
        "better": _better(meant),
        "source": metric.lies_in,
        "legend": [],
        "address": _address(metric.name, given),
        **_figures(candidates, lambda of: _recorded_values(of, metric)),
    }


def _feature_item(
    candidates: Candidates | None, feature: Feature, given: Mapping[str, Any]
) -> Item:
    return {
        "name": feature.name,
        "kind": feature.kind,
        "type": feature.type,
        "description": feature.description,
        "unit": None,
        "better": None,
        "source": None,
        "legend": list(feature.legend),
        "address": _address(feature.name, given),
        **_figures(candidates, lambda of: _feature_values(of, feature).astype(np.float64)),
    }


def _recorded_values(candidates: Candidates, metric: Metric) -> NDArray[np.float64]:
    """Return the values of a metric; empty where a joined table does not cover the part."""
    try:
        return candidates.values(metric)
    except (InvalidQuestionError, UnknownBenchmarkError):
        return np.full(len(candidates), np.nan)


def _figures(
    candidates: Candidates | None, values_of: Callable[[Candidates], NDArray[np.float64]]
) -> Item:
    if candidates is None:
        return dict.fromkeys(("missing", "smallest", "largest", "distinct"))
    values = values_of(candidates)
    recorded = values[~np.isnan(values)]
    finite = recorded[np.isfinite(recorded)]
    return {
        "missing": len(values) - len(recorded),
        "smallest": float(finite.min()) if len(finite) else None,
        "largest": float(finite.max()) if len(finite) else None,
        "distinct": len(np.unique(_as_floats(recorded))),
    }


def _address(name: str, given: Mapping[str, Any]) -> str:
    """Return the address of a column, relative to the address of the list of columns."""
    # Independent of the order in the question, because answers are compared and cached.
    return f"column?{urlencode({'metric': name, **dict(sorted(given.items()))})}"


def _as_floats(values: NDArray[np.float64]) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # values beyond the float32 range become infinite
        return values.astype(_TYPES["float32"])


def _better(metric: Metric) -> str:
    return "larger" if metric.larger_is_better else "smaller"


def _features(benchmark: Benchmark) -> tuple[Feature, ...]:
    number = Feature(
        name=NUMBER,
        kind="number",
        type="int32",
        description="The index of the candidate, from which its string is looked up.",
        values=lambda _, numbers: numbers,
    )
    return (number, *benchmark.features())


def _feature_values(candidates: Candidates, feature: Feature) -> NDArray[Any]:
    pieces = [feature.values(part, numbers) for part, numbers in candidates.by_part()]
    return np.concatenate(pieces).astype(_TYPES[feature.type])
