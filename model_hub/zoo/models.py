"""Searched models: their networks, with the weights that were published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from model_hub.errors import InvalidArgumentError, ModelHubError
from model_hub.registry import space
from model_hub.zoo.errors import RecordError
from model_hub.zoo.records import Record, record

if TYPE_CHECKING:
    from torch import nn

    from model_hub.counting import Profile

__all__ = ["build", "convert", "load", "profile"]


def load(
    name: str,
    *,
    pretrained: bool = True,
    download: bool = False,
    checkpoint: Path | str | None = None,
) -> nn.Module:
    """Return the network of a searched model.

    Args:
        name: Its name, see `names`.
        pretrained: With the published weights, in evaluation mode; else freshly initialised, in
            training mode.
        download: Download and convert the weights if they are not there.
        checkpoint: A file of weights instead: one that `convert` wrote, or one of the published
            ones, or one of your own that has the names of either.

    Raises:
        UnknownNameError: There is no such model; the message offers the nearest.
        MissingWeightsError: Its weights are not there; the message says what to do.
        CheckpointError: A file of weights cannot be used.
        DownloadError: The weights cannot be downloaded.
        OSError: A file cannot be read or written.
    """
    if checkpoint is not None and not pretrained:
        raise InvalidArgumentError("checkpoint", "a file of weights is given, but pretrained=False")
    found = record(name)
    network = build(found)
    if not pretrained:
        return network
    from model_hub.zoo import weights  # noqa: PLC0415 - records need no PyTorch

    if checkpoint is None:
        path = weights.find_weights(found, network, downloading=download)
    else:
        path = Path(checkpoint)
    weights.fill(network, found, path)
    return network.eval()


def convert(
    file: Path | str,
    name: str,
    *,
    out: Path | str | None = None,
    naming: str | None = None,
    unlisted: bool = False,
) -> Path:
    """Convert a published file of weights into the hub's form, once; return where it lies.

    The file is read without running what it may carry, its digest is compared with the published
    one, and every tensor must have its place.

    Args:
        file: What was published.
        name: The model it is for.
        out: Where to write; by default where `load` looks.
        naming: How the file names its tensors, instead of what the record says: "hub", the name of
            a family, or "order" to go by order and shape alone.
        unlisted: Take a file that is none of the published ones.

    Raises:
        UnknownNameError: There is no such model; the message offers the nearest.
        CheckpointError: The file cannot be used.
        OSError: A file cannot be read or written.
    """
    found = record(name)
    from model_hub.zoo import weights  # noqa: PLC0415 - records need no PyTorch

    return weights.convert_weights(
        Path(file),
        found,
        _outline(found),
        out=None if out is None else Path(out),
        naming=naming,
        unlisted=unlisted,
    )


def build(model: Record) -> nn.Module:
    """Return the network of a record, freshly initialised.

    Raises:
        RecordError: Space, arguments or architecture are not what they must be.
    """
    try:
        network = space(model.space, **model.arguments).freeze(model.architecture)
    except ModelHubError as error:
        raise RecordError(f"the record of {model.name}: {error}") from error
    for place, value in model.residual.items():
        _set_residual(network, model, place, value)
    return network


def profile(model: Record) -> Profile:
    """Count the network of a record on an image of its protocol, without making its weights."""
    from model_hub.counting import profile as counted  # noqa: PLC0415 - records need no PyTorch

    size = model.protocol.input_size
    return counted(_outline(model), (3, size, size))


def _outline(model: Record) -> nn.Module:
    """Return the network without numbers."""
    from model_hub.weightless import META  # noqa: PLC0415 - records need no PyTorch

    with META:
        return build(model)


def _set_residual(network: nn.Module, model: Record, place: str, value: object) -> None:
    """State for one block whether it adds its input."""
    blocks = dict(network.named_modules())
    if not isinstance(getattr(blocks.get(place), "residual", None), bool):
        raise RecordError(f"the record of {model.name}: {place!r:.80} is no block with a residual")
    if not isinstance(value, bool):
        raise RecordError(f"the record of {model.name}: residual {place} is not true or false")
    blocks[place].residual = value
