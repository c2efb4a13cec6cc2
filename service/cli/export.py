"""`nbs export`: all matching runs, to a file or pipe."""

from __future__ import annotations

import os
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, cast

import typer

from bench_client.table_version import TableName
from service.cli.options import (
    Benchmark,
    DataDirectory,
    Dataset,
    Epochs,
    Reduction,
    Seed,
    Url,
    client,
    named_values,
)

if TYPE_CHECKING:
    from bench_client import BenchClient

__all__ = ["export"]

_STDOUT: Final = "-"


def export(  # noqa: PLR0913 - the filters that most benchmarks have
    benchmark: Benchmark,
    *,
    out: Annotated[
        str, typer.Option("--out", "-o", help="The file; - for standard output.")
    ] = _STDOUT,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="ndjson, csv or parquet; by default the suffix of the file, or ndjson."
        ),
    ] = None,
    arch: Annotated[str | None, typer.Option(help="An architecture, as text or JSON.")] = None,
    num_epochs: Epochs = None,
    dataset: Dataset = None,
    seed: Seed = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Another filter of the benchmark, such as proposer=amoeba or "
            "min_best_test_acc=94; may be repeated."
        ),
    ] = None,
    reduction: Reduction = None,
    url: Url = None,
    data: DataDirectory = None,
) -> None:
    """Export all matching runs to a file: a row per run, or per configuration when reduced.

    Rows come from the databases in --data, or from the server at --url, in constant memory.
    Accuracies are in percent, times in seconds, parameters and flops in millions. The last column
    marks synthetic numbers.
    """
    given = {"arch": arch, "num_epochs": num_epochs, "dataset": dataset, "seed": seed}
    filters = {name: value for name, value in given.items() if value is not None}
    filters |= named_values(where)
    with client(url, data) as bench:
        if out == _STDOUT:
            _to_stdout(bench, benchmark, form or "ndjson", reduction=reduction, **filters)
            return
        path = bench.export(
            TableName(benchmark),
            Path(out),
            format=form,  # type: ignore[arg-type]  # checked where it is used
            reduction=reduction,  # type: ignore[arg-type]  # checked where it is used
            **filters,
        )
    sys.stderr.write(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n")


def _to_stdout(bench: BenchClient, benchmark: str, form: str, **question: Any) -> None:
    if form == "parquet" and sys.stdout.isatty():
        raise typer.BadParameter("parquet cannot be printed: name a file", param_hint="--out")
    try:
        bench.export_to(
            cast("BinaryIO", _TerminalWriter()) if sys.stdout.isatty() else sys.stdout.buffer,
            TableName(benchmark),
            format=cast("Any", form),  # checked where it is used
            **question,
        )
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does; the rest cannot be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _TerminalWriter:
    """Standard output on a terminal: lines without control characters."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")

    def write(self, piece: bytes) -> int:
        from bench_client.untrusted import cleaned

        lines = self._decoder.decode(piece).split("\n")
        sys.stdout.write("\n".join(cleaned(line) for line in lines))
        return len(piece)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.write(piece)

    def flush(self) -> None:
        sys.stdout.flush()
