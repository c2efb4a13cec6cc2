"""Reader of rows of the NATS-Bench size space and of NATS-Bench's network configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from model_hub.errors import InvalidArgumentError, InvalidSampleError, shown
from model_hub.rows.nasbench201 import DATASETS, topology
from model_hub.rows.reading import Asked, Located, RowReader, agreed, field
from model_hub.spaces.natssss import NatsSss

__all__ = ["NATSSSS"]


_SIZE_SPACE_CELL: Final = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)


def _natssss(config: object, asked: Asked) -> Located:
    names: tuple[str, ...] = ("arch", "arch_str", "channels")
    if field(config, "channels") is not None:
        # With channels, the other fields describe the cell, which all networks share.
        names = ("channels",)
        cell = agreed(config, ("genotype", "arch_str"), topology, wanted=False)
        if cell and cell != topology(_SIZE_SPACE_CELL):
            raise InvalidArgumentError("genotype", f"all cells of natssss are {_SIZE_SPACE_CELL}")
    space = NatsSss(num_labels=asked.data_set.num_labels, image_size=asked.data_set.image_size)
    return space, agreed(config, names, _sizes)


def _sizes(arch: object) -> dict[str, Any]:
    """Return the sample of a size-space architecture given as string or numbers."""
    widths = _numbers(arch) if isinstance(arch, str) else arch
    if not isinstance(widths, Sequence):
        raise InvalidArgumentError("arch", f"{shown(arch)} is neither c:c:c:c:c nor a list")
    return {f"channels_{layer}": width for layer, width in enumerate(widths)}


def _numbers(text: str) -> list[int]:
    parts = text.strip().split(":")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise InvalidSampleError(None, f"{shown(text)} is not numbers of channels c:c:c:c:c")
    return [int(part) for part in parts]


NATSSSS: Final = RowReader(
    benchmark="natssss",
    datasets=DATASETS,
    fields=frozenset(
        {
            *("arch", "arch_str", "channels", "class_num", "dataset", "genotype", "index"),
            *("name", "num_classes", "num_epochs"),
        }
    ),
    read=_natssss,
    name="infer.shape.tiny",
)
