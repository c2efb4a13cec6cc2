"""Description of a benchmark: all its properties that are data.

A `BenchmarkSpec` is frozen and validated when it is created. It does not depend on SQL, HTTP or
PyTorch; tables, queries, wire models, columns and documents are generated from it. The database of
a declared table holds its description as JSON, so that a server needs no code for it.
"""

from __future__ import annotations

import hashlib
import json
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias

from benchmark_spec.decoding import decoded, encoded
from benchmark_spec.errors import SpecError, shown
from benchmark_spec.product import Product
from benchmark_spec.spaces import Coded, Like, Listed, Space
from benchmark_spec.units import UNITS

__all__ = ["RESERVED_FIELDS", "RESERVED_NAMES", "Axis", "AxisValue", "BenchmarkSpec", "Better"]
__all__ += ["Column", "Curve", "Label", "RawFile", "Stat"]

Better: TypeAlias = Literal["larger", "smaller"]
Kind: TypeAlias = Literal["integer", "number", "text"]
AxisValue: TypeAlias = str | int

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME: Final = 60
_LONGEST_TEXT: Final = 4_000
_MAX_STATS: Final = 200
_MAX_AXES: Final = 20
"""Response headers name the values of all axes up to twice; clients read some 64 KB of headers."""
_MAX_VALUES: Final = 1_000
_MAX_JSON: Final = 2**20
_BUDGET: Final = "num_epochs"
_LARGEST: Final = 2**53

RESERVED_NAMES: Final = frozenset(
    {
        *("benchmarks", "checkpoints", "datasets", "evaluations", "jobs", "latency", "models"),
        *("plans", "supernets", "trainings", "worker", "workers"),
        # Pages of the explorer.
        *("key", "status", "studies", "zoo"),
    }
)
"""Path segments of URLs at the place of a benchmark's name that are not benchmarks."""

RESERVED_FIELDS: Final = frozenset(
    {
        # Fields of items and responses.
        *("arch", "arch_str", "index", "config", "num_runs", "intermediates", "current_epoch"),
        *("size_source", "synthetic", "provenance", "items", "results", "next_cursor"),
        *("metrics", "value", "values", "rank", "of", "best", "regret", "fraction", "position"),
        # Arguments of queries.
        *("archs", "reduction", "include_intermediates", "limit", "cursor", "sort", "metric", "n"),
        *("x", "y", "points", "format", "benchmark", "top_k", "resamples", "resample_seed"),
        *("bins", "numbers", "theme", "x_log", "x_from", "x_to", "log", "from", "to"),
        *("path", "file", "filters", "options", "self"),
        # Columns of database tables.
        *("curve", "run_id", "part", "keys"),
        # Methods of pydantic's models.
        *("construct", "copy", "dict", "from_orm", "json", "schema", "schema_json", "validate"),
        *("parse_file", "parse_obj", "parse_raw", "update_forward_refs"),
    }
)
"""Names that no axis, label or statistic may have."""

