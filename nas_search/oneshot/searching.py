"""Differentiable search: alternating steps of architecture logits and supernet weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from model_hub.errors import InvalidArgumentError, OutputError
from nas_search.oneshot.alphas import Alphas, entropy, probabilities_of
from nas_search.oneshot.costs import CostTable
from nas_search.oneshot.losses import CostLoss
from nas_search.oneshot.recalibration import kept_statistics
from nas_search.oneshot.relaxations import ArchStep, Moment, Relaxation
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.training import Found, Halves, SupernetTrainer
from nas_search.training import Recipe
from nas_search.training.checkpoint import Saved, part_of
from nas_search.training.data import order_of_epoch, seeded
from nas_search.training.loop import Epoch
from nas_search.training.optimizing import learning_rate, optimizer_of, restore, state_of
from nas_search.training.parallel import Group

__all__ = ["SearchTrainer", "Searched", "search_supernet"]

_PROBABILITY: Final = "arch"
"""Prefix of metrics: `arch/label/candidate` is a probability."""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The result of a differentiable search.

    Attributes:
        sample: The architecture with the largest probabilities.
        probabilities: The probability of each candidate, by row.
        curve: Metrics of each epoch: those of a training, `arch/entropy` in nats, the probability
            of each candidate as `arch/row/candidate`, and `cost/expected` with a table of costs.
        seconds: Seconds of training in this call.
    """

    sample: dict[str, Any]
    probabilities: Mapping[str, tuple[float, ...]]
    curve: tuple[Epoch, ...]
    seconds: float


def search_supernet(  # noqa: PLR0913 - what a search depends on
    supernet: Supernet,
    data: Halves,
    relaxation: Relaxation,
    *,
    recipe: Recipe | None = None,
    arch_recipe: Recipe | None = None,
    costs: CostTable | None = None,
    cost_loss: CostLoss | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    save_steps: int | None = None,
    device: torch.device | str = "cpu",
    report: Callable[[Epoch], object] | None = None,
) -> Searched:
    """Search a space by gradient descent on architecture logits and supernet weights.

    At each step the logits take a step on a batch of validation images, then the weights on a batch
    of training images. The two optimizers are separate, and the running statistics of norms do not
    change in a step of the logits.

    Args:
        supernet: The supernet, trained in place and left with the found path active.
        data: Images for training weights, and images for the logits.
        relaxation: The relaxation.
        recipe: The recipe for weights; None: that of DARTS, for ten epochs.
        arch_recipe: Optimizer and learning rate of the logits; None: those of the relaxation.
        costs: The costs of candidates.
        cost_loss: Combines the validation loss with the expected cost.
        seed: Seed of initial logits, the order of images and all other random draws.
        checkpoint: A folder for the newest two checkpoints, from which a later call resumes.
        save_steps: Save also every so many steps, not only after epochs.
        device: The device.
        report: Takes the metrics of each epoch; if it returns True, the search stops.

    Raises:
        NoMixtureError: Candidates of this space cannot be mixed; the message says why.
        InvalidArgumentError: There are fewer images than a batch has, or `cost_loss` is given
            without `costs`.
        OtherTrainingError: The folder belongs to another space, relaxation, seed, recipe or images.
        OutputError: A loss or a gradient is not finite.
        OSError: A checkpoint cannot be saved; older ones are kept.
    """
    trainer = SearchTrainer(
        supernet,
        data,
        relaxation,
        _DARTS if recipe is None else recipe,
        arch_recipe=arch_recipe,
        costs=costs,
        cost_loss=cost_loss,
        seed=seed,
        checkpoint=checkpoint,
        save_steps=save_steps,
        device=device,
    )
    training = trainer.run(report=report)
    found = trainer.found()
    return Searched(
        sample=found.sample,
        probabilities=found.probabilities or {},
        curve=training.curve,
        seconds=training.seconds,
    )


_DARTS: Final = Recipe(
    epochs=10, batch_size=64, lr=0.025, min_lr=0.001, momentum=0.9, weight_decay=3e-4, clip_norm=5
)


