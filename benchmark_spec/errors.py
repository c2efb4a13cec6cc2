"""Errors in descriptions of benchmarks and in architectures.

ValueError
├── SpecError       a description is inconsistent, or a declaration malformed; says where
└── SpellingError   an architecture is malformed or outside its space
"""

from __future__ import annotations

from reprlib import Repr
from typing import Final

__all__ = ["SpecError", "SpellingError", "shown"]

_LONGEST_SHOWN: Final = 80
"""Characters of a value in a message, which fit on one line of a terminal."""
_LONGEST_INTEGER: Final = 8192  # bits


class SpecError(ValueError):
    """A description of a benchmark is inconsistent, or a declaration is malformed.

    Args:
        message: What is wrong, and where.
        path: Keys that lead to the error in a declaration, if it is in one.
    """

    def __init__(self, message: str, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class SpellingError(ValueError):
    """An architecture is malformed or outside its space."""


class _ShortRepr(Repr):
    """Shortens containers, because the `repr` of nested references can grow exponentially."""

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
    """Return a short text of any value for an error message."""
    try:
        text = _SHORT.repr(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= width else f"{text[: width - 3]}..."