_RESERVED_STARTS: Final = ("min_", "max_", "after_")
_RESERVED_OF_MADE: Final = ("model_", "choice", "y_")
"""Prefixes of pydantic's methods, data frame columns and filters, reserved in generated models;
hand-written models are known to have no conflict."""


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A published file that a database is made from.

    Attributes:
        name: Published name.
        sha256: SHA-256 of the file; None if unknown.
    """

    name: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise SpecError(f"file {shown(self.name)} is not a plain file name")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise SpecError(f"file {self.name}: {shown(self.sha256)} is not a SHA-256 digest")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis of a benchmark, such as its data sets or training budgets.

    Attributes:
        name: Name of the filter and of the field.
        values: All values, which are texts or integers. Their order is part of the digest.
        description: A sentence.
        unit: Unit of integers, if they have one.
        same_as: Aliases of values, by alias.
        implied: Whether items and queries leave the axis out, because it has one value.
    """

    name: str
    values: tuple[AxisValue, ...]
    description: str
    unit: str | None = None
    same_as: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    implied: bool = False

    def __post_init__(self) -> None:
        where = f"axis {self.name}"
        if not 1 <= len(self.values) <= _MAX_VALUES:
            raise SpecError(f"{where}: {len(self.values)} values; there may be 1 to {_MAX_VALUES}")
        if self.implied and len(self.values) > 1:
            raise SpecError(f"{where}: an implied axis must have one value")
        if len({type(value) for value in self.values}) != 1:
            raise SpecError(f"{where}: its values are not all text or all whole numbers")
        for value in self.values:
            _check_value(where, value)
        told = [str(value).lower() for value in self.values]
        if len(set(told)) != len(told):
            raise SpecError(f"{where}: two of its values differ only in case")
        for name, meant in self.same_as.items():
            if name.lower() in told or meant not in self.values:
                raise SpecError(f"{where}: {shown(name)} cannot mean {shown(meant)}")

    @property
    def kind(self) -> Kind:
        """`integer` or `text`."""
        return "text" if isinstance(self.values[0], str) else "integer"


@dataclass(frozen=True, kw_only=True)
class Label:
    """Integer that identifies a run among those of one configuration.

    Attributes:
        name: `seed`, `repeat`, `run` or a similar name.
        description: A sentence.
    """

    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that describes a configuration in addition to its key.

    Attributes:
        name: Name of the column.
        kind: Type of its values.
        description: A sentence.
        unit: Unit of the values, if they have one.
    """

    name: str
    kind: Kind
    description: str
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stat:
    """A statistic that a run records once.

    Attributes:
        name: Name of the statistic, the same everywhere.
        unit: One of `UNITS`.
        better: Whether larger or smaller values are better.
        description: A sentence.
        example: A value, for documents.
        derived: Whether it was computed from other records.
        unit_by: Other units by axis and value, if the unit depends on an axis.
        better_by: Other directions by axis and value.
        absent: By axis, values for which it is never recorded.
    """

    name: str
    unit: str
    better: Better
    description: str
    example: float | None = None
    derived: bool = False
    unit_by: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    better_by: Mapping[str, Mapping[str, Better]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        named = [unit for units in self.unit_by.values() for unit in units.values()]
        for unit in (self.unit, *named):
            if unit not in UNITS:
                raise SpecError(
                    f"{self.name}: unknown unit {shown(unit)}; known are {', '.join(UNITS)}"
                )

    def better_within(self, part: Mapping[str, Any]) -> Better:
        """Return whether larger or smaller values are better for the given axis values."""
        by_axis = (by.get(str(part.get(axis))) for axis, by in self.better_by.items())
        return next((better for better in by_axis if better is not None), self.better)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A learning curve: a statistic that a run records at each epoch.

    Attributes:
        name: Name of the curve.
        unit: One of `UNITS`.
        description: A sentence.
        of: Statistic whose course it is, if any.
    """

    name: str
    unit: str
    description: str
    of: str | None = None


