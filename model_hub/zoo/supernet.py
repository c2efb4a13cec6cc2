"""Cutting a searched network out of the published AutoFormer supernets (microsoft/Cream, MIT).

The supernet stores every tensor at its largest size, and a subnet uses the beginning of each. Two
things are peculiar: the rows of the joint weight of queries, keys and values alternate between the
three, while those of its bias do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from torch import Tensor

__all__ = ["subnet"]

_JOINT: Final = ("q", "k", "v")
_RENAMED: Final = {
    "patch_embed": "patch_embed_super.proj",
    "cls_token.cls_token": "cls_token",
    "pos_embed.pos_embed": "pos_embed",
}


def subnet(
    supernet: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """Return the tensors of a subnet under the hub's names, as far as the supernet has them.

    Args:
        supernet: Its tensors under the authors' names.
        shapes: The shape of each tensor of the subnet, by its name in the hub.
    """
    found = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        parent, _, part = module.rpartition(".")
        if part in _JOINT and f"{parent}.qkv.{kind}" in supernet:
            joint = supernet[f"{parent}.qkv.{kind}"]
            found[name] = _cut(_share(joint, _JOINT.index(part), shape), shape)
        else:
            source = _RENAMED.get(name) or f"{_RENAMED.get(module, module)}.{kind}"
            if source in supernet:
                found[name] = _cut(supernet[source], shape)
    return found


def _share(joint: Tensor, rank: int, shape: Sequence[int]) -> Tensor:
    """Return the rows of the queries, keys or values."""
    if joint.dim() == 1:
        return joint[rank * shape[0] :]
    return joint[rank::3]


def _cut(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the beginning along each dimension; less where there is less."""
    if tensor.dim() != len(shape):
        return tensor
    return tensor[tuple(slice(length) for length in shape)]
