"""The errors of the hub, and helpers that format values and names in their messages.

ModelHubError
├── InvalidArgumentError        invalid argument of a space; names the argument
├── InvalidSampleError          sample outside the space; names the label
├── UnknownNameError            unknown space, model or layer; suggests the nearest names
├── TooLargeError               network that does not fit into memory, refused before it is built
├── NoSupernetError             space whose networks share no weights; gives the reason
├── ZooError                    problem with a searched model or its weights
│   ├── RecordError             invalid record; names file, model and field
│   ├── MissingWeightsError     missing weights; says where to get them and where to put them
│   ├── DownloadError           failed download
│   └── CheckpointError         unusable file of weights
│       ├── DigestError         file with another digest than the published one
│       └── MismatchError       file with other tensors than the network; lists the names
├── DatasetError                unusable image, label or data set; names the file
│   ├── DamagedImageError       file that is damaged or not an image
│   └── LabelError              label without an output of the network
│       └── ClassesError        classes that differ from the outputs, or have an ambiguous order
└── OutputError                 network outputs that are not finite
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, TypeVar

__all__ = [
    "CheckpointError",
    "ClassesError",
    "DamagedImageError",
    "DatasetError",
    "DigestError",
    "DownloadError",
    "InvalidArgumentError",
    "InvalidSampleError",
    "LabelError",
    "MismatchError",
    "MissingWeightsError",
    "ModelHubError",
    "NoSupernetError",
    "OutputError",
    "RecordError",
    "TooLargeError",
    "UnknownNameError",
    "ZooError",
    "listed",
    "named",
    "nearest",
    "shown",
]

T = TypeVar("T")

_LONGEST_SHOWN: Final = 80
"""Longest text of a value in a message, in characters: one line of a terminal."""

_MOST_LISTED: Final = 12
"""Most candidates or tensors in a message; longer lists are shortened."""


class ModelHubError(Exception):
    """Base of all errors that `model_hub` raises deliberately."""


class InvalidArgumentError(ModelHubError, ValueError):
    """An invalid argument.

    Args:
        argument: Name of the argument.
        message: What is wrong with it and what is accepted.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class InvalidSampleError(ModelHubError, ValueError):
    """A sample that is not in the space.

    Args:
        label: The offending label, or None if the whole sample is invalid.
        message: What is wrong and what is accepted.
    """

    def __init__(self, label: str | None, message: str) -> None:
        super().__init__(message if label is None else f"{label}: {message}")
        self.label = label


class UnknownNameError(ModelHubError, LookupError):
    """An unknown name.

    Args:
        kind: Kind of the name, such as "space".
        name: The unknown name.
        known: All known names.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(f"there is no {kind} {shown(name)}{nearest(name, known)}")
        self.kind = kind
        self.name = name
        self.known = known


def named(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return the entry of a name.

    Raises:
        UnknownNameError: The name is unknown; the message suggests the nearest.
    """
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return known[name]


class TooLargeError(ModelHubError, MemoryError):
    """A network whose weights do not fit into memory."""


class NoSupernetError(ModelHubError, NotImplementedError):
    """A space whose networks share no weights, in general or with these arguments."""


class ZooError(ModelHubError):
    """Base of the errors of the zoo."""


class RecordError(ZooError, ValueError):
    """An invalid record of a searched model."""


class MissingWeightsError(ZooError, FileNotFoundError):
    """Weights that are not in the folder of the zoo."""


class DownloadError(ZooError):
    """Weights that could not be downloaded."""


class CheckpointError(ZooError, ValueError):
    """An unusable file of weights."""


class DigestError(CheckpointError):
    """A file whose SHA-256 differs from the published one."""


class MismatchError(CheckpointError):
    """A file whose tensors differ from those of the network.

    Args:
        source: The file.
        model: The model whose weights it should contain.
        missing: Names that only the network has.
        left_over: Names that only the file has.
        misshapen: Names whose shapes differ, with both shapes.
    """

    def __init__(
        self,
        source: object,
        model: str,
        *,
        missing: Sequence[str] = (),
        left_over: Sequence[str] = (),
        misshapen: Sequence[str] = (),
    ) -> None:
        parts = {"missing": missing, "left over": left_over, "of another shape": misshapen}
        found = "; ".join(f"{len(n)} {what}: {_tensor_names(n)}" for what, n in parts.items() if n)
        super().__init__(f"{source} does not fit {model}; tensors {found}")
        self.missing = tuple(missing)
        self.left_over = tuple(left_over)
        self.misshapen = tuple(misshapen)


class DatasetError(ModelHubError, ValueError):
    """An unusable image, label or data set; the message names the file."""


class DamagedImageError(DatasetError):
    """A file that is damaged or not an image."""


class LabelError(DatasetError):
    """A label without an output of the network."""


class ClassesError(LabelError):
    """Classes that differ from the outputs of the network, or have an ambiguous order."""


class OutputError(ModelHubError, ArithmeticError):
    """Outputs of a network that are not finite."""


def shown(value: object) -> str:
    """Return a short text of any value for an error message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists a thousand deep
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def listed(values: Iterable[object]) -> str:
    """Return a list of values for an error message, shortened to the first twelve."""
    texts = [shown(value) for value in values]
    rest = len(texts) - _MOST_LISTED
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def nearest(name: object, known: Iterable[str], *, or_all: bool = True) -> str:
    """Return the end of a message about an unknown name: the nearest names, or else all names.

    With `or_all` false, it is empty if no name is near, for messages that already list all names.
    """
    known = list(known)
    by_lower = {text.lower(): text for text in known}
    sought = str(name)[:_LONGEST_SHOWN].lower()
    close = get_close_matches(sought, by_lower, n=3, cutoff=0.5)
    if close:
        return f"; the nearest are {', '.join(by_lower[text] for text in close)}"
    return f"; there are {listed(known)}" if known and or_all else ""


def _tensor_names(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
