"""Initialisations that several spaces share, by the rule and not by the place of a layer."""

from __future__ import annotations

from math import prod, sqrt
from typing import Final

from torch import nn

__all__ = ["initialize_mobile"]

_LINEAR_STD: Final = 0.01


def initialize_mobile(network: nn.Module) -> None:
    """Draw the weights of a mobile network (the specification, section 2.7).

    Convolutions from a normal distribution of variance 2 / (kernel area x output channels), which
    is He's fan-out without regard to groups; linear weights of standard deviation 0.01 and biases
    0; biases of convolutions and norms stay PyTorch's.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = prod(module.kernel_size) * module.out_channels
            nn.init.normal_(module.weight, std=sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=_LINEAR_STD)
            nn.init.zeros_(module.bias)
