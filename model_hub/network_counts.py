"""What a network costs, counted by the formula of its space, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NetworkCounts"]


@dataclass(frozen=True, slots=True)
class NetworkCounts:
    """The size of a network on one input.

    Conventions are those of `model_hub.counting`, which counts a network that was built.

    Args:
        parameters: All parameters, no buffers.
        macs: Multiply-adds of convolutions and linear layers.
        activations: Numbers in the results of convolutions and linear layers (Radosavovic et al.
            2020, arXiv:2003.13678).
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
            inputs: Channels.
            outputs: Channels.
            kernel: Its height and width.
            side: Height and width of its result.
            norm: Whether a batch norm follows, which has two parameters a channel.
        """
        weights, places = kernel * kernel * inputs * outputs, side * side
        return cls(weights + 2 * outputs * norm, weights * places, outputs * places)
