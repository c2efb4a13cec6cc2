"""Relaxations of ProxylessNAS that run one path: binary gates and REINFORCE (arXiv:1812.00332).

A mixture stores the activations of all candidates for the backward pass. Here only one path runs;
the gradient of a closed gate is computed from the output that its candidate would have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, a_number, one_of
from model_hub.errors import InvalidArgumentError
from nas_search.oneshot.alphas import drawn_path, one_hot, probabilities_of
from nas_search.oneshot.relaxations import (
    ArchStep,
    Moment,
    OnePath,
    check_times,
    gradients_of,
    places,
)
from nas_search.oneshot.switches import Stage, Switch
from nas_search.training import Recipe

__all__ = ["BinaryGates", "Reinforced"]

_ARCH_RECIPE = Recipe(optimizer="adam", lr=1e-3, beta=0.0, schedule="constant")


class _DrawnPath(OnePath):
    """Base of relaxations that run one path, drawn by the probabilities of candidates."""

    @contextmanager
    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> Iterator[Mapping[str, Tensor]]:
        """Activate a drawn path, and yield the probabilities for the expected cost."""
        path, _ = drawn_path(supernet, alphas, moment.generator)
        supernet.activate(path)
        yield probabilities_of(alphas)


@dataclass(frozen=True, kw_only=True)
class BinaryGates(_DrawnPath):
    """Binary gates of ProxylessNAS: one candidate of each choice runs, and all gates learn.

    With probabilities p of the candidates, the gradient of logit i is the sum over gates j of
    dL/dg_j p_j (delta_ij - p_i). dL/dg_j is the inner product of the gradient of the module's
    output with the output of candidate j, computed one by one without a graph.

    Args:
        gates: `full`: the formula with all candidates. `two`: two candidates are drawn for each
            choice, one of which runs; only their logits change, and their joint probability stays.
        warmup_epochs: First epochs in which only weights are trained.
        every: Weight steps per step of the logits.
        arch_recipe: Optimizer, learning rate and weight decay of the logits.

    Raises:
        InvalidArgumentError: An argument is invalid.
    """

    gates: Literal["full", "two"] = "full"
    warmup_epochs: int = 40
    every: int = 5
    arch_recipe: Recipe = field(default=_ARCH_RECIPE)

    def __post_init__(self) -> None:
        one_of("gates", self.gates, ("full", "two"))
        check_times(self)
        recipe = self.arch_recipe
        plain = recipe.optimizer == "sgd" and not recipe.momentum
        if self.gates == "two" and (
            recipe.weight_decay
            or not (plain or (recipe.optimizer in {"adam", "adamw"} and not recipe.beta))
        ):
            raise InvalidArgumentError(
                "arch_recipe",
                "with gates='two' the logits that were not drawn must not change: use no weight "
                "decay, no momentum, and beta 0",
            )

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row."""
        open_to = self._open(step)
        shares = {name: row[open_to[name]].softmax(0) for name, row in step.alphas.items()}
        drawn = {
            name: int(
                open_to[name][
                    torch.multinomial(share.detach().cpu(), 1, generator=step.moment.generator)
                ]
            )
            for name, share in shares.items()
        }
        step.supernet.activate(step.supernet.decode(one_hot(drawn, step.alphas)))
        for name, row in step.supernet.rows.items():
            # Blocks beyond the drawn depth do not run, but gates of other depths need them.
            if row.chosen is None:
                row.choose(row.candidates[drawn[name]])
        loss, slopes = gate_gradients(step, {name: row.tolist() for name, row in open_to.items()})
        # The loss as a leaf tensor; its dependence on the logits is given by the gates.
        entropy = loss.detach().requires_grad_()
        total = step.total(entropy, probabilities_of(step.alphas))
        outer, *costs = gradients_of(total, [entropy, *step.alphas.parameters])
        by_gates = sum(
            (slopes[name].detach() * share).sum()
            for name, share in shares.items()
            if name in slopes
        )
        if not isinstance(by_gates, Tensor):
            return costs
        through = gradients_of(by_gates, step.alphas.parameters)
        if self.gates == "two":
            costs = [
                _only(one, open_to[name]) for name, one in zip(step.alphas, costs, strict=True)
            ]
        return [outer * one + cost for one, cost in zip(through, costs, strict=True)]

    def settle(self, before: Sequence[Tensor], after: Sequence[nn.Parameter]) -> None:
        """Restore the joint probability of the two candidates whose logits changed."""
        if self.gates == "full":
            return
        with torch.no_grad():
            for old, row in zip(before, after, strict=True):
                moved = row != old
                if bool(moved.any()) and not bool(moved.all()):
                    row[moved] += old[moved].logsumexp(0) - row[moved].logsumexp(0)

    def _open(self, step: ArchStep) -> dict[str, Tensor]:
        """Return for each choice the indices of the candidates whose gates are computed."""
        if self.gates == "full":
            return {name: torch.arange(len(row)) for name, row in step.alphas.items()}
        return {
            name: torch.multinomial(
                row.detach().softmax(0).cpu(), min(2, len(row)), generator=step.moment.generator
            )
            for name, row in step.alphas.items()
        }


