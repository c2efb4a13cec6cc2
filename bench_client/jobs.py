"""Jobs: what workers beside the server build, evaluate and time.

An identical request is the same job, so a submission that was cut off may be sent again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bench_client.errors import (
    JobCancelledError,
    JobFailedError,
    JobWaitError,
    UnavailableError,
)
from bench_client.models.jobs import (
    Checkpoint,
    CheckpointList,
    DatasetList,
    Job,
    JobKind,
    JobPage,
    JobState,
    RegisteredDataset,
    RegisteredWorker,
    WorkerList,
)
from bench_client.models.submissions import Device, ModelFormat, Precision
from bench_client.networks import Network
from bench_client.operations import Held, Nothing, Question, Steps, Topic, ask, rest
from bench_client.pages import check_progress
from bench_client.progress_line import WatchJob, progress_line

__all__ = [
    "build",
    "cancel",
    "checkpoints",
    "datasets",
    "delete_checkpoint",
    "evaluate",
    "job",
    "jobs",
    "latency",
    "submit_model",
    "wait",
    "workers",
]

_HOLD: Final = 10.0
"""Seconds that the server may hold back how a job is, until something happens to it."""
_PAGE: Final = 1000
"""Items in a page; servers give no more."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at a job where the server does not hold its answer back; each pause is
half as long again as the one before."""
_GROWTH: Final = 1.5
_PATIENCE: Final = 120.0
"""Seconds that a server may be away before waiting for a job is given up: time to start it anew."""
_GOING_ON: Final = frozenset({"queued", "running"})


def job(job: Job | str) -> Steps[Job]:
    """Return a job as it is now.

    Args:
        job: The job, or its id.

    Raises:
        UnknownJobError: There is none of this id.
    """
    return (yield from ask(Question("job", Job, job=_id(job))))


def jobs(
    *, state: JobState | None = None, kind: JobKind | None = None, limit: int | None = 100
) -> Steps[list[Job]]:
    """Return jobs, the latest first.

    Args:
        state: Only those in this state.
        kind: Only those of this kind.
        limit: How many at most; None: all.
    """
    filters = {"state": state, "kind": kind}
    return (yield from _latest(Question("jobs", JobPage, options=filters), limit))


def cancel(job: Job | str) -> Steps[Job]:
    """Cancel a job and return it; one that has ended stays as it is.

    One that runs is `cancel_requested`, and cancelled as soon as its worker has stopped it.

    Raises:
        UnknownJobError: There is none of this id.
    """
    return (yield from ask(Question("cancel_job", Job, job=_id(job))))


def wait(
    job: Job | str, *, timeout: float | None = None, progress: WatchJob | None = None
) -> Steps[Job]:
    """Return a job once it has succeeded.

    The server tells as soon as something happens to the job; one that is started anew meanwhile is
    waited for.

    Args:
        job: The job, or its id.
        timeout: How long to wait, in seconds; None: as long as it takes.
        progress: Told of the job at first and whenever it has changed; None: where a person
            watches, a line on standard error tells how far it is.

    Raises:
        JobFailedError: It failed or was parked, or its result was thrown away.
        JobCancelledError: It was cancelled.
        JobWaitError: It goes on longer than `timeout`.
        UnknownJobError: There is none of this id.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    tell = progress or progress_line()
    question = Question("job", Job, job=_id(job))
    found = yield from _outlasting(question, until)
    tell(found)
    pause = _FIRST_PAUSE
    while found.state in _GOING_ON:
        asked = time.monotonic()
        if asked >= until:
            raise JobWaitError(f"job {found.id} is still {found.state}: wait again", job=found)
        hold = min(_HOLD, until - asked)
        now = yield from _outlasting(_held(question, found.revision, hold), until)
        if now.revision != found.revision:
            found, pause = now, _FIRST_PAUSE
            tell(found)
        elif time.monotonic() < asked + hold:
            # Held by nobody: as many wait as may, or the server stops.
            yield from rest(min(pause, max(0.0, until - time.monotonic())))
            pause = min(_LONGEST_PAUSE, pause * _GROWTH)
    return _succeeded(found)


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
    job = yield from _submit(
        "submit_evaluation",
        network,
        dataset=dataset,
        protocol=protocol,
        batch_size=batch_size,
        precision=precision,
        device=device,
        priority=priority,
        time_limit=time_limit,
    )
    return (yield from _finished(job, timeout, progress)) if wait else job


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
    job = yield from _submit(
        "submit_latency",
        network,
        batch_size=batch_size,
        warmup=warmup,
        repeats=repeats,
        input_shape=None if input_shape is None else list(input_shape),
        precision=precision,
        device=device,
        priority=priority,
        time_limit=time_limit,
    )
    return (yield from _finished(job, timeout, progress)) if wait else job


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
        network, formats, input_shape, priority=priority, time_limit=time_limit
    )
    return (yield from _finished(job, timeout, progress)) if wait else job


