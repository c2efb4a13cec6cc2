"""Exceptions of `benchmark_db`: invalid questions and unusable databases.

BenchmarkDataError
├── InvalidQuestionError       the caller's question is malformed; names the field
│   └── InvalidArchitectureError   the architecture is malformed or outside the space
├── UnknownBenchmarkError      no such benchmark, or its database is not installed
├── TableReplacedError         the cursor is of an earlier version of the table: start again
├── UnsupportedQuestionError   the benchmark does not support the question; says why
├── UnusableDatabaseError      the file is not a valid database of this schema
└── TimeBudgetExceededError    the question exceeded its time budget
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
    """Base class of the errors that `benchmark_db` raises on purpose."""


class InvalidQuestionError(BenchmarkDataError, ValueError):
    """A filter, limit, cursor or other field of a question is invalid.

    Args:
        field: Name of the invalid field, as the caller spelled it; `network.arch` for a nested
            field.
        message: What is wrong with it and what would be right.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class InvalidArchitectureError(InvalidQuestionError):
    """The architecture is malformed or lies outside the benchmark's space."""

    def __init__(self, message: str) -> None:
        super().__init__("arch", message)


class TableReplacedError(BenchmarkDataError):
    """The previous pages of a cursor are of another version of the table."""


class UnknownBenchmarkError(BenchmarkDataError, LookupError):
    """The benchmark does not exist, or its database is not installed."""


class UnsupportedQuestionError(BenchmarkDataError, LookupError):
    """The benchmark does not support a question, whatever its arguments."""


class UnusableDatabaseError(BenchmarkDataError):
    """The file is not a complete database of the expected benchmark and schema."""


class TimeBudgetExceededError(BenchmarkDataError, TimeoutError):
    """A question was stopped because it exceeded its time budget."""
