"""How the rows of NDS count the cost of their networks."""

from __future__ import annotations

from math import prod
from typing import Final

from model_hub.counting import Profile

__all__ = ["nds_flops"]

_PER_NORM_OUTPUT: Final = 5
"""Operations of a batch norm, an element of its output."""


def nds_flops(profile: Profile) -> int:
    """Return the `flops` of a network as NDS records them for plain and residual networks.

    Multiply-adds of convolutions and linear layers, the biases of the latter, and five for each
    element that a batch norm gives out (the specification, raw formats, section 3). Networks of
    cells are recorded by another convention, which is not known.
    """
    biases = sum(
        layer.parameters - layer.macs
        for layer in profile.layers
        if layer.kind == "Linear" and layer.macs
    )
    norms = sum(
        prod(layer.output_shape or (0,)) for layer in profile.layers if layer.kind == "BatchNorm2d"
    )
    return profile.macs + biases + _PER_NORM_OUTPUT * norms
