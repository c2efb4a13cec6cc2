"""Handlers of training jobs: train a network or a supernet on a part of a data set.

A network is evaluated on another part, which a supernet leaves to the search. Both use
`nas_search.training`, which resumes from a checkpoint of an earlier attempt; on a CPU with the same
number of threads, a resumed training has bit-identical figures.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import structlog
from torch import Tensor

import model_hub
from model_hub.errors import InvalidArgumentError, NoSupernetError, TooLargeError
from model_hub.evaluation import (
    DatasetError,
    LabelError,
    OutputError,
    read_images,
)
from model_hub.model_space import ModelSpace
from model_hub.protocols import EvaluationProtocol
from model_hub.zoo.checkpoints import digest_of_tensors
from nas_search.errors import (
    NoMixtureError,
    OtherTrainerError,
    OtherTrainingError,
    ProblemError,
    TrainerError,
)
from nas_search.oneshot import Supernet
from nas_search.oneshot.registry import OneShot
from nas_search.oneshot.training import Found
from nas_search.recipe import Recipe
from nas_search.trainers import TrainerUse, load_trainer
from nas_search.training import (
    Checkpoints,
    CustomTrainer,
    ImageSet,
    Trainer,
    Training,
    images_of,
    split,
)
from nas_search.training.checkpoint import Saved
from nas_search.training.classification import refuse_unfit, refuse_untrainable
from nas_search.training.loop import Epoch
from service.jobs.blob_store import NO_ROOM
from service.jobs.records import OTHER_DATA, OTHER_TRAINER, Progress
from service.jobs.training_folders import AttemptFolder
from service.worker.building import build_network, write_weights
from service.worker.measuring import (
    PACKAGES,
    dataset_path,
    device_name,
    failure_kind,
    within_dataset,
)
from service.worker.work import OutputFile, ReleasedError, WorkError, Workplace, WorkResult

__all__ = ["train_network", "train_space"]

_PARTS_OF_MEMORY: Final = 4
"""Parts of memory: one for the images, one for a copy when they are split, two for training."""
_METRICS: Final = ("accuracy", "top5", "loss", "train_accuracy", "train_loss", "epochs")
"""Metrics of the last epoch; a supernet has only the last three."""
_ONE_SHOT: Final = ("sampler", "relaxation", "arch_recipe", "costs", "loss")
"""Members of a request that say how a supernet is trained and searched."""
_CANDIDATE_DEPTH: Final = 2
"""Slashes in the name of a candidate's figure, `arch/row/candidate`: too many to report."""
_MOST_FIGURES: Final = 100_000
"""Largest number of figures of a curve in a result; a server accepts slightly more."""


def train_network(spec: Mapping[str, Any], workplace: Workplace) -> WorkResult:
    """Train the network of a request.

    Args:
        spec: The canonical request of `POST /v1/trainings`.
        workplace: The folders, devices, data sets and earlier checkpoints of the attempt.

    Raises:
        WorkError: The network cannot be built, or cannot be trained on the data set.
    """
    make_trainer = _trainer_of(spec, workplace)
    workplace.report(Progress(stage="building"))
    built = build_network(spec, workplace)
    recipe = Recipe.from_dict(spec["recipe"])
    workplace.report(Progress(stage="reading the data set"))
    path = dataset_path(spec["dataset"], workplace)
    try:
        images, train, valid = _split_images(path, built.space, recipe, spec, workplace)
        kept = _open_checkpoints(spec, images, workplace)
        trainer = make_trainer(
            built.network,
            train,
            recipe,
            valid=valid,
            seed=spec["seed"],
            device=workplace.device,
            checkpoints=kept,
            save_epochs=spec["save_epochs"],
        )
        training = _run_training(trainer, spec["epochs"], workplace)
    except TrainerError as error:
        structlog.get_logger().exception("a trainer failed", trainer=spec["trainer"]["name"])
        raise WorkError("trainer-failed", str(error)) from error
    except (DatasetError, OutputError, InvalidArgumentError) as error:
        raise WorkError(_error_kind(error), within_dataset(error, path, spec["dataset"])) from error
    weights = {name: one.cpu() for name, one in trainer.evaluated.state_dict().items()}
    profile = built.space.profile(built.arch, input_shape=train.shape)
    result = {
        **_figures(training),
        "parameters": profile.parameters,
        "macs": profile.macs,
        "notes": [] if kept is None else kept.notes,
        "provenance": {
            **_provenance(built.stated, spec, workplace),
            "dataset_sha256": images.digest,
            "train_images": len(train),
            "valid_images": len(valid),
            "weights_sha256": digest_of_tensors(weights),
        },
    }
    return WorkResult(
        result=result, files=_files("network.safetensors", weights, built.stated, spec, workplace)
    )


