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

from benchmark_spec.errors import shown

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
