"""`nbs batch`: one question for many architectures."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from benchmark_db.reduction import REDUCTIONS
from service.cli.asking import Url, client
from service.cli.data import DataDirectory
from service.cli.output import print_json

__all__ = ["batch"]

_METHODS: Final[Mapping[str, str]] = {
    "nasbench101": "query_nb101_many",
    "nasbench201": "query_nb201_many",
    "natssss": "query_natssss_many",
    "nds": "query_nds_many",
}


def batch(
    benchmark: Annotated[str, typer.Argument(help=f"{', '.join(_METHODS)}.")],
    architectures: Annotated[
        Path,
        typer.Argument(
            help="File of architectures: a JSON list, or one in each line; - for standard input.",
            allow_dash=True,
        ),
    ],
    *,
    num_epochs: Annotated[int | None, typer.Option(help="Training budget, in epochs.")] = None,
    dataset: Annotated[str | None, typer.Option(help="The data set.")] = None,
    reduction: Annotated[
        str | None, typer.Option(help=f"Over the runs: {', '.join(REDUCTIONS)}.")
    ] = None,
    url: Url = None,
    data: DataDirectory = None,
) -> None:
    """Ask for the runs of many architectures; prints a JSON list aligned with them."""
    if benchmark not in _METHODS:
        raise typer.BadParameter(f"{benchmark!r} is none of {', '.join(_METHODS)}")
    text = sys.stdin.read() if str(architectures) == "-" else architectures.read_text()
    options: dict[str, Any] = {"num_epochs": num_epochs, "reduction": reduction}
    if dataset is not None:
        options["dataset"] = dataset
    with client(url, data) as bench:
        found = getattr(bench, _METHODS[benchmark])(_read(text), **options)
    print_json([[item.model_dump() for item in items] for items in found])


def _read(text: str) -> list[Any]:
    """Return the architectures of a file: of a JSON list, else of its lines."""
    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError:
        listed = None
    if isinstance(listed, list):
        return listed
    return [_spelled(line.strip()) for line in text.splitlines() if line.strip()]


def _spelled(line: str) -> Any:
    """Return an object or a list as such, and anything else as the text it is."""
    if not line.startswith(("{", "[")):
        return line
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
