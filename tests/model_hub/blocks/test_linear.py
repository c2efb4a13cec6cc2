"""The linear layer with a faster generator: the same distribution, the same for a seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model_hub.blocks.layers import Linear
from model_hub.memory import meta_device

WIDE = (700, 900)
"""More weights than are drawn in one part, and no multiple of them."""


def drawn(seed: int) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    return [parameter.detach() for parameter in Linear(*WIDE).parameters()]


def test_weights_are_uniform_within_the_bounds_of_pytorchs_own_layer() -> None:
    torch.manual_seed(0)
    bound = WIDE[0] ** -0.5
    for ours, theirs in zip(drawn(0), nn.Linear(*WIDE).parameters(), strict=True):
        assert ours.shape == theirs.shape
        assert ours.abs().max() <= bound
        assert ours.abs().max() == pytest.approx(bound, rel=0.01)
        assert ours.mean().item() == pytest.approx(0, abs=bound * 5 / ours.numel() ** 0.5)
        # The variance of a uniform distribution of width 2 b is b² / 3.
        assert ours.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_other_precisions_have_the_same_distribution() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        weight = Linear(*WIDE, dtype=dtype).weight.detach().double()
        assert weight.std().item() == pytest.approx((3 * WIDE[0]) ** -0.5, rel=0.01)
        assert weight.abs().max().item() == pytest.approx(WIDE[0] ** -0.5, rel=0.01)


def test_parts_are_not_drawn_alike() -> None:
    weight = drawn(0)[0]
    assert weight.unique().numel() > 0.95 * weight.numel()


def test_a_seed_gives_the_same_weights_again_and_another_seed_others() -> None:
    first = drawn(3)
    assert all(map(torch.equal, first, drawn(3)))
    assert not torch.equal(first[0], drawn(4)[0])


def test_layers_drawn_one_after_the_other_differ() -> None:
    torch.manual_seed(0)
    assert not torch.equal(Linear(*WIDE).weight, Linear(*WIDE).weight)


def test_weights_can_be_trained() -> None:
    layer = Linear(*WIDE)
    layer(torch.ones(2, WIDE[0])).sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_without_numbers_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    with meta_device():
        layer = Linear(*WIDE)
    assert layer.weight.is_meta
    assert torch.equal(torch.get_rng_state(), before)
