"""Which tensor of a file belongs where in a network."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from model_hub.zoo.errors import CheckpointError, MismatchError
from model_hub.zoo.naming import NAME_TABLES
from model_hub.zoo.supernet import subnet

__all__ = ["aligned"]

_COUNTER: Final = "num_batches_tracked"
"""Counts training steps; older files lack it, and evaluation does without."""

Tensors = Mapping[str, Tensor]


def aligned(source: Tensors, wanted: Tensors, *, naming: str, place: object, model: str) -> Tensors:
    """Return the tensors of a file under the names of a network, in its order.

    Args:
        source: The tensors of the file.
        wanted: The state of the network, for names, order and shapes; the meta device will do.
        naming: How the file names its tensors, see `model_hub.zoo.records.NAMINGS`. "order" goes by
            order and shape alone: each tensor of the network takes the first unused one of its
            shape.
        place: The file, for messages.
        model: The model, for messages.

    Raises:
        MismatchError: A tensor is missing, left over or of another shape.
        CheckpointError: A tensor has values that are no finite numbers.
    """
    if naming == "order":
        found, left_over = _by_order(source, wanted)
    elif naming == "autoformer":
        found, left_over = subnet(source, {n: tuple(t.shape) for n, t in wanted.items()}), []
    else:
        found, left_over = _by_name(source, wanted, naming)
    misshapen = [
        f"{name} ({_shape(tensor)}, not {_shape(wanted[name])})"
        for name, tensor in found.items()
        if tensor.shape != wanted[name].shape
    ]
    missing = [name for name in wanted if name not in found and not name.endswith(_COUNTER)]
    if missing or left_over or misshapen:
        raise MismatchError(place, model, missing=missing, left_over=left_over, misshapen=misshapen)
    _refuse_odd_values(found, wanted, place)
    return {name: found[name] for name in wanted if name in found}


def _by_name(source: Tensors, wanted: Tensors, naming: str) -> tuple[dict[str, Tensor], list[str]]:
    table = NAME_TABLES.get(naming)
    if table is None:
        names: Mapping[str, str | None] = {n: n if n in wanted else None for n in source}
    else:
        names = table.translate(source, list(wanted))
    found: dict[str, Tensor] = {}
    left_over = []
    for name, target in names.items():
        if target is not None and target not in found:
            found[target] = source[name]
        elif not (table and name.startswith(table.unneeded)):
            left_over.append(name)
    return found, left_over


def _by_order(source: Tensors, wanted: Tensors) -> tuple[dict[str, Tensor], list[str]]:
    waiting: defaultdict[tuple[int, ...], deque[str]] = defaultdict(deque)
    for name, tensor in source.items():
        waiting[tuple(tensor.shape)].append(name)
    found = {}
    for name, tensor in wanted.items():
        candidates = waiting[tuple(tensor.shape)]
        if candidates:
            found[name] = source[candidates.popleft()]
    return found, [name for names in waiting.values() for name in names]


def _refuse_odd_values(found: Tensors, wanted: Tensors, place: object) -> None:
    for name, tensor in found.items():
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            raise CheckpointError(f"{place}: {name} has values of {tensor.dtype}")
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{place}: {name} has values that are no finite numbers: training went astray, or "
                "the file is damaged"
            )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
