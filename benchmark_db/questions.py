"""Parameters that all questions share: filters, limits, batches, and pages with their cursors."""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    TableReplacedError,
    shown,
)
from benchmark_db.items import REDUCTIONS, Item, Reduction, Row

__all__ = [
    "MAX_BATCH",
    "MAX_CURVES",
    "MAX_LIMIT",
    "Filter",
    "Page",
    "Paging",
    "checked_batch",
    "checked_count",
    "checked_reduction",
    "choice",
    "integer",
    "known_filters",
    "limited_curves",
    "listed",
    "near_and_known",
    "number",
    "one_of",
    "result_or_error",
]

MAX_LIMIT: Final = 1000
"""Most items in one page."""

MAX_BATCH: Final = 10_000
"""Most architectures in one batch."""

MAX_CURVES: Final = 2000
"""Most runs whose learning curves one answer may hold."""

_MAX_INTEGER: Final = 2**63 - 1
_BEFORE_POSITION: Final = 2
"""Fields of a cursor before its position: the table and the question."""
_FEW: Final = 8
"""Names that a message lists where another command or route lists all."""
_LONGEST_NAME: Final = 100
"""Most characters of an unknown name that are compared with the known ones."""
_MOST_LISTED: Final = 20
"""Most known values that a message lists."""

T = TypeVar("T")
Code = TypeVar("Code", int, str)


class Filter(NamedTuple):
    """A filter of a benchmark: the column it compares and the reader of its value.

    The reader turns a caller's value into a value of the column, and raises `InvalidQuestionError`
    if that is impossible.

    Attributes:
        column: Name of the column.
        read: The reader.
        read_many: For architectures: reads many at once where that is cheaper, with the error in
            place of a malformed one.
    """

    column: str
    read: Callable[[Any], float | str | bytes]
    read_many: Callable[[Sequence[Any]], list[Any]] | None = None

    def read_each(self, archs: Sequence[Any]) -> list[Any]:
        """Return the column value of each architecture, or the error of a malformed one."""
        if self.read_many is not None:
            return self.read_many(archs)
        return [result_or_error(self.read, arch) for arch in archs]


def result_or_error(read: Callable[[Any], T], arch: Any) -> T | InvalidArchitectureError:
    """Return the result of a function for an architecture, or the error of a malformed one."""
    try:
        return read(arch)
    except InvalidArchitectureError as error:
        return error


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an answer, and the cursor of the next one (None on the last page)."""

    items: list[dict[str, Any]]
    next_cursor: str | None


def known_filters(
    filters: Mapping[str, Any], known: Mapping[str, Filter]
) -> dict[str, float | str | bytes]:
    """Return the column values of the given filters; None is a wildcard and left out.

    Raises:
        InvalidQuestionError: There is no such filter, or its value is malformed.
    """
    values = {}
    for name, value in filters.items():
        if name not in known:
            raise InvalidQuestionError(
                name, f"unknown filter {shown(name)}; {near_and_known(name, known)}"
            )
        if value is not None:
            values[known[name].column] = known[name].read(value)
    return values


def integer(field: str, *, least: int = 0) -> Callable[[Any], int]:
    """Return a reader of whole numbers that fit a database column."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidQuestionError(field, f"{shown(value)} is not a whole number")
        if not least <= value <= _MAX_INTEGER:
            raise InvalidQuestionError(field, f"{shown(value)} is not in {least} to 2^63 - 1")
        return value

    return read


def one_of(field: str, known: Iterable[int]) -> Callable[[Any], int]:
    """Return a reader of non-negative whole numbers that accepts only the known ones."""
    numbers = sorted(known)
    members = frozenset(numbers)
    read_whole = integer(field)

    def read(value: Any) -> int:
        whole = read_whole(value)
        if whole not in members:
            raise InvalidQuestionError(
                field, f"unknown {field} {shown(whole)}; known are {listed(numbers)}"
            )
        return whole

    return read


def near_and_known(name: Any, known: Iterable[str], *, listed_by: str | None = None) -> str:
    """Return the part of a message about an unknown name that lists similar and known names.

    Args:
        name: The unknown name.
        known: The known names.
        listed_by: The command or route that lists them all, where that would be too long here.
    """
    names = list(known)
    # Names are compared without case and punctuation: NAS-Bench-201 means nasbench201.
    spelled = {_without_spelling(each): each for each in names}
    written = _without_spelling(str(name)[:_LONGEST_NAME])
    close = [written] if written in spelled else get_close_matches(written, spelled, n=3)
    near = [spelled[each] for each in close]
    meant = f"is it {', '.join(near)}? " if near else ""
    if listed_by is not None and len(names) > _FEW:
        return f"{meant}there are {len(names)}: {listed_by} lists them"
    return f"{meant}known are {', '.join(names)}"


