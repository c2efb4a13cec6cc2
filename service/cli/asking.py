"""What commands that ask a question have in common: whom they ask, and bounds as options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from bench_client import BenchClient

__all__ = ["Url", "bounds", "client"]

Url: TypeAlias = Annotated[
    str | None, typer.Option(envvar="NASBENCH_URL", help="Ask a server instead of the files.")
]


def client(url: str | None, data: Path | None) -> BenchClient:
    """Return a client of the server, or of the database files where none is given."""
    return BenchClient(url) if url else BenchClient.local(data)


def bounds(least: Sequence[str] | None, most: Sequence[str] | None) -> dict[str, float]:
    """Return the bounds that options such as `--max flops=600` give, by their names.

    Raises:
        typer.BadParameter: One is not a name and a number.
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
