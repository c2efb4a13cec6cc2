"""Relaxations: architectures as weights of candidates, which gradients move.

A relaxation says two things. `applied` puts a supernet into a state in which the weights of
candidates count, and `gradients` are those of the logits on a batch of validation images. Weights
of the supernet are trained in the same state, on other images, with the logits held.
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
"""Over the norm of a gradient: the step of finite differences (Liu et al., arXiv:1806.09055)."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When candidates are weighed, which temperatures depend on, and what they are drawn by.

    Attributes:
        epoch: From 0.
        epochs: How many there are.
        generator: Of all draws of a step.
    """

    epoch: int
    epochs: int
    generator: torch.Generator


@dataclass(frozen=True, kw_only=True)
class ArchStep:
    """What a step of the logits has to work with.

    Attributes:
        supernet: Whose candidates are weighed.
        alphas: The logits.
        moment: Of this step.
        train_loss: Runs the batch of training images of this step; its mean loss.
        valid_loss: Runs a batch of validation images; its mean loss.
        valid_accuracy: Runs the same; the share of right answers, without a gradient.
        total: Joins a loss with what candidates of these weights cost.
        cost: The cost of a sample; None where nothing is counted.
        optimizer: Of the weights of the supernet.
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
    """How candidates are weighed, and how the logits are moved.

    Attributes:
        arch_recipe: Optimizer, learning rate and weight decay of the logits, unless told otherwise.
        warmup_epochs: Epochs of weights alone at first.
        every: Weight steps to a step of the logits.
    """

    arch_recipe: Recipe
    warmup_epochs: int
    every: int

    @property
    def settings(self) -> dict[str, Any]:
        """Its name and every argument, as JSON."""
        ...

    def check(self, supernet: Supernet) -> None:
        """Refuse a supernet whose candidates it cannot weigh.

        Raises:
            NoMixtureError: It cannot; the message says why.
        """
        ...

    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> AbstractContextManager[Mapping[str, Tensor]]:
        """Weigh the candidates in a block of code; gives what the expected cost is made of."""
        ...

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row of logits."""
        ...

    def settle(self, before: Sequence[Tensor], after: Sequence[nn.Parameter]) -> None:
        """Correct the rows after a step of their optimizer."""
        ...


class Gradient:
    """What the relaxations share: the gradient of a loss in the state that `applied` makes."""

    @property
    def settings(self) -> dict[str, Any]:
        """Its name and every argument, as JSON."""
        return {"name": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def check(self, supernet: Supernet) -> None:
        """Refuse a supernet whose candidates share their weights.

        Raises:
            NoMixtureError: They do; the message says why.
        """
        _ = supernet.mixtures

    def gradients(self: Any, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row of logits."""
        with self.applied(step.supernet, step.alphas, step.moment) as weights:
            total = step.total(step.valid_loss(), weights)
            return gradients_of(total, step.alphas.parameters)

    def settle(self, before: Sequence[Tensor], after: Sequence[nn.Parameter]) -> None:
        """Leave the rows as the optimizer made them."""


@dataclass(frozen=True, kw_only=True)
class Softmax(Gradient):
    """All candidates run, weighed by the softmax of the logits (DARTS, arXiv:1806.09055).

    Args:
        second_order: Take the gradient at weights one step ahead, whose dependence on the logits
            is found by finite differences.
        warmup_epochs: Epochs of weights alone at first.
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
        """Run the mixture of all candidates."""
        del moment
        weights = probabilities_of(alphas)
        supernet.mix(weights)
        yield weights

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row, at these weights or at those one step ahead."""
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
    """All candidates run, weighed by a draw of the Gumbel softmax (SNAS, FBNet; one-shot B.5).

    Args:
        temperature: At first; it is multiplied by e^-decay after each epoch.
        decay: Of the temperature.
        warmup_epochs: Epochs of weights alone at first.

    Raises:
        InvalidArgumentError: The temperature is not above 0, or another argument means nothing.
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
        """Run the mixture of all candidates with drawn weights."""
        heat = self.temperature * math.exp(-self.decay * moment.epoch)
        weights = {
            name: ((row + gumbels(row, moment.generator)) / heat).softmax(0)
            for name, row in alphas.items()
        }
        supernet.mix(weights)
        yield weights


class OnePath(Gradient):
    """What the relaxations that run one path share: a row of logits is a choice of the space."""

    def check(self, supernet: Supernet) -> None:
        """Refuse a supernet without mixtures, or of cells.

        Raises:
            NoMixtureError: It is one.
        """
        check_single_paths(supernet, type(self).__name__)


@dataclass(frozen=True, kw_only=True)
class GumbelHard(OnePath):
    """One candidate runs, drawn by the Gumbel softmax, straight-through (GDAS, arXiv:1910.04465).

    The output of the drawn candidate is multiplied by a weight of value 1, whose gradient is that
    of its softmax. So candidates are drawn with the probabilities of the logits, whatever the
    temperature is.

    Args:
        temperature: In the first epoch; it falls linearly.
        last_temperature: In the last epoch.
        warmup_epochs: Epochs of weights alone at first.

    Raises:
        InvalidArgumentError: A temperature is not above 0, or another argument means nothing.
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
        """Run the drawn path, each of its candidates times its weight."""
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
                # A one to the bit, whatever rounding made of it.
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
    """Return the gradient of the loss of validation at weights one training step ahead.

    That is, of L_valid(w - eta dL_train(w, alpha)/dw, alpha), whose mixed second derivative is
    found by differences of L_train at two points around w (Liu et al., arXiv:1806.09055, eqs. 7
    and 8). The weights are as before afterwards.

    Args:
        weights: w.
        alphas: The logits.
        train_loss: Computes L_train.
        valid_loss: Computes L_valid.
        optimizer: Its learning rate, momentum and weight decay make the step, as in SGD.
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
    """Return the modules that choices decide, each with the name of its row."""
    return [
        (module.row.name, module)
        for module in supernet.modules()
        if isinstance(module, Switch | Stage)
    ]


def gradients_of(loss: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient of each tensor, zeros where the loss does not depend on it."""
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
    """Refuse numbers of epochs and steps that mean nothing.

    Raises:
        InvalidArgumentError: One does.
    """
    a_count("warmup_epochs", relaxation.warmup_epochs, least=0)
    a_count("every", relaxation.every)