def submit_model(
    network: Network,
    formats: Sequence[ModelFormat],
    input_shape: Sequence[int] | None,
    *,
    priority: int = 0,
    time_limit: float | None = None,
) -> Steps[Job]:
    """Submit the job that builds a network, and return it at once; the arguments of `build`."""
    return (
        yield from _submit(
            "submit_model",
            network,
            formats=list(formats),
            input_shape=None if input_shape is None else list(input_shape),
            priority=priority,
            time_limit=time_limit,
        )
    )


def workers() -> Steps[list[RegisteredWorker]]:
    """Return the workers that were heard of within a day, by id."""
    return (yield from ask(Question("workers", WorkerList))).items


def datasets() -> Steps[list[RegisteredDataset]]:
    """Return the data sets that evaluations may ask for, by name."""
    return (yield from ask(Question("datasets", DatasetList))).items


def checkpoints(*, limit: int | None = None) -> Steps[list[Checkpoint]]:
    """Return the weights that were uploaded, the latest first.

    Args:
        limit: How many at most; None: all.
    """
    return (yield from _latest(Question("checkpoints", CheckpointList), limit))


def delete_checkpoint(checkpoint: Checkpoint | str) -> Steps[None]:
    """Delete uploaded weights; this needs a key of scope `admin` where there are keys.

    Args:
        checkpoint: The weights, or their SHA-256.

    Raises:
        InvalidRequestError: There are none of this digest, or a job that waits or runs uses them.
    """
    digest = checkpoint if isinstance(checkpoint, str) else checkpoint.sha256
    yield from ask(Question("delete_checkpoint", Nothing, checkpoint=digest))


def _latest(question: Question[Any], limit: int | None) -> Steps[list[Any]]:
    """Return the items of a list that comes in pages, the latest first.

    Args:
        question: Asks for a page, but for its size and place.
        limit: How many items at most; None: all.
    """
    found: list[Any] = []
    cursor = None
    seen: set[str] = set()
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        options = {**question.options, "limit": size, "cursor": cursor}
        page = yield from ask(replace(question, options=options))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
        check_progress(cursor, seen, len(found))
    return found[:limit]


def _held(question: Question[Job], revision: int, seconds: float) -> Held[Job]:
    """Return the question how a job is that is answered when it has another revision."""
    options = {"revision": revision, "wait": seconds}
    return Held("job", Job, job=question.job, options=options, seconds=seconds, at_once=question)


def _outlasting(question: Question[Job], until: float) -> Steps[Job]:
    """Ask, and ask again while the server is away, which it may be for a while."""
    away_since: float | None = None
    while True:
        try:
            return (yield from ask(question))
        except UnavailableError:
            now = time.monotonic()
            away_since = now if away_since is None else away_since
            if now >= until or now - away_since > _PATIENCE:
                raise
        yield from rest(_LONGEST_PAUSE)


def _submit(topic: Topic, network: Network, **members: Any) -> Steps[Job]:
    """Submit a job and return it as it is then; `members` are those of its request."""
    options = {"network": network.to_dict(), **members}
    return (yield from ask(Question(topic, Job, network.benchmark, options=options)))


def _finished(job: Job, timeout: float | None, progress: WatchJob | None) -> Steps[Job]:
    """Wait for a job that was submitted; a name that the parameter `wait` does not hide."""
    return (yield from wait(job, timeout=timeout, progress=progress))


def _succeeded(job: Job) -> Job:
    """Return a job that has ended.

    Raises:
        JobFailedError: Without a result.
        JobCancelledError: It was cancelled.
    """
    if job.state == "succeeded":
        return job
    if job.state == "cancelled":
        raise JobCancelledError(f"job {job.id} was cancelled", job=job)
    if job.state == "expired":
        raise JobFailedError(
            f"the result of job {job.id} was thrown away to make room: ask again", job=job
        )
    why = f"{job.error.kind}: {job.error.message}" if job.error else "nobody said why"
    raise JobFailedError(f"job {job.id} {job.state}: {why}", job=job)


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job
