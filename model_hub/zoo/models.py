"""Networks of searched models, with their published weights.

Each function takes the name or the record of a model.
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
        model: Name, see `names`, or record of the model.
        pretrained: Load the published weights, in evaluation mode; otherwise return a freshly
            initialised network, in training mode.
        download: Download and convert missing weights.
        checkpoint: Another file of weights, converted or published or with the names of either.

    Raises:
        UnknownNameError: The name is unknown; the message suggests the nearest.
        MissingWeightsError: The weights are missing; the message says what to do.
        CheckpointError: A file of weights is unusable.
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
        from model_hub.zoo import weights  # noqa: PLC0415 - records work without PyTorch

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
    """Convert a published file of weights to the hub's format and return the new path.

    No code in the file is run, its digest is compared with the published one, and every tensor must
    match a tensor of the network.

    Args:
        file: The published file.
        model: Name, see `names`, or record of its model.
        out: File to write; by default the one that `load` reads.
        naming: Naming scheme of the tensors, instead of that of the record: "hub", the name of a
            family, or "order" to match by order and shape.
        unlisted: Accept a file that is not one of the published ones.

    Raises:
        UnknownNameError: The name is unknown; the message suggests the nearest.
        CheckpointError: The file is unusable.
        OSError: A file cannot be read or written.
    """
    found = _recorded(model)
    with needs("hub", "reading weights"):
        from model_hub.zoo import weights  # noqa: PLC0415 - records work without PyTorch

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

    Its attribute `input_shape` is the image shape of the protocol.

    Args:
        model: Name, see `names`, or record of the model.

    Raises:
        UnknownNameError: The name is unknown; the message suggests the nearest.
        RecordError: The space, the arguments or the architecture are invalid.
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
        from model_hub.counting import profile as counted  # noqa: PLC0415 - records work without PyTorch

    found = _recorded(model)
    return counted(_outline(found), found.protocol.input_shape)


def _recorded(model: str | Record) -> Record:
    return model if isinstance(model, Record) else record(model)


def _outline(model: Record) -> nn.Module:
    """Return the network on the meta device."""
    with needs("hub", "a network"):
        from model_hub.memory import META  # noqa: PLC0415 - records work without PyTorch

    with META:
        return build(model)


def _set_residual(network: nn.Module, model: Record, place: str, value: object) -> None:
    """Set whether a block has a residual connection."""
    blocks = dict(network.named_modules())
    if not isinstance(getattr(blocks.get(place), "residual", None), bool):
        raise RecordError(f"the record of {model.name}: {place!r:.80} is no residual block")
    if not isinstance(value, bool):
        raise RecordError(f"the record of {model.name}: residual {place} is not true or false")
    blocks[place].residual = value
