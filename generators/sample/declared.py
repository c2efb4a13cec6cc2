"""Made-up runs of a declared table: rows as JSON lines.

The first line marks the file as made up; so is the database generated from it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import orjson

from benchmark_db.registry import space_like
from benchmark_db.sampling import sample_numbers
from benchmark_spec import BenchmarkSpec, Like, Listed
from benchmark_spec.declaration import Declaration
from benchmark_spec.errors import shown
from safe_pickle import ArchiveError, DamagedArchiveError

__all__ = ["read_sample", "sample_of", "write_table_sample"]

_START: Final = b'{"synthetic":true'
_MOST_LINE: Final = 2**20
_SIGNIFICANT: Final = 6
Row = tuple[str, Any, Mapping[str, Any], int, Mapping[str, float | None]]


def write_table_sample(
    declared: Declaration, directory: Path, *, architectures: int, seed: int
) -> Path:
    """Write made-up runs of architectures drawn from the space, within the declared ranges.

    Args:
        declared: The declaration.
        directory: Folder of the file; made if missing.
        architectures: Number of architectures, or all if there are fewer.
        seed: Seed of the made-up numbers.
    """
    spec = declared.spec
    rng = random.Random(seed)  # noqa: S311 - made-up figures
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{spec.name}.sample.ndjson"
    parts = [
        dict(zip((axis.name for axis in spec.axes), values, strict=True))
        for values in product(*(axis.values for axis in spec.axes))
    ]
    runs = declared.rows.runs
    with path.open("wb") as file:
        file.write(orjson.dumps({"synthetic": True, "table": spec.name}) + b"\n")
        for arch in _architectures(spec, architectures, seed):
            for part in parts:
                for run in range(runs):
                    values = {
                        name: _drawn(rng, *declared.checks.range[name]) for name in declared.figures
                    }
                    row = {"arch": arch, "part": part, "run": run, "values": values}
                    file.write(orjson.dumps(row) + b"\n")
    return path


def sample_of(path: Path) -> str | None:
    """Return the name of the table that a file is a sample of; None if it is not a sample."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        line = file.readline(_MOST_LINE)
    if not line.startswith(_START):
        return None
    try:
        return str(orjson.loads(line)["table"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def read_sample(path: Path, spec: BenchmarkSpec) -> Iterator[Row]:
    """Yield the runs of a sample: place, architecture, part, label, values.

    Raises:
        ArchiveError: The sample is damaged.
    """
    names = {stat.name for stat in spec.stats}
    with path.open("rb") as file:
        file.readline(_MOST_LINE)
        number = 1
        while line := file.readline(_MOST_LINE):
            number += 1
            where = f"{path.name}, line {number}"
            try:
                row = orjson.loads(line)
                arch, part, label = row["arch"], row["part"], row["run"]
                values = {name: float(row["values"][name]) for name in names}
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise DamagedArchiveError(f"{where}: {shown(line)} is not a row") from error
            if type(label) is not int or part.keys() != {axis.name for axis in spec.axes}:
                raise ArchiveError(f"{where}: {shown(line)} is not a row")
            yield where, arch, part, label, values


def _architectures(spec: BenchmarkSpec, count: int, seed: int) -> list[str]:
    space = spec.declared_space
    if isinstance(space, Listed):
        return [space.example, *(f"sample-{number}" for number in range(count - 1))]
    opened = space_like(space) if isinstance(space, Like) else space
    drawn = sample_numbers(opened.size, min(count, opened.size), seed)
    return [str(opened.names(number)["arch_str"]) for number in sorted(drawn)]


def _drawn(rng: random.Random, least: float, most: float) -> float:
    """Return a random number of a few digits within a range, ends included."""
    value = float(f"{rng.uniform(least, most):.{_SIGNIFICANT}g}")
    return min(max(value, least), most)