@dataclass(frozen=True, kw_only=True)
class Reinforced(_DrawnPath):
    """REINFORCE on the architecture logits (ProxylessNAS-R; Williams, 1992).

    The reward of a path is its accuracy on a batch times (target / cost)^omega, and the advantage
    is the reward minus a moving average. Only the log-probability of the path is differentiated.

    Args:
        paths: Number of paths drawn in a step.
        omega: Exponent of the cost; without a table of costs it has no effect.
        target: The cost that does not change the reward; None: costs have no effect.
        baseline_decay: Decay of the moving average.
        warmup_epochs: First epochs in which only weights are trained.
        every: Weight steps per step of the logits.
        arch_recipe: Optimizer, learning rate and weight decay of the logits.

    Raises:
        InvalidArgumentError: The target is not above 0, or another argument is invalid.
    """

    paths: int = 10
    omega: float = 0.1
    target: float | None = None
    baseline_decay: float = 0.99
    warmup_epochs: int = 40
    every: int = 5
    arch_recipe: Recipe = field(default=_ARCH_RECIPE)

    def __post_init__(self) -> None:
        a_count("paths", self.paths)
        a_number("omega", self.omega, least=0, most=100)
        a_number("baseline_decay", self.baseline_decay, least=0, most=1)
        if self.target is not None and not a_number("target", self.target, least=0, most=1e18):
            raise InvalidArgumentError("target", "it must be above 0")
        check_times(self)

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row, and update the moving average."""
        rewards, chances = [], []
        for _ in range(self.paths):
            path, drawn = drawn_path(step.supernet, step.alphas, step.moment.generator)
            step.supernet.activate(path)
            reward = step.valid_accuracy()
            if step.cost is not None and self.target is not None:
                reward *= (self.target / step.cost(path)) ** self.omega
            rewards.append(reward)
            chances.append(
                sum(
                    row.log_softmax(0)[drawn[name]]
                    for name, row in step.alphas.items()
                    # Choices that the path does not use do not affect its probability.
                    if name not in _labels(step) or name in path
                )
            )
        baseline = step.alphas.baseline
        mean = sum(rewards) / len(rewards)
        if not float(baseline[1]):
            baseline[:] = torch.tensor([mean, 1.0])
        baseline[0] += (1 - self.baseline_decay) * (mean - float(baseline[0]))
        loss = -sum(
            (reward - float(baseline[0])) * chance
            for reward, chance in zip(rewards, chances, strict=True)
        ) / len(rewards)
        return gradients_of(loss, step.alphas.parameters)  # type: ignore[arg-type]  # not empty


def gate_gradients(
    step: ArchStep, open_to: Mapping[str, Sequence[int]]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run the active path; return its loss and the gradient of each gate, by row.

    Args:
        step: The step, whose supernet has an active path.
        open_to: For each row, the candidates whose gates are computed.

    Returns:
        The loss, and for each row that the path uses the gradients of these gates in this order.
    """
    seen: list[tuple[str, Switch | Stage, Tensor, Tensor]] = []
    with ExitStack() as hooks:
        for name, module in places(step.supernet):

            def note(
                module: Any, inputs: tuple[Tensor], output: Tensor, name: str = name
            ) -> Tensor:
                # A new tensor, so that modules that return their input are told apart.
                own = output * 1 if output.requires_grad else output.detach().requires_grad_()
                # Later modules may change their input or output in place.
                seen.append((name, module, inputs[0].detach().clone(), own))
                return own

            hooks.enter_context(module.register_forward_hook(note))
        loss = step.valid_loss()
    slopes = torch.autograd.grad(loss, [own for *_, own in seen], materialize_grads=True)
    found: dict[str, Tensor] = {}
    for (name, module, inputs, _), slope in zip(seen, slopes, strict=True):
        with torch.no_grad():
            gates = torch.stack(
                [(slope * one).sum() for one in _outputs(module, inputs, open_to[name])]
            )
        found[name] = found[name] + gates if name in found else gates
    return loss, found


def _outputs(module: Switch | Stage, inputs: Tensor, wanted: Sequence[int]) -> Iterator[Tensor]:
    """Yield the output of each wanted candidate for an input, computed separately."""
    if isinstance(module, Switch):
        candidates = list(module.values())
        for place in wanted:
            yield candidates[place](inputs.clone())
        return
    depths = [int(module.row.candidates[place]) for place in wanted]
    outputs, x = {0: inputs}, inputs.clone()
    for depth, block in enumerate(list(module)[: max(depths)], start=1):
        outputs[depth] = x = block(x)
    for depth in depths:
        yield outputs[depth]


def _only(row: Tensor, open_to: Tensor) -> Tensor:
    """Return a row that is zero except at the given indices."""
    kept = torch.zeros_like(row)
    kept[open_to] = row[open_to]
    return kept


def _labels(step: ArchStep) -> frozenset[str]:
    return frozenset(step.supernet.space.choices.labels)
