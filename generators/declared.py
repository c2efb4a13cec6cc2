"""Converts the raw files of a declared table into a database."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from benchmark_db.items import reduce_values
from benchmark_db.provenance import Provenance, ProvenanceRow
from benchmark_db.registry import INSTALLABLE, space_like
from benchmark_db.tabular.benchmark import DeclaredTables
from benchmark_db.tabular.stored_spec import spec_rows
from benchmark_db.tabular.tables import Architecture, AxisName, codes_of
from benchmark_spec import Like, Listed, OpenSpace, SpecError, SpellingError, check_listed_name
from benchmark_spec.declaration import Declaration, Equality, Figure, read_declaration
from benchmark_spec.errors import shown
from generators.build import DatabaseBuild
from generators.raw.table_files import raw_tables
from generators.raw.table_records import Record, records_of
from generators.raw.value_paths import value_at
from generators.sample.declared import read_sample, sample_of
from generators.source import Progress, identified, identify, silent
from safe_pickle import ArchiveError

__all__ = ["generate_table"]

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER: Final = 40
_WHOLE: Final = re.compile(r"-?\d{1,9}", re.ASCII)
_LARGEST_LABEL: Final = 2**53
_MOST_DECIMALS: Final = 12
_Key = tuple[Any, ...]


def generate_table(
    declaration: Path, raw: Path, out: Path, *, progress: Progress = silent
) -> Provenance:
    """Convert the raw files of a declared table into `out`/NAME.db and return its provenance.

    Args:
        declaration: The TOML file.
        raw: A raw file, a folder of them, a zip file, or a sample that `nbs sample` wrote.
        out: Folder of the database.
        progress: Receives the number of converted records; their total is unknown.

    Raises:
        SpecError: The declaration is malformed.
        ArchiveError: A raw file is damaged, hostile or of another kind; a value is malformed or
            out of range; an architecture is unknown, duplicate or missing; or a published figure
            differs. The message says where.
        BuildError: The database cannot be written.
        OSError: A file cannot be read.
    """
    declared = read_declaration(declaration)
    spec = declared.spec
    if spec.name in INSTALLABLE:
        raise SpecError(f"{declaration.name}: {spec.name} is a built-in benchmark")
    tables = DeclaredTables(spec)
    with (
        identified(raw) as source,
        DatabaseBuild(out / f"{spec.name}.db", tables, tables.tables, tables.views) as build,
    ):
        synthetic = sample_of(raw)
        rows = _Rows(declared)
        if synthetic is not None:
            if synthetic != spec.name:
                raise ArchiveError(f"{raw.name} is a sample of {synthetic}, not of {spec.name}")
            for where, spelling, part, label, values in read_sample(raw, spec):
                rows.add(where, spelling, part, label, values)
        else:
            for done, record in enumerate(_records(declared, raw), 1):
                rows.add_record(record)
                progress(done, done)
        space = rows.finish(golden=synthetic is None)
        _check_digest(declared, source.result().sha256, raw, given=synthetic is None)
        build.insert(ProvenanceRow, spec_rows(spec))
        build.insert(AxisName, tables.axis_rows())
        build.insert(
            Architecture, [(n, space.names(n)["arch_str"]) for n in rows.architectures(space)]
        )
        build.insert(tables.run, rows.of_numbers(space))
        return build.complete(
            source.result(), rows.contents(space), synthetic=synthetic is not None
        )


def _records(declared: Declaration, raw: Path) -> Iterator[Record]:
    for table in raw_tables(raw):
        yield from records_of(table, declared.rows)


def _check_digest(declared: Declaration, digest: str, raw: Path, *, given: bool) -> None:
    """Compare published files with the digests in the declaration."""
    for file in declared.spec.raw_files if given else ():
        inside = raw / file.name
        if file.sha256 is None or not (raw.name == file.name or inside.is_file()):
            continue
        found = digest if raw.name == file.name else identify(inside).sha256
        if found != file.sha256:
            raise ArchiveError(
                f"{file.name} has SHA-256 {found}; the declaration says {file.sha256}"
            )


@dataclass
class _Rows:
    """Collects and checks the rows of a table.

    Attributes:
        declared: The declaration.
    """

    declared: Declaration
    _runs: dict[_Key, tuple[float | None, ...]] = field(default_factory=dict)
    _places: dict[_Key, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = self.declared.spec
        space = spec.declared_space
        self._listed = isinstance(space, Listed)
        self._space: OpenSpace | None = None
        if isinstance(space, Like):
            self._space = space_like(space)
        elif not isinstance(space, Listed):
            self._space = space
        self._codes = [codes_of(axis) for axis in spec.axes]
        self._stats = [stat.name for stat in spec.stats]

    def add_record(self, record: Record) -> None:
        """Add the runs of a record.

        Raises:
            ArchiveError: The record is malformed or contradictory.
        """
        declared, rows = self.declared, self.declared.rows
        spelling = _spelling(record, declared)
        part = {
            axis.name: _part_value(record, rows.parts.get(axis.name, axis.values[0]), axis.values)
            for axis in declared.spec.axes
        }
        columns = {
            name: _values(record, name, figure, rows.runs, rows.null)
            for name, figure in declared.figures.items()
        }
        for equality in declared.checks.equal:
            _check_equality(record, equality, columns[equality.stat])
        labels: Iterable[int] = range(rows.runs)
        if rows.label is not None:
            labels = [_label(record, rows.label)]
        for run, label in enumerate(labels):
            values = {name: column[run] for name, column in columns.items()}
            self.add(record.where, spelling, part, label, values)

    def add(
        self,
        where: str,
        spelling: Any,
        part: Mapping[str, Any],
        label: int,
        values: Mapping[str, float | None],
    ) -> None:
        """Add a run.

        Raises:
            ArchiveError: The run is malformed or a duplicate.
        """
        key = (self._identity(spelling, where), *self._part_codes(part, where), label)
        if key in self._places:
            raise ArchiveError(f"{where}: {shown(spelling)} is a duplicate of {self._places[key]}")
        for name in self._stats:
            value, (least, most) = values[name], self.declared.checks.range[name]
            if value is not None and not least <= value <= most:
                raise ArchiveError(f"{where}: {name} {value} is not in {least:g} to {most:g}")
        self._places[key] = where
        self._runs[key] = tuple(values[name] for name in self._stats)

    def finish(self, *, golden: bool) -> OpenSpace:
        """Check the table as a whole and return the space of its architectures.

        Args:
            golden: Whether to require the published figures and all architectures.

        Raises:
            ArchiveError: There is no record, something is missing, or a published figure differs.
        """
        if not self._runs:
            raise ArchiveError("the raw file holds no record")
        space = self._space
        if space is None:
            assert isinstance(self.declared.spec.space, Listed)  # noqa: S101 - for the type checker
            space = self.declared.spec.space.opened(sorted({str(key[0]) for key in self._runs}))
        if golden:
            if self.declared.checks.complete:
                self._check_complete(space)
            self._check_golden(space)
        return space

    def architectures(self, space: OpenSpace) -> list[int]:
        """Return the indices of all architectures, ascending."""
        return sorted({self._number(key[0], space) for key in self._runs})

    def of_numbers(self, space: OpenSpace) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the table of runs, in key order."""
        keyed = {
            (self._number(key[0], space), *key[1:]): values for key, values in self._runs.items()
        }
        for place in sorted(keyed):
            yield (*place, *keyed[place])

    def contents(self, space: OpenSpace) -> dict[str, Any]:
        """Return the contents for the provenance: counts, gaps, and the range of each column."""
        present = self.architectures(space)
        found: dict[str, Any] = {
            "architectures": len(present),
            "runs": len(self._runs),
            "architectures_missing": space.size - len(present),
            "different_networks": len({space.equals(number) for number in present}),
        }
        columns = dict(zip(self._stats, zip(*self._runs.values(), strict=True), strict=True))
        recorded = {name: [v for v in column if v is not None] for name, column in columns.items()}
        found["figures_missing"] = {
            name: len(self._runs) - len(values)
            for name, values in recorded.items()
            if len(values) < len(self._runs)
        }
        found["ranges"] = {
            name: [min(values), max(values)] for name, values in recorded.items() if values
        }
        return found

    def _identity(self, spelling: Any, where: str) -> Any:
        try:
            return (
                check_listed_name(spelling) if self._space is None else self._space.number(spelling)
            )
        except ValueError as error:
            raise ArchiveError(f"{where}: {error}") from error

    def _number(self, identity: Any, space: OpenSpace) -> int:
        return space.number(identity) if self._listed else int(identity)

    def _part_codes(self, part: Mapping[str, Any], where: str) -> list[int]:
        found = []
        for axis, codes in zip(self.declared.spec.axes, self._codes, strict=True):
            if part[axis.name] not in codes:
                raise ArchiveError(
                    f"{where}: {axis.name} {shown(part[axis.name])} is not one of "
                    f"{', '.join(map(str, axis.values))}"
                )
            found.append(codes[part[axis.name]])
        return found

    def _check_complete(self, space: OpenSpace) -> None:
        present: dict[_Key, set[int]] = {}
        for key in self._runs:
            present.setdefault(key[1:-1], set()).add(self._number(key[0], space))
        for part, numbers in present.items():
            if len(numbers) < space.size:
                lost = next(number for number in range(space.size) if number not in numbers)
                raise ArchiveError(
                    f"{space.size - len(numbers)} of {space.size} architectures are missing in "
                    f"part {part}, such as {space.names(lost)['arch_str']}"
                )

    def _check_golden(self, space: OpenSpace) -> None:
        present = {key[1:-1] for key in self._runs}
        checked = 0
        for golden in self.declared.checks.golden:
            try:
                number = space.number(golden.arch)
            except SpellingError as error:
                raise SpecError(f"golden: {error}") from error
            spec = self.declared.spec
            wanted = {axis.name: golden.part.get(axis.name, axis.values[0]) for axis in spec.axes}
            codes = self._part_codes(wanted, "golden")
            if tuple(codes) not in present:
                continue
            checked += 1
            identity = space.names(number)["arch_str"] if self._listed else number
            runs = [
                values[self._stats.index(golden.stat)]
                for key, values in self._runs.items()
                if key[0] == identity and list(key[1:-1]) == codes
            ]
            mean = reduce_values(runs, "mean") if runs else None
            if mean is None or not _is_published(mean, golden.value):
                raise ArchiveError(
                    f"{golden.stat} of {golden.arch} is {mean}, published is {golden.value}"
                )
        if not checked:
            raise ArchiveError("no published figure belongs to the parts in the raw files")


