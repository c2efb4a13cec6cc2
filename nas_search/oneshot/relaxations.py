"""Relaxations: architectures as weights of candidates, learned by gradient descent.

`applied` of a relaxation sets the candidates' weights in a supernet for a block of code.
`gradients` returns the gradients of the logits on a batch of validation images. The supernet's
weights are trained in the same state, on other images, with fixed logits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, a_number, one_of
from model_hub.errors import InvalidArgumentError, shown
from nas_search.oneshot.alphas import Alphas, check_single_paths, gumbels, one_hot, probabilities_of
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.switches import Stage, Switch
from nas_search.training import Recipe

__all__ = [
    "ArchStep",
    "Gumbel",
    "GumbelHard",
    "Moment",
    "Relaxation",
    "Softmax",
    "places",
    "unrolled",
]

_PERTURBATION: Final = 0.01
"""Step of finite differences times the gradient norm (Liu et al., arXiv:1806.09055)."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The epoch, on which temperatures depend, and the random generator of a step.

    Attributes:
        epoch: The epoch, from 0.
        epochs: The number of epochs.
        generator: The generator of all draws in the step.
    """

    epoch: int
    epochs: int
    generator: torch.Generator


@dataclass(frozen=True, kw_only=True)
class ArchStep:
    """The inputs of a step of the logits.

    Attributes:
        supernet: The supernet.
        alphas: The logits.
        moment: The epoch and the generator of this step.
        train_loss: Runs the step's batch of training images and returns its mean loss.
        valid_loss: Runs a batch of validation images and returns its mean loss.
        valid_accuracy: Runs the same batch without gradients and returns its accuracy, 0 to 1.
        total: Combines a loss with the expected cost for given weights of candidates.
        cost: Returns the cost of a sample; None: there is no table of costs.
        optimizer: The optimizer of the supernet's weights.
    """

    supernet: Supernet
    alphas: Alphas
    moment: Moment
    train_loss: Callable[[], Tensor]
    valid_loss: Callable[[], Tensor]
    valid_accuracy: Callable[[], float]
    total: Callable[[Tensor, Mapping[str, Tensor]], Tensor]
    cost: Callable[[dict[str, Any]], float] | None
    optimizer: torch.optim.Optimizer


class Relaxation(Protocol):
    """Defines the weights of candidates and the updates of the logits.

    Attributes:
        arch_recipe: Default optimizer, learning rate and weight decay of the logits.
        warmup_epochs: First epochs in which only weights are trained.
        every: Weight steps per step of the logits.
    """

    arch_recipe: Recipe
    warmup_epochs: int
    every: int

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        ...

    def check(self, supernet: Supernet) -> None:
        """Raise if the relaxation does not support a supernet.

        Raises:
            NoMixtureError: It does not; the message says why.
        """
        ...

    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> AbstractContextManager[Mapping[str, Tensor]]:
        """Set the weights of candidates for a block; yield the weights for the expected cost."""
        ...

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row of logits."""
        ...

    def settle(self, before: Sequence[Tensor], after: Sequence[nn.Parameter]) -> None:
        """Correct the rows of logits after a step of their optimizer."""
        ...


