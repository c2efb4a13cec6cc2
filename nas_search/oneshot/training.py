"""Training of a supernet by paths: the loop of `nas_search.training` with a sampler."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import InvalidArgumentError, LabelError, OutputError
from nas_search.oneshot.copies import PathCopy, refuse_copies
from nas_search.oneshot.samplers import Sampler
from nas_search.oneshot.supernet import Supernet
from nas_search.training import Checkpoints, ImageSet, Recipe, Trainer, Training
from nas_search.training.data import seeded, training_batches
from nas_search.training.loop import Epoch
from nas_search.training.tokens import refuse_ids

__all__ = ["Found", "Halves", "PathTrainer", "SupernetTrainer", "train_supernet"]

Halves = tuple[ImageSet, ImageSet]
"""Images that weights learn from, and those that architectures are compared by; none in both, as
`split` makes them."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The architecture that was found while a supernet was trained.

    Attributes:
        sample: The architecture.
        probabilities: Of a relaxation: those of each candidate, by row.
        metrics: Of a policy: those of the sample, with inherited weights and norms of its own.
    """

    sample: dict[str, Any]
    probabilities: Mapping[str, tuple[float, ...]] | None = None
    metrics: Mapping[str, float] | None = None


class SupernetTrainer(Trainer):
    """Trains the weights of a supernet; refuses gradients that are no finite numbers.

    Args:
        supernet: Is trained in place.
        data: Only the first part is read.
        recipe: How.
        seed: Of the order of images and of all that is drawn.
        identity: What makes the training, besides space, recipe, seed and data; as JSON.
        checkpoint: A folder to go on from and to save to, or the checkpoints themselves.
        save_epochs: After how many epochs each to save; after the last one in any case.
        save_steps: Save also after so many steps each.
        device: Where.

    Raises:
        InvalidArgumentError: The space takes no such images, or there are fewer than a batch has.
        LabelError: A label has no output.
        OtherTrainingError: The folder is of another space, seed, recipe or other images.
    """

    def __init__(  # noqa: PLR0913 - as Trainer
        self,
        supernet: Supernet,
        data: Halves,
        recipe: Recipe,
        *,
        seed: int = 0,
        identity: dict[str, Any] | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoints | None = None,
        save_epochs: int = 1,
        save_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        train, valid = data
        if recipe.precision == "mixed-float16":
            raise InvalidArgumentError(
                "precision", "supernets are not trained in mixed-float16; mixed-bfloat16 works"
            )
        space = supernet.space
        space.accepted_input(train.shape, argument="data")
        refuse_ids(space, train, valid)
        most = max(train.most, valid.most)
        num_labels = getattr(space, "num_labels", None)
        if num_labels is not None and most >= num_labels:
            raise LabelError(f"label {most} has no output: the space has {num_labels} labels")
        self.supernet = supernet
        checkpoints = checkpoint if isinstance(checkpoint, Checkpoints) else None
        if checkpoint is not None and not isinstance(checkpoint, Checkpoints):
            trained = {
                "space": type(space).__name__,
                "arguments": space.arguments,
                "recipe": recipe.as_dict(),
                "seed": seed,
                "train": train.digest,
                "valid": valid.digest,
                **(identity or {}),
            }
            checkpoints = Checkpoints(checkpoint, trained)
        super().__init__(
            supernet,
            train,
            recipe,
            seed=seed,
            device=device,
            checkpoints=checkpoints,
            save_epochs=save_epochs,
            save_steps=save_steps,
        )

    def found(self) -> Found | None:
        """Return the architecture that the training found, which is then active; None: none.

        It is a function of what was trained: called again, also after going on, it is the same.
        """
        return None

    def _check_gradients(self) -> None:
        """Refuse a step that would spoil all weights.

        Raises:
            OutputError: A gradient is no finite number; the weights are those before the step.
        """
        if self._scaler.is_enabled():
            return  # With float16 such steps are expected, and left out.
        found = [one.grad for one in self._parameters if one.grad is not None]
        if not bool(torch.isfinite(nn.utils.get_total_norm(found))):
            raise OutputError(
                f"gradients of step {self._step} are no finite numbers: a smaller learning rate or "
                "clip_norm may help"
            )


class PathTrainer(SupernetTrainer):
    """Trains a supernet by the paths that a sampler draws; their gradients are summed.

    Args:
        supernet: Is trained in place.
        data: Only the first part is read.
        sampler: Draws the paths of each update.
        recipe: How.
        copy_path: Whether steps are those of copies of what the path uses.
        seed: As `SupernetTrainer`.
        options: As `SupernetTrainer`.

    Raises:
        InvalidArgumentError: The sampler cannot draw paths of this space, or steps cannot be those
            of copies; or as `SupernetTrainer`.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Halves,
        sampler: Sampler,
        recipe: Recipe,
        *,
        copy_path: bool = False,
        seed: int = 0,
        **options: Any,
    ) -> None:
        sampler.check(supernet.space.choices)
        if copy_path:
            refuse_copies(supernet, sampler, recipe, seed)
        self._sampler, self._copies = sampler, copy_path
        identity = {"sampler": sampler.settings, **({"copy_path": True} if copy_path else {})}
        super().__init__(supernet, data, recipe, seed=seed, identity=identity, **options)

    def _one_step(self, inputs: Tensor, labels: Tensor) -> None:
        if not self._copies:
            super()._one_step(inputs, labels)
            return
        choices = self.supernet.space.choices
        (path,) = self._sampler.paths(choices, seed=self._seed, step=self._step)
        whole = self._network, self._parameters, self._optimizer
        copied = PathCopy(self.supernet, path, self._optimizer, self.recipe)
        self._network, self._optimizer = copied.network, copied.optimizer
        self._parameters = list(copied.network.parameters())
        try:
            super()._one_step(inputs, labels)
        finally:
            self._network, self._parameters, self._optimizer = whole
        copied.write_back()

    def _gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        paths = self._sampler.paths(self.supernet.space.choices, seed=self._seed, step=self._step)
        losses, rights = [], []
        for number, path in enumerate(paths):
            self.supernet.activate(path)
            own = self._sampler.batches == "one a path" and number
            batch = self._other_batch(number) if own else (inputs, labels)
            loss, right = super()._gradients(*batch)
            losses.append(loss.detach())
            rights.append(right.double())
        self._check_gradients()
        return torch.stack(losses).mean(), torch.stack(rights).mean()

    def _other_batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return the batch of another path: this step's of another shuffle of the same epoch."""
        epoch, place = divmod(self._step, self._steps_per_epoch)
        generator = seeded(self._seed, "epoch", epoch, "path", number)
        order = torch.randperm(len(self._train), generator=generator)
        size = self.recipe.batch_size
        places = order[place * size : (place + 1) * size].to(self._train.labels.device)
        step = [(self._step, self._group.part(places))]
        return next(
            training_batches(
                self._train,
                step,
                self.recipe,
                self._seed,
                self._dtype,
                process=self._group.rank,
            )
        )


