"""What the commands print: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from generators.progress import Progress as Callback

__all__ = ["print_json", "print_table", "progress_bar", "wants_json"]


def wants_json(*, asked: bool) -> bool:
    """Tell whether to print JSON: asked for, or the output is not a terminal."""
    return asked or not sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    sys.stdout.write(text.decode() + "\n")


def print_table(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print rows as a table; columns in which no row has a value are left out."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = [name for name in names if any(row.get(name) is not None for row in rows)]
    table = Table(title=title, title_justify="left")
    for name in shown:
        table.add_column(name, justify="left" if _is_text(rows, name) else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in shown))
    Console().print(table)


@contextmanager
def progress_bar(label: str) -> Iterator[Callback]:
    """Show a bar on standard error while a job runs; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(label, total=None)

        def advance(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield advance


def _is_text(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(row.get(name), str) for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
