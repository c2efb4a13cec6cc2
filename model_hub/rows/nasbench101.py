"""Reader of NAS-Bench-101 rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_hub.cells import CONV1X1, CONV3X3, MAXPOOL3X3
from model_hub.rows.reading import Asked, Located, RowReader, needed, of_images
from model_hub.spaces.nasbench101 import NasBench101

__all__ = ["NASBENCH101"]


_NASBENCH101_OPERATIONS: Final = {
    "conv3x3": CONV3X3,
    "conv1x1": CONV1X1,
    "maxpool": MAXPOOL3X3,
}
"""Operation names of the space, by those in rows."""


def _nasbench101(config: object, asked: Asked) -> Located:
    arch = needed(config, "arch", Mapping)
    sample: dict[str, Any] = {
        "cell/num_nodes": 1 + sum(str(key).startswith("input") for key in arch)
    }
    for key, value in arch.items():
        named = isinstance(value, str)
        sample[f"cell/{key}"] = _NASBENCH101_OPERATIONS.get(value, value) if named else value
    return NasBench101(**of_images(asked)), sample


NASBENCH101: Final = RowReader(
    benchmark="nasbench101",
    datasets=("cifar10",),
    fields=frozenset(
        {"arch", "dataset", "hash", "num_epochs", "num_vertices", "trainable_parameters"}
    ),
    read=_nasbench101,
)
