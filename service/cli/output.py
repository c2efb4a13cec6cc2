"""What the commands print: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import orjson
from rich.box import SIMPLE_HEAD
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

__all__ = ["print_fields", "print_items", "print_json", "progress_bar", "wants_json"]

_SIDE_BY_SIDE: Final = 6
_COLUMN_WIDTH: Final = 16
"""Characters that a column of numbers with its name takes, about."""
_WIDEST_NAME: Final = 30


def wants_json(*, asked: bool) -> bool:
    """Tell whether to print JSON: asked for, or the output is not a terminal."""
    return asked or not sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    sys.stdout.write(text.decode() + "\n")


def print_fields(values: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        sys.stdout.write(f"  {name:<{width}}  {_cell(value)}\n")


def print_items(items: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print items: what they have in common once, then what tells them apart as a table.

    A few items stand side by side, a field a line; many stand below each other, with as many
    fields as fit the terminal.
    """
    console = Console()
    console.print(title, style="bold")
    if not items:
        return
    names = list(dict.fromkeys(name for item in items for name in item))
    shared = {
        name: items[0].get(name)
        for name in names
        if all(item.get(name) == items[0].get(name) for item in items)
    }
    print_fields({name: value for name, value in shared.items() if value is not None})
    varying = [name for name in names if name not in shared]
    if not varying:
        return
    if len(items) <= _SIDE_BY_SIDE:
        rows = [[name, *(_cell(item.get(name)) for item in items)] for name in varying]
        console.print(_table(["", *(f"#{rank}" for rank in range(1, len(items) + 1))], rows))
        return
    fitting = varying[: max(1, console.width // _COLUMN_WIDTH)]
    console.print(_table(fitting, [[_cell(item.get(name)) for name in fitting] for item in items]))
    if len(fitting) < len(varying):
        sys.stdout.write(f"  and {len(varying) - len(fitting)} more fields: --json shows them\n")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    # What the numbers are must be read even where there is no room for all of them.
    first = max(len(row[0]) for row in rows) if rows else 0
    for rank, name in enumerate(header):
        if rank == 0:
            table.add_column(name, no_wrap=True, min_width=min(first, _WIDEST_NAME))
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


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


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
