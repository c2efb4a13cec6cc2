"""Registry of the generators and of the sample writers, by the name of their benchmark.

A benchmark NAME has a module of this package with `generate` and a module of `sample` with
`write_sample`, both named NAME with underscores for hyphens. Where a complete sample is written
without an archive, a module NAME_database beside it has `write_database`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, Final, Protocol

from benchmark_db.provenance import Provenance
from benchmark_db.registry import INSTALLABLE
from generators.source import Progress

__all__ = ["GENERATORS", "PARTIAL_GENERATORS", "SAMPLES", "TOLERANT_GENERATORS"]
__all__ += ["WHOLE_SAMPLES", "Generate", "WriteSample", "WriteWhole"]


class Generate(Protocol):
    """Converts a raw archive into a database in the folder `out`."""

    def __call__(self, raw: Path, out: Path, *, progress: Progress, **options: bool) -> Provenance:
        """Return the provenance of the new database; only some generators have options."""


class WriteSample(Protocol):
    """Writes a made-up raw archive into a folder."""

    def __call__(self, directory: Path, *, architectures: int, seed: int) -> Path:
        """Return the path of the archive."""


class WriteWhole(Protocol):
    """Writes a made-up database of all architectures into a folder."""

    def __call__(self, out: Path, *, seed: int) -> Provenance:
        """Return the provenance of the new database."""


def _function_of(package: str, benchmark: str, name: str) -> Any:
    """Return a function of the module that is named after a benchmark."""
    return getattr(import_module(f"{package}.{benchmark.replace('-', '_')}"), name)


def _with_option(option: str) -> dict[str, Any]:
    """Return the generators that have an option."""
    return {name: made for name, made in GENERATORS.items() if option in signature(made).parameters}


GENERATORS: Final[Mapping[str, Generate]] = {
    name: _function_of("generators", name, "generate") for name in INSTALLABLE
}
TOLERANT_GENERATORS: Final[Mapping[str, Generate]] = _with_option("skip_corrupt")
"""Generators that convert the usable part of a damaged archive, and report the rest."""
PARTIAL_GENERATORS: Final[Mapping[str, Generate]] = _with_option("partial")
"""Generators that convert the present files of an archive, and report the missing ones."""
SAMPLES: Final[Mapping[str, WriteSample]] = {
    name: _function_of("generators.sample", name, "write_sample") for name in INSTALLABLE
}
WHOLE_SAMPLES: Final[Mapping[str, WriteWhole]] = {
    name: _function_of("generators.sample", f"{name}-database", "write_database")
    for name in INSTALLABLE
    if find_spec(f"generators.sample.{name.replace('-', '_')}_database")
}
"""Writers of made-up databases, where an archive of all architectures would take too long."""
