"""Reads published checkpoints without running their code, and the hub's own files of weights.

The hub stores weights as safetensors, which contain tensors and text but no code. Published files
are pickles, which are only read by `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import pickletools
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.serialization import safe_globals

from model_hub.errors import CheckpointError

__all__ = [
    "digest_of",
    "digest_of_tensors",
    "is_safetensors",
    "read_foreign",
    "read_safetensors",
    "write_safetensors",
]

_CONTENT: Final = "content_sha256"
_PARALLEL: Final = "module."
"""Prefix that training on several GPUs adds to every name."""
_KNOWN_KEYS: Final = ("state_dict", "model", "net", "state_dict_ema", "model_ema")
"""Keys under which checkpoints usually keep their tensors."""
_ZIP_START: Final = b"PK\x03\x04"
_LEGACY_PICKLES: Final = 4
"""Number of pickles in files of torch before 1.6: magic number, protocol, system and object."""
_ANY_SIZE: Final = frozenset({"builtins bytearray", "__builtin__ bytearray"})
"""Functions that allocate as many bytes as their argument says."""
_COPYING_ARGUMENTS: Final = frozenset({"TUPLE1", "TUPLE2"})
"""Instructions before a call that may copy: of a container or `_codecs.encode`."""
_MOST_COPIED: Final = 1 << 24
"""Limit of elements of containers and object states that a pickle may copy; none of them has more
elements than the pickle has bytes."""
_MOST_UNFOLDED: Final = 16
"""Largest ratio of the size of all tensors to that of their file; tensors may share memory."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_safetensors(path: Path) -> bool:
    """Return whether a file has the name of a safetensors file."""
    return path.suffix == ".safetensors"


def read_foreign(path: Path, *, inside: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint that `torch.save` wrote, in its order.

    Args:
        path: The file.
        inside: The key of the tensors; None if there is no key or one of the usual keys.

    Raises:
        CheckpointError: The file is truncated, not a checkpoint, or would run code.
        OSError: The file cannot be read.
    """
    with path.open("rb"):  # raises OSError for an unreadable file
        pass
    _refuse_copies(path)
    found = _tensors(_loaded(path), inside, path)
    odd = [name for name, value in found.items() if not isinstance(value, Tensor)]
    if odd or not found:
        raise CheckpointError(
            f"{path} does not contain a state dict: "
            + (f"{odd[0]!r:.80} is a {type(found[odd[0]]).__name__}" if odd else "it is empty")
        )
    _refuse_unfolded(found, path)
    if all(name.startswith(_PARALLEL) for name in found):
        return {name.removeprefix(_PARALLEL): tensor for name, tensor in found.items()}
    return dict(found)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises:
        CheckpointError: The file is damaged.
        OSError: The file cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            stated = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}") from error
    if stated.get(_CONTENT, "") not in {"", digest_of_tensors(tensors)}:
        raise CheckpointError(
            f"{path} is damaged: its tensors have changed since it was written; convert it again"
        )
    return tensors, stated


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], stated: dict[str, str]) -> None:
    """Atomically write a file of tensors and metadata.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    try:
        save_file(
            whole, part, metadata={"format": "pt", **stated, _CONTENT: digest_of_tensors(whole)}
        )
        _sync(part)
        part.replace(path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _loaded(path: Path) -> Any:
    try:
        # Training scripts store their arguments, as a namespace of plain values, with the weights.
        with safe_globals([Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, str(error))) from error
    except (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is truncated or not a checkpoint: {_line(error)}") from error


def _refuse_copies(path: Path) -> None:
    """Refuse a file that would need far more memory than its size.

    `torch.load(weights_only=True)` runs no code, but a pickle can make it copy a value repeatedly,
    or unpack a huge member of a zip archive.
    """
    with path.open("rb") as file:
        start = file.read(len(_ZIP_START))
        file.seek(0)
        try:
            if start != _ZIP_START:
                for _ in range(_LEGACY_PICKLES):
                    _refuse_copying(file, path)
                return
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    _refuse_compressed(member, path)
                    if member.filename.endswith("data.pkl"):
                        with archive.open(member) as pickled:
                            _refuse_copying(pickled, path)
        except CheckpointError:
            raise
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
            raise CheckpointError(
                f"{path} is truncated or not a checkpoint: {_line(error)}"
            ) from error


def _refuse_compressed(member: zipfile.ZipInfo, path: Path) -> None:
    if member.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"{path} has compressed members, which torch.save never writes")


def _refuse_copying(file: IO[bytes], path: Path) -> None:
    """Count the instructions of a pickle that may copy, without running them."""
    copies, size, before = 0, 0, ""
    for code, argument, place in pickletools.genops(file):
        if code.name == "GLOBAL" and argument in _ANY_SIZE:
            raise CheckpointError(f"{path} was refused: it has a {argument}, as no weights do")
        copies += code.name == "BUILD" or (code.name == "REDUCE" and before in _COPYING_ARGUMENTS)
        size = place or 0
        if "PUT" not in code.name:
            before = code.name
    if copies * size > _MOST_COPIED:
        raise CheckpointError(f"{path} was refused: reading it copies more than it contains")


def _refuse_unfolded(tensors: Mapping[str, Any], path: Path) -> None:
    """Refuse tensors that need far more memory than their file contains."""
    whole = 0
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise CheckpointError(f"{path}: {name!r:.80} is not a dense tensor of numbers")
        size = tensor.numel() * tensor.element_size()
        whole += size
        if size > tensor.untyped_storage().nbytes():
            raise CheckpointError(f"{path}: {name!r:.80} repeats its elements")
    if whole > _MOST_UNFOLDED * path.stat().st_size:
        raise CheckpointError(f"{path} has {whole} bytes of tensors, many times its own size")


def _refusal(path: Path, reason: str) -> str:
    for sentence in reason.splitlines():
        if "GLOBAL" in sentence:
            return (
                f"{path} was refused, because reading it would run code: "
                f"{sentence.strip()[:200]} Weights do not need this: ask for a file that contains "
                "only tensors. No option disables this check"
            )
    return f"{path} is truncated or not a checkpoint: {reason.splitlines()[0][:200]}"


def _tensors(loaded: Any, inside: str | None, path: Path) -> Mapping[str, Any]:
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}, not a state dict")
    if inside is not None and isinstance(loaded.get(inside), Mapping):
        return _named(loaded[inside], path)
    usual = [key for key in _KNOWN_KEYS if isinstance(loaded.get(key), Mapping)]
    if inside is None and usual:
        return _named(loaded[usual[0]], path)
    if inside is not None and not any(isinstance(value, Tensor) for value in loaded.values()):
        keys = ", ".join(map(repr, list(loaded)[:12]))
        raise CheckpointError(f"{path} has no tensors under {inside!r}; it has {keys:.200}")
    return _named(loaded, path)


def _named(tensors: Mapping[Any, Any], path: Path) -> Mapping[str, Any]:
    for name in tensors:
        if not isinstance(name, str):
            raise CheckpointError(f"{path} names a tensor {name!r:.80}, which is not text")
    return tensors


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of the names, types, shapes and values of tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