def _spelling(record: Record, declared: Declaration) -> Any:
    """Return the architecture of a record in the form that its space reads."""
    arch = declared.rows.arch
    found = _found(record, arch.path)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if not arch.choices and arch.order is None:
        return found
    if type(found) is int and arch.order is not None:
        found = [int(digit) for digit in f"{found:0{len(arch.order)}}"] if found >= 0 else found
    numbers = _WHOLE.findall(found) if isinstance(found, str) else found
    if not isinstance(numbers, list | tuple):
        raise ArchiveError(f"{record.where}: {shown(found)} is not a tuple of choices")
    try:
        choices = [arch.choices[_place(n, arch.choices)] if arch.choices else n for n in numbers]
        ordered = choices if arch.order is None else [choices[place] for place in arch.order]
    except (IndexError, ValueError) as error:
        raise ArchiveError(f"{record.where}: {shown(found)} is not a tuple of choices") from error
    if len(ordered) != len(choices):
        raise ArchiveError(f"{record.where}: {len(choices)} choices instead of {len(ordered)}")
    return ordered


def _place(number: Any, choices: tuple[str, ...]) -> int:
    place = int(number)
    if not 0 <= place < len(choices):
        raise ValueError(number)
    return place


def _part_value(record: Record, said: str | int, values: tuple[Any, ...]) -> Any:
    """Return the value of an axis: a constant of the declaration, or the value at a path."""
    if said in values:
        return said
    found = _found(record, str(said))
    if isinstance(found, str) and values and isinstance(values[0], int):
        return int(found) if _WHOLE.fullmatch(found) else found
    text = found.lower() if isinstance(found, str) else found
    if said == "$file" and text not in values:
        return _part_named(text, values, record.where)
    return text


