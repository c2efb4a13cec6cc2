"""Space of a benchmark whose architectures are numbered, for tables that measure the same ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark_db.errors import InvalidArchitectureError
from benchmark_spec.errors import SpellingError
from benchmark_spec.names import in_range

if TYPE_CHECKING:
    # Spellings are read without NumPy, too.
    from benchmark_db.features import Feature

__all__ = ["NumberedSpace", "checked_index", "decoded"]


@dataclass(frozen=True, kw_only=True)
class NumberedSpace:
    """The architectures of a benchmark: an `OpenSpace` made of its functions.

    Attributes:
        size: How many there are.
        number: Reads any spelling into a number.
        text: Gives the published string of a number.
        neighbors: Gives the numbers one edit away.
        equals: Gives the smallest number of those whose networks compute the same.
        features: Gives the columns that follow from the architectures alone.
        drawn: Says how an architecture is drawn, as `Benchmark.drawn` does.
    """

    size: int
    number: Callable[[Any], int]
    text: Callable[[int], str]
    neighbors: Callable[[int], list[int] | None]
    equals: Callable[[int], int]
    features: Callable[[], tuple[Feature, ...]]
    drawn: Callable[[int], dict[str, Any]]

    def names(self, number: int) -> dict[str, Any]:
        """Return string and index of an architecture."""
        return {"arch_str": self.text(number), "index": number}


def checked_index(index: int, size: int) -> int:
    """Return the index of an architecture in a space of so many.

    Raises:
        InvalidArchitectureError: It is out of range.
    """
    try:
        return in_range(index, size)
    except SpellingError as error:
        raise InvalidArchitectureError(str(error)) from error


def decoded(text: str) -> Any:
    """Return an architecture that is spelled as JSON.

    Raises:
        InvalidArchitectureError: It is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArchitectureError(f"the architecture is not valid JSON: {error}") from error
