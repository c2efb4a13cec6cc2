"""Output of the commands: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import dumps
from typing import TYPE_CHECKING, Any, Final

from bench_client.untrusted import cleaned

if TYPE_CHECKING:
    from rich.table import Table

    from generators.source import Progress as Callback

__all__ = ["print_fields", "print_items", "print_json", "progress_bar", "wants_json", "wrapped"]

_SIDE_BY_SIDE: Final = 6
"""Largest number of items that are printed side by side."""
_COLUMN_GAP: Final = 3
"""Characters between the values of two columns."""
_LEAST_WIDTH: Final = 24
"""Least width of a wrapped text beside its prefix."""
_INDENT: Final = 6
_LONG_TEXT: Final = 16
"""Length above which a value is a long text, printed after numbers."""
_IDENTITIES: Final = ("index", "hash", "id", "sha256")
"""Fields that identify an item, best first."""


def wants_json(*, asked: bool) -> bool:
    """Tell whether to print JSON: asked for, or the output is not a terminal."""
    return asked or not sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    import orjson

    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    # JSON escapes ESC, but not C1 or bidirectional control characters, which occur in strings only.
    lines = (line if line.isprintable() else _escaped(line) for line in text.split("\n"))
    sys.stdout.write("\n".join(lines) + "\n")


def print_fields(values: Mapping[str, Any]) -> None:
    """Print a name and a value per line; on a terminal, long values are wrapped and indented."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        sys.stdout.write(f"{wrapped(_cell(value), f'  {cleaned(name):<{width}}  ')}\n")


def print_items(items: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print items: common values once, then a table of the others.

    A few items are printed side by side, a field per line, if the terminal is wide enough; else an
    item per line, with as many fields as fit. Values are never shortened. The identifying field is
    always printed; other long texts come last or are omitted.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(cleaned(title), style="bold"))
    if not items:
        return
    items = [{cleaned(name): value for name, value in item.items()} for item in items]
    names = list(dict.fromkeys(name for item in items for name in item))
    shared = {
        name: items[0].get(name)
        for name in names
        if len({_cell(item.get(name)) for item in items}) == 1
    }
    # Long values come last, as they may continue on the next line of the terminal.
    known = {name: value for name, value in shared.items() if value is not None}
    print_fields(dict(sorted(known.items(), key=lambda one: len(_cell(one[1])) > _LONG_TEXT)))
    columns = {
        name: [_cell(item.get(name)) for item in items] for name in names if name not in shared
    }
    if not columns:
        return
    if len(items) <= _SIDE_BY_SIDE:
        beside = [list(columns), *map(list, zip(*columns.values(), strict=True))]
        header = ["", *(f"#{rank}" for rank in range(1, len(items) + 1))]
        if sum(map(_width, header, beside)) < console.width:
            console.print(_table(dict(zip(header, beside, strict=True))))
            return
    fitting = _fitting(columns, console.width)
    console.print(_table({name: columns[name] for name in fitting}))
    left_out = [name for name in columns if name not in fitting]
    if left_out:
        told = f"omitted here, printed by --json: {', '.join(left_out)}"
        sys.stdout.write(f"{wrapped(told)}\n")


def wrapped(text: str, before: str = "  ") -> str:
    """Return a text wrapped for the terminal; on one line if the output is not a terminal.

    Args:
        text: The text; words are not broken.
        before: Prefix of the first line; the others are indented as far, or a little if that would
            leave no room.
    """
    if not sys.stdout.isatty():
        return before + text
    from shutil import get_terminal_size
    from textwrap import fill

    width = get_terminal_size().columns
    longest = max(map(len, text.split()), default=0)
    beside = len(before) + max(longest, _LEAST_WIDTH) <= width
    return fill(
        text,
        width,
        initial_indent=before,
        subsequent_indent=" " * (len(before) if beside else _INDENT),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _fitting(columns: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """Return the names of the columns that fit, in order, long texts last."""
    long = [name for name, cells in columns.items() if max(map(len, cells)) > _LONG_TEXT]
    identity = _identity(columns)
    room = width - 1
    fitting: set[str] = set()
    first = [] if identity is None else [identity]
    for name in dict.fromkeys([*first, *(name for name in columns if name not in long), *long]):
        needed = _width(name, columns[name])
        if needed <= room or not fitting:
            fitting.add(name)
            room -= needed
    last = {name for name in long if name != identity}
    return sorted((name for name in columns if name in fitting), key=last.__contains__)


def _identity(columns: Mapping[str, Sequence[str]]) -> str | None:
    """Return the column that identifies items; None if there is none."""
    distinct = [name for name, cells in columns.items() if len(set(cells)) == len(cells)]
    return next(
        (name for name in (*_IDENTITIES, *distinct) if name in distinct and name in columns), None
    )


def _width(name: str, cells: Sequence[str]) -> int:
    """Return the width of a column in characters, with spacing."""
    from rich.cells import cell_len

    return max(cell_len(name), *map(cell_len, cells)) + _COLUMN_GAP


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    """Return a table whose columns are as wide as their longest values."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for rank, name in enumerate(columns):
        # Values longer than the terminal are folded, not cut off.
        table.add_column(Text(name), justify="right" if rank else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


@contextmanager
def progress_bar(label: str) -> Iterator[Callback]:
    """Show a progress bar on standard error, if it is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

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


def _escaped(line: str) -> str:
    """Return a line of JSON with unprintable characters escaped."""
    return "".join(letter if letter.isprintable() else dumps(letter)[1:-1] for letter in line)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else cleaned(str(value))
