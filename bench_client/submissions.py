"""Submissions of jobs: networks for workers to build, evaluate and time.

An identical request is the same job, so a submission that was cut off may be sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bench_client.errors import InvalidRequestError
from bench_client.jobs import WatchJob, wait
from bench_client.models.jobs import Job
from bench_client.models.submissions import Device, ModelFormat, Precision
from bench_client.operations import Question, Steps, Topic, ask

__all__ = ["Network", "build", "evaluate", "finished", "latency", "submit_model", "submitted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """An architecture of a benchmark, a sample of a model space, or a searched model.

    The service checks whether there is such a thing; `bench_client.models.Network` is what it
    reads.

    Args:
        benchmark: A benchmark, of which `arch` is an architecture in any spelling.
        model: A searched model of the zoo, instead.
        space: A model space, instead.
        arch: The architecture, or a sample of the choices of `space`.
        arguments: Arguments of the space.
        dataset: The data set that a benchmark's network is for.
        checkpoint: SHA-256 of uploaded weights.
        seed: What weights are drawn by where there are none; 0 by default.

    Raises:
        InvalidRequestError: It is not exactly one of the three.
    """

    benchmark: str | None = None
    model: str | None = None
    space: str | None = None
    arguments: Mapping[str, Any] | None = None
    arch: Any = None
    dataset: str | None = None
    checkpoint: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if sum(form is not None for form in (self.benchmark, self.model, self.space)) != 1:
            raise InvalidRequestError(
                "network: name a benchmark, a model or a space, and one of them only"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is submitted: what was not stated is left to the service."""
        stated = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in stated.items() if value is not None}


