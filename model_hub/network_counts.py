"""Counts of a network by the formula of its space, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NetworkCounts"]


@dataclass(frozen=True, slots=True)
class NetworkCounts:
    """The counts of a network for one input.

    The conventions are those of `model_hub.counting`, which counts networks that have been built.

    Args:
        parameters: Number of parameters, without buffers.
        macs: Multiply-adds of convolutions and linear layers.
        activations: Number of outputs of convolutions and linear layers (Radosavovic et al. 2020,
            arXiv:2003.13678).
    """

    parameters: int
    macs: int
    activations: int

    def __add__(self, other: NetworkCounts) -> NetworkCounts:
        return NetworkCounts(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.activations + other.activations,
        )

    def times(self, number: int) -> NetworkCounts:
        """Return the counts of several equal parts."""
        return NetworkCounts(
            number * self.parameters, number * self.macs, number * self.activations
        )

    @classmethod
    def convolution(
        cls, inputs: int, outputs: int, kernel: int, side: int, *, norm: bool = False
    ) -> NetworkCounts:
        """Return the counts of a convolution without bias.

        Args:
            inputs: Number of input channels.
            outputs: Number of output channels.
            kernel: Height and width of the kernel.
            side: Height and width of the output.
            norm: Whether to add a batch norm, which has two parameters per channel.
        """
        weights, places = kernel * kernel * inputs * outputs, side * side
        return cls(weights + 2 * outputs * norm, weights * places, outputs * places)
