"""Training of a supernet by paths, with the loop of `nas_search.training` and a sampler."""

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
"""Images for training weights, and disjoint images for comparing architectures, as made by `split`.
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The architecture found during the training of a supernet.

    Attributes:
        sample: The architecture.
        probabilities: For a relaxation, the probability of each candidate, by row.
        metrics: For a policy, the metrics of the sample with inherited weights and its own
            statistics of norms.
    """

    sample: dict[str, Any]
    probabilities: Mapping[str, tuple[float, ...]] | None = None
    metrics: Mapping[str, float] | None = None


class SupernetTrainer(Trainer):
    """Base of trainers of a supernet; raises on gradients that are not finite.

    Args:
        supernet: The supernet, trained in place.
        data: Images for training weights, and others, which this class does not use.
        recipe: The recipe.
        seed: Seed of the order of images and of all other random draws.
        identity: Identity of the training besides space, recipe, seed and data, as JSON.
        checkpoint: A folder to resume from and to save to, or the checkpoints themselves.
        save_epochs: Save every so many epochs, and always after the last one.
        save_steps: Save also every so many steps.
        device: The device.

    Raises:
        InvalidArgumentError: The images do not fit the space, or are fewer than a batch has.
        LabelError: A label has no output.
        OtherTrainingError: The folder belongs to another space, seed, recipe or images.
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
        """Return and activate the architecture that the training found; None if it searches none.

        Repeated calls, also after the training was resumed, return the same result.
        """
        return None

    def _check_gradients(self) -> None:
        """Raise before a step that would ruin all weights.

        Raises:
            OutputError: A gradient is not finite; the weights are those before the step.
        """
        if self._scaler.is_enabled():
            return  # With float16 such steps are expected, and skipped by the scaler.
        found = [one.grad for one in self._parameters if one.grad is not None]
        if not bool(torch.isfinite(nn.utils.get_total_norm(found))):
            raise OutputError(
                f"gradients of step {self._step} are not finite: a smaller learning rate or "
                "clip_norm may help"
            )


class PathTrainer(SupernetTrainer):
    """Trains a supernet by the paths of a sampler, whose gradients are summed.

    Args:
        supernet: The supernet, trained in place.
        data: Images for training, and others, which are not used.
        sampler: The sampler of paths.
        recipe: The recipe.
        copy_path: Whether steps are taken on copies of the weights of the path.
        seed: As for `SupernetTrainer`.
        options: As for `SupernetTrainer`.

    Raises:
        InvalidArgumentError: The sampler does not support the space, or copies are not possible; or
            as for `SupernetTrainer`.
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
        """Return the batch of another path in this step, from another shuffle of the epoch."""
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
    """Train a supernet by the paths of a sampler.

    With an equal number of threads, the weights on a CPU are bitwise equal, even if the training
    was interrupted and resumed.

    Args:
        supernet: The supernet, trained in place.
        data: Images for training, and images for the search, which are not used.
        sampler: The sampler of paths.
        recipe: The recipe; None: the defaults of `Recipe`, with ten epochs.
        steps: Number of updates, rounded up to whole epochs, in place of the recipe's epochs.
        seed: Seed of paths, the order of images and all other random draws.
        checkpoint: A folder for the newest two checkpoints, from which a later call resumes.
        save_steps: Save also every so many steps, not only after epochs.
        copy_path: In spaces that slice tensors, whether a step is taken on copies of the path's
            weights. Momentum and weight decay then change no other weights, and gradients need
            only the memory of the path, but its network is built for each step. By default, as
            published, they also change the rest of a sliced tensor.
        device: The device.
        report: Takes the metrics of each epoch, with mean loss and accuracy over the trained paths;
            if it returns True, the training stops.

    Raises:
        InvalidArgumentError: The sampler does not support the space; the images do not fit the
            space or are fewer than a batch has; or `copy_path` is set without slices, one path per
            update, SGD and no moving average.
        LabelError: A label has no output.
        OtherTrainingError: The folder belongs to another space, sampler, seed, recipe or images.
        OutputError: A loss or a gradient is not finite.
        OSError: A checkpoint cannot be saved; older ones are kept.
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
