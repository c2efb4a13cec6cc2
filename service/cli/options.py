"""Options shared by commands, and the client that they use.

Help texts list metrics as plain text, because importing the tables would load peewee and numpy.
tests/service/test_commands.py compares the texts with the tables.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from benchmark_spec.published import PUBLISHED

if TYPE_CHECKING:
    from bench_client import BenchClient

__all__ = [
    "AsJson",
    "BatchSize",
    "Benchmark",
    "DataDirectory",
    "Dataset",
    "Epochs",
    "Least",
    "Most",
    "NewStudy",
    "OtherMetric",
    "Reduction",
    "Seed",
    "Server",
    "Url",
    "bounds",
    "client",
    "data_directory",
    "existing_directory",
    "named_values",
    "server_to_ask",
]

Benchmark: TypeAlias = Annotated[
    str, typer.Argument(help=f"{', '.join(PUBLISHED)}, or a declared table.")
]
Dataset: TypeAlias = Annotated[str | None, typer.Option(help="The data set.")]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Random seed of the run.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, also on a terminal.")]
BatchSize: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Images per batch; use at most 4 per processor core.")
]
DataDirectory: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the databases; $NASBENCHMARK_DIR or ~/.nasbenchmark by default.",
        file_okay=False,
    ),
]
Epochs: TypeAlias = Annotated[int | None, typer.Option(help="Training budget, in epochs.")]
Least: TypeAlias = Annotated[
    list[str] | None, typer.Option("--min", help="A bound, such as test_acc=70; may be repeated.")
]
Most: TypeAlias = Annotated[
    list[str] | None, typer.Option("--max", help="A bound, such as flops=100; may be repeated.")
]
NewStudy: TypeAlias = Annotated[
    Path | None, typer.Option(help="File of the study; by default FILE.study.")
]
OtherMetric: TypeAlias = Annotated[str, typer.Option(help="The other metric.")]
Reduction: TypeAlias = Annotated[
    str | None, typer.Option(help="Reduction over runs: mean, std, min, max.")
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option(envvar="NASBENCH_URL", help="The server; by default http://127.0.0.1:8000."),
]
Url: TypeAlias = Annotated[
    str | None, typer.Option(envvar="NASBENCH_URL", help="Query a server instead of the files.")
]


def client(url: str | None, data: Path | None) -> BenchClient:
    """Return a client of the server, or of the database files if no URL is given."""
    from bench_client import BenchClient

    server = server_to_ask(url, data)
    # Pinned, so that a command sees one version of each table.
    return BenchClient(server, pin=True) if server else BenchClient.local(data)


def server_to_ask(url: str | None, data: Path | None) -> str | None:
    """Return the URL of the server; None to use files: --data overrides $NASBENCH_URL.

    Raises:
        typer.BadParameter: Both options are given.
    """
    if data is None or url is None:
        return url
    if url != os.environ.get("NASBENCH_URL"):
        raise typer.BadParameter("give either --data or --url, not both")
    return None


def bounds(least: Sequence[str] | None, most: Sequence[str] | None) -> dict[str, float]:
    """Parse bounds such as `--max flops=600` into query parameters.

    Raises:
        typer.BadParameter: A bound is not NAME=NUMBER.
    """
    return {**_bounds("min", least), **_bounds("max", most)}


def _bounds(side: str, given: Sequence[str] | None) -> dict[str, float]:
    bounds = {}
    for text in given or ():
        name, _, value = text.partition("=")
        try:
            bounds[f"{side}_{name}"] = float(value)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is not NAME=NUMBER", param_hint=f"--{side}"
            ) from None
    return bounds


def named_values(given: Sequence[str] | None) -> dict[str, Any]:
    """Parse filters such as `proposer=amoeba`."""
    import orjson

    filters = {}
    for text in given or ():
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--where")
        try:
            filters[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            filters[name] = value
    return filters


def data_directory(given: Path | None) -> Path:
    """Return the folder of the databases."""
    from service.settings import Settings

    return (given or Settings().directory).expanduser()


def existing_directory(given: Path | None) -> Path:
    """Return the folder of the databases, which may be empty.

    Raises:
        typer.BadParameter: There is no such folder.
    """
    directory = data_directory(given)
    if not directory.is_dir():
        raise typer.BadParameter(
            f"there is no folder {directory}: name the folder of the databases, or create one "
            "with `nbs generate`",
            param_hint="--data",
        )
    return directory
