"""Jobs as they are: what workers beside the server have done, do and will do.

`submissions` has the methods that make them.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO, TypeAlias

from bench_client.arguments import plain_arch
from bench_client.errors import (
    JobCancelledError,
    JobFailedError,
    JobStoppedError,
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
from bench_client.models.zoo import ZooList, ZooModel
from bench_client.operations import Held, Nothing, Question, Steps, ask, rest
from bench_client.pages import listed_items
from bench_client.untrusted import cleaned

__all__ = [
    "WatchJob",
    "cancel",
    "checkpoints",
    "datasets",
    "delete_checkpoint",
    "job",
    "jobs",
    "progress_line",
    "stop",
    "wait",
    "workers",
    "zoo",
]

_HOLD: Final = 10.0
"""Seconds that the server may hold back how a job is, until something happens to it."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at a job where the server does not hold its answer back; each pause is
half as long again as the one before."""
_GROWTH: Final = 1.5
_PATIENCE: Final = 120.0
"""Seconds that a server may be away before waiting for a job is given up: time to start it anew."""
_GOING_ON: Final = frozenset({"queued", "running"})

WatchJob: TypeAlias = Callable[[Job], object]
"""Told of a job whenever it has changed."""

_BAR: Final = 24
_NOTEBOOK: Final = "ipykernel."
"""Beginning of the module that what a notebook shows is written to."""
_WIDEST: Final = 200


def job(job: Job | str) -> Steps[Job]:
    """Return a job as it is now.

    Args:
        job: The job, or its id.

    Raises:
        UnknownJobError: There is none of this id.
    """
    return (yield from ask(Question("job", Job, job=_id(job))))


def jobs(
    *,
    state: JobState | None = None,
    kind: JobKind | None = None,
    benchmark: str | None = None,
    arch: Any = None,
    dataset: str | None = None,
    limit: int | None = 100,
) -> Steps[list[Job]]:
    """Return jobs, the latest first.

        bench.jobs(benchmark="nasbench201", arch=7, dataset="cifar10")

    Args:
        state: Only those in this state.
        kind: Only those of this kind.
        benchmark: Only those about the network of an architecture of this benchmark, whatever they
            do with it.
        arch: That architecture, in any of its spellings.
        dataset: Data set that the network is for, as in a submission.
        limit: How many at most; None: all.

    Raises:
        InvalidArchitectureError: There is no such architecture.
        InvalidRequestError: A benchmark is named without an architecture, or there is no such one.
    """
    filters = {
        "state": state,
        "kind": kind,
        "benchmark": benchmark,
        "arch": plain_arch(arch),
        "dataset": dataset,
    }
    return (yield from listed_items(Question("jobs", JobPage, options=filters), limit))


def cancel(job: Job | str) -> Steps[Job]:
    """Cancel a job and return it; one that has ended stays as it is.

    One that runs is `cancel_requested`, and cancelled as soon as its worker has stopped it.

    Raises:
        UnknownJobError: There is none of this id.
    """
    return (yield from ask(Question("cancel_job", Job, job=_id(job))))


def stop(job: Job | str) -> Steps[Job]:
    """End a training early and return its job; one that has ended stays as it is.

    It ends as `stopped`, with the figures of its last epoch in `progress`, as soon as its worker
    has heard of it; before the first epoch, and where it is no training, it is cancelled. It
    answers no other submission, and a cell of a plan is not finished by it.

    Raises:
        UnknownJobError: There is none of this id.
    """
    return (yield from ask(Question("stop_job", Job, job=_id(job))))


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
        JobStoppedError: It was stopped early.
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


def workers() -> Steps[list[RegisteredWorker]]:
    """Return the workers that were heard of within a day, by id."""
    return (yield from ask(Question("workers", WorkerList))).items


def datasets() -> Steps[list[RegisteredDataset]]:
    """Return the data sets that evaluations may ask for, by name."""
    return (yield from ask(Question("datasets", DatasetList))).items


def zoo() -> Steps[list[ZooModel]]:
    """Return the searched models that jobs may ask for, with their published accuracies."""
    return (yield from ask(Question("zoo", ZooList))).items


def checkpoints(*, limit: int | None = None) -> Steps[list[Checkpoint]]:
    """Return the weights that were uploaded, the latest first.

    Args:
        limit: How many at most; None: all.
    """
    return (yield from listed_items(Question("checkpoints", CheckpointList), limit))


def delete_checkpoint(checkpoint: Checkpoint | str) -> Steps[None]:
    """Delete uploaded weights; this needs a key of scope `admin` where there are keys.

    Args:
        checkpoint: The weights, or their SHA-256.

    Raises:
        InvalidRequestError: There are none of this digest, or a job that waits or runs uses them.
    """
    digest = checkpoint if isinstance(checkpoint, str) else checkpoint.sha256
    yield from ask(Question("delete_checkpoint", Nothing, checkpoint=digest))


def progress_line(stream: TextIO | None = None) -> WatchJob:
    """Return what draws a job as one line, over and over; nothing where no person watches.

    People watch terminals, and notebooks, which take a line back as terminals do.

    Args:
        stream: Where; standard error by default.
    """
    out = stream or sys.stderr
    # Standard error of a notebook says that it is no terminal, and is shown all the same.
    in_notebook = type(out).__module__.startswith(_NOTEBOOK)
    if not out.isatty() and not in_notebook:
        return lambda _: None
    drawn = 0

    def draw(job: Job) -> None:
        nonlocal drawn
        end = "" if job.state in _GOING_ON else "\n"
        line = cleaned(_described(job))[:_WIDEST]
        # The rest of a longer line before it is erased; notebooks know no such code.
        rest = " " * (drawn - len(line)) if in_notebook else "\x1b[K"
        drawn = len(line)
        out.write(f"\r{line}{rest}{end}")
        out.flush()

    return draw


def _described(job: Job) -> str:
    progress = job.progress
    if job.state != "running" or progress is None:
        return f"{job.kind} {job.id[:8]} {job.state}"
    if not progress.total:
        return f"{job.kind} {job.id[:8]} {progress.stage} {progress.done or ''}".rstrip()
    full = max(0, min(_BAR, _BAR * progress.done // progress.total))
    bar = "█" * full + "·" * (_BAR - full)
    return f"{job.kind} {job.id[:8]} {progress.stage} {bar} {progress.done}/{progress.total}"


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


def _succeeded(job: Job) -> Job:
    """Return a job that has ended.

    Raises:
        JobFailedError: Without a result.
        JobCancelledError: It was cancelled.
        JobStoppedError: It was stopped early.
    """
    if job.state == "succeeded":
        return job
    if job.state == "stopped":
        raise JobStoppedError(f"job {job.id} was stopped early", job=job)
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
