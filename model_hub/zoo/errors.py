"""What can go wrong with a searched model and its weights.

ZooError
├── RecordError            a record that does not say what it must; names file, model and field
├── MissingWeightsError    the weights are not there; says where to get and where to put them
├── DownloadError          an address gave no file, or there is no network
└── CheckpointError        a file that cannot be used
    ├── DigestError        it is not the file that was published
    └── MismatchError      its tensors are not those of the network; lists the names
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from model_hub.errors import ModelHubError

__all__ = [
    "CheckpointError",
    "DigestError",
    "DownloadError",
    "MismatchError",
    "MissingWeightsError",
    "RecordError",
    "ZooError",
]

_MOST_LISTED: Final = 12


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
        found = "; ".join(f"{len(n)} {what}: {_listed(n)}" for what, n in parts.items() if n)
        super().__init__(f"{source} does not fit {model}; tensors {found}")
        self.missing = tuple(missing)
        self.left_over = tuple(left_over)
        self.misshapen = tuple(misshapen)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
