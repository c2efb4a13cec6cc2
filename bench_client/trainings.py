"""Submissions of trainings: networks and supernets for workers to train."""

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
    """Train a network on a part of a data set of a worker, and evaluate it on another part.

    Args:
        benchmark: As for `evaluate`, and so are the other members of the network.
        arch: The architecture.
        model: A searched model, whose published weights are where the training begins.
        space: A model space.
        arguments: Arguments of the space.
        dataset: Name of the data set; `datasets()` lists them.
        recipe: Name of a published recipe, or the fields of one that are not the defaults.
        trainer: What trains in place of the service's own loop: name of a trainer that a worker
            has, or an object of its `name`, `options` and, if only that code will do, `package`,
            `version` and `sha256`.
        epochs: After how many epochs of the recipe to end; None: after all.
        network_dataset: The data set that a benchmark's network is for.
        checkpoint: SHA-256 of uploaded weights, where the training begins.
        protocol: How images are resized, cropped and normalised: name or object of an evaluation
            protocol; None: that of the model; else they are of one size and taken as they are.
        fractions: Parts of each class to train on and to evaluate on.
        split_seed: What the parts are drawn by.
        seed: What first weights, the order of images and all else that is random is drawn by.
        save_epochs: After how many epochs each to save what another attempt goes on from.
        weights: Whether to keep the trained weights as the artifact `network.safetensors`.
        device: Where.
        priority: -10 to 10; higher first.
        label: Only workers that were started with it do the job.
        time_limit: Seconds that one attempt may take.
        idempotency_key: Stands for this one submission: repeated, it gives the same job, whatever
            became of it; 1 to 128 printable characters.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has `metrics` and `curve`, accuracies in percent, losses in nats.

    Raises:
        InvalidRequestError: The network, the recipe or an option is malformed.
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have several of the name.
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
    """Train the supernet of a model space on a part of a data set of a worker; search it if asked.

    Args:
        space: The model space.
        arguments: Arguments of the space.
        dataset: Name of the data set; `datasets()` lists them.
        recipe: Name of a published recipe, or the fields of one that are not the defaults.
        sampler: Draws the paths of each update: `UniformPaths` (the default), `FairPaths`,
            `SandwichPaths`, `BinnedPaths` or `PolicyPaths`, or a mapping of that `name` and its
            arguments.
        relaxation: Weighs candidates by logits that follow gradients, instead of a sampler:
            `Softmax`, `Gumbel`, `GumbelHard`, `BinaryGates` or `Reinforced`, or a mapping.
        arch_recipe: Fields of a recipe for the logits; None: as the relaxation has it.
        costs: What candidates cost: `macs` or `parameters`, or a mapping of that `metric` and a
            `unit`.
        loss: How a relaxation weighs the expected cost: a mapping of the `name` of a loss and its
            arguments.
        epochs: After how many epochs of the recipe to end; None: after all.
        protocol: As for `train`.
        fractions: Parts of each class to train on and to keep for the search.
        split_seed: What the parts are drawn by.
        seed: What first weights, paths, the order of images and all else that is random is drawn
            by.
        save_epochs: After how many epochs each to save what another attempt goes on from.
        weights: Whether to keep the trained weights as the artifact `supernet.safetensors`.
        device: Where.
        priority: -10 to 10; higher first.
        label: Only workers that were started with it do the job.
        time_limit: Seconds that one attempt may take.
        idempotency_key: As for `train`.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has `metrics` and `curve`, of the paths that were trained, and in
        `found` what a relaxation or `PolicyPaths` found: `sample`, `probabilities`, `metrics`.

    Raises:
        InvalidRequestError: The space has no supernet, or the recipe or an option is malformed or
            does not go with the others.
        UnknownDatasetError: No worker has the data set.
        JobNotDoneError: As for `wait`.
    """
    job = yield from submitted(
        "submit_supernet",
        Network(space=space, arguments=arguments, seed=seed),
        key=idempotency_key,
        dataset=dataset,
        recipe=recipe,
        sampler=_by(sampler, "name"),
        relaxation=_by(relaxation, "name"),
        arch_recipe=None if arch_recipe is None else dict(arch_recipe),
        costs=_by(costs, "metric"),
        loss=_by(loss, "name"),
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


def _by(stated: str | Mapping[str, Any] | None, member: str) -> dict[str, Any] | None:
    """Return what a word or a mapping states, as an object."""
    if stated is None:
        return None
    return {member: stated} if isinstance(stated, str) else dict(stated)
