"""Declarations: one TOML file describes a table and how its raw files are read.

A value is found by a path (`a.b[2]`, `[*]` for one value per run, `$key`, `$file`, `$value`), and
may be scaled, mapped to another value, or count as "not recorded". docs/adding-a-benchmark.md has
an example of every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from benchmark_spec.errors import SpecError, shown
from benchmark_spec.product import Equal, Product
from benchmark_spec.spaces import Like, Listed, Space
from benchmark_spec.spec import Axis, AxisValue, BenchmarkSpec, Better, Label, RawFile, Stat
from benchmark_spec.toml_table import TomlFile, TomlTable

__all__ = ["READERS", "Arch", "Checks", "Declaration", "Equality", "Figure", "Golden", "Reader"]
__all__ += ["Rows", "read_declaration", "shipped_declarations"]

Reader: TypeAlias = Literal["json", "json-lines", "csv", "npy", "parquet", "pickle"]
READERS: Final[tuple[Reader, ...]] = get_args(Reader)

_TABLES: Final = Path(__file__).parent / "tables"
_TABULAR: Final = frozenset({"json-lines", "csv", "npy", "parquet"})
_MAX_RUNS: Final = 1_000
_STEP: Final = "[*]"
_MEANS: Final = ("mean", "std", "min", "max")
_SENTENCES: Final[Mapping[str, str]] = {
    "dataset": "The data set.",
    "num_epochs": "Training budget, in epochs.",
}
_EPOCHS: Final = "epochs"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Path and conversion of the value of a statistic in a record.

    Attributes:
        path: Path of the value; with `[*]` there is one value per run.
        scale: Factor of the value; a negative power of ten divides exactly.
        map: Replacements of values, by their text.
        null: Values that mean "not recorded", in addition to those of all statistics.
    """

    path: str
    scale: float = 1.0
    map: Mapping[str, float]
    null: tuple[Any, ...] = ()

    @property
    def of_runs(self) -> bool:
        """Whether there is a value for each run."""
        return _STEP in self.path


@dataclass(frozen=True, kw_only=True)
class Arch:
    """Path and conversion of the architecture in a record.

    Attributes:
        path: Path of its spelling.
        choices: Names of the numbers, if the spelling is a tuple of numbers.
        order: Index in the tuple for each position of the space; None: in order. With an order, an
            integer means the tuple of its digits, padded to the number of positions.
    """

    path: str
    choices: tuple[str, ...] = ()
    order: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How records are read from a raw file.

    Attributes:
        reader: Format of the raw file.
        each: Location of the records in formats that are not tabular: a path, `items`, or `list`.
        arch: Architecture of a record.
        parts: Path of the value of each axis, or the value itself.
        label: Path of the label of a run; None if a record has all runs or the only one.
        runs: Runs per record.
        null: Values that mean "not recorded".
    """

    reader: Reader
    each: str
    arch: Arch
    parts: Mapping[str, str | int]
    label: str | None
    runs: int
    null: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Equality:
    """Check that a value of a record equals a reduction of a statistic over the record's runs.

    Attributes:
        path: Path of the value.
        reduction: `mean`, `std`, `min` or `max`.
        stat: Name of the statistic.
        tolerance: Largest allowed difference.
    """

    path: str
    reduction: str
    stat: str
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A published value to check: the mean of a statistic over the runs of an architecture.

    Attributes:
        arch: The architecture.
        part: Values of axes with several values.
        stat: Name of the statistic.
        value: The published value, compared to as many decimals as it has.
    """

    arch: str | int
    part: Mapping[str, AxisValue]
    stat: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Checks of the rows.

    Attributes:
        complete: Whether every architecture of the space must be recorded.
        range: Smallest and largest allowed value of each statistic.
        equal: Values of records that must equal reductions.
        golden: Published values.
    """

    complete: bool
    range: Mapping[str, tuple[float, float]]
    equal: tuple[Equality, ...]
    golden: tuple[Golden, ...]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A declared table.

    Attributes:
        spec: Description of the table.
        rows: How its records are read.
        figures: How its statistics are read from a record, by name.
        checks: Checks of the rows.
    """

    spec: BenchmarkSpec
    rows: Rows
    figures: Mapping[str, Figure]
    checks: Checks


def shipped_declarations() -> dict[str, Path]:
    """Return the paths of the built-in declarations, by name."""
    return {path.stem: path for path in sorted(_TABLES.glob("*.toml"))}