def _without_spelling(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def listed(known: Sequence[object]) -> str:
    """Return known values as text for a message: the first twenty, and how many more."""
    told = ", ".join(map(str, known[:_MOST_LISTED])) or "none"
    more = len(known) - _MOST_LISTED
    return f"{told} and {more} more" if more > 0 else told


def number(field: str) -> Callable[[Any], float]:
    """Return a reader of finite numbers."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidQuestionError(field, f"{shown(value)} is not a number")
        if not -sys.float_info.max <= value <= sys.float_info.max:
            raise InvalidQuestionError(field, f"{shown(value)} is not a finite number")
        return float(value)

    return read


def choice(field: str, codes: Mapping[str, Code]) -> Callable[[Any], Code]:
    """Return a reader that maps a name, in any case, to its code."""

    def read(value: Any) -> Code:
        code = codes.get(value.lower()) if isinstance(value, str) else None
        if code is None:
            raise InvalidQuestionError(
                field, f"unknown {field} {shown(value)}; known are {', '.join(codes)}"
            )
        return code

    return read


def checked_batch(archs: Sequence[Any]) -> Sequence[Any]:
    """Return the architectures of a batch, at most `MAX_BATCH`.

    Raises:
        InvalidQuestionError: There are more architectures.
    """
    if len(archs) > MAX_BATCH:
        raise InvalidQuestionError(
            "archs", f"{len(archs)} architectures in one batch; at most {MAX_BATCH}"
        )
    return archs


def limited_curves(rows: Iterable[Row], times: Callable[[Row], int]) -> Iterator[Row]:
    """Yield rows with curves, up to the limit of one answer.

    Args:
        rows: The rows.
        times: Returns how often a row occurs in the answer.

    Raises:
        InvalidQuestionError: There are more than `MAX_CURVES`.
    """
    count = 0
    for row in rows:
        count += times(row)
        if count > MAX_CURVES:
            raise InvalidQuestionError(
                "archs",
                f"an answer holds the learning curves of at most {MAX_CURVES} runs; "
                "ask for fewer architectures at a time",
            )
        yield row


def checked_count(field: str, count: Any, most: int) -> int:
    """Return a requested number, such as the items of a page, after checking it: 1 to `most`.

    Raises:
        InvalidQuestionError: It is out of range, or not a whole number.
    """
    if type(count) is not int or not 1 <= count <= most:
        raise InvalidQuestionError(field, f"{shown(count)} is not in 1 to {most}")
    return count


def checked_reduction(name: str | None) -> Reduction | None:
    """Return the reduction with this name, None for None.

    Raises:
        InvalidQuestionError: There is no reduction of this name.
    """
    if name is None or name in REDUCTIONS:
        return name
    raise InvalidQuestionError(
        "reduction", f"unknown reduction {shown(name)}; known are {', '.join(REDUCTIONS)}"
    )


def _is_key_value(value: Any) -> bool:
    """Return whether a value can be part of a position: cursors are untrusted input."""
    return isinstance(value, str) or (
        type(value) is int and -_MAX_INTEGER - 1 <= value <= _MAX_INTEGER
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Paging:
    """Divides the answer to one question into pages.

    Attributes:
        table: Name and version of the queried table.
        question: Everything else that the answer depends on, except the page; a cursor is valid
            for this question only.
        columns: Names of the columns of a row.
        place: Those columns that give its position in the order of the answer.
        by_number: Whether the first of these may be any number, not only a whole one.
        limit: Items per page.
    """

    table: str
    question: Sequence[Any]
    columns: Sequence[str]
    place: Sequence[str]
    by_number: bool
    limit: int

    def position(self, cursor: Any) -> list[float | str]:
        """Return the position after which a page starts, from a cursor made by `page`.

        Raises:
            InvalidQuestionError: The cursor is invalid or belongs to another question.
            TableReplacedError: The cursor is of another version of the table.
        """
        if not isinstance(cursor, str):
            raise InvalidQuestionError("cursor", f"{shown(cursor)} is not a cursor")
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            decoded = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError) as error:
            raise InvalidQuestionError("cursor", f"{shown(cursor)} is not a cursor") from error
        if not isinstance(decoded, list) or len(decoded) <= _BEFORE_POSITION:
            raise InvalidQuestionError("cursor", f"{shown(cursor)} is not a cursor")
        table, question, *position = decoded
        name = self.table.partition("@")[0]
        same_name = isinstance(table, str) and table.partition("@")[0] == name
        if same_name and table != self.table:
            raise TableReplacedError(
                f"the database of {name} was replaced since the cursor was given out; "
                "start again without a cursor"
            )
        mine = (self.table, self._mark())
        if len(position) != len(self.place) or (table, question) != mine:
            raise InvalidQuestionError(
                "cursor", "the cursor belongs to another question; repeat the filters it came with"
            )
        values = position[1:] if self.by_number and type(position[0]) is float else position
        if not all(map(_is_key_value, values)):
            raise InvalidQuestionError("cursor", f"{shown(cursor)} is not a cursor")
        return position

    def page(self, items: Iterable[tuple[Row, Item]]) -> Page:
        """Return the page that starts with the first of some items, each with its first row."""
        # One item more than requested shows whether there is a next page.
        found = list(islice(items, self.limit + 1))
        shown = list(map(itemgetter(1), found[: self.limit]))
        if len(found) <= self.limit:
            return Page(shown, None)
        last, _ = found[self.limit - 1]
        position = [last[self.columns.index(name)] for name in self.place]
        told = orjson.dumps([self.table, self._mark(), *position])
        return Page(shown, base64.urlsafe_b64encode(told).rstrip(b"=").decode())

    def _mark(self) -> str:
        """Return a short digest of the question, which binds a cursor to it."""
        # Computed only when a cursor is read or written: most answers have neither.
        text = orjson.dumps(self.question, option=orjson.OPT_SORT_KEYS, default=str)
        return hashlib.blake2b(text, digest_size=6).hexdigest()