def evaluate(  # noqa: PLR0913 - the choices of an evaluation
    benchmark: str | None = None,
    arch: Any = None,
    *,
    model: str | None = None,
    space: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    dataset: str,
    network_dataset: str | None = None,
    checkpoint: str | None = None,
    protocol: str | Mapping[str, Any] | None = None,
    batch_size: int = 32,
    precision: Precision = "float32",
    device: Device = "any",
    priority: int = 0,
    label: str | None = None,
    time_limit: float | None = None,
    wait: bool = True,
    timeout: float | None = None,
    progress: WatchJob | None = None,
) -> Steps[Job]:
    """Measure the accuracy of a network on a data set of a worker.

    Args:
        benchmark: A benchmark, of which `arch` is an architecture in any spelling.
        arch: That architecture, or a sample of the choices of `space`.
        model: A searched model of the zoo, instead.
        space: A model space, instead.
        arguments: Arguments of the space.
        dataset: Name of the data set; `datasets()` lists them.
        network_dataset: The data set that a benchmark's network is for.
        checkpoint: SHA-256 of uploaded weights.
        protocol: Name or object of an evaluation protocol; that of the model by default.
        batch_size: Images at a time; a core of a processor takes no more than 4.
        precision: What it computes in.
        device: Where.
        priority: -10 to 10; higher first.
        label: Only workers that were started with it do the job.
        time_limit: Seconds that one attempt may take.
        wait: Whether to wait for the result; if not, the job is returned as it was submitted.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has the figures.

    Raises:
        InvalidRequestError: The network or an option is malformed.
        UnknownDatasetError: No worker has the data set.
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
    )
    job = yield from submitted(
        "submit_evaluation",
        network,
        dataset=dataset,
        protocol=protocol,
        batch_size=batch_size,
        precision=precision,
        device=device,
        priority=priority,
        label=label,
        time_limit=time_limit,
    )
    return (yield from finished(job, timeout, progress)) if wait else job


def latency(  # noqa: PLR0913 - the choices of a measurement
    benchmark: str | None = None,
    arch: Any = None,
    *,
    model: str | None = None,
    space: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    batch_size: int = 1,
    warmup: int = 10,
    repeats: int = 50,
    input_shape: Sequence[int] | None = None,
    precision: Precision = "float32",
    device: Device = "any",
    priority: int = 0,
    label: str | None = None,
    time_limit: float | None = None,
    wait: bool = True,
    timeout: float | None = None,
    progress: WatchJob | None = None,
) -> Steps[Job]:
    """Measure how long a pass through a network takes on a worker.

    Args:
        benchmark: As for `evaluate`, and so are the other members of the network.
        arch: The architecture.
        model: A searched model.
        space: A model space.
        arguments: Arguments of the space.
        dataset: The data set that a benchmark's network is for.
        batch_size: Inputs a pass.
        warmup: Passes before the measured ones.
        repeats: Measured passes.
        input_shape: Shape of an input without the batch, (channels, height, width) of an image; by
            default that of the data set, the model or the space.
        precision: What it computes in.
        device: Where.
        priority: -10 to 10; higher first.
        label: Only workers that were started with it do the job.
        time_limit: Seconds that one attempt may take.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has the seconds.
    """
    network = Network(
        benchmark=benchmark,
        model=model,
        space=space,
        arguments=arguments,
        arch=arch,
        dataset=dataset,
    )
    job = yield from submitted(
        "submit_latency",
        network,
        batch_size=batch_size,
        warmup=warmup,
        repeats=repeats,
        input_shape=None if input_shape is None else list(input_shape),
        precision=precision,
        device=device,
        priority=priority,
        label=label,
        time_limit=time_limit,
    )
    return (yield from finished(job, timeout, progress)) if wait else job


def build(  # noqa: PLR0913 - the choices of a build
    benchmark: str | None = None,
    arch: Any = None,
    *,
    model: str | None = None,
    space: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    checkpoint: str | None = None,
    seed: int | None = None,
    input_shape: Sequence[int] | None = None,
    formats: Sequence[ModelFormat] = ("safetensors", "report"),
    priority: int = 0,
    label: str | None = None,
    time_limit: float | None = None,
    wait: bool = True,
    timeout: float | None = None,
    progress: WatchJob | None = None,
) -> Steps[Job]:
    """Have a worker build a network and write it in some formats.

    Args:
        benchmark: As for `evaluate`, and so are the other members of the network.
        arch: The architecture.
        model: A searched model.
        space: A model space.
        arguments: Arguments of the space.
        dataset: The data set that a benchmark's network is for.
        checkpoint: SHA-256 of uploaded weights.
        seed: What weights are drawn by where there are none; 0 by default.
        input_shape: As for `latency`; what is exported, counted and reported is for such inputs.
        formats: What to write; docs/api.md lists them.
        priority: -10 to 10; higher first.
        label: Only workers that were started with it do the job.
        time_limit: Seconds that one attempt may take.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `artifacts` are the files.
    """
    network = Network(
        benchmark=benchmark,
        model=model,
        space=space,
        arguments=arguments,
        arch=arch,
        dataset=dataset,
        checkpoint=checkpoint,
        seed=seed,
    )
    job = yield from submit_model(
        network, formats, input_shape, priority=priority, label=label, time_limit=time_limit
    )
    return (yield from finished(job, timeout, progress)) if wait else job


def submit_model(
    network: Network,
    formats: Sequence[ModelFormat],
    input_shape: Sequence[int] | None,
    *,
    priority: int = 0,
    label: str | None = None,
    time_limit: float | None = None,
) -> Steps[Job]:
    """Submit the job that builds a network, and return it at once; the arguments of `build`."""
    return (
        yield from submitted(
            "submit_model",
            network,
            formats=list(formats),
            input_shape=None if input_shape is None else list(input_shape),
            priority=priority,
            label=label,
            time_limit=time_limit,
        )
    )


def submitted(
    topic: Topic, network: Network, *, key: str | None = None, **members: Any
) -> Steps[Job]:
    """Submit a job and return it as it is then; `members` are those of its request."""
    options = {"network": network.to_dict(), **members}
    return (yield from ask(Question(topic, Job, network.benchmark, options=options, key=key)))


def finished(job: Job, timeout: float | None, progress: WatchJob | None) -> Steps[Job]:
    """Wait for a job that was submitted; a name that the parameter `wait` does not hide."""
    return (yield from wait(job, timeout=timeout, progress=progress))