def train_supernet(  # noqa: PLR0913 - what a training depends on
    supernet: Supernet,
    data: Halves,
    sampler: Sampler,
    *,
    recipe: Recipe | None = None,
    steps: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    save_steps: int | None = None,
    copy_path: bool = False,
    device: torch.device | str = "cpu",
    report: Callable[[Epoch], object] | None = None,
) -> Training:
    """Train a supernet by paths; go on where an earlier call with the same folder ended.

    On a processor, with an equal number of threads, its weights are equal to the last bit, however
    often the training was interrupted.

    Args:
        supernet: Is trained in place.
        data: Images for training, and those for the search, which are not read.
        sampler: Draws the paths of each update.
        recipe: How; by default ten epochs.
        steps: How many updates there are at least, in whole epochs, instead of the recipe's epochs.
        seed: Of paths, the order of images and all that is drawn.
        checkpoint: A folder; the newest two checkpoints are kept there.
        save_steps: Save also after so many steps each, not only after epochs.
        copy_path: In spaces of slices, whether a step is that of copies of what the path uses: then
            neither momentum nor weight decay moves anything else, and gradients take the memory of
            the path, at the price of making its network for each step. By default, as published,
            they move the rest of a sliced tensor, too.
        device: Where.
        report: Takes the figures of each epoch: mean loss and accuracy of the paths that were
            trained; where it returns True, the training ends.

    Raises:
        InvalidArgumentError: The sampler cannot draw paths of this space; the space takes no such
            images; there are fewer than a batch has; or steps cannot be those of copies, which need
            slices, one path an update, SGD and no moving average.
        LabelError: A label has no output.
        OtherTrainingError: The folder is of another space, sampler, seed, recipe or other images.
        OutputError: A loss or a gradient is no finite number any more.
        OSError: A checkpoint cannot be saved; older ones are still there.
    """
    chosen = Recipe() if recipe is None else recipe
    if steps is not None:
        an_epoch = len(data[0]) // chosen.batch_size
        if not an_epoch:
            raise InvalidArgumentError(
                "data", f"{len(data[0])} images are fewer than a batch of {chosen.batch_size}"
            )
        chosen = replace(chosen, epochs=-(-a_count("steps", steps) // an_epoch))
    trainer = PathTrainer(
        supernet,
        data,
        sampler,
        chosen,
        seed=seed,
        checkpoint=checkpoint,
        save_steps=save_steps,
        copy_path=copy_path,
        device=device,
    )
    return trainer.run(report=report)
