"""Stochastic depth (Huang et al. 2016, arXiv:1603.09382)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DropPath"]


class DropPath(nn.Module):
    """Zeroes a whole branch of some inputs in training, and scales the others to make up for it.

    Args:
        rate: Probability that an input of the batch loses the branch.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Drop the branch (batch, ...) of each input independently; do nothing in evaluation."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(x.shape[0], *(1,) * (x.dim() - 1), device=x.device) >= self.rate
        # Where everything is dropped the scale does not matter, but must not be infinite.
        return x * kept / max(1 - self.rate, torch.finfo(x.dtype).tiny)

    def extra_repr(self) -> str:
        """Return the rate."""
        return f"rate={self.rate}"
