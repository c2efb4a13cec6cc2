"""What can be wrong with a description of a benchmark, and with an architecture.

ValueError
├── SpecError       a description contradicts itself, or a declaration is malformed; says where
└── SpellingError   an architecture is malformed or outside its space
"""

from __future__ import annotations

from reprlib import Repr
from typing import Final

__all__ = ["SpecError", "SpellingError", "shown"]

_LONGEST_SHOWN: Final = 80
"""Characters of a value in a message: one line of a terminal."""
_LONGEST_INTEGER: Final = 8192  # bits


class SpecError(ValueError):
    """A description of a benchmark that contradicts itself, or a malformed declaration.

    Args:
        message: What is wrong, and where.
        path: The keys that lead to it in a declaration, where one is at fault.
    """

    def __init__(self, message: str, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class SpellingError(ValueError):
    """An architecture that is malformed or lies outside its space."""


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
