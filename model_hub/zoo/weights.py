"""The weights of a searched model: found, downloaded, converted, put into its network."""

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
"""Characters; without a network, the error describes every attempt."""


def find_weights(record: Record, outline: nn.Module, *, downloading: bool) -> Path:
    """Return the hub's file of the weights of a model.

    Args:
        record: The model.
        outline: Its network; the meta device will do.
        downloading: Download and convert the weights if they are not there.

    Raises:
        MissingWeightsError: They are not there; the message says what to do.
        DownloadError: They cannot be downloaded.
        CheckpointError: What came cannot be used.
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
        came.unlink()  # so that another try downloads it anew
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
    """Write the weights of a published file as the hub keeps them, and return where.

    What is known of them is written beside them: model, file, digest, licence, origin, protocol.

    Args:
        source: What was published.
        record: The model.
        outline: Its network; the meta device will do.
        out: The file to write; by default where the weights of the model belong.
        naming: How the file names its tensors, instead of what the record says.
        unlisted: Take a file that is none of the published ones.

    Raises:
        DigestError: It is none of the published files.
        CheckpointError: It cannot be used.
        OSError: A file cannot be read or written.
    """
    published = _identified(source, record)
    if published.listed is None and not unlisted:
        raise DigestError(
            f"{source} (SHA-256 {published.sha256}) is none of the published files of "
            f"{record.name}: {_known_files(record)}. To take it all the same: --unlisted"
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
    """Put the weights of a file into a network.

    Args:
        network: Of the model.
        record: The model.
        path: A file of the hub's own, or one that `torch.save` wrote.

    Raises:
        CheckpointError: It cannot be used.
        OSError: It cannot be read.
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
    """A file, and which of the published ones it is, if any."""

    sha256: str
    listed: WeightFile | None


def _identified(path: Path, record: Record) -> _Source:
    """Return which published file this is, by its digest, or its name where no digest is known.

    Raises:
        DigestError: It has the name of a published file, and another digest.
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
                "truncated or another file; get it anew"
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
    """Return how an unlisted file names its tensors: as the hub or as its family does."""
    if wanted.keys() & tensors.keys():
        return "hub"
    families = [file.naming for file in record.weights if file.naming != "hub"]
    return families[0] if families else "hub"


def _missing(record: Record, path: Path, *, downloading: bool) -> str:
    text = f"the weights of {record.name} are not there: {path}. "
    if not record.weights:
        return f"{text}Its record names no file of weights ({record.origin})"
    where = "; or ".join(
        f"{file.file} from {file.url}" if file.url else f"{file.file} of {record.origin}"
        for file in record.weights
    )
    addressed = any(file.url for file in record.weights)
    if downloading:
        text += "No address to download them from is recorded. "
    hint = "; or try download=True (--download)" if addressed else ""
    return f"{text}Get {where}; then `nbs zoo convert FILE --model {record.name}`{hint}"


def _known_files(record: Record) -> str:
    return ", ".join(
        f"{file.file} ({file.sha256[:_SHOWN_DIGITS]}…)" if file.sha256 else file.file
        for file in record.weights
    )


def download(file: WeightFile, folder: Path, record: Record) -> Path:
    """Return the published file in a folder, downloaded unless it is there.

    Its digest is for the caller to compare.

    Raises:
        DownloadError: pooch is missing, there is no network, or the address gives no file.
    """
    pooch = _pooch()
    try:
        return Path(pooch.retrieve(file.url, known_hash=None, fname=file.file, path=folder))
    except (OSError, ValueError) as error:  # of requests, and of pooch for odd addresses
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
