"""Training on labelled images as an evaluator of a `SpaceProblem`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from model_hub.errors import InvalidArgumentError, LabelError
from model_hub.model_space import ModelSpace
from nas_search.errors import StoppedEarlyError
from nas_search.problems import Report
from nas_search.recipe import Recipe
from nas_search.trainers import TrainerUse, load_trainer, trainer_code
from nas_search.training.checkpoint import Checkpoints
from nas_search.training.custom import CustomTrainer
from nas_search.training.data import ImageSet
from nas_search.training.loop import Epoch, Trainer, Training
from nas_search.training.tokens import refuse_ids

__all__ = ["Classification", "refuse_unfit", "refuse_untrainable"]


class Classification:
    """Trains the network of a sample and evaluates it on other images.

    Metrics: `accuracy` and `top5` of the validation images in percent and their `loss` in nats,
    `train_accuracy`, `train_loss`, `seconds`, `peak_memory` in bytes, and `epochs`. After each
    epoch an event of kind `epoch` has the figures so far.

    Args:
        train: What networks learn from.
        valid: What they are compared by.
        recipe: How they are trained; by default ten epochs.
        trainer: What trains in place of `Trainer`: name of a trainer that a package installed here
            publishes, or an object of its `name`, `options` and, if only that code will do,
            `package`, `version` and `sha256`. `top5` is then there if it reports it.
        test: Read by `final` alone.
        seed: Of initial weights, the order of images and all that is drawn.
        device: Where networks are trained. It is no part of what makes the problem.
        checkpoints: A folder. Trainings go on from there after an interruption, and an evaluation
            of more epochs goes on from one of fewer. It grows by up to six times the weights for
            each architecture. With `trainer`, each number of epochs is a training of its own.
        save_steps: Save also after so many steps each, not only after epochs.

    Raises:
        InvalidArgumentError: There are fewer images than a batch has, they are of two sizes, or all
            have one label; the trainer cannot mean anything, or is to save after steps.
        OtherTrainerError: The trainer is not installed here, or its code is not the stated one.
        TrainerError: The trainer cannot be imported, or is no function.
    """

    metrics: ClassVar[tuple[str, ...]] = (
        *("accuracy", "top5", "loss", "train_accuracy", "train_loss"),
        *("seconds", "peak_memory", "epochs"),
    )

    def __init__(  # noqa: PLR0913 - the choices of a training
        self,
        train: ImageSet,
        valid: ImageSet,
        *,
        recipe: Recipe | None = None,
        trainer: str | Mapping[str, Any] | None = None,
        test: ImageSet | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        checkpoints: str | os.PathLike[str] | None = None,
        save_steps: int | None = None,
    ) -> None:
        self.recipe = Recipe() if recipe is None else recipe
        refuse_unfit(train, valid, self.recipe)
        self._train, self._valid, self._test = train, valid, test
        self._seed, self._device, self._save_steps = seed, str(device), save_steps
        self._folder = None if checkpoints is None else Path(checkpoints)
        # As plain data, which other processes are sent.
        self._trainer = None if trainer is None else _installed(trainer)
        if trainer is not None and save_steps is not None:
            raise InvalidArgumentError("save_steps", "a trainer saves after epochs alone")

    @property
    def optional_metrics(self) -> tuple[str, ...]:
        """Those of the metrics that a trainer may leave out."""
        return () if self._trainer is None else ("top5",)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes the figures, as JSON; images by their digests."""
        return {
            "recipe": self.recipe.as_dict(),
            "seed": self._seed,
            "train": self._train.digest,
            "valid": self._valid.digest,
            **({} if self._trainer is None else {"trainer": self._trainer}),
        }

    def evaluate(
        self, space: ModelSpace, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> Mapping[str, float]:
        """Train the network of a sample and return its metrics.

        Args:
            space: The model space.
            sample: Of it.
            fidelity: After how many epochs of the recipe to end; None: after all.
            report: Takes an event of kind `epoch` after each, and tells whether to end there.

        Raises:
            StoppedEarlyError: The report said so; what was trained is in the checkpoints.
            InvalidArgumentError: The space takes no such images, or the recipe has fewer epochs.
            LabelError: A label has no output.
            OutputError: The loss is no finite number any more.
            OtherTrainerError: The trainer is not here any more, or its code has changed.
            TrainerError: The trainer raises, or gives no figures.
        """

        def tell(figures: Epoch) -> bool:
            return report("epoch", figures)

        training = self.train(space, sample, epochs=fidelity, report=tell)[1]
        if training.stopped:
            raise StoppedEarlyError(training.metrics)
        return training.metrics

    def train(
        self,
        space: ModelSpace,
        sample: dict[str, Any],
        *,
        epochs: int | None = None,
        report: Any = None,
    ) -> tuple[Trainer | CustomTrainer, Training]:
        """Train the network of a sample; return what trained it, and what came of it.

        Args:
            space: The model space.
            sample: Of it.
            epochs: After how many of the recipe to end; None: after all.
            report: Takes the figures of each epoch; where it returns True, the training ends.

        Raises:
            InvalidArgumentError: The space takes no such images, or the recipe has fewer epochs.
            LabelError: A label has no output.
            OutputError: The loss is no finite number any more.
            OtherTrainerError: The trainer is not here any more, or its code has changed.
            TrainerError: The trainer raises, or gives no figures.
        """
        refuse_untrainable(space, self._train, self._valid)
        with torch.random.fork_rng([]):
            torch.manual_seed(self._seed)
            network = space.freeze(sample)
        made: Any = partial(Trainer, save_steps=self._save_steps)
        if self._trainer is not None:
            use = TrainerUse.from_dict(self._trainer)
            made = partial(CustomTrainer, load_trainer(use), name=use.name, options=use.options)
        trainer: Trainer | CustomTrainer = made(
            network,
            self._train,
            self.recipe,
            valid=self._valid,
            seed=self._seed,
            device=self._device,
            checkpoints=self._checkpoints(space, sample, epochs),
        )
        return trainer, trainer.run(epochs=epochs, report=report)

    def final(self, space: ModelSpace, sample: dict[str, Any]) -> dict[str, float]:
        """Train the network of a sample and return its metrics, with those of the test images.

        Returns:
            As `evaluate`; also `test_accuracy`, `test_top5` and `test_loss`.

        Raises:
            InvalidArgumentError: There are no test images.
        """
        if self._test is None:
            raise InvalidArgumentError("test", "no test images were given")
        trainer, training = self.train(space, sample)
        tested = trainer.evaluate(self._test)
        return {**training.metrics, **{f"test_{name}": value for name, value in tested.items()}}

    def _checkpoints(
        self, space: ModelSpace, sample: dict[str, Any], epochs: int | None
    ) -> Checkpoints | None:
        if self._folder is None:
            return None
        trained: dict[str, Any] = {
            "space": type(space).__name__,
            "arguments": space.arguments,
            "sample": space.canonical(sample),
        }
        if self._trainer is not None:
            # What a trainer does may follow from how many epochs it is asked for.
            trained["epochs"] = epochs or self.recipe.epochs
        name = hashlib.sha256(json.dumps(trained, sort_keys=True).encode()).hexdigest()[:32]
        return Checkpoints(self._folder / name, {**trained, **self.settings})


def _installed(stated: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a trainer that is installed here, with its code, as JSON has it.

    Raises:
        InvalidArgumentError: A member cannot mean anything.
        OtherTrainerError: It is not installed, or its code is not the one that is stated.
        TrainerError: It cannot be imported, or is no function.
    """
    use = TrainerUse.stated_as_argument(stated)
    load_trainer(use)
    return use.completed(asdict(trainer_code(use.name))).as_dict()


def refuse_unfit(train: ImageSet, valid: ImageSet, recipe: Recipe) -> None:
    """Refuse images that no network can be trained and compared on.

    Raises:
        InvalidArgumentError: There are fewer images than a batch has, they are of two sizes, or all
            have one label; the error names `train` or `valid`.
    """
    if len(train) < recipe.batch_size:
        raise InvalidArgumentError(
            "train", f"{len(train)} images are fewer than a batch of {recipe.batch_size}"
        )
    if train.shape != valid.shape:
        raise InvalidArgumentError(
            "valid", f"its images are {valid.shape}, those of train {train.shape}"
        )
    if bool((train.labels == train.most).all()):
        raise InvalidArgumentError(
            "train", f"all of its images have label {train.most}: there is nothing to learn"
        )


def refuse_untrainable(space: ModelSpace, train: ImageSet, valid: ImageSet) -> None:
    """Refuse images that networks of a space have no input or output for.

    Raises:
        InvalidArgumentError: The space takes no such images; the error names `train`.
        LabelError: A label has no output.
    """
    space.accepted_input(train.shape, argument="train")
    refuse_ids(space, train, valid)
    num_labels = getattr(space, "num_labels", None)
    most = max(train.most, valid.most)
    if num_labels is not None and most >= num_labels:
        raise LabelError(f"label {most} has no output: the space has {num_labels} labels")
