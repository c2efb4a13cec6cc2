"""Methods that submit trainings of networks and supernets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench_client.jobs import WatchJob
from bench_client.models.jobs import Job
from bench_client.models.submissions import Device
from bench_client.operations import Steps
from bench_client.submissions import Network, finished, submitted

__all__ = ["train", "train_supernet"]


def train(  # noqa: PLR0913 - the choices of a training
    benchmark: str | None = None,
    arch: Any = None,
    *,
    model: str | None = None,
    space: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    dataset: str,
    recipe: str | Mapping[str, Any],
    trainer: str | Mapping[str, Any] | None = None,
    epochs: int | None = None,
    network_dataset: str | None = None,
    checkpoint: str | None = None,
    protocol: str | Mapping[str, Any] | None = None,
    fractions: Sequence[float] = (0.8, 0.2),
    split_seed: int = 0,
    seed: int = 0,
    save_epochs: int = 1,
    weights: bool = False,
    device: Device = "any",
    priority: int = 0,
    label: str | None = None,
    time_limit: float | None = None,
    idempotency_key: str | None = None,
    wait: bool = True,
    timeout: float | None = None,
    progress: WatchJob | None = None,
) -> Steps[Job]:
    """Have a worker train a network on one split of a data set and evaluate it on another.

    Args:
        benchmark: As for `evaluate`, and so are the other arguments of the network.
        arch: The architecture.
        model: A searched model; the training starts from its published weights.
        space: A model space.
        arguments: Arguments of the space.
        dataset: Name of the data set; `datasets()` lists them.
        recipe: Name of a published recipe, or a mapping of fields; missing ones have defaults.
        trainer: Trainer to use instead of the service's own training loop: the name of a trainer
            that a worker has, or a mapping of its `name`, `options` and, to require one version of
            its code, `package`, `version` and `sha256`.
        epochs: Stop after so many epochs of the recipe; None: train all.
        network_dataset: Data set that a benchmark's network is built for.
        checkpoint: SHA-256 of uploaded weights to start from.
        protocol: How images are resized, cropped and normalised: name or mapping of an evaluation
            protocol. None: that of the model; without one, images must have one size and are used
            unchanged.
        fractions: Fractions of each class to train on and to evaluate on.
        split_seed: Seed of the split.
        seed: Seed of the initial weights, the order of images and all other random choices.
        save_epochs: Epochs between checkpoints, from which a later attempt resumes.
        weights: Whether to keep the trained weights as the artifact `network.safetensors`.
        device: Device to run on.
        priority: -10 to 10; higher first.
        label: Only workers that were started with this label run the job.
        time_limit: Time limit of one attempt, in seconds.
        idempotency_key: Key of this submission, 1 to 128 printable characters: repeating the
            submission with the same key returns the same job, whatever its state.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has `metrics` and `curve`, accuracies in percent, losses in nats.

    Raises:
        InvalidRequestError: The network, the recipe or an option is malformed.
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have different ones of that name.
        JobNotDoneError: As for `wait`.
    """
    network = Network(
        benchmark=benchmark,
        model=model,
        space=space,
        arguments=arguments,
        arch=arch,
        dataset=network_dataset,
        checkpoint=checkpoint,
        seed=seed,
    )
    job = yield from submitted(
        "submit_training",
        network,
        key=idempotency_key,
        dataset=dataset,
        recipe=recipe,
        trainer=trainer,
        epochs=epochs,
        protocol=protocol,
        fractions=list(fractions),
        split_seed=split_seed,
        seed=seed,
        save_epochs=save_epochs,
        weights=weights,
        device=device,
        priority=priority,
        label=label,
        time_limit=time_limit,
    )
    return (yield from finished(job, timeout, progress)) if wait else job


def train_supernet(  # noqa: PLR0913 - the choices of a training
    space: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    dataset: str,
    recipe: str | Mapping[str, Any],
    sampler: str | Mapping[str, Any] | None = None,
    relaxation: str | Mapping[str, Any] | None = None,
    arch_recipe: Mapping[str, Any] | None = None,
    costs: str | Mapping[str, Any] | None = None,
    loss: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    protocol: str | Mapping[str, Any] | None = None,
    fractions: Sequence[float] = (0.8, 0.2),
    split_seed: int = 0,
    seed: int = 0,
    save_epochs: int = 1,
    weights: bool = True,
    device: Device = "any",
    priority: int = 0,
    label: str | None = None,
    time_limit: float | None = None,
    idempotency_key: str | None = None,
    wait: bool = True,
    timeout: float | None = None,
    progress: WatchJob | None = None,
) -> Steps[Job]:
    """Have a worker train the supernet of a model space, and search it with a relaxation or policy.

    Args:
        space: The model space.
        arguments: Arguments of the space.
        dataset: Name of the data set; `datasets()` lists them.
        recipe: Name of a published recipe, or a mapping of fields; missing ones have defaults.
        sampler: Sampler of the paths of each update: `UniformPaths` (the default), `FairPaths`,
            `SandwichPaths`, `BinnedPaths` or `PolicyPaths`, or a mapping of its `name` and
            arguments.
        relaxation: Continuous relaxation with trained architecture logits, instead of a sampler:
            `Softmax`, `Gumbel`, `GumbelHard`, `BinaryGates` or `Reinforced`, or a mapping.
        arch_recipe: Recipe fields of the optimizer of the logits; None: those of the relaxation.
        costs: Cost of candidates: `macs` or `parameters`, or a mapping of that `metric` and a
            `unit`.
        loss: Loss that combines task loss and expected cost of a relaxation: a mapping of its
            `name` and arguments.
        epochs: Stop after so many epochs of the recipe; None: train all.
        protocol: As for `train`.
        fractions: Fractions of each class to train on and to keep for the search.
        split_seed: Seed of the split.
        seed: Seed of the initial weights, paths, the order of images and all other random choices.
        save_epochs: Epochs between checkpoints, from which a later attempt resumes.
        weights: Whether to keep the trained weights as the artifact `supernet.safetensors`.
        device: Device to run on.
        priority: -10 to 10; higher first.
        label: Only workers that were started with this label run the job.
        time_limit: Time limit of one attempt, in seconds.
        idempotency_key: As for `train`.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has `metrics` and `curve` of the trained paths, and in `found` the
        result of a relaxation or `PolicyPaths`: `sample`, `probabilities`, `metrics`.

    Raises:
        InvalidRequestError: The space has no supernet, or the recipe or an option is malformed or
            incompatible with the others.
        UnknownDatasetError: No worker has the data set.
        JobNotDoneError: As for `wait`.
    """
    job = yield from submitted(
        "submit_supernet",
        Network(space=space, arguments=arguments, seed=seed),
        key=idempotency_key,
        dataset=dataset,
        recipe=recipe,
        sampler=_as_object(sampler, "name"),
        relaxation=_as_object(relaxation, "name"),
        arch_recipe=None if arch_recipe is None else dict(arch_recipe),
        costs=_as_object(costs, "metric"),
        loss=_as_object(loss, "name"),
        epochs=epochs,
        protocol=protocol,
        fractions=list(fractions),
        split_seed=split_seed,
        seed=seed,
        save_epochs=save_epochs,
        weights=weights,
        device=device,
        priority=priority,
        label=label,
        time_limit=time_limit,
    )
    return (yield from finished(job, timeout, progress)) if wait else job


def _as_object(stated: str | Mapping[str, Any] | None, member: str) -> dict[str, Any] | None:
    """Return an option given as a name or a mapping as a JSON object."""
    if stated is None:
        return None
    return {member: stated} if isinstance(stated, str) else dict(stated)