def train_space(spec: Mapping[str, Any], workplace: Workplace) -> WorkResult:
    """Train the supernet of a space, and search it if the strategy does so.

    Args:
        spec: The canonical request of `POST /v1/supernets`.
        workplace: The folders, devices, data sets and earlier checkpoints of the attempt.

    Raises:
        WorkError: The space has no supernet, or it cannot be trained on the data set.
    """
    workplace.report(Progress(stage="building"))
    stated = {name: spec["network"][name] for name in ("space", "arguments")}
    try:
        space = model_hub.space(stated["space"], **stated["arguments"])
        supernet = Supernet(space, seed=spec["network"]["seed"])
    except TooLargeError as error:
        raise WorkError("too-large", str(error)) from error
    except NoSupernetError as error:
        raise WorkError("no-supernet", str(error)) from error
    recipe = Recipe.from_dict(spec["recipe"])
    workplace.report(Progress(stage="reading the data set"))
    path = dataset_path(spec["dataset"], workplace)
    try:
        images, train, valid = _split_images(path, space, recipe, spec, workplace)
        stated_strategy = {name: spec[name] for name in _ONE_SHOT}
        one_shot = OneShot.stated(stated_strategy, space, input_shape=train.shape)
        kept = _open_checkpoints(spec, images, workplace)
        trainer = one_shot.trainer(
            supernet,
            (train, valid),
            recipe,
            seed=spec["seed"],
            device=workplace.device,
            checkpoint=kept,
            save_epochs=spec["save_epochs"],
        )
        training = _run_training(trainer, spec["epochs"], workplace)
        workplace.report(Progress(stage="finding the architecture"))
        found = trainer.found()
    except (ProblemError, NoMixtureError) as error:
        raise WorkError("not-trainable", str(error)) from error
    except (DatasetError, OutputError, InvalidArgumentError) as error:
        raise WorkError(_error_kind(error), within_dataset(error, path, spec["dataset"])) from error
    weights = {name: one.cpu() for name, one in trainer.evaluated.state_dict().items()}
    figures = _figures(training)
    thinned = _drop_candidates(figures)
    result = {
        **figures,
        "parameters": sum(one.numel() for one in supernet.parameters()),
        "found": None if found is None else _found(found),
        "notes": [*([] if kept is None else kept.notes), *thinned],
        "provenance": {
            **_provenance(stated, spec, workplace),
            **stated_strategy,
            "dataset_sha256": images.digest,
            "train_images": len(train),
            "valid_images": len(valid),
            "weights_sha256": digest_of_tensors(weights),
        },
    }
    return WorkResult(
        result=result, files=_files("supernet.safetensors", weights, stated, spec, workplace)
    )


