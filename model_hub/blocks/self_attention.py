"""Multi-head self-attention of sequences with padding (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

__all__ = ["SelfAttention"]


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
