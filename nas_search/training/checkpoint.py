"""Checkpoints of a training: folders with a file of tensors and a JSON file, without pickle.

A checkpoint is written under a temporary name, synced and renamed, so that it exists completely or
not at all. The newest two are kept. A checkpoint damaged afterwards is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nas_search.errors import OtherTrainingError

__all__ = ["Checkpoints", "Saved", "TornCheckpointWarning", "joined", "part_of"]

_VERSION: Final = 2
_WEIGHTS: Final = "weights.safetensors"
_STATE: Final = "state.json"
_NAME: Final = re.compile(r"step-(\d{12})")
_KEPT: Final = 2


class TornCheckpointWarning(UserWarning):
    """A checkpoint is damaged and was skipped."""


class Saved(NamedTuple):
    """The content of a checkpoint.

    Attributes:
        step: The number of steps before it was saved.
        tensors: Weights, optimizer states and generator states by name, on the CPU.
        state: Everything else, as JSON.
    """

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training, in a folder of their own.

    Only one process may write at a time.

    Args:
        folder: The folder, created by the first save.
        identity: Network, recipe, seed and data, as JSON. Checkpoints of another are refused.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        # Converted to the form in which it is read back.
        self._identity: dict[str, Any] = json.loads(json.dumps(dict(identity)))

    def save(self, saved: Saved) -> None:
        """Save a checkpoint and delete all but the newest two.

        Raises:
            OSError: It cannot be written; earlier checkpoints are kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"step-{saved.step:012d}"
        beside = self.folder / f".{target.name}.partial"
        shutil.rmtree(beside, ignore_errors=True)
        weights = safetensors.torch.save(saved.tensors)
        state = {
            "version": _VERSION,
            "identity": self._identity,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "step": saved.step,
            "state": saved.state,
        }
        try:
            beside.mkdir()
            _write(beside / _WEIGHTS, weights)
            _write(beside / _STATE, json.dumps(state, indent=1).encode())
            _sync_folder(beside)
            # An existing checkpoint of the same step is either damaged or equal.
            shutil.rmtree(target, ignore_errors=True)
            beside.replace(target)
            _sync_folder(self.folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        for old in self._folders()[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> Saved | None:
        """Return the newest undamaged checkpoint; None if there is none.

        Warns:
            TornCheckpointWarning: A checkpoint is damaged, and an older one is tried.

        Raises:
            OtherTrainingError: It belongs to another training, or has another format version.
        """
        for folder in self._folders():
            try:
                content = json.loads((folder / _STATE).read_bytes())
                version, identity = content["version"], content["identity"]
                # A checkpoint of another format version is not damaged.
                if version == _VERSION:
                    return self._checked(folder, content, identity)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                if isinstance(error, OtherTrainingError):
                    raise
                warnings.warn(
                    f"{folder} is damaged and was skipped ({type(error).__name__}: {error})",
                    TornCheckpointWarning,
                    stacklevel=2,
                )
                continue
            raise OtherTrainingError(
                f"{folder} has format version {version!r}; this program reads version {_VERSION}"
            )
        return None

    def _checked(self, folder: Path, content: dict[str, Any], identity: dict[str, Any]) -> Saved:
        weights = (folder / _WEIGHTS).read_bytes()
        if hashlib.sha256(weights).hexdigest() != content["weights_sha256"]:
            raise ValueError(f"{_WEIGHTS} does not match its digest")
        differing = _first_difference(identity, self._identity)
        if differing is not None:
            name, was, is_now = differing
            raise OtherTrainingError(
                f"{self.folder} was begun with another {name}: {was!r:.200} there, "
                f"{is_now!r:.200} here"
            )
        return Saved(int(content["step"]), safetensors.torch.load(weights), content["state"])

    def _folders(self) -> list[Path]:
        """Return the folders of all checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: path.name, reverse=True)


def joined(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return copies on the CPU of the tensors of all parts, named `part/name`."""
    return {
        f"{part}/{name}": tensor.detach().cpu().contiguous().clone()
        for part, held in parts.items()
        for name, tensor in held.items()
    }


def part_of(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return the tensors of one part by their names within it."""
    before = f"{part}/"
    return {
        name.removeprefix(before): tensor
        for name, tensor in tensors.items()
        if name.startswith(before)
    }


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_difference(one: Any, other: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return the path of the first difference between two JSON values, and both values there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            inner = f"{path}.{name}" if path else name
            found = _first_difference(one.get(name), other.get(name), inner)
            if found is not None:
                return found
        return None
    return None if one == other else (path, one, other)
