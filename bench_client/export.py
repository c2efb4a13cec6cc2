"""Exports: all runs that match a query, written to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from pydantic import ValidationError

from bench_client.arguments import Reduction, checked_name, plain_filter, refused, text
from bench_client.downloads import Download, replacing
from bench_client.models.answers import ProvenanceMark, WireModel
from bench_client.models.benchmarks import FieldDescription
from bench_client.operations import Steps, ask

__all__ = ["MEDIA_TYPES", "PROVENANCE_HEADER", "ExportDownload"]
__all__ += ["Exported", "Format", "columns_of", "export", "export_to"]

Format: TypeAlias = Literal["ndjson", "csv", "parquet"]

PROVENANCE_HEADER: Final = "X-Provenance"
"""HTTP header of an export with the provenance of its numbers, as JSON."""

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
"""Media types by format; the name of a format is also the suffix of its files."""


class Exported(WireModel):
    """Provenance of an export that was written to its file."""

    provenance: ProvenanceMark


@dataclass(frozen=True, slots=True)
class ExportDownload(Download[Exported]):
    """Download of an export into a file."""

    @property
    def form(self) -> str:
        """Name of the format."""
        return str(self.options["format"])

    @property
    def media_type(self) -> str:
        """Media type of the format."""
        return MEDIA_TYPES[self.form]

    def described(self, headers: Mapping[str, str]) -> Exported | None:
        """Parse the provenance header; None if the response is not an export."""
        try:
            mark = ProvenanceMark.model_validate_json(headers.get(PROVENANCE_HEADER, ""))
        except ValidationError:
            return None
        return Exported(provenance=mark)


def export(
    benchmark: str,
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,  # noqa: A002 - what it is called everywhere
    reduction: Reduction | None = None,
    **filters: Any,
) -> Steps[Path]:
    """Write all runs of a benchmark that match to a file, and return its path.

    Each row is an item of the benchmark's query, with the fields of `config` as columns. Nested
    objects become JSON text, except architectures that have a string, which appear as that string
    only. The last column, `synthetic`, marks made-up numbers. The data is written to a temporary
    file in the same folder, which replaces the target once it is complete.

    Args:
        benchmark: Name of the benchmark, or `hw-nas-bench` for the costs on devices.
        path: The file; an existing one is replaced.
        format: `ndjson` (one JSON object per line), `csv` (null is an empty field) or `parquet`
            (with units and provenance in its metadata); None: by the suffix of the path.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        filters: The filters of the benchmark's query, by name; None is a wildcard.

    Raises:
        InvalidRequestError: The format is unknown, or a filter is malformed or unknown.
        InvalidArchitectureError: The architecture is malformed.
        BenchmarkNotInstalledError: The benchmark is not installed.
        ServerUnreachableError: The connection broke. There is no retry once data has arrived,
            because exports cannot be resumed.
        OSError: The file cannot be written.
        ImportError: The `export` extra, which Parquet needs in local mode, is not installed.
    """
    target = Path(path)
    given = target.suffix.removeprefix(".") if format is None else format
    chosen = _format(given, target)
    question = _question(benchmark, chosen, reduction, filters, lambda: replacing(target))
    yield from ask(question)
    return target


def export_to(
    file: BinaryIO,
    benchmark: str,
    *,
    format: Format = "ndjson",  # noqa: A002 - what it is called everywhere
    reduction: Reduction | None = None,
    **filters: Any,
) -> Steps[None]:
    """Write all runs of a benchmark that match to an open binary file, such as a pipe.

    After an error the file holds the data so far. Arguments and errors are those of `export`.
    """
    chosen = _format(format, None)
    yield from ask(_question(benchmark, chosen, reduction, filters, lambda: nullcontext(file)))


def columns_of(fields: Iterable[FieldDescription]) -> dict[str, dict[str, str]]:
    """Return unit and description of the columns of an export, by name.

    Args:
        fields: Fields of the benchmark's items.
    """
    return {
        field.name: {"description": field.description}
        | ({} if field.unit is None else {"unit": field.unit})
        for field in fields
        if field.kind != "intermediate"
    }


def _question(
    benchmark: str,
    chosen: str,
    reduction: Reduction | None,
    filters: Mapping[str, Any],
    opened: Callable[[], AbstractContextManager[BinaryIO]],
) -> ExportDownload:
    name = checked_name(benchmark)
    checked = {key: plain_filter(key, value) for key, value in filters.items()}
    options = {"format": chosen, "reduction": reduction}
    return ExportDownload("export", Exported, name, checked, options, opened=opened)


def _format(given: str, path: Path | None) -> str:
    if text("format", given) in MEDIA_TYPES:
        return given
    known = ", ".join(MEDIA_TYPES)
    message = f"unknown format {given!r:.80}; known are {known}"
    if path is not None and given == path.suffix.removeprefix("."):
        message = f"the suffix of {path.name!r:.80} is not a format; known are {known}"
    raise refused("format", message)