def _part_named(file: str, values: tuple[Any, ...], where: str) -> Any:
    """Return the only value of an axis that is a word of the file name.

    Raises:
        ArchiveError: The name contains several values.
    """
    words = [value for value in values if _is_word(str(value), file)]
    if len(words) > 1:
        raise ArchiveError(f"{where}: the name of the file contains {' and '.join(words)}")
    return words[0] if words else file


@lru_cache(maxsize=1_024)
def _is_word(word: str, text: str) -> bool:
    """Return whether a text contains a word, bounded by anything but letters and digits."""
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", text) is not None


def _label(record: Record, path: str) -> int:
    found = _found(record, path)
    if isinstance(found, str) and _WHOLE.fullmatch(found):
        found = int(found)
    if type(found) is not int or not 0 <= found < _LARGEST_LABEL:
        raise ArchiveError(f"{record.where}: {shown(found)} at {path} is not the label of a run")
    return found


def _values(
    record: Record, name: str, figure: Figure, runs: int, null: tuple[Any, ...]
) -> list[float | None]:
    """Return a statistic of each run of a record."""
    found = _found(record, figure.path)
    if not figure.of_runs:
        return [_number(record, name, found, figure, null)] * runs
    if len(found) != runs:
        raise ArchiveError(f"{record.where}: {len(found)} values of {name} for {runs} runs")
    return [_number(record, name, value, figure, null) for value in found]


