"""What can go wrong with a space, a sample or a network.

ModelHubError
├── InvalidArgumentError    an argument of a space cannot mean anything; names the argument
├── InvalidSampleError      a sample is outside the space; names the label
├── UnknownNameError        no such space, model or layer; offers the nearest names
└── TooLargeError           a network that does not fit into memory, refused before it is made
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = [
    "InvalidArgumentError",
    "InvalidSampleError",
    "ModelHubError",
    "TooLargeError",
    "UnknownNameError",
    "listed",
    "nearest",
    "shown",
]

_LONGEST_SHOWN: Final = 80
"""Characters of a value in a message: one line of a terminal."""

_MOST_LISTED: Final = 12
"""Candidates in a message; a list of more is cut."""


class ModelHubError(Exception):
    """Base of every error that `model_hub` raises on purpose."""


class InvalidArgumentError(ModelHubError, ValueError):
    """An argument that cannot mean anything.

    Args:
        argument: Its name.
        message: What is wrong with it and what would be right.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class InvalidSampleError(ModelHubError, ValueError):
    """A sample that is not in the space.

    Args:
        label: The offending label, or None where the sample as a whole is at fault.
        message: What is wrong and what would be right.
    """

    def __init__(self, label: str | None, message: str) -> None:
        super().__init__(message if label is None else f"{label}: {message}")
        self.label = label


class UnknownNameError(ModelHubError, LookupError):
    """A name that nothing has.

    Args:
        kind: What was looked for, such as "space".
        name: The name as the caller wrote it.
        known: Every name there is.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(f"there is no {kind} {shown(name)}{nearest(name, known)}")
        self.kind = kind
        self.name = name
        self.known = known


class TooLargeError(ModelHubError, MemoryError):
    """A network whose weights do not fit into memory."""


def shown(value: object) -> str:
    """Return a value as an error message may show it: short, whatever was sent."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists a thousand deep
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def listed(values: Iterable[object]) -> str:
    """Return values as an error message may list them, the first twelve of many."""
    texts = [shown(value) for value in values]
    rest = len(texts) - _MOST_LISTED
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def nearest(name: object, known: Iterable[str], *, or_all: bool = True) -> str:
    """Return the end of a message about an unknown name: the nearest ones, or all of them.

    With `or_all` false it is empty where none is near, for messages that have named them all.
    """
    known = list(known)
    by_lower = {text.lower(): text for text in known}
    sought = str(name)[:_LONGEST_SHOWN].lower()
    close = get_close_matches(sought, by_lower, n=3, cutoff=0.5)
    if close:
        return f"; the nearest are {', '.join(by_lower[text] for text in close)}"
    return f"; there are {listed(known)}" if known and or_all else ""
