"""Losses that combine cross-entropy and expected cost, for differentiable search.

Each takes the cross-entropy CE and the expected cost E from `CostTable.expected`, and returns the
loss to minimise. Targets T are in the unit of the table. The losses differ in the cost at which
they aim and in their strength; none suits all searches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import inf, log
from typing import Any, ClassVar, Final, Protocol

import torch
from torch import Tensor

from model_hub.errors import InvalidArgumentError, OutputError, shown

__all__ = [
    "CostLoss",
    "Hinge",
    "Linear",
    "LogPower",
    "LogProduct",
    "LogRuntime",
    "Square",
]

_MOST: Final = 1e12


class CostLoss(Protocol):
    """Combines a loss and an expected cost."""

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        ...

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the combined loss, differentiable in both arguments."""
        ...


class _Named:
    """Base of the losses: settings by name, and checks that arguments are not negative."""

    above: ClassVar[float] = 0
    """The number that a target has to exceed."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # of each loss
            value = getattr(self, field.name)
            if field.name == "target":
                _check(field.name, value, above=self.above)
            else:
                _check(field.name, value, least=0)

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        return {"name": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Square(_Named):
    """CE + w (E - T)²: penalises costs on both sides of the target (corrected OSNASLib).

    It was published in OneShot_NAS_example, later OSNASLib, with w = 0.005 and costs in millions of
    multiply-adds: make the table with `unit=1e6`. The published code used the cost of raw alphas;
    this uses that of probabilities.

    Raises:
        InvalidArgumentError: The weight is below 0, or the target not above 0.
    """

    weight: float
    target: float

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the sum of both."""
        return loss + self.weight * (expected - self.target) ** 2


@dataclass(frozen=True)
class Hinge(_Named):
    """CE + w max(0, E / T - 1): no penalty below the target.

    Raises:
        InvalidArgumentError: The weight is below 0, or the target not above 0.
    """

    weight: float
    target: float

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the sum of both."""
        return loss + self.weight * torch.relu(expected / self.target - 1)


@dataclass(frozen=True)
class Linear(_Named):
    """CE + lambda (E - T) / T: a constant slope (code of ProxylessNAS, arXiv:1812.00332).

    Raises:
        InvalidArgumentError: lambda is below 0, or the target not above 0.
    """

    target: float
    lam: float = 0.1

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the sum of both."""
        return loss + self.lam * (expected - self.target) / self.target


@dataclass(frozen=True)
class LogPower(_Named):
    """alpha CE (log E / log T)^beta (code of ProxylessNAS). Costs have to be above 1.

    Raises:
        InvalidArgumentError: alpha or beta is below 0, or the target not above 1 (log 1 is 0).
    """

    target: float
    alpha: float = 0.2
    beta: float = 0.3

    above = 1

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the product.

        Raises:
            OutputError: The expected cost is not above 1.
        """
        return self.alpha * loss * (_logarithm(expected) / log(self.target)) ** self.beta


@dataclass(frozen=True)
class LogProduct(_Named):
    """alpha CE (log E)^beta (FBNet, arXiv:1812.03443). Costs have to be above 1.

    Raises:
        InvalidArgumentError: alpha or beta is below 0.
    """

    alpha: float = 0.2
    beta: float = 0.6

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the product.

        Raises:
            OutputError: The expected cost is not above 1.
        """
        return self.alpha * loss * _logarithm(expected) ** self.beta


@dataclass(frozen=True)
class LogRuntime(_Named):
    """CE + lambda log E (Single-Path NAS, arXiv:1904.02877; its code scales lambda by 1,000).

    Raises:
        InvalidArgumentError: lambda is below 0.
    """

    lam: float

    def __call__(self, loss: Tensor, expected: Tensor, /) -> Tensor:
        """Return the sum of both.

        Raises:
            OutputError: The expected cost is not above 0.
        """
        if not float(expected.detach()) > 0:
            raise OutputError(f"an expected cost of {float(expected.detach()):g} has no logarithm")
        return loss + self.lam * torch.log(expected)


def _check(argument: str, value: object, *, least: float = -inf, above: float = -inf) -> None:
    """Raise if a value is no number of the range.

    Raises:
        InvalidArgumentError: It is no such number.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (least <= value <= _MOST and value > above):  # type: ignore[operator]  # a number
        wanted = f"above {above:g}" if above > -inf else f"of at least {least:g}"
        raise InvalidArgumentError(argument, f"{shown(value)} is not a number {wanted}")


def _logarithm(expected: Tensor) -> Tensor:
    cost = float(expected.detach())
    if not cost > 1:
        raise OutputError(
            f"an expected cost of {cost:g} has no positive logarithm: choose a smaller unit"
        )
    return torch.log(expected)
