"""Layers that several spaces share: stochastic depth, self-attention, linear, embedding."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

__all__ = ["DropPath", "Linear", "SelfAttention", "embedding"]

_FEW: Final = 1 << 16
"""Fewer numbers than this are drawn by PyTorch: another generator would not be faster."""
_PART: Final = 1 << 17
"""Numbers drawn and scaled at a time, so that they stay in the processor's cache."""
_SEEDS: Final = 2**63 - 1
_RAW_BYTES: Final = 8
_INTEGERS: Final[dict[torch.dtype, Any]] = {torch.float32: np.int32, torch.float64: np.int64}
"""Integers with as many bytes as a number of each type."""


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


class Linear(nn.Linear):
    """`nn.Linear`, initialised from the same distribution, many weights in less time.

    Weights and biases are uniform within 1 / sqrt(in_features) of 0, as `nn.Linear` draws them.
    PyTorch's generator takes 3 ns for a number: a sixth of a second for the 54 million of the
    largest AutoFormer. On a processor large layers are drawn by SFC64, which takes less than half
    of that and whose seed comes from PyTorch's global generator.
    """

    def reset_parameters(self) -> None:
        """Draw weights and biases anew."""
        bound = self.in_features**-0.5
        for parameter in self.parameters():
            _draw(parameter.detach(), bound)


def _draw(tensor: Tensor, bound: float) -> None:
    integers = _INTEGERS.get(tensor.dtype)
    if tensor.device.type != "cpu" or tensor.numel() < _FEW or integers is None:
        tensor.uniform_(-bound, bound)
        return
    generator = np.random.SFC64(int(torch.randint(_SEEDS, (), device="cpu")))
    numbers = tensor.view(-1).numpy()
    # Every integer of the width is as likely: they are uniform around 0 as they are.
    scale = -bound / np.iinfo(integers).min
    for start in range(0, len(numbers), _PART):
        part = numbers[start : start + _PART]
        raw = generator.random_raw(-(-part.nbytes // _RAW_BYTES))
        part[:] = raw.view(integers)[: len(part)]
        part *= scale


class SelfAttention(nn.Module):
    """Self-attention whose heads share the width.

    Its projections are layers, so that they count. Weights are drawn by Xavier's rule.

    Args:
        width: Of the tokens; a multiple of `num_heads`.
        num_heads: Heads.
        bias: Whether the four projections have biases.
        dropout_rate: Of the attention.
    """

    def __init__(
        self, width: int, num_heads: int, *, bias: bool = True, dropout_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.q = nn.Linear(width, width, bias=bias)
        self.k = nn.Linear(width, width, bias=bias)
        self.v = nn.Linear(width, width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Attend among the tokens of each sequence that are no padding.

        Args:
            x: Tokens (batch, tokens, width).
            padding: True where a token is padding, (batch, tokens).
        """
        queries, keys, values = (self._heads(project(x)) for project in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=~padding[:, None, None],
            dropout_p=self.dropout_rate if self.training else 0.0,
        )
        projected: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return projected

    def product_macs(self, num_tokens: int) -> int:
        """Return the multiply-adds of products of two activations, which no layer shows."""
        return 2 * num_tokens**2 * self.q.out_features

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


def embedding(size: int, width: int, *, padding_id: int, std: float) -> nn.Embedding:
    """Return vectors of a normal distribution, but for that of padding, which is 0."""
    made = nn.Embedding(size, width, padding_idx=padding_id)
    nn.init.normal_(made.weight, std=std)
    nn.init.zeros_(made.weight[padding_id])
    return made
