"""Converts the published pickle of HW-NAS-Bench into a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_db.errors import shown
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.hw_nas_bench.tables import DATASETS, METRICS, TABLES, VIEWS, Cost
from benchmark_db.nasbench201.architecture import NUM_ARCHITECTURES, arch_strs
from benchmark_db.nats_bench.tables import Dataset
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.source import Progress, identified, silent
from safe_pickle import ArchiveError, WrongFormatError, load_pickle

__all__ = ["generate"]

_SPACE: Final = "nasbench201"
_CONFIG: Final = "config"
_LARGEST_COST: Final = 1e9
"""Milliseconds, millijoules or FLOP per byte; far above all measured values."""
_NO_FIGURE: Final = -1.0
"""Value in the archive where a device has no figure: some architectures on the Edge TPU."""


def generate(raw: Path, out: Path, *, progress: Progress = silent) -> Provenance:
    """Convert the published pickle into `out`/hw-nas-bench.db and return its provenance.

    Args:
        raw: ``HW-NAS-Bench-v1_0.pickle``; its data on other spaces are ignored.
        out: Folder of the database.
        progress: Receives the number of converted data sets.

    Raises:
        ArchiveError: The pickle is damaged, hostile, or of another kind; a metric is missing, has
            the wrong length, or holds an invalid cost. The message says where.
        BuildError: The database cannot be written.
        OSError: The pickle cannot be read.
    """
    if not raw.is_file():
        raise WrongFormatError(f"{raw.name} is not a file: give HW-NAS-Bench-v1_0.pickle")
    target = out / f"{HwNasBench.spec.name}.db"
    with (
        identified(raw) as source,
        DatabaseBuild(target, HwNasBench, TABLES, VIEWS) as build,
    ):
        archive = _decoded(raw)
        tables = _tables(archive, raw.name)
        build.insert(Dataset, enumerate(DATASETS))
        missing: Counter[str] = Counter()
        for code, dataset in enumerate(DATASETS):
            costs = _checked(tables[dataset], f"{raw.name}, {dataset}")
            missing += Counter({name: column.count(None) for name, column in costs.items()})
            rows = zip(*costs.values(), strict=True)
            build.insert(Cost, ((index, code, *row) for index, row in enumerate(rows)))
            progress(code + 1, len(DATASETS))
        contents = {
            "architectures": NUM_ARCHITECTURES,
            "costs": NUM_ARCHITECTURES * len(DATASETS),
            "figures_missing": dict(missing),
        }
        return build.complete(source.result(), contents, synthetic=bool(archive.get("synthetic")))


def _decoded(raw: Path) -> Mapping[str, Any]:
    try:
        with raw.open("rb") as file:
            archive = load_pickle(file)
    except ArchiveError as error:
        raise type(error)(f"{raw.name}: {error}") from error
    if not isinstance(archive, dict):
        raise WrongFormatError(f"{raw.name} holds {shown(archive)}, not a dict of search spaces")
    return archive


def _tables(archive: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    """Return the table of each data set, by its name in answers."""
    tables = archive.get(_SPACE)
    if not isinstance(tables, dict):
        raise WrongFormatError(f"{name} holds no costs of {_SPACE!r}: not HW-NAS-Bench")
    found = {str(dataset).lower(): table for dataset, table in tables.items()}
    if len(found) != len(tables) or set(found) != set(DATASETS):
        raise ArchiveError(
            f"{name}: its data sets are {shown(list(tables))}, not {', '.join(DATASETS)}"
        )
    for dataset, table in found.items():
        if not isinstance(table, dict):
            raise ArchiveError(f"{name}, {dataset}: {shown(table)} is not a table")
    return found


def _checked(table: Mapping[str, Any], where: str) -> dict[str, list[float | None]]:
    """Return the values of each metric, in the order of the columns."""
    unknown = [name for name in table if name not in (*METRICS, _CONFIG)]
    if unknown:
        raise ArchiveError(f"{where}: unknown metrics {shown(unknown)}")
    _check_order(_column(table, _CONFIG, where), where)
    return {name: _costs(table, name, where) for name in METRICS}


def _check_order(configs: list[Any], where: str) -> None:
    """Check that the architectures are those of NAS-Bench-201, in its order."""
    for index, (config, name) in enumerate(zip(configs, arch_strs(), strict=True)):
        named = config.get("arch_str") if isinstance(config, dict) else None
        if named != name:
            raise ArchiveError(f"{where}: architecture {index} is {shown(named, 120)}, not {name}")


def _costs(table: Mapping[str, Any], name: str, where: str) -> list[float | None]:
    values = _column(table, name, where)
    for index, value in enumerate(values):
        # NaN fails every comparison.
        cost = type(value) is float and (0 < value < _LARGEST_COST or value == _NO_FIGURE)
        if not cost:
            raise ArchiveError(
                f"{where}, {name}: {shown(value)} of architecture {index} is not a cost"
            )
    return [None if value == _NO_FIGURE else value for value in values]


def _column(table: Mapping[str, Any], name: str, where: str) -> list[Any]:
    values = table.get(name)
    if not isinstance(values, list):
        raise ArchiveError(f"{where}: {name} is not a list")
    if len(values) != NUM_ARCHITECTURES:
        raise ArchiveError(
            f"{where}, {name}: {len(values)} values, not one for each of {NUM_ARCHITECTURES} "
            "architectures"
        )
    return values