def _number(
    record: Record, name: str, value: Any, figure: Figure, null: tuple[Any, ...]
) -> float | None:
    absent = null + figure.null
    if value is None or (absent and any(_same(value, one) for one in absent)):
        return None
    if isinstance(value, str) and value in figure.map:
        return figure.map[value]
    number = value
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value):
        number = float(value)
    if type(number) not in (int, float):
        raise ArchiveError(f"{record.where}: {name} is {shown(value)}, no number")
    try:
        scaled = _scaled(float(number), figure.scale)
    except OverflowError:
        scaled = math.inf
    if not math.isfinite(scaled):
        raise ArchiveError(f"{record.where}: {name} is {shown(value)}, no finite number")
    return scaled


def _same(value: Any, one: Any) -> bool:
    """Return whether a value is a given one that means "not recorded": 1 and True differ."""
    if isinstance(value, str) and not isinstance(one, str):
        return value == str(one)
    return type(value) in (int, float, str) and type(one) in (int, float, str) and value == one


def _scaled(number: float, scale: float) -> float:
    """Return a number in another unit; divided by a whole number where that is exact."""
    divisor = _divisor(scale)
    return number / divisor if divisor else number * scale


@lru_cache(maxsize=1_024)
def _divisor(scale: float) -> int:
    """Return the whole number of which a scale is the reciprocal, or 0."""
    whole = round(1 / scale)
    return whole if whole and math.isclose(whole * scale, 1.0, rel_tol=1e-12) else 0


def _check_equality(record: Record, equality: Equality, runs: list[float | None]) -> None:
    said = _found(record, equality.path)
    right = reduce_values(runs, equality.reduction)  # type: ignore[arg-type]  # checked when read
    if isinstance(said, str) and _NUMBER.fullmatch(said):
        said = float(said)
    near = (
        type(said) in (int, float) and right is not None and abs(said - right) <= equality.tolerance
    )
    if not near:
        raise ArchiveError(
            f"{record.where}: {equality.path} is {shown(said)}, but the {equality.reduction} of "
            f"{equality.stat} is {right}"
        )


def _found(record: Record, path: str) -> Any:
    if path == "$key":
        return record.key
    if path == "$file":
        return record.file
    if path == "$value":
        return record.value
    if record.by_column:
        if path not in record.value:
            raise ArchiveError(f"{record.where}: there is no column {shown(path)}")
        return record.value[path]
    return value_at(record.value, path, record.where)


def _is_published(mean: float, figure: float) -> bool:
    """Return whether a mean agrees with a published figure, given to some decimals."""
    _, _, decimals = repr(figure).partition(".")
    count = 0 if decimals == "0" else len(decimals)
    if "e" in decimals or count > _MOST_DECIMALS:
        return math.isclose(mean, figure, rel_tol=1e-12)
    return round(mean, count) == figure
