"""Relaxations that run one path at a time: binary gates and REINFORCE (arXiv:1812.00332).

A mixture keeps the activations of all candidates for the way back. Here one path runs, and the
gradient of a gate that is closed is found from what its candidate would have added.
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
    """One candidate of each choice runs, drawn by its probability."""

    @contextmanager
    def applied(
        self, supernet: Any, alphas: Mapping[str, Tensor], moment: Moment
    ) -> Iterator[Mapping[str, Tensor]]:
        """Run a path; the expected cost is that of the probabilities."""
        path, _ = drawn_path(supernet, alphas, moment.generator)
        supernet.activate(path)
        yield probabilities_of(alphas)


@dataclass(frozen=True, kw_only=True)
class BinaryGates(_DrawnPath):
    """One candidate of each choice runs, and gates learn what the others would have done.

    With probabilities p of the candidates, the gradient of logit i is the sum over gates j of
    dL/dg_j p_j (delta_ij - p_i), and dL/dg_j is the product of the gradient of the output of the
    place with what candidate j makes of its input, computed one by one without a graph.

    Args:
        gates: `full`: all candidates, as the formula has it. `two`: two are drawn for each choice,
            one of which runs; only their logits move, and their joint probability stays.
        warmup_epochs: Epochs of weights alone at first.
        every: Weight steps to a step of the logits.

    Raises:
        InvalidArgumentError: An argument means nothing.
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
                "with gates='two' the logits that were not drawn must not move: no weight decay, "
                "no momentum, and beta 0",
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
            # Blocks that the depth drops do not run, but gates of other depths ask for them.
            if row.chosen is None:
                row.choose(row.candidates[drawn[name]])
        loss, slopes = gate_gradients(step, {name: row.tolist() for name, row in open_to.items()})
        # The loss as a number that the total depends on; gates stand for its dependence on logits.
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
        """Leave the joint probability of the two candidates that moved as it was."""
        if self.gates == "full":
            return
        with torch.no_grad():
            for old, row in zip(before, after, strict=True):
                moved = row != old
                if bool(moved.any()) and not bool(moved.all()):
                    row[moved] += old[moved].logsumexp(0) - row[moved].logsumexp(0)

    def _open(self, step: ArchStep) -> dict[str, Tensor]:
        """Return the places of the candidates that a gate of each choice is computed for."""
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
    """Probabilities move to paths that are rewarded (ProxylessNAS-R; Williams, 1992).

    A path is rewarded with its accuracy on a batch times (target / cost)^omega, less a moving
    average of rewards. Nothing is differentiated but the logarithm of the probability of the path.

    Args:
        paths: Of a step.
        omega: How much the cost matters; without a table of costs not at all.
        target: The cost at which it does not.
        baseline_decay: Of the moving average.
        warmup_epochs: Epochs of weights alone at first.
        every: Weight steps to a step of the logits.

    Raises:
        InvalidArgumentError: The target is not above 0, or another argument means nothing.
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
            raise InvalidArgumentError("target", "0 is no cost to aim at")
        check_times(self)

    def gradients(self, step: ArchStep) -> Sequence[Tensor]:
        """Return the gradient of each row; the baseline of the step is moved on."""
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
                    # What the path does not use has no part in its probability.
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
        step: Its supernet has a path.
        open_to: The candidates of each row whose gates are wanted.

    Returns:
        The loss, and for each row that the path uses a gradient a candidate, in the order wanted.
    """
    seen: list[tuple[str, Switch | Stage, Tensor, Tensor]] = []
    with ExitStack() as hooks:
        for name, module in places(step.supernet):

            def note(
                module: Any, inputs: tuple[Tensor], output: Tensor, name: str = name
            ) -> Tensor:
                # A tensor of its own, so that places that pass their input on are told apart.
                own = output * 1 if output.requires_grad else output.detach().requires_grad_()
                # What comes next may work in place, on its input or on its output.
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
    """Yield what candidates make of an input, each computed by itself."""
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
    """Return a row with zeros but at some places."""
    kept = torch.zeros_like(row)
    kept[open_to] = row[open_to]
    return kept


def _labels(step: ArchStep) -> frozenset[str]:
    return frozenset(step.supernet.space.choices.labels)
