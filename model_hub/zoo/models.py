"""Searched models: their networks, with the weights that were published.

Each function takes a model by its name or by its record.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from missing_extra import needs
from model_hub.errors import InvalidArgumentError, ModelHubError, RecordError
from model_hub.spaces import space
from model_hub.zoo.records import Record, record

if TYPE_CHECKING:
    from torch import nn

    from model_hub.counting import Profile

__all__ = ["build", "convert", "load", "profile"]


def load(
    model: str | Record,
    *,
    pretrained: bool = True,
    download: bool = False,
    checkpoint: Path | str | None = None,
) -> nn.Module:
    """Return the network of a searched model.

    Args:
        model: Its name, see `names`, or its record.
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
    found = _recorded(model)
    network = build(found)
    if not pretrained:
        return network
    with needs("hub", "reading weights"):
        from model_hub.zoo import weights  # noqa: PLC0415 - records need no PyTorch

    if checkpoint is None:
        path = weights.find_weights(found, network, downloading=download)
    else:
        path = Path(checkpoint)
    weights.fill(network, found, path)
    return network.eval()


def convert(
    file: Path | str,
    model: str | Record,
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
        model: The model it is for: its name, see `names`, or its record.
        out: Where to write; by default where `load` looks.
        naming: How the file names its tensors, instead of what the record says: "hub", the name of
            a family, or "order" to go by order and shape alone.
        unlisted: Take a file that is none of the published ones.

    Raises:
        UnknownNameError: There is no such model; the message offers the nearest.
        CheckpointError: The file cannot be used.
        OSError: A file cannot be read or written.
    """
    found = _recorded(model)
    with needs("hub", "reading weights"):
        from model_hub.zoo import weights  # noqa: PLC0415 - records need no PyTorch

    return weights.convert_weights(
        Path(file),
        found,
        _outline(found),
        out=None if out is None else Path(out),
        naming=naming,
        unlisted=unlisted,
    )


def build(model: str | Record) -> nn.Module:
    """Return the network of a searched model, freshly initialised, in training mode.

    Its attribute `input_shape` is that of the images of its protocol.

    Args:
        model: Its name, see `names`, or its record.

    Raises:
        UnknownNameError: There is no such model; the message offers the nearest.
        RecordError: Space, arguments or architecture are not what they must be.
    """
    found = _recorded(model)
    try:
        network = space(found.space, **found.arguments).freeze(found.architecture)
    except ModelHubError as error:
        raise RecordError(f"the record of {found.name}: {error}") from error
    for place, value in found.residual.items():
        _set_residual(network, found, place, value)
    network.input_shape = found.protocol.input_shape  # type: ignore[assignment]  # a tuple
    return network


def profile(model: str | Record) -> Profile:
    """Count the network of a searched model on an image of its protocol, without its weights.

    Arguments and errors are those of `build`.
    """
    with needs("hub", "counting a network"):
        from model_hub.counting import profile as counted  # noqa: PLC0415 - records need no PyTorch

    found = _recorded(model)
    return counted(_outline(found), found.protocol.input_shape)


def _recorded(model: str | Record) -> Record:
    return model if isinstance(model, Record) else record(model)


def _outline(model: Record) -> nn.Module:
    """Return the network without numbers."""
    with needs("hub", "a network"):
        from model_hub.memory import META  # noqa: PLC0415 - records need no PyTorch

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