def read_declaration(path: Path) -> Declaration:
    """Read a declaration.

    Raises:
        SpecError: The declaration is malformed, has an unknown key, or is inconsistent. The message
            says where.
        OSError: The file cannot be read.
    """
    root = TomlFile(path).root()
    metrics = root.table("metrics")
    axes = _axes(root.table("parts"))
    stats = tuple(_stat(metrics.table(name), name, axes) for name in metrics.keys)
    rows_table, label_table = root.table("rows"), root.table("label")
    rows = _rows(rows_table, axes, label_table.find("path", str))
    label = _label(label_table, rows)
    try:
        spec = BenchmarkSpec(
            name=root.take("name", str),
            title=root.take("title", str),
            citation=root.take("citation", str),
            licence=root.take("licence", str),
            homepage=root.take("homepage", str, ""),
            notes=root.texts("notes"),
            raw_files=tuple(map(_raw_file, root.tables("file"))),
            space=_space(root.table("space")),
            axes=axes,
            label=label,
            stats=stats,
        )
    except SpecError as error:
        told = str(error)
        raise SpecError(told if told.startswith(path.name) else f"{path.name}: {told}") from error
    figures = {name: _figure(metrics.table(name), rows) for name in metrics.keys}
    checks = _checks(root.table("check"), spec)
    root.finish()
    return Declaration(spec=spec, rows=rows, figures=figures, checks=checks)


def _raw_file(table: TomlTable) -> RawFile:
    file = RawFile(name=table.take("name", str), sha256=table.find("sha256", str))
    table.finish()
    return file


def _space(table: TomlTable) -> Space:
    like = table.find("like", str)
    kind = table.find("kind", str) or ("like" if like else None)
    space: Space
    if kind == "like" and like is not None:
        space = Like(benchmark=like)
    elif kind == "listed":
        space = Listed(example=table.take("example", str))
    elif kind == "product":
        space = Product(
            length=table.take("length", int),
            choices=_choices(table),
            digits=table.find("digits", str),
            equal=_equal(table.table("equal")),
        )
    else:
        raise table.error(f"kind {shown(kind)} is not one of product, listed, like")
    table.finish()
    return space


def _choices(table: TomlTable) -> tuple[str | tuple[str, ...], ...]:
    found: list[Any] = table.take("choices", list)
    if not any(isinstance(choices, list) for choices in found):
        return table.texts("choices")
    for choices in found:
        if not isinstance(choices, list) or not all(isinstance(one, str) for one in choices):
            raise table.error(f"{shown(choices)} is not a list of texts", "choices")
    return tuple(map(tuple, found))


def _equal(table: TomlTable) -> Equal | None:
    if not table.keys:
        return None
    groups: list[Any] = table.take("within", list)
    if not all(isinstance(group, list) and all(type(p) is int for p in group) for group in groups):
        raise table.error(f"{shown(groups)} are not lists of positions", "within")
    equal = Equal(within=tuple(map(tuple, groups)), drop=table.take("drop", str))
    table.finish()
    return equal


def _axes(table: TomlTable) -> tuple[Axis, ...]:
    axes = []
    for name in table.keys:
        said = table.any(name)
        unit = _EPOCHS if name == "num_epochs" else None
        same_as: dict[str, str] = {}
        sentence = _SENTENCES.get(name, f"The {name.replace('_', ' ')}.")
        if isinstance(said, dict):
            inner = table.table(name)
            said = inner.any("values")
            sentence = inner.take("description", str, sentence)
            meant = inner.table("same_as")
            same_as = {other: meant.take(other, str) for other in meant.keys}
            inner.finish()
        values = said if isinstance(said, list) else [said]
        if not all(type(value) in (str, int) for value in values):
            raise table.error(f"{shown(values)} are neither names nor whole numbers", name)
        axes.append(
            Axis(
                name=name,
                values=tuple(values),
                description=sentence,
                unit=unit,
                same_as=same_as,
            )
        )
    return tuple(axes)


def _label(table: TomlTable, rows: Rows) -> Label | None:
    if not table.keys and rows.runs == 1:
        return None
    several = rows.runs > 1
    name = table.take("name", str, "run")
    sentence = "Number of the run, from 0" if several else "What tells the runs apart"
    description = table.take("description", str, f"{sentence}; null when several are reduced.")
    if several == (rows.label is not None):
        raise table.error("either records need several `runs`, or the label needs a `path`")
    table.finish()
    return Label(name=name, description=description)


def _rows(table: TomlTable, axes: tuple[Axis, ...], label: str | None) -> Rows:
    reader = table.take("reader", str)
    if reader not in READERS:
        raise table.error(f"unknown reader {shown(reader)}; known are {', '.join(READERS)}")
    each = table.find("each", str)
    if (each is not None) == (reader in _TABULAR):
        told = "has no" if reader in _TABULAR else "needs"
        raise table.error(f"the reader {reader} {told} `each`, the location of the records")
    runs = table.take("runs", int, 1)
    if not 1 <= runs <= _MAX_RUNS:
        raise table.error(f"{runs} runs; there may be 1 to {_MAX_RUNS}", "runs")
    parts = table.table("parts")
    found = {name: parts.any(name) for name in parts.keys}
    for name, value in found.items():
        if name not in [axis.name for axis in axes] or type(value) not in (str, int):
            raise parts.error(f"{name} = {shown(value)} is not a path or value of an axis", name)
    for axis in axes:
        if len(axis.values) > 1 and axis.name not in found:
            raise parts.error(f"the path of {axis.name} is missing; the axis has several values")
    rows = Rows(
        reader=reader,
        each=each or "",
        arch=_arch(table),
        parts=found,
        label=label,
        runs=runs,
        null=tuple(table.find("null", list) or ()),
    )
    table.finish()
    return rows


