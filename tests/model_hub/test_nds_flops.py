"""How NDS counts: by hand, for a network small enough."""

from __future__ import annotations

from torch import nn

from model_hub.counting import profile
from model_hub.nds_flops import nds_flops


def test_a_norm_counts_five_an_element_and_a_linear_layer_its_biases() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 25, 7),
    )
    expected = 3 * 4 * 9 * 25 + 5 * 4 * 25 + 100 * 7 + 7
    assert nds_flops(profile(network, (3, 5, 5))) == expected


def test_a_linear_layer_without_biases_counts_its_weights_only() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 7, bias=False))
    assert nds_flops(profile(network, (3, 2, 2))) == 84