class SearchTrainer(SupernetTrainer):
    """Trains weights and logits alternately; see `search_supernet`.

    Args:
        supernet: The supernet, trained in place.
        data: Images for training weights, and images for the logits.
        relaxation: The relaxation.
        recipe: The recipe for weights.
        arch_recipe: The recipe for logits; None: that of the relaxation.
        costs: The costs of candidates.
        cost_loss: Combines the validation loss with the expected cost.
        seed: As for `SupernetTrainer`.
        device: As for `SupernetTrainer`.
        options: As for `SupernetTrainer`.

    Raises:
        NoMixtureError: Candidates of this space cannot be mixed.
        InvalidArgumentError: As for `search_supernet` and `SupernetTrainer`.
    """

    def __init__(  # noqa: PLR0913 - what a search depends on
        self,
        supernet: Supernet,
        data: Halves,
        relaxation: Relaxation,
        recipe: Recipe,
        *,
        arch_recipe: Recipe | None = None,
        costs: CostTable | None = None,
        cost_loss: CostLoss | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        if cost_loss is not None and costs is None:
            raise InvalidArgumentError("costs", "a cost loss needs a table of costs")
        arch_recipe = relaxation.arch_recipe if arch_recipe is None else arch_recipe
        if len(data[1]) < recipe.batch_size:
            raise InvalidArgumentError(
                "data",
                f"{len(data[1])} images for the logits are fewer than a batch of "
                f"{recipe.batch_size}",
            )
        Group.present().refuse("weights and logits are trained")
        relaxation.check(supernet)
        supernet.to(device)
        self.alphas = Alphas.of(supernet, seed=seed)
        self._relaxation, self._arch_recipe = relaxation, arch_recipe
        self._costs, self._cost_loss = costs, cost_loss
        self._arch_optimizer = optimizer_of(nn.ParameterList(self.alphas.parameters), arch_recipe)
        self._valid_images = data[1].on(torch.device(device))
        identity = {
            "relaxation": relaxation.settings,
            "arch_recipe": arch_recipe.as_dict(),
            "costs": None if costs is None else costs.settings,
            "cost_loss": None if cost_loss is None else cost_loss.settings,
        }
        super().__init__(
            supernet, data, recipe, seed=seed, device=device, identity=identity, **options
        )

    def found(self) -> Found:
        """Return the architecture with the largest probabilities, and all probabilities."""
        with torch.no_grad():
            probabilities = probabilities_of(self.alphas)
        sample = self.supernet.decode(probabilities)
        self.supernet.activate(sample)
        return Found(
            sample=sample,
            probabilities={name: tuple(row.tolist()) for name, row in probabilities.items()},
        )

    def _gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        relaxation, epoch = self._relaxation, len(self.curve)
        if epoch >= relaxation.warmup_epochs and not self._step % relaxation.every:
            with kept_statistics(self.supernet):
                self._step_of_logits(inputs, labels)
        held = {name: row.detach() for name, row in self.alphas.items()}
        with relaxation.applied(self.supernet, held, self._moment("weights")):
            found = super()._gradients(inputs, labels)
        self._check_gradients()
        return found

    def _moment(self, purpose: str) -> Moment:
        return Moment(
            epoch=len(self.curve),
            epochs=self.recipe.epochs,
            generator=seeded(self._seed, purpose, self._step),
        )

    def _step_of_logits(self, train_inputs: Tensor, train_labels: Tensor) -> None:
        inputs, labels = self._valid_batch()
        recipe = self._arch_recipe

        def logits_of(inputs: Tensor) -> Tensor:
            with self._casting():
                outputs = self.supernet(inputs)
            logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
            return logits.to(self._dtype)

        def accuracy() -> float:
            with torch.no_grad():
                return float((logits_of(inputs).argmax(1) == labels).double().mean())

        step = ArchStep(
            supernet=self.supernet,
            alphas=self.alphas,
            moment=self._moment("logits"),
            train_loss=lambda: F.cross_entropy(logits_of(train_inputs), train_labels),
            valid_loss=lambda: F.cross_entropy(logits_of(inputs), labels),
            valid_accuracy=accuracy,
            total=self._total,
            cost=None if self._costs is None else self._costs.cost,
            optimizer=self._optimizer,
        )
        rows = self.alphas.parameters
        for row, slope in zip(rows, self._relaxation.gradients(step), strict=True):
            if not bool(torch.isfinite(slope).all()):
                raise OutputError(f"gradients of the logits in step {self._step} are not finite")
            row.grad = slope.to(row)
        for group in self._arch_optimizer.param_groups:
            group["lr"] = learning_rate(
                recipe,
                self._step * recipe.epochs // self.recipe.epochs,
                self._steps_per_epoch,
            )
        before = [row.detach().clone() for row in rows]
        self._arch_optimizer.step()
        self._arch_optimizer.zero_grad(set_to_none=True)
        self._relaxation.settle(before, rows)

    def _valid_batch(self) -> tuple[Tensor, Tensor]:
        """Return the validation images of this step, which have their own order of epochs."""
        images, size = self._valid_images, self.recipe.batch_size
        epoch, place = divmod(self._step, len(images) // size)
        order = order_of_epoch(images, size, self._seed, -1 - epoch)
        places = next(islice(order, place, None))
        pixels, labels, _ = next(images.batches([(places, None)], None))
        return images.normalised(pixels, self._dtype), labels

    def _total(self, loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        if self._costs is None or self._cost_loss is None:
            return loss
        return self._cost_loss(loss, self._costs.expected(weights))

    def _figures(self, seconds: float) -> Epoch:
        with torch.no_grad():
            probabilities = probabilities_of(self.alphas)
        rows = self.supernet.mixtures
        figures = {
            f"{_PROBABILITY}/{name}/{candidate}": share
            for name, row in probabilities.items()
            for candidate, share in zip(rows[name], row.tolist(), strict=True)
        }
        figures[f"{_PROBABILITY}/entropy"] = entropy(list(probabilities.values()))
        if self._costs is not None:
            figures["cost/expected"] = float(self._costs.expected(probabilities))
        return {**super()._figures(seconds), **figures}

    def _parts(self) -> dict[str, Mapping[str, Tensor]]:
        return {
            **super()._parts(),
            "alphas": {**self.alphas, ".baseline": self.alphas.baseline},
            **state_of("arch_optimizer", self._arch_optimizer),
        }

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        rows = part_of(saved.tensors, "alphas")
        with torch.no_grad():
            self.alphas.baseline.copy_(rows[".baseline"])
            for name, row in self.alphas.items():
                row.copy_(rows[name])
        restore(self._arch_optimizer, part_of(saved.tensors, "arch_optimizer"))
