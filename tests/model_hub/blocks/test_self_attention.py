"""Self-attention against PyTorch's own, and padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model_hub.blocks.layers import SelfAttention
from model_hub.counting import profile


def test_it_is_the_attention_of_pytorch() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(24, 3).double().eval()
    reference = nn.MultiheadAttention(24, 3, batch_first=True).double().eval()
    projections = (attention.q, attention.k, attention.v)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([layer.weight for layer in projections]))
        reference.in_proj_bias.normal_()
        for layer, bias in zip(projections, reference.in_proj_bias.chunk(3), strict=True):
            layer.bias.copy_(bias)
        reference.out_proj.load_state_dict(attention.out.state_dict())
    x = torch.randn(2, 7, 24, dtype=torch.float64)
    padding = torch.arange(7).expand(2, 7) >= torch.tensor([[4], [7]])
    expected, _ = reference(x, x, x, key_padding_mask=padding, need_weights=False)
    torch.testing.assert_close(attention(x, padding)[~padding], expected[~padding])


@pytest.mark.parametrize(("bias", "parameters"), [(True, 4 * 16 * 17), (False, 4 * 16 * 16)])
def test_biases_are_zero_or_absent(bias: bool, parameters: int) -> None:  # noqa: FBT001
    attention = SelfAttention(16, 2, bias=bias)
    assert sum(parameter.numel() for parameter in attention.parameters()) == parameters
    biases = [p for name, p in attention.named_parameters() if name.endswith("bias")]
    assert len(biases) == 4 * bias
    assert not any(drawn.any() for drawn in biases)


def test_projections_count_and_products_are_told_apart() -> None:
    class Unpadded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = SelfAttention(16, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.attention(x, torch.zeros(x.shape[:2], dtype=torch.bool))
            return y

    with torch.device("meta"):
        network = Unpadded()
        assert profile(network, (5, 16)).macs == 5 * 4 * 16 * 16
    assert network.attention.product_macs(5) == 2 * 5 * 5 * 16


def test_attention_is_dropped_in_training_only() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16, 2, dropout_rate=0.5)
    x, padding = torch.randn(1, 9, 16), torch.zeros(1, 9, dtype=torch.bool)
    assert not torch.equal(attention(x, padding), attention(x, padding))
    attention.eval()
    assert torch.equal(attention(x, padding), attention(x, padding))
