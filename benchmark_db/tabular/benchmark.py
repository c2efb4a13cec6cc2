"""A declared table as an installed benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from benchmark_db.aggregates import Part
from benchmark_db.benchmark import Benchmark
from benchmark_db.curves import Curves
from benchmark_db.digests import content_digest
from benchmark_db.errors import (
    InvalidArchitectureError,
    UnsupportedQuestionError,
    UnusableDatabaseError,
    shown,
)
from benchmark_db.features import Feature, product_features
from benchmark_db.items import Item, Row
from benchmark_db.metrics import Metric, metrics_of_spec
from benchmark_db.questions import Filter, Page, choice, one_of
from benchmark_db.registry import space_like
from benchmark_db.tabular.stored_spec import DIGEST_KEY, SPEC_KEY, spec_rows, stored_spec
from benchmark_db.tabular.tables import NUMBER, SCHEMA_VERSION, Tables, codes_of, joined_benchmark
from benchmark_spec import Axis, Coded, Listed, OpenSpace, Product, SpellingError

__all__ = ["DeclaredTables", "Tabular"]

_NAMES: Final = 'SELECT "index", arch_str FROM architecture ORDER BY "index"'
_AXIS_NAMES: Final = "SELECT axis, code, name FROM axis_name ORDER BY axis, code"
_STORED: Final = "SELECT key, value FROM provenance WHERE key IN ('spec', 'spec_digest')"
_COLUMNS: Final = "SELECT name, type, pk FROM pragma_table_info('run') ORDER BY cid"


class Tabular(Benchmark):
    """A declared table: its file describes the architectures and the recorded statistics.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of a declared table, or its description
            is malformed or does not match its columns.
    """

    schema_version = SCHEMA_VERSION
    counted = "runs"
    numbered_by = NUMBER
    curves = ()
    is_declared = True

    def __init__(self, path: Path) -> None:
        spec = stored_spec(path)
        tables = Tables(spec)
        self.spec = spec
        self.source = tables.source
        self.key_columns = self.config_columns = tables.key
        self.label, self.labelled = tables.label, spec.label is not None
        self.stats = self.compared = tables.stats
        self.parts_by = tuple(axis.name for axis in spec.axes)
        self.joined_to = joined_benchmark(spec)
        self.filters = self._filters()
        self._values = [{code: value for value, code in codes_of(a).items()} for a in spec.axes]
        coded = isinstance(spec.space, Coded) or any(axis.implied for axis in spec.axes)
        if spec.curves or spec.described_by or coded:
            raise UnusableDatabaseError(
                f"{path.name}: its description has fields that a declared table cannot have"
            )
        super().__init__(path)
        try:
            self._check_file(tables)
            self._space = self._opened_space()
        except BaseException:
            self.close()
            raise

    @property
    def arch_space(self) -> OpenSpace:
        """The space of its architectures."""
        return self._space

    @property
    def num_architectures(self) -> int:
        """Size of the space; for a list, the number of architectures."""
        return self._space.size

    def config(self, *columns: Any) -> Item:
        """Return the configuration's `config` object."""
        number, *codes = columns
        names: Item = dict(self._space.names(number))
        for axis, values, code in zip(self.parts_by, self._values, codes, strict=True):
            names[axis] = values[code]
        return names

    def features(self) -> tuple[Feature, ...]:
        """Return the columns derived from its architectures alone; none for a list."""
        if isinstance(self.arch_space, Product):
            return product_features(self.arch_space)
        return super().features()

    def drawn(self, arch: Any) -> Item:
        """Return the drawing of an architecture: its choices, or as its benchmark defines it.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
            UnsupportedQuestionError: The table lists its architectures by name.
        """
        names = self.describe(arch)
        if isinstance(self.arch_space, Product):
            return {"title": names["arch_str"], "choices": names["arch"]}
        return super().drawn(arch)

    def joined_metrics(self) -> Mapping[str, Metric]:
        """Return its statistics as metrics of the benchmark whose architectures it measures."""
        return metrics_of_spec(self.spec, joined_to=self.joined_to)

    def digest_of(self, rows: Iterable[Row]) -> str:
        """Return the content digest, which covers the description stored in the file."""
        return content_digest(rows, described=self.spec.digest)

    def parts(self, filters: Mapping[str, Any]) -> list[Part]:
        """Return the part that the filters name; an axis with one value may be left out.

        Raises:
            InvalidQuestionError: A filter is malformed, or a required one is missing.
        """
        given = dict(filters)
        for axis in self.spec.axes:
            if len(axis.values) == 1 and given.get(axis.name) is None:
                given[axis.name] = axis.values[0]
        return super().parts(given)

    def part_named(self, part: Part) -> Item:
        """Return the values of a part by axis."""
        named = zip(self.parts_by, self._values, part, strict=True)
        return {axis: values[code] for axis, values, code in named}

    def unpack(self, row: Row) -> Curves:
        """Return no curves: declared tables have none."""
        del row
        return (), []

    def intermediate_stats(self, filters: Mapping[str, Any], **options: Any) -> Page:
        """Raise an error: declared tables have no learning curves.

        Raises:
            UnsupportedQuestionError: Always.
        """
        del filters, options
        raise UnsupportedQuestionError(f"{self.spec.title} records no learning curves")

    def describe(self, arch: Any) -> Item:
        """Return all spellings of an architecture.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        return self._space.names(self._read(arch))

    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return the descriptions of the architectures with these indices."""
        return [self._space.names(number) for number in numbers]

    def neighbors(self, arch: Any) -> list[Item]:
        """Return the descriptions of all architectures one edit away, in a fixed order.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
            UnsupportedQuestionError: The table lists its architectures, without edits.
        """
        found = self._space.neighbors(self._read(arch))
        if found is None:
            raise UnsupportedQuestionError(
                f"{self.spec.title} lists its architectures: it does not define which are one "
                "edit apart"
            )
        return self.architectures(found)

    def check_derived(self) -> None:
        """Check that architectures, names and codes agree with the description.

        Raises:
            UnusableDatabaseError: They do not agree.
        """
        where = self.database.path.name
        for number, name in self.database.rows(_NAMES):
            try:
                right = self._space.names(number)["arch_str"]
            except (SpellingError, IndexError, TypeError) as error:
                raise UnusableDatabaseError(f"{where} has been changed: {error}") from error
            if right != name:
                raise UnusableDatabaseError(
                    f"{where} has been changed: architecture {number} is {right}, not {shown(name)}"
                )
        if sorted(self.database.rows(_AXIS_NAMES)) != sorted(Tables(self.spec).axis_rows()):
            raise UnusableDatabaseError(f"{where} has been changed: names of its axes differ")
        known = set(self._recorded)
        for row in self.all_rows():
            in_place = all(
                code in values
                for code, values in zip(row[1 : len(self.key_columns)], self._values, strict=True)
            )
            if row[0] not in known or not in_place:
                raise UnusableDatabaseError(f"{where} has been changed: {shown(row)} is not a run")

    def _check_file(self, tables: Tables) -> None:
        """Check that the open file has the description that was read, and matching columns."""
        where = self.database.path.name
        if dict(self.database.rows(_STORED)) != dict(spec_rows(self.spec)):
            raise UnusableDatabaseError(
                f"{where} has been changed: {SPEC_KEY} and {DIGEST_KEY} do not belong together"
            )
        columns = tuple(name for name, *_ in self.database.rows(_COLUMNS))
        if columns != tables.columns:
            raise UnusableDatabaseError(
                f"{where}: it has columns {shown(columns)}; its description says {tables.columns}"
            )

    def _opened_space(self) -> OpenSpace:
        space = self.spec.declared_space
        if isinstance(space, Product):
            return space
        if isinstance(space, Listed):
            names = list(self.database.rows(_NAMES))
            listed = [name for _, name in names]
            if [number for number, _ in names] != list(range(len(names))) or listed != sorted(
                listed
            ):
                raise UnusableDatabaseError(
                    f"{self.database.path.name} is damaged: its architectures are not in order"
                )
            return space.opened(listed)
        return space_like(space)

    def _filters(self) -> dict[str, Filter]:
        filters = {"arch": Filter(NUMBER, self._read)}
        filters |= {axis.name: _axis_filter(axis) for axis in self.spec.axes}
        if self.labelled:
            filters[self.label] = Filter(self.label, self._read_label)
        return filters

    def _read_label(self, value: Any) -> int:
        return self._one_of_labels(value)

    @cached_property
    def _one_of_labels(self) -> Callable[[Any], int]:
        # Read when a question first names a label, because it scans all runs.
        name = self.label
        rows = self.database.rows(f'SELECT DISTINCT "{name}" FROM run ORDER BY 1')  # noqa: S608 - checked
        return one_of(name, (label for (label,) in rows))

    def _read(self, arch: Any) -> int:
        try:
            return self._space.number(arch)
        except SpellingError as error:
            raise InvalidArchitectureError(str(error)) from error


class DeclaredTables(Tables):
    """The tables of a declared table during a build; callable like a benchmark class."""

    def __call__(self, path: Path) -> Tabular:
        """Open a database of the table.

        Raises:
            UnusableDatabaseError: The file is not a database of the table.
        """
        return Tabular(path)


def _axis_filter(axis: Axis) -> Filter:
    """Return the filter of an axis: names in any case, or one of some numbers."""
    codes = codes_of(axis)
    if axis.kind == "integer":
        return Filter(axis.name, one_of(axis.name, codes))
    meant = {name.lower(): codes[value] for name, value in axis.same_as.items()}
    return Filter(axis.name, choice(axis.name, {**codes, **meant}))
