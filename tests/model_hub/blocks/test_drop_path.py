"""Stochastic depth: what is dropped, what is kept, and by how much it is scaled."""

from __future__ import annotations

import pytest
import torch

from model_hub.blocks.layers import DropPath


def test_a_branch_is_dropped_whole_or_scaled() -> None:
    torch.manual_seed(0)
    dropped = DropPath(0.25)(torch.ones(4000, 2, 3))
    rows = dropped.flatten(1)
    assert (rows == rows[:, :1]).all()
    assert rows[:, 0].unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)


def test_evaluation_and_rate_0_change_nothing() -> None:
    x = torch.randn(4, 2)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0)(x) is x


def test_rate_1_leaves_nothing() -> None:
    assert not DropPath(1.0)(torch.randn(64, 2)).any()


def test_it_says_its_rate() -> None:
    assert str(DropPath(0.1)) == "DropPath(rate=0.1)"
