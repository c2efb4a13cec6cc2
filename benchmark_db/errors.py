"""What can go wrong with a question or with a database.

BenchmarkDataError
├── InvalidQuestionError       the caller's question is malformed; names the field
│   └── InvalidArchitectureError   the architecture is malformed or outside the space
├── UnknownBenchmarkError      no such benchmark, or its database is not installed
├── TableReplacedError         the cursor is of an earlier version of the table: begin anew
├── UnsupportedQuestionError   the question makes no sense for this benchmark; says why
├── UnusableDatabaseError      a file that is not a database of this schema
└── TimeBudgetExceededError    the question would scan for longer than it may
"""

from __future__ import annotations

from reprlib import Repr
from typing import Final

__all__ = [
    "BenchmarkDataError",
    "InvalidArchitectureError",
    "InvalidQuestionError",
    "TableReplacedError",
    "TimeBudgetExceededError",
    "UnknownBenchmarkError",
    "UnsupportedQuestionError",
    "UnusableDatabaseError",
    "shown",
]

_LONGEST_SHOWN: Final = 80
"""Characters of a value in a message: one line of a terminal."""
_LONGEST_INTEGER: Final = 8192  # bits


class BenchmarkDataError(Exception):
    """Base of every error that `benchmark_db` raises on purpose."""


class InvalidQuestionError(BenchmarkDataError, ValueError):
    """A filter, a limit or a cursor that cannot mean anything.

    Args:
        field: Name of the offending field, as the caller spelled it; `network.arch` of one inside
            another.
        message: What is wrong with it and what would be right.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class InvalidArchitectureError(InvalidQuestionError):
    """An architecture that is malformed or lies outside the benchmark's space."""

    def __init__(self, message: str) -> None:
        super().__init__("arch", message)


class TableReplacedError(BenchmarkDataError):
    """A page was asked for whose pages before it are of another version of the table."""


class UnknownBenchmarkError(BenchmarkDataError, LookupError):
    """A benchmark that does not exist or whose database is not installed."""


class UnsupportedQuestionError(BenchmarkDataError, LookupError):
    """A question that has no meaning for a benchmark, whatever its arguments."""


class UnusableDatabaseError(BenchmarkDataError):
    """A file that is not a complete database of the expected benchmark and schema."""


class TimeBudgetExceededError(BenchmarkDataError, TimeoutError):
    """A question stopped because it ran for longer than its time budget."""


class _ShortRepr(Repr):
    """Shows containers in part: one that holds another one many times may have no end."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 16
        self.maxstring = self.maxother = self.maxlong = 2_000

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > _LONGEST_INTEGER:
            raise ValueError("an integer of thousands of digits")
        return super().repr_int(x, level)


_SHORT: Final = _ShortRepr()


def shown(value: object, width: int = _LONGEST_SHOWN) -> str:
    """Return a value as an error message may show it: short, whatever was sent."""
    try:
        text = _SHORT.repr(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= width else f"{text[: width - 3]}..."