def _arch(table: TomlTable) -> Arch:
    if isinstance(table.any("arch"), str):
        return Arch(path=table.take("arch", str))
    inner = table.table("arch")
    order = inner.find("order", list)
    arch = Arch(
        path=inner.take("path", str),
        choices=inner.texts("choices"),
        order=None if order is None else tuple(order),
    )
    if arch.order is not None and sorted(arch.order) != list(range(len(arch.order))):
        raise inner.error(f"{shown(order)} is not an order of positions", "order")
    inner.finish()
    return arch


def _stat(table: TomlTable, name: str, axes: tuple[Axis, ...]) -> Stat:
    unit = table.take("unit", str)
    units: dict[str, dict[str, str]] = {}
    betters: dict[str, dict[str, Better]] = {}
    for axis in axes:
        by = table.table(f"by_{axis.name}")
        for value in by.keys:
            other = by.table(value)
            other_unit, other_better = other.find("unit", str), other.find("better", str)
            if other_unit is not None:
                units.setdefault(axis.name, {})[value] = other_unit
            if other_better is not None:
                betters.setdefault(axis.name, {})[value] = _better(other)
            other.finish()
    return Stat(
        name=name,
        unit=unit,
        better=_better(table),
        description=table.take("description", str, f"{name} as published, in {unit}."),
        derived=table.take("derived", bool, False),  # noqa: FBT003 - a default
        example=table.find("example", float),
        unit_by=units,
        better_by=betters,
    )


def _better(table: TomlTable) -> Better:
    better = table.take("better", str)
    if better not in get_args(Better):
        raise table.error(f"better {shown(better)} is neither larger nor smaller", "better")
    return cast("Better", better)


_OF_STATS: Final = ("unit", "better", "description", "derived", "example")


def _figure(table: TomlTable, rows: Rows) -> Figure:
    mapped = table.table("map")
    values = {key: mapped.take(key, float) for key in mapped.keys}
    figure = Figure(
        path=table.take("path", str),
        scale=table.take("scale", float, 1.0),
        map=values,
        null=tuple(table.find("null", list) or ()),
    )
    if not figure.scale:
        raise table.error("scale must not be 0", "scale")
    if figure.of_runs and rows.runs == 1:
        raise table.error(f"{figure.path} has a value per run: `runs` is missing", "path")
    for key in (*_OF_STATS, *(key for key in table.keys if key.startswith("by_"))):
        table.any(key)
    table.finish()
    return figure


def _checks(table: TomlTable, spec: BenchmarkSpec) -> Checks:
    names = [stat.name for stat in spec.stats]
    ranges = table.table("range")
    found = {}
    for name in ranges.keys:
        ends = ranges.any(name)
        numbers = isinstance(ends, list) and all(type(end) in (int, float) for end in ends)
        if name not in names or not numbers or ends != sorted(ends) or len(ends) != 2:  # noqa: PLR2004 - two ends
            raise ranges.error(f"{name} = {shown(ends)} is not the range of a metric", name)
        found[name] = (float(ends[0]), float(ends[1]))
    missing = [name for name in names if name not in found]
    if missing:
        raise ranges.error(f"no range for {', '.join(missing)}: ranges reveal wrong units")
    golden = tuple(one for entry in table.tables("golden") for one in _golden(entry, spec))
    if not golden:
        raise table.error("there is no `golden` entry: give at least one published value")
    checks = Checks(
        complete=table.take("complete", bool, False),  # noqa: FBT003 - a default
        range=found,
        equal=tuple(_equality(table, said, names) for said in table.find("equal", list) or []),
        golden=golden,
    )
    table.finish()
    return checks


def _equality(table: TomlTable, said: Any, names: list[str]) -> Equality:
    match said:
        case [str(path), str(of), int() | float() as tolerance]:
            reduction, _, rest = of.partition("(")
            stat = rest.removesuffix(")")
            if reduction in _MEANS and stat in names and of == f"{reduction}({stat})":
                return Equality(
                    path=path, reduction=reduction, stat=stat, tolerance=float(tolerance)
                )
    raise table.error(f"{shown(said)} is not [path, mean(metric), tolerance]", "equal")


def _golden(entry: TomlTable, spec: BenchmarkSpec) -> list[Golden]:
    arch = entry.any("arch")
    if type(arch) not in (str, int):
        raise entry.error(f"{shown(arch)} is not an architecture", "arch")
    part = {axis.name: entry.any(axis.name) for axis in spec.axes if axis.name in entry.keys}
    for stat in spec.stats:
        if f"{stat.name}_mean" in entry.keys and stat.name in entry.keys:
            raise entry.error(f"{stat.name} and its mean are the same", stat.name)
    found = []
    for stat in spec.stats:
        for key in (stat.name, f"{stat.name}_mean"):
            value = entry.find(key, float)
            if value is not None:
                found.append(Golden(arch=arch, part=part, stat=stat.name, value=value))
    entry.finish()
    return found
