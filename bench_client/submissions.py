"""Methods that submit jobs which build and evaluate networks and measure their latency.

Identical submissions are the same job, so an interrupted one may be repeated.
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
    """Network of a job: of a benchmark's architecture, a searched model, or a model space.

    The service checks whether the network exists; `bench_client.models.Network` is its model of
    this object.

    Args:
        benchmark: Name of the benchmark of `arch`.
        model: A searched model of the zoo, instead of a benchmark.
        space: A model space, instead of a benchmark.
        arch: Architecture in any spelling, or a sample of the choices of `space`.
        arguments: Arguments of the space.
        dataset: Data set that a benchmark's network is built for.
        checkpoint: SHA-256 of uploaded weights.
        seed: Seed of the initial weights if there are no others; 0 by default.

    Raises:
        InvalidRequestError: Not exactly one of `benchmark`, `model` and `space` is given.
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
                "network: name exactly one of a benchmark, a model and a space"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object to submit, without fields that are None."""
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
    """Have a worker measure the accuracy of a network on a data set.

    Args:
        benchmark: Name of the benchmark of `arch`.
        arch: Architecture in any spelling, or a sample of the choices of `space`.
        model: A searched model of the zoo, instead of a benchmark.
        space: A model space, instead of a benchmark.
        arguments: Arguments of the space.
        dataset: Name of the data set; `datasets()` lists them.
        network_dataset: Data set that a benchmark's network is built for.
        checkpoint: SHA-256 of uploaded weights.
        protocol: Name or mapping of an evaluation protocol; that of the model by default.
        batch_size: Images per batch; a processor core computes at most 4 at a time.
        precision: Floating-point type of the computation.
        device: Device to run on.
        priority: -10 to 10; higher first.
        label: Only workers that were started with this label run the job.
        time_limit: Time limit of one attempt, in seconds.
        wait: Whether to wait for the result; if not, the submitted job is returned.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has the accuracies.

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
    """Have a worker measure the latency of a forward pass through a network.

    Args:
        benchmark: As for `evaluate`, and so are the other arguments of the network.
        arch: The architecture.
        model: A searched model.
        space: A model space.
        arguments: Arguments of the space.
        dataset: Data set that a benchmark's network is built for.
        batch_size: Inputs per pass.
        warmup: Passes before the measured ones.
        repeats: Measured passes.
        input_shape: Shape of an input without the batch dimension, (channels, height, width) for
            images; by default that of the data set, the model or the space.
        precision: Floating-point type of the computation.
        device: Device to run on.
        priority: -10 to 10; higher first.
        label: Only workers that were started with this label run the job.
        time_limit: Time limit of one attempt, in seconds.
        wait: As for `evaluate`.
        timeout: As for `wait`.
        progress: As for `wait`.

    Returns:
        The job; its `result` has the latencies in seconds.
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
    """Have a worker build a network and write it as files, such as ONNX.

    Args:
        benchmark: As for `evaluate`, and so are the other arguments of the network.
        arch: The architecture.
        model: A searched model.
        space: A model space.
        arguments: Arguments of the space.
        dataset: Data set that a benchmark's network is built for.
        checkpoint: SHA-256 of uploaded weights.
        seed: Seed of the initial weights if there are no others; 0 by default.
        input_shape: As for `latency`; exports, counts and the report are for inputs of this shape.
        formats: Formats of the files; docs/api.md lists them.
        priority: -10 to 10; higher first.
        label: Only workers that were started with this label run the job.
        time_limit: Time limit of one attempt, in seconds.
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
    """Submit a job that builds a network, and return it at once; arguments as for `build`."""
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
    """Submit a job and return it without waiting; `members` are fields of the request."""
    options = {"network": network.to_dict(), **members}
    return (yield from ask(Question(topic, Job, network.benchmark, options=options, key=key)))


def finished(job: Job, timeout: float | None, progress: WatchJob | None) -> Steps[Job]:
    """Wait for a submitted job: `wait` under a name that parameters called `wait` do not shadow."""
    return (yield from wait(job, timeout=timeout, progress=progress))