def _trainer_of(
    spec: Mapping[str, Any], workplace: Workplace
) -> Callable[..., Trainer | CustomTrainer]:
    """Return the factory for the trainer of a request: the built-in one or a custom function.

    Raises:
        WorkError: The worker does not offer the function, has other code, or cannot import it.
    """
    if "trainer" not in spec:
        return Trainer
    use = TrainerUse.from_dict(spec["trainer"])
    if use.name not in workplace.offers.trainers:
        raise WorkError(OTHER_TRAINER, f"the worker does not offer the trainer {use.name}")
    try:
        function = load_trainer(use)
    except OtherTrainerError as error:
        raise WorkError(OTHER_TRAINER, str(error)) from error
    except TrainerError as error:
        structlog.get_logger().exception("a trainer cannot be loaded", trainer=use.name)
        raise WorkError("trainer-unusable", str(error)) from error
    return partial(CustomTrainer, function, name=use.name, options=use.options)


class _BoundedCheckpoints(Checkpoints):
    """Checkpoints of bounded size; a training continues without one that does not fit."""

    def __init__(self, attempt: AttemptFolder, folder: Path, identity: Mapping[str, Any]) -> None:
        super().__init__(folder, identity)
        self._attempt = attempt
        self._left_out = 0

    @property
    def notes(self) -> list[str]:
        """Notes about skipped checkpoints, for the result."""
        if not self._left_out:
            return []
        return [f"{self._left_out} checkpoints did not fit on the worker's disk and were left out"]

    def save(self, saved: Saved) -> None:
        """Save a checkpoint; if it does not fit, the earlier ones remain."""
        if sum(tensor.nbytes for tensor in saved.tensors.values()) > self._attempt.room():
            self._leave_out(saved, "more than NASBENCH_TRAININGS_BYTES")
            return
        try:
            super().save(saved)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._leave_out(saved, error.strerror)

    def _leave_out(self, saved: Saved, reason: str | None) -> None:
        self._left_out += 1
        log = structlog.get_logger().bind(job_id=self._attempt.job_id)
        log.warning("a checkpoint does not fit", step=saved.step, reason=reason)


