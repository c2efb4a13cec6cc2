"""What the commands print: tables for people, JSON for programs, progress on standard error."""

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
"""Items at most that stand side by side."""
_AROUND: Final = 3
"""Characters between a value and that of the next column."""
_NARROWEST: Final = 24
"""Characters that a text has at least beside what stands before it."""
_INDENT: Final = 6
_LONG_TEXT: Final = 16
"""Characters from which on a value is a text that gives way to numbers."""
_IDENTITIES: Final = ("index", "hash", "id", "sha256")
"""Fields by which an item can be asked for again, the best first."""


def wants_json(*, asked: bool) -> bool:
    """Tell whether to print JSON: asked for, or the output is not a terminal."""
    return asked or not sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    import orjson

    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    # JSON escapes ESC, but neither C1 nor what turns the direction of a text; all stand in strings.
    lines = (line if line.isprintable() else _escaped(line) for line in text.split("\n"))
    sys.stdout.write("\n".join(lines) + "\n")


def print_fields(values: Mapping[str, Any]) -> None:
    """Print names and values, one a line; on a terminal, words go on below where theirs begin."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        sys.stdout.write(f"{wrapped(_cell(value), f'  {cleaned(name):<{width}}  ')}\n")


def print_items(items: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print items: what they have in common once, then what tells them apart as a table.

    A few items stand side by side, a field a line, where the terminal is wide enough; else each is
    a line, with as many fields as fit. No value is shortened. What identifies an item always has a
    place, other long texts come last or not at all.
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
    # What is long comes last: its end may be in the next line of the terminal.
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
        told = f"not shown here, but by --json: {', '.join(left_out)}"
        sys.stdout.write(f"{wrapped(told)}\n")


def wrapped(text: str, before: str = "  ") -> str:
    """Return a text in lines that a terminal need not break; elsewhere in one.

    Args:
        text: Words, which are not broken.
        before: What the first line begins with; the others have as many spaces, or a few where that
            would leave no room.
    """
    if not sys.stdout.isatty():
        return before + text
    from shutil import get_terminal_size
    from textwrap import fill

    width = get_terminal_size().columns
    longest = max(map(len, text.split()), default=0)
    beside = len(before) + max(longest, _NARROWEST) <= width
    return fill(
        text,
        width,
        initial_indent=before,
        subsequent_indent=" " * (len(before) if beside else _INDENT),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _fitting(columns: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """Return the names of the columns that fit, in their order, long texts last."""
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
    """Return the column by which an item can be asked for again."""
    distinct = [name for name, cells in columns.items() if len(set(cells)) == len(cells)]
    return next(
        (name for name in (*_IDENTITIES, *distinct) if name in distinct and name in columns), None
    )


def _width(name: str, cells: Sequence[str]) -> int:
    """Return the characters that a column takes, the space around it included."""
    from rich.cells import cell_len

    return max(cell_len(name), *map(cell_len, cells)) + _AROUND


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    """Return a table whose columns are as wide as their longest value."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for rank, name in enumerate(columns):
        # What is longer than the terminal goes on in the next line: it is never cut off.
        table.add_column(Text(name), justify="right" if rank else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


@contextmanager
def progress_bar(label: str) -> Iterator[Callback]:
    """Show a bar on standard error while a job runs; nothing where that is no terminal."""
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
    """Return a line of JSON with escapes for what a terminal would not show as it is."""
    return "".join(letter if letter.isprintable() else dumps(letter)[1:-1] for letter in line)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else cleaned(str(value))
