"""Losses of cost: values and signs of gradients against the formulas of their papers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from model_hub.errors import InvalidArgumentError, OutputError
from nas_search.oneshot import Hinge, Linear, LogPower, LogProduct, LogRuntime, Square


def slope(loss: Any, expected: float, entropy: float = 2.0) -> float:
    cost = torch.tensor(expected, dtype=torch.float64, requires_grad=True)
    loss(torch.tensor(entropy, dtype=torch.float64), cost).backward()
    assert cost.grad is not None
    return float(cost.grad)


def value(loss: Any, expected: float, entropy: float = 2.0) -> float:
    return float(loss(torch.tensor(entropy).double(), torch.tensor(expected).double()))


FORMULAS: list[tuple[Any, Callable[[float, float], float]]] = [
    (Square(0.005, 30.0), lambda ce, e: ce + 0.005 * (e - 30) ** 2),
    (Hinge(0.3, 30.0), lambda ce, e: ce + 0.3 * max(0, e / 30 - 1)),
    (Linear(30.0), lambda ce, e: ce + 0.1 * (e - 30) / 30),
    (LogPower(30.0), lambda ce, e: 0.2 * ce * (math.log(e) / math.log(30)) ** 0.3),
    (LogProduct(), lambda ce, e: 0.2 * ce * math.log(e) ** 0.6),
    (LogRuntime(0.02), lambda ce, e: ce + 0.02 * math.log(e)),
]


@pytest.mark.parametrize(("loss", "formula"), FORMULAS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("expected", [2.0, 20.0, 45.0])
def test_a_loss_is_its_formula(
    loss: Any, formula: Callable[[float, float], float], expected: float
) -> None:
    assert value(loss, expected) == pytest.approx(formula(2.0, expected), rel=1e-12)


@pytest.mark.parametrize("loss", [one for one, _ in FORMULAS], ids=lambda one: type(one).__name__)
def test_above_the_target_every_loss_asks_for_less(loss: Any) -> None:
    assert slope(loss, 45.0) > 0


def test_at_and_below_the_target_each_loss_pulls_its_own_way() -> None:
    square, hinge, linear = Square(0.005, 30.0), Hinge(0.3, 30.0), Linear(30.0)
    assert slope(square, 30.0) == 0
    assert slope(square, 20.0) < 0
    assert slope(hinge, 20.0) == 0
    assert slope(linear, 20.0) == slope(linear, 45.0) == pytest.approx(0.1 / 30)
    # These have no zero: they always ask for less.
    assert all(slope(one, 20.0) > 0 for one in (LogPower(30.0), LogProduct(), LogRuntime(0.02)))


def test_the_cross_entropy_keeps_its_gradient() -> None:
    for loss, _ in FORMULAS:
        entropy = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        loss(entropy, torch.tensor(20.0).double()).backward()
        assert entropy.grad is not None
        assert entropy.grad > 0


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Square(0.005, 0.0), "target"),
        (lambda: Square(-0.005, 1.0), "weight"),
        (lambda: Hinge(0.1, -1.0), "target"),
        (lambda: Hinge(-0.1, 1.0), "weight"),
        (lambda: Linear(0), "target"),
        (lambda: Linear(1.0, lam=-0.1), "lam"),
        (lambda: LogPower(1.0), "target"),
        (lambda: LogPower(2.0, beta=-1), "beta"),
        (lambda: LogProduct(alpha=-1), "alpha"),
        (lambda: LogRuntime(-0.1), "lam"),
        (lambda: LogRuntime(float("nan")), "lam"),
        (lambda: Linear("30"), "target"),  # type: ignore[arg-type]
        (lambda: Linear(float("inf")), "target"),
    ],
)
def test_targets_of_zero_and_negative_factors_are_refused(
    make: Callable[[], Any], argument: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=argument):
        make()


def test_costs_without_a_positive_logarithm_are_refused() -> None:
    for loss in (LogPower(30.0), LogProduct()):
        with pytest.raises(OutputError, match="choose a smaller unit"):
            value(loss, 1.0)
    with pytest.raises(OutputError, match="no logarithm"):
        value(LogRuntime(1.0), 0.0)


def test_settings_name_a_loss_and_its_arguments() -> None:
    assert LogPower(30.0).settings == {
        "name": "LogPower",
        "target": 30.0,
        "alpha": 0.2,
        "beta": 0.3,
    }