class Gradient:
    """Base of relaxations whose gradients come from the loss inside `applied`."""

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        return {"name": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def check(self, supernet: Supernet) -> None:
        """Raise if candidates share weights, so that they cannot be mixed.

        Raises:
            NoMixtureError: They share weights; the message says why.
        """
        _ = supernet.mixtures

    def gradients(self: Any, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row of logits."""
        with self.applied(step.supernet, step.alphas, step.moment) as weights:
            total = step.total(step.valid_loss(), weights)
            return gradients_of(total, step.alphas.parameters)

    def settle(self, before: Sequence[Tensor], after: Sequence[nn.Parameter]) -> None:
        """Leave the rows unchanged."""


@dataclass(frozen=True, kw_only=True)
class Softmax(Gradient):
    """DARTS: all candidates run, weighted by the softmax of the logits (arXiv:1806.09055).

    Args:
        second_order: Whether the gradient is taken at the weights one training step ahead, whose
            dependence on the logits is approximated by finite differences.
        warmup_epochs: First epochs in which only weights are trained.
        every: Weight steps per step of the logits.
        arch_recipe: Optimizer, learning rate and weight decay of the logits.
    """

    second_order: bool = False
    warmup_epochs: int = 0
    every: int = 1
    arch_recipe: Recipe = field(
        default=Recipe(optimizer="adam", lr=3e-4, beta=0.5, weight_decay=1e-3, schedule="constant")
    )

    def __post_init__(self) -> None:
        one_of("second_order", self.second_order, (True, False))
        check_times(self)

    @contextmanager
    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> Iterator[Mapping[str, Tensor]]:
        """Activate the mixture of all candidates."""
        del moment
        weights = probabilities_of(alphas)
        supernet.mix(weights)
        yield weights

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row, at the present weights or those one step ahead."""
        if not self.second_order:
            return super().gradients(step)

        def mixed(loss: Callable[[], Tensor], *, costs: bool) -> Tensor:
            weights = probabilities_of(step.alphas)
            step.supernet.mix(weights)
            return step.total(loss(), weights) if costs else loss()

        return unrolled(
            list(step.supernet.parameters()),
            step.alphas.parameters,
            train_loss=lambda: mixed(step.train_loss, costs=False),
            valid_loss=lambda: mixed(step.valid_loss, costs=True),
            optimizer=step.optimizer,
        )


@dataclass(frozen=True, kw_only=True)
class Gumbel(Gradient):
    """Gumbel softmax: all candidates run, weighted by a random draw (SNAS, FBNet).

    Args:
        temperature: The initial temperature, multiplied by e^-decay after each epoch.
        decay: Decay of the temperature.
        warmup_epochs: First epochs in which only weights are trained.
        every: Weight steps per step of the logits.
        arch_recipe: Optimizer, learning rate and weight decay of the logits.

    Raises:
        InvalidArgumentError: The temperature is not above 0, or another argument is invalid.
    """

    temperature: float = 5.0
    decay: float = 0.045
    warmup_epochs: int = 10
    every: int = 1
    arch_recipe: Recipe = field(
        default=Recipe(optimizer="adam", lr=0.01, weight_decay=5e-4, schedule="constant")
    )

    def __post_init__(self) -> None:
        _check_temperature("temperature", self.temperature)
        a_number("decay", self.decay, least=0, most=100)
        check_times(self)

    @contextmanager
    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> Iterator[Mapping[str, Tensor]]:
        """Activate the mixture of all candidates with drawn weights."""
        heat = self.temperature * math.exp(-self.decay * moment.epoch)
        weights = {
            name: ((row + gumbels(row, moment.generator)) / heat).softmax(0)
            for name, row in alphas.items()
        }
        supernet.mix(weights)
        yield weights


class OnePath(Gradient):
    """Base of relaxations that run one path, in which each row of logits is a choice."""

    def check(self, supernet: Supernet) -> None:
        """Raise if a supernet has no mixtures, or mixes the edges of cells.

        Raises:
            NoMixtureError: It is such a supernet.
        """
        check_single_paths(supernet, type(self).__name__)


@dataclass(frozen=True, kw_only=True)
class GumbelHard(OnePath):
    """Straight-through Gumbel softmax: one drawn candidate runs (GDAS, arXiv:1910.04465).

    The output of the drawn candidate is multiplied by a weight of value 1, whose gradient is that
    of its softmax. Candidates are drawn with the probabilities of the logits at any temperature.

    Args:
        temperature: The temperature in the first epoch, which falls linearly.
        last_temperature: The temperature in the last epoch.
        warmup_epochs: First epochs in which only weights are trained.
        every: Weight steps per step of the logits.
        arch_recipe: Optimizer, learning rate and weight decay of the logits.

    Raises:
        InvalidArgumentError: A temperature is not above 0, or another argument is invalid.
    """

    temperature: float = 10.0
    last_temperature: float = 0.1
    warmup_epochs: int = 0
    every: int = 1
    arch_recipe: Recipe = field(
        default=Recipe(optimizer="adam", lr=3e-4, beta=0.5, weight_decay=1e-3, schedule="constant")
    )

    def __post_init__(self) -> None:
        _check_temperature("temperature", self.temperature)
        _check_temperature("last_temperature", self.last_temperature)
        check_times(self)

    @contextmanager
    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> Iterator[Mapping[str, Tensor]]:
        """Activate the drawn path, with each candidate's output times its weight."""
        done = moment.epoch / max(1, moment.epochs - 1)
        heat = self.temperature + done * (self.last_temperature - self.temperature)
        soft = {
            name: ((row + gumbels(row, moment.generator)) / heat).softmax(0)
            for name, row in alphas.items()
        }
        drawn = {name: int(row.argmax()) for name, row in soft.items()}
        hard = {
            name: hot - soft[name].detach() + soft[name]
            for name, hot in one_hot(drawn, alphas).items()
        }
        supernet.activate(supernet.decode(one_hot(drawn, alphas)))
        with ExitStack() as hooks:
            for name, module in places(supernet):
                # Written so that the value is exactly 1, despite rounding.
                kept = soft[name][drawn[name]]
                weight = 1 + (kept - kept.detach())
                hooks.enter_context(module.register_forward_hook(_times(weight)))
            yield hard


def unrolled(
    weights: Sequence[nn.Parameter],
    alphas: Sequence[nn.Parameter],
    *,
    train_loss: Callable[[], Tensor],
    valid_loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
) -> list[Tensor]:
    """Return the gradient of the validation loss at the weights one training step ahead.

    It is the gradient of L_valid(w - eta dL_train(w, alpha)/dw, alpha). The mixed second derivative
    is approximated by differences of L_train at two points around w (Liu et al., arXiv:1806.09055,
    eqs. 7 and 8). Afterwards the weights have their former values.

    Args:
        weights: The weights w.
        alphas: The logits.
        train_loss: Computes L_train.
        valid_loss: Computes L_valid.
        optimizer: Its learning rate, momentum and weight decay define the step, as in SGD.
    """
    group = optimizer.param_groups[0]
    eta, decay = float(group["lr"]), float(group["weight_decay"])
    before = [weight.detach().clone() for weight in weights]
    slopes = gradients_of(train_loss(), weights)
    with torch.no_grad():
        for weight, slope in zip(weights, slopes, strict=True):
            momentum = optimizer.state.get(weight, {}).get("momentum_buffer")
            moved = slope + decay * weight
            if momentum is not None:
                moved = moved + group["momentum"] * momentum
            weight.sub_(eta * moved)
    ahead = gradients_of(valid_loss(), [*alphas, *weights])
    found, direction = ahead[: len(alphas)], ahead[len(alphas) :]
    norm = float(nn.utils.get_total_norm(direction))
    size = _PERTURBATION / norm if norm else 0.0

    def train_gradients(shift: float) -> list[Tensor]:
        with torch.no_grad():
            for weight, old, one in zip(weights, before, direction, strict=True):
                weight.copy_(old + shift * one)
        return gradients_of(train_loss(), alphas)

    above, below = train_gradients(size), train_gradients(-size)
    with torch.no_grad():
        for weight, old in zip(weights, before, strict=True):
            weight.copy_(old)
    if not size:
        return found
    return [
        one - eta * (more - less) / (2 * size)
        for one, more, less in zip(found, above, below, strict=True)
    ]


def places(supernet: nn.Module) -> list[tuple[str, Switch | Stage]]:
    """Return the modules that choices control, each with the name of its row."""
    return [
        (module.row.name, module)
        for module in supernet.modules()
        if isinstance(module, Switch | Stage)
    ]


def gradients_of(loss: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient of each tensor, zeros if the loss does not depend on it."""
    return list(torch.autograd.grad(loss, list(tensors), allow_unused=True, materialize_grads=True))


def _times(weight: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return weight * output

    return hook


def _check_temperature(argument: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= sys.float_info.max:  # type: ignore[operator]
        raise InvalidArgumentError(argument, f"{shown(value)} is no temperature above 0")


def check_times(relaxation: Any) -> None:
    """Raise if the numbers of epochs or steps of a relaxation are invalid.

    Raises:
        InvalidArgumentError: A number is invalid.
    """
    a_count("warmup_epochs", relaxation.warmup_epochs, least=0)
    a_count("every", relaxation.every)