@dataclass(frozen=True, kw_only=True)
class BenchmarkSpec:
    """Validated description of a benchmark.

    Attributes:
        name: Name in URLs and file names: lower-case letters, digits and single hyphens.
        title: Title for people.
        citation: The paper.
        licence: Licence of the published data.
        homepage: Where the data is published.
        notes: Peculiarities that affect how results must be read.
        raw_files: Published files that a database is made from.
        space: Search space.
        axes: Axes, in the order of the key.
        label: Label that identifies runs; None for a table without runs.
        described_by: Columns that describe a configuration in addition to its key.
        stats: Statistics, in the order of items.
        curves: Learning curves.
        not_answered: Topics of unsupported queries, each with the reason.
        own_questions: Topics of supported queries in addition to the common ones.

    Raises:
        SpecError: The description is inconsistent.
    """

    name: str
    title: str
    citation: str
    licence: str
    space: Space
    stats: tuple[Stat, ...]
    homepage: str = ""
    notes: tuple[str, ...] = ()
    raw_files: tuple[RawFile, ...] = ()
    axes: tuple[Axis, ...] = ()
    label: Label | None = None
    described_by: tuple[Column, ...] = ()
    curves: tuple[Curve, ...] = ()
    not_answered: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    own_questions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            raise SpecError(
                f"name {shown(self.name)} is not lower-case letters, digits and single hyphens, at "
                f"most {_LONGEST_NAME} characters"
            )
        if self.name in RESERVED_NAMES:
            raise SpecError(f"name {self.name} is reserved for another URL")
        if not self.stats or len(self.stats) > _MAX_STATS:
            raise SpecError(f"{len(self.stats)} statistics; there may be 1 to {_MAX_STATS}")
        if len(self.axes) > _MAX_AXES:
            raise SpecError(f"{len(self.axes)} axes; there may be at most {_MAX_AXES}")
        self._check_fields()
        self._check_texts()
        for stat in self.stats:
            self._check_by(stat, {**stat.unit_by, **stat.better_by})
            self._check_known(stat, stat.absent)
        known = {stat.name for stat in self.stats}
        for curve in self.curves:
            if curve.of is not None and curve.of not in known:
                raise SpecError(
                    f"curve {curve.name} is of {shown(curve.of)}, which is not a statistic"
                )

    def axis(self, name: str) -> Axis | None:
        """Return the axis with a name; None if there is none."""
        return next((axis for axis in self.axes if axis.name == name), None)

    def stat(self, name: Any) -> Stat | None:
        """Return the statistic with a name; None if there is none."""
        return next((stat for stat in self.stats if stat.name == name), None)

    def implied(self, name: str) -> bool:
        """Return whether items and queries leave an axis out, because it has one value."""
        axis = self.axis(name)
        return axis is not None and axis.implied

    @property
    def declared_space(self) -> Product | Listed | Like:
        """The space of a declared table, which needs no code.

        Raises:
            SpecError: The space needs code to parse architectures.
        """
        if isinstance(self.space, Coded):
            raise SpecError(f"the architectures of {self.name} need code of their own to be parsed")
        return self.space

    @property
    def spelled_by(self) -> str | None:
        """Name of the field with the canonical spelling of an architecture; None if not a text."""
        fields = self.space.fields
        return next((field.name for field in fields if field.kind == "text"), None)

    @property
    def stat_names(self) -> tuple[str, ...]:
        """Names of the statistics, in the order of items."""
        return tuple(stat.name for stat in self.stats)

    @property
    def curve_names(self) -> tuple[str, ...]:
        """Names of the learning curves."""
        return tuple(curve.name for curve in self.curves)

    def names_on(self, axis: str) -> tuple[str, ...]:
        """Return the values of an axis as text; empty if there is no such axis."""
        found = self.axis(axis)
        return () if found is None else tuple(map(str, found.values))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Values of the axis `dataset`; empty if there is no such axis."""
        return self.names_on("dataset")

    @property
    def budgets(self) -> tuple[int, ...]:
        """Values of the axis `num_epochs`; empty if there is no such axis."""
        axis = self.axis(_BUDGET)
        values = () if axis is None else axis.values
        return tuple(value for value in values if isinstance(value, int))

    def json(self) -> dict[str, Any]:
        """Return the description as a JSON object."""
        made: dict[str, Any] = encoded(self)
        return made

    @classmethod
    def of_json(cls, value: Any) -> Self:
        """Return the description of a JSON object that `json` returned.

        Raises:
            SpecError: The object is malformed, or the description is inconsistent.
        """
        return decoded(cls, value, "the description")

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Return the description of a JSON text.

        Raises:
            SpecError: The text is malformed or too long, or the description is inconsistent.
        """
        if len(text) > _MAX_JSON:
            raise SpecError(f"the description has {len(text)} characters, more than {_MAX_JSON}")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"the description is not valid JSON: {error}") from error
        return cls.of_json(value)

    @cached_property
    def text(self) -> str:
        """The description as canonical JSON text."""
        return json.dumps(self.json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical text."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Simulations are pickled with their descriptions, but read-only mappings cannot be.
        return type(self).of_text, (self.text,)

    def _check_fields(self) -> None:
        label = () if self.label is None else (self.label.name,)
        filters = [*(axis.name for axis in self.axes), *label]
        items = [column.name for column in self.described_by] + [s.name for s in self.stats]
        seen: set[str] = set()
        made = not isinstance(self.space, Coded)
        for name in (*filters, *items):
            _check_field(name, made=made)
            if name in seen:
                raise SpecError(f"two fields have the name {name}")
            seen.add(name)
        if len({curve.name for curve in self.curves}) != len(self.curves):
            raise SpecError("two curves have the same name")
        for curve in self.curves:
            _check_field(curve.name, made=made)
            if curve.name in {*filters, *(column.name for column in self.described_by)}:
                raise SpecError(f"a curve and another field have the name {curve.name}")
        budget = self.axis(_BUDGET)
        if budget is not None and budget.kind != "integer":
            raise SpecError(f"axis {_BUDGET}: its values must be whole numbers")
        dataset = self.axis("dataset")
        if dataset is not None and dataset.kind != "text":
            raise SpecError("axis dataset: its values must be names")

    def _check_texts(self) -> None:
        label = () if self.label is None else (self.label.description,)
        texts = [
            *(self.title, self.citation, self.licence, *label),
            *(axis.description for axis in self.axes),
            *(stat.description for stat in self.stats),
            *(curve.description for curve in self.curves),
            *(column.description for column in self.described_by),
        ]
        for text in texts:
            _check_text(text)
            if not text.strip():
                raise SpecError("a title, citation, licence or description is empty")
        for text in (self.homepage, *self.notes, *self.not_answered.values()):
            _check_text(text)

    def _check_by(self, stat: Stat, by: Mapping[str, Iterable[str]]) -> None:
        if len({*stat.unit_by, *stat.better_by}) > 1:
            raise SpecError(f"{stat.name}: unit and direction may depend on one axis only")
        self._check_known(stat, by)

    def _check_known(self, stat: Stat, by: Mapping[str, Iterable[str]]) -> None:
        for name, values in by.items():
            axis = self.axis(name)
            known = () if axis is None else tuple(map(str, axis.values))
            unknown = [value for value in values if value not in known]
            if unknown or axis is None:
                raise SpecError(f"{stat.name} depends on unknown values {shown(unknown)} of {name}")


def _check_field(name: str, *, made: bool) -> None:
    """Check the name of a field; `made` reserves more names, for generated models."""
    if not _FIELD.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise SpecError(
            f"{shown(name)} is not a field name: lower-case letters, digits and `_`, at most "
            f"{_LONGEST_NAME} characters"
        )
    reserved = name in RESERVED_FIELDS or name.startswith(_RESERVED_STARTS)
    if reserved or keyword.iskeyword(name) or (made and name.startswith(_RESERVED_OF_MADE)):
        raise SpecError(f"the field name {name} is reserved")


def _check_value(where: str, value: AxisValue) -> None:
    if isinstance(value, int):
        if not 0 <= value < _LARGEST:
            raise SpecError(f"{where}: {shown(value)} is not in 0 to 2^53")
        return
    if not 1 <= len(value) <= _LONGEST_NAME or not value.isprintable() or value != value.strip():
        raise SpecError(f"{where}: {shown(value)} is not a name of 1 to {_LONGEST_NAME} characters")
    if value != value.lower():
        raise SpecError(f"{where}: {shown(value)} has capitals; write it in lower case")


def _check_text(text: str) -> None:
    if len(text) > _LONGEST_TEXT or not text.replace("\n", " ").isprintable():
        raise SpecError(
            f"{shown(text)} is not a text of at most {_LONGEST_TEXT} printable characters"
        )
