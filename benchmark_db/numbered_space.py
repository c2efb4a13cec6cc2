"""Space of a benchmark with indexed architectures, shared by tables that measure the same ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark_db.errors import InvalidArchitectureError
from benchmark_spec.errors import SpellingError
from benchmark_spec.names import in_range

if TYPE_CHECKING:
    # Architectures are parsed without NumPy, too.
    from benchmark_db.features import Feature

__all__ = ["NumberedSpace", "checked_index", "decoded"]


@dataclass(frozen=True, kw_only=True)
class NumberedSpace:
    """The architectures of a benchmark: an `OpenSpace` composed of its functions.

    Attributes:
        size: Number of architectures.
        number: Parses any spelling of an architecture into its index.
        text: Returns the architecture string of an index.
        neighbors: Returns the indices of the architectures one edit away.
        equals: Returns the smallest index of the architectures that compute the same function.
        features: Returns the columns derived from the architectures alone.
        drawn: Returns the drawing of an architecture, as `Benchmark.drawn` does.
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
    """Return an architecture index after checking it against the size of the space.

    Raises:
        InvalidArchitectureError: The index is out of range.
    """
    try:
        return in_range(index, size)
    except SpellingError as error:
        raise InvalidArchitectureError(str(error)) from error


def decoded(text: str) -> Any:
    """Decode an architecture given as JSON.

    Raises:
        InvalidArchitectureError: The text is not valid JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArchitectureError(f"the architecture is not valid JSON: {error}") from error
