"""The errors of the hub, and how their messages show values and names.

ModelHubError
├── InvalidArgumentError        an argument of a space cannot mean anything; names the argument
├── InvalidSampleError          a sample is outside the space; names the label
├── UnknownNameError            no such space, model or layer; offers the nearest names
├── TooLargeError               a network that does not fit into memory, refused before it is made
├── NoSupernetError             networks of this space share no weights; says why
├── ZooError                    a searched model or its weights
│   ├── RecordError             a record that does not say what it must; names file, model, field
│   ├── MissingWeightsError     the weights are not there; says where to get and where to put them
│   ├── DownloadError           an address gave no file, or there is no network
│   └── CheckpointError         a file that cannot be used
│       ├── DigestError         it is not the file that was published
│       └── MismatchError       its tensors are not those of the network; lists the names
├── DatasetError                an image, a label or a data set that cannot be used; names the file
│   ├── DamagedImageError       a file that is no image, or a damaged one
│   └── LabelError              a label that the network has no output for
│       └── ClassesError        classes that are not those of the outputs, or nobody knows which
└── OutputError                 outputs of a network that are no finite numbers
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
"""Characters of a value in a message: one line of a terminal."""

_MOST_LISTED: Final = 12
"""Candidates or tensors in a message; a list of more is cut."""


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


def named(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return what has a name.

    Raises:
        UnknownNameError: Nothing has it; the message offers the nearest.
    """
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return known[name]


class TooLargeError(ModelHubError, MemoryError):
    """A network whose weights do not fit into memory."""


class NoSupernetError(ModelHubError, NotImplementedError):
    """A space whose networks share no weights, as it is or with these arguments."""


class ZooError(ModelHubError):
    """Base of what can go wrong in the zoo."""


class RecordError(ZooError, ValueError):
    """A record of a searched model that cannot be used."""


class MissingWeightsError(ZooError, FileNotFoundError):
    """Weights that are not where they are looked for."""


class DownloadError(ZooError):
    """Weights that could not be downloaded."""


class CheckpointError(ZooError, ValueError):
    """A file of weights that cannot be used."""


class DigestError(CheckpointError):
    """A file whose SHA-256 is not the published one."""


class MismatchError(CheckpointError):
    """A file whose tensors are not those of the network.

    Args:
        source: What was read.
        model: The model it was meant for.
        missing: Names that the network has and the file does not.
        left_over: Names in the file that the network has no place for.
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
    """An image, a label or a data set that cannot be used; the message names the file."""


class DamagedImageError(DatasetError):
    """A file that is no image, or a damaged one."""


class LabelError(DatasetError):
    """A label that the network has no output for."""


class ClassesError(LabelError):
    """Classes that are not those of the network's outputs, or nobody knows which."""


class OutputError(ModelHubError, ArithmeticError):
    """Outputs of a network that are no finite numbers."""


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


def _tensor_names(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
