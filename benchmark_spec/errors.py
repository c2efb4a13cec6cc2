"""What can be wrong with a description of a benchmark, and with an architecture.

ValueError
├── SpecError       a description contradicts itself, or a declaration is malformed; says where
└── SpellingError   an architecture is malformed or outside its space
"""

from __future__ import annotations

from reprlib import Repr
from typing import Final

__all__ = ["SpecError", "SpellingError", "shown"]

_LONGEST: Final = 80
_SHORT: Final = Repr()
_SHORT.maxstring = _SHORT.maxother = 2_000
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 16


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


def shown(value: object) -> str:
    """Return a value as an error message may show it: short, whatever was given."""
    try:
        text = _SHORT.repr(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
