"""Finds, downloads, converts and loads the weights of searched models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from missing_extra import MissingExtraError, needs
from model_hub.errors import (
    CheckpointError,
    DigestError,
    DownloadError,
    InvalidArgumentError,
    MissingWeightsError,
)
from model_hub.zoo.alignment import aligned
from model_hub.zoo.checkpoints import (
    digest_of,
    is_safetensors,
    read_foreign,
    read_safetensors,
    write_safetensors,
)
from model_hub.zoo.records import NAMINGS, Record, WeightFile, weights_path, zoo_folder

__all__ = ["convert_weights", "download", "fill", "find_weights"]


_DOWNLOADS: Final = "downloads"
_MODEL: Final = "model"
_SHOWN_DIGITS: Final = 8

_LONGEST_REASON: Final = 120
"""Limit in characters: without a network, the error describes every attempt."""


def find_weights(record: Record, outline: nn.Module, *, downloading: bool) -> Path:
    """Return the path of the converted weights of a model.

    Args:
        record: The model.
        outline: Its network, possibly on the meta device.
        downloading: Download and convert missing weights.

    Raises:
        MissingWeightsError: The weights are missing; the message says what to do.
        DownloadError: The weights cannot be downloaded.
        CheckpointError: The downloaded file is unusable.
    """
    path = weights_path(record.name)
    if path.is_file():
        return path
    addressed = [file for file in record.weights if file.url]
    if not downloading or not addressed:
        raise MissingWeightsError(_missing(record, path, downloading=downloading))
    came = download(addressed[0], zoo_folder() / _DOWNLOADS, record)
    try:
        return convert_weights(came, record, outline)
    except CheckpointError:
        came.unlink()  # so that the next attempt downloads it again
        raise


def convert_weights(
    source: Path,
    record: Record,
    outline: nn.Module,
    *,
    out: Path | None = None,
    naming: str | None = None,
    unlisted: bool = False,
) -> Path:
    """Convert a published file to the hub's format and return the path of the new file.

    Its metadata contain model, source file, digest, licence, origin and protocol.

    Args:
        source: The published file.
        record: The model.
        outline: Its network, possibly on the meta device.
        out: The file to write; by default that of `weights_path`.
        naming: Naming scheme of the tensors, instead of that of the record.
        unlisted: Accept a file that is not one of the published ones.

    Raises:
        DigestError: The file is not one of the published ones.
        CheckpointError: The file is unusable.
        OSError: A file cannot be read or written.
    """
    published = _identified(source, record)
    if published.listed is None and not unlisted:
        raise DigestError(
            f"{source} (SHA-256 {published.sha256}) is not one of the published files of "
            f"{record.name}: {_known_files(record)}. To accept it anyway, use --unlisted"
        )
    tensors = _read_foreign(source, record, outline, published, naming)
    target = out or weights_path(record.name)
    stated = {
        _MODEL: record.name,
        "space": record.space,
        "source_file": source.name,
        "source_sha256": published.sha256,
        "source_is_published": str(published.listed is not None).lower(),
        "licence": record.licence,
        "origin": record.origin,
        "protocol": json.dumps(record.protocol.to_dict()),
    }
    write_safetensors(target, tensors, stated)
    return target


def fill(network: nn.Module, record: Record, path: Path) -> None:
    """Load the weights of a file into a network.

    Args:
        network: The network of the model.
        record: The model.
        path: A file in the hub's format, or one that `torch.save` wrote.

    Raises:
        CheckpointError: The file is unusable.
        OSError: The file cannot be read.
    """
    if is_safetensors(path):
        read, stated = read_safetensors(path)
        if stated.get(_MODEL, record.name) != record.name:
            raise CheckpointError(f"{path} has the weights of {stated[_MODEL]}, not {record.name}")
        wanted = network.state_dict()
        tensors = aligned(read, wanted, naming="hub", place=path, model=record.name)
    else:
        tensors = _read_foreign(path, record, network, _identified(path, record), None)
    network.load_state_dict(tensors, strict=False)  # `aligned` was stricter


@dataclass(frozen=True, slots=True)
class _Source:
    """The digest of a file, and the published file that it matches, if any."""

    sha256: str
    listed: WeightFile | None


def _identified(path: Path, record: Record) -> _Source:
    """Identify a published file by its digest, or by its name if no digest is known.

    Raises:
        DigestError: The file has the name of a published one, but another digest.
    """
    digest = digest_of(path)
    for file in record.weights:
        if file.sha256 is not None and digest.startswith(file.sha256):
            return _Source(digest, file)
    for file in record.weights:
        if file.file == path.name and file.sha256 is not None:
            raise DigestError(
                f"{path} has the SHA-256 {digest}, but {file.file} was published with "
                f"{file.sha256}{'…' if len(file.sha256) < len(digest) else ''}: it is damaged, "
                "truncated or another file; get it again"
            )
        if file.file == path.name:
            return _Source(digest, file)
    return _Source(digest, None)


def _read_foreign(
    path: Path, record: Record, network: nn.Module, source: _Source, naming: str | None
) -> Mapping[str, Tensor]:
    listed = source.listed
    if is_safetensors(path):
        tensors, _ = read_safetensors(path)
    else:
        tensors = read_foreign(path, inside=listed.inside if listed else None)
    wanted = network.state_dict()
    if naming is None:
        naming = listed.naming if listed else _guessed(tensors, wanted, record)
    elif naming not in NAMINGS:
        raise InvalidArgumentError("naming", f"{naming!r:.80} is not one of {', '.join(NAMINGS)}")
    return aligned(tensors, wanted, naming=naming, place=path, model=record.name)


def _guessed(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], record: Record) -> str:
    """Return the naming scheme of an unlisted file: that of the hub or of its family."""
    if wanted.keys() & tensors.keys():
        return "hub"
    families = [file.naming for file in record.weights if file.naming != "hub"]
    return families[0] if families else "hub"


def _missing(record: Record, path: Path, *, downloading: bool) -> str:
    text = f"the weights of {record.name} are missing: {path}. "
    if not record.weights:
        return f"{text}Its record names no file of weights ({record.origin})"
    where = "; or ".join(
        f"{file.file} from {file.url}" if file.url else f"{file.file} of {record.origin}"
        for file in record.weights
    )
    addressed = any(file.url for file in record.weights)
    if downloading:
        text += "The record has no address for a download. "
    hint = "; or try download=True (--download)" if addressed else ""
    return f"{text}Get {where}; then `nbs zoo convert FILE --model {record.name}`{hint}"


def _known_files(record: Record) -> str:
    return ", ".join(
        f"{file.file} ({file.sha256[:_SHOWN_DIGITS]}…)" if file.sha256 else file.file
        for file in record.weights
    )


def download(file: WeightFile, folder: Path, record: Record) -> Path:
    """Return the path of a published file in a folder, after downloading it if it is missing.

    The caller must compare its digest.

    Raises:
        DownloadError: pooch or the network is missing, or the address has no file.
    """
    pooch = _pooch()
    try:
        return Path(pooch.retrieve(file.url, known_hash=None, fname=file.file, path=folder))
    except (OSError, ValueError) as error:  # of requests, and of pooch for invalid addresses
        reason = str(error) if len(str(error)) <= _LONGEST_REASON else type(error).__name__
        convert = f"nbs zoo convert {file.file} --model {record.name}"
        raise DownloadError(
            f"cannot download {file.file} of {record.name} from {file.url}: {reason}. "
            "Is there a network, and does the address still answer? If not, get the file from "
            f"elsewhere ({record.origin}) and run `{convert}`"
        ) from error


def _pooch() -> Any:
    try:
        with needs("generate", "downloading"):
            import pooch  # noqa: PLC0415 - the extra may be missing
    except MissingExtraError as error:
        raise DownloadError(str(error)) from error
    pooch.get_logger().setLevel("WARNING")
    return pooch