def _split_images(
    path: Path, space: ModelSpace, recipe: Recipe, spec: Mapping[str, Any], workplace: Workplace
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Return the training images of a data set, and their split into two parts.

    Raises:
        DatasetError: The images cannot be read.
        InvalidArgumentError: The images are too few, of several sizes, or unfit for the space.
        LabelError: A label has no output.
        WorkError: The data set does not have the required digest.
    """
    images = _images(path, spec, workplace)
    wanted = workplace.dataset_sha256
    if wanted is not None and images.digest != wanted:
        raise WorkError(
            OTHER_DATA,
            f"the data set {spec['dataset']} of this worker has digest {images.digest[:12]}, "
            f"not {wanted[:12]}",
        )
    train, valid = split(images, spec["fractions"], spec["split_seed"])
    refuse_unfit(train, valid, recipe)
    refuse_untrainable(space, train, valid)
    return images, train, valid


def _images(path: Path, spec: Mapping[str, Any], workplace: Workplace) -> ImageSet:
    """Return the training images of a data set, in memory if they need only a part of it.

    Raises:
        DatasetError: The images cannot be read.
        InvalidArgumentError: There are none, or they are of several sizes.
    """
    stated = spec["protocol"]
    protocol = None if stated is None else EvaluationProtocol.from_dict(stated)
    dataset = read_images(path, train=True)
    return images_of(dataset, protocol, memory=workplace.memory // _PARTS_OF_MEMORY)


def _open_checkpoints(
    spec: Mapping[str, Any], images: ImageSet, workplace: Workplace
) -> _BoundedCheckpoints | None:
    """Return the checkpoints of the job; None if no other attempt could find them.

    Checkpoints for another data set of the same name, or from another version of this package, are
    removed, as resuming from them would give wrong results.
    """
    if workplace.kept is None:
        return None
    folder = workplace.kept.opened()
    identity = {"request": dict(spec), "dataset": images.digest}
    kept = _BoundedCheckpoints(workplace.kept, folder, identity)
    try:
        kept.newest()
    except OtherTrainingError:
        shutil.rmtree(folder, ignore_errors=True)
    return kept


def _run_training(trainer: Trainer | CustomTrainer, epochs: int, workplace: Workplace) -> Training:
    goes_on_after = len(trainer.curve)

    def tell(figures: Epoch) -> bool:
        measured = "" if "accuracy" in figures else "train_"
        accuracy, loss = figures[f"{measured}accuracy"], figures[f"{measured}loss"]
        epoch = int(figures["epoch"])
        resumed = f"resumed after epoch {epoch}: " if epoch == goes_on_after else ""
        workplace.report(
            Progress(
                stage="training",
                done=epoch,
                total=epochs,
                message=f"{resumed}accuracy {accuracy:.2f} %, loss {loss:.4g}",
                figures={
                    name: value
                    for name, value in figures.items()
                    if name.count("/") < _CANDIDATE_DEPTH
                },
            )
        )
        return figures["epoch"] < epochs and workplace.release_requested()

    if trainer.curve:
        tell(trainer.curve[-1])
    else:
        workplace.report(Progress(stage="training", total=epochs))
    training = trainer.run(epochs=epochs, report=tell)
    if training.stopped:
        raise ReleasedError
    return training


def _figures(training: Training) -> dict[str, Any]:
    """Return the figures of a training; seconds are those of all attempts, without lost epochs."""
    metrics = training.metrics
    return {
        "metrics": {name: metrics[name] for name in _METRICS if name in metrics},
        "seconds": sum(epoch["seconds"] for epoch in training.curve),
        "processor_seconds": training.processor_seconds,
        "resumed": training.resumed,
        "resumed_after": training.resumed_after,
        "peak_memory": training.peak_memory,
        "curve": [dict(epoch) for epoch in training.curve],
    }


def _drop_candidates(figures: dict[str, Any]) -> list[str]:
    """Remove candidates from a curve that is too long for a result; return notes about it."""
    if sum(map(len, figures["curve"])) <= _MOST_FIGURES:
        return []
    figures["curve"] = [
        {name: value for name, value in epoch.items() if name.count("/") < _CANDIDATE_DEPTH}
        for epoch in figures["curve"]
    ]
    return ["the curve would be too long with the probabilities of candidates: they are left out"]


def _found(found: Found) -> dict[str, Any]:
    """Return the architecture that a strategy found, as JSON."""
    return {
        "sample": found.sample,
        "probabilities": None
        if found.probabilities is None
        else {name: list(row) for name, row in found.probabilities.items()},
        "metrics": None if found.metrics is None else dict(found.metrics),
    }


def _provenance(
    network: Mapping[str, Any], spec: Mapping[str, Any], workplace: Workplace
) -> dict[str, Any]:
    """Return the facts needed to repeat the training, except digests."""
    names = ("dataset", "recipe", "protocol", "fractions", "split_seed", "seed")
    return {
        "network": dict(network),
        **{name: spec[name] for name in names},
        **({"trainer": spec["trainer"]} if "trainer" in spec else {}),
        "device": device_name(workplace.device),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _files(
    name: str,
    weights: Mapping[str, Tensor],
    stated: Mapping[str, Any],
    spec: Mapping[str, Any],
    workplace: Workplace,
) -> tuple[OutputFile, ...]:
    if not spec["weights"]:
        return ()
    path = workplace.folder / name
    write_weights(path, weights, stated)
    return (OutputFile(name=path.name, media_type="application/octet-stream", path=path),)


def _error_kind(error: Exception) -> str:
    """Return the failure kind for an error of a training."""
    if isinstance(error, LabelError):
        return "too-few-outputs"
    if isinstance(error, OutputError):
        return "diverged"
    if not isinstance(error, InvalidArgumentError):
        return failure_kind(error)
    return {
        "fractions": "too-few-images",
        "train": "unfit-images",
        "data": "unfit-images",
        "dataset": "unfit-images",
    }.get(error.argument, "not-trainable")
