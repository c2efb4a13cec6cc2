"""An evaluator for `SpaceProblem` that trains networks on labelled images."""

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
    """Evaluator that trains the network of a sample and measures it on validation images.

    Metrics: `accuracy` and `top5` of the validation images in percent and their `loss` in nats,
    `train_accuracy`, `train_loss`, `seconds`, `peak_memory` in bytes, and `epochs`. An event of
    kind `epoch` after each epoch contains the metrics so far.

    Args:
        train: The training images.
        valid: The validation images.
        recipe: The training recipe; None: the defaults of `Recipe`, with ten epochs.
        trainer: A trainer in place of `Trainer`: the name of a trainer that an installed package
            publishes, or an object of its `name`, `options` and, to require particular code,
            `package`, `version` and `sha256`. The metric `top5` is then optional.
        test: The test images, used only by `final`.
        seed: Seed of initial weights, the order of images and all other random draws.
        device: The device of the training. It is not part of the identity of a problem.
        checkpoints: A folder for checkpoints. Trainings are resumed from it after an interruption,
            and an evaluation of more epochs continues one of fewer. It grows by up to six times the
            size of the weights for each architecture. With `trainer`, each number of epochs is a
            separate training.
        save_steps: Save also every so many steps, not only after epochs.

    Raises:
        InvalidArgumentError: There are fewer images than a batch has, image sizes differ, or all
            images have one label; or the trainer is invalid, or combined with `save_steps`.
        OtherTrainerError: The trainer is not installed here, or its code differs.
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
        # Plain data, as it is pickled for worker processes.
        self._trainer = None if trainer is None else _installed(trainer)
        if trainer is not None and save_steps is not None:
            raise InvalidArgumentError("save_steps", "a trainer saves only after epochs")

    @property
    def optional_metrics(self) -> tuple[str, ...]:
        """The metrics that a trainer may leave out."""
        return () if self._trainer is None else ("top5",)

    @property
    def settings(self) -> dict[str, Any]:
        """All arguments that affect the metrics, as JSON; images by their digests."""
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
            sample: A sample of the space.
            fidelity: Epochs after which to end; None: all of the recipe.
            report: Takes an event of kind `epoch` after each epoch, and returns whether to stop.

        Raises:
            StoppedEarlyError: `report` returned True; the training so far is in the checkpoints.
            InvalidArgumentError: The images do not fit the space, or the recipe has fewer epochs.
            LabelError: A label has no output.
            OutputError: The loss is not finite.
            OtherTrainerError: The trainer has been uninstalled, or its code has changed.
            TrainerError: The trainer raises an error, or reports invalid metrics.
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
        """Train the network of a sample; return the trainer and the results.

        Args:
            space: The model space.
            sample: A sample of the space.
            epochs: Epochs after which to end; None: all of the recipe.
            report: Takes the metrics of each epoch; if it returns True, the training stops.

        Raises:
            InvalidArgumentError: The images do not fit the space, or the recipe has fewer epochs.
            LabelError: A label has no output.
            OutputError: The loss is not finite.
            OtherTrainerError: The trainer has been uninstalled, or its code has changed.
            TrainerError: The trainer raises an error, or reports invalid metrics.
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
        """Train the network of a sample and return its metrics, including those on test images.

        Returns:
            The metrics of `evaluate`, and `test_accuracy`, `test_top5` and `test_loss`.

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
            # The schedule of a trainer may depend on the number of epochs.
            trained["epochs"] = epochs or self.recipe.epochs
        name = hashlib.sha256(json.dumps(trained, sort_keys=True).encode()).hexdigest()[:32]
        return Checkpoints(self._folder / name, {**trained, **self.settings})


def _installed(stated: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return an installed trainer with package, version and digest, as JSON.

    Raises:
        InvalidArgumentError: A member is invalid.
        OtherTrainerError: It is not installed, or its code differs.
        TrainerError: It cannot be imported, or is no function.
    """
    use = TrainerUse.stated_as_argument(stated)
    load_trainer(use)
    return use.completed(asdict(trainer_code(use.name))).as_dict()


def refuse_unfit(train: ImageSet, valid: ImageSet, recipe: Recipe) -> None:
    """Raise if no network can be trained and compared on images.

    Raises:
        InvalidArgumentError: There are fewer images than a batch has, image sizes differ, or all
            images have one label; the error names `train` or `valid`.
    """
    if len(train) < recipe.batch_size:
        raise InvalidArgumentError(
            "train", f"{len(train)} images are fewer than a batch of {recipe.batch_size}"
        )
    if train.shape != valid.shape:
        raise InvalidArgumentError(
            "valid", f"its images have shape {valid.shape}, those of train {train.shape}"
        )
    if bool((train.labels == train.most).all()):
        raise InvalidArgumentError(
            "train", f"all of its images have label {train.most}: there is nothing to learn"
        )


def refuse_untrainable(space: ModelSpace, train: ImageSet, valid: ImageSet) -> None:
    """Raise if the inputs or outputs of a space's networks do not fit images.

    Raises:
        InvalidArgumentError: The images do not fit the space; the error names `train`.
        LabelError: A label has no output.
    """
    space.accepted_input(train.shape, argument="train")
    refuse_ids(space, train, valid)
    num_labels = getattr(space, "num_labels", None)
    most = max(train.most, valid.most)
    if num_labels is not None and most >= num_labels:
        raise LabelError(f"label {most} has no output: the space has {num_labels} labels")
