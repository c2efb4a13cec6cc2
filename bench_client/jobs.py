"""Methods that list, await, stop and cancel jobs, and list workers, data sets and weights.

`submissions` and `trainings` have the methods that submit jobs.
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
from bench_client.operations import LongPoll, NoContent, Question, Steps, ask, sleep
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

_LONG_POLL_SECONDS: Final = 10.0
"""Seconds; longest delay of a long poll, during which the server waits for a change of the job."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds; first and longest pause between two polls if the server does not delay its answer."""
_GROWTH: Final = 1.5
_PATIENCE: Final = 120.0
"""Seconds that a server may be unavailable before `wait` gives up; enough for a restart."""
_ACTIVE: Final = frozenset({"queued", "running"})

WatchJob: TypeAlias = Callable[[Job], object]
"""Callback that receives a job at first and after every change."""

_BAR: Final = 24
_NOTEBOOK: Final = "ipykernel."
"""Prefix of the module of a notebook's standard error stream."""
_WIDEST: Final = 200


def job(job: Job | str) -> Steps[Job]:
    """Return the current state of a job.

    Args:
        job: The job, or its id.

    Raises:
        UnknownJobError: There is no job of this id.
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
    """Return jobs, latest first.

        bench.jobs(benchmark="nasbench201", arch=7, dataset="cifar10")

    Args:
        state: Only jobs in this state.
        kind: Only jobs of this kind.
        benchmark: Only jobs, of any kind, about the network of `arch` in this benchmark.
        arch: Architecture in any spelling.
        dataset: Data set that the network is built for, as in a submission.
        limit: Maximum number of jobs; None: all.

    Raises:
        InvalidArchitectureError: There is no such architecture.
        InvalidRequestError: A benchmark is named without an architecture, or is unknown.
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
    """Cancel a job and return it; a job that has ended is unchanged.

    A running job is `cancel_requested`, and cancelled as soon as its worker has stopped it.

    Raises:
        UnknownJobError: There is no job of this id.
    """
    return (yield from ask(Question("cancel_job", Job, job=_id(job))))


def stop(job: Job | str) -> Steps[Job]:
    """Stop a training early and return its job; a job that has ended is unchanged.

    The job ends as `stopped`, with the values of its last epoch in `progress`, at the next
    heartbeat of its worker. Before the first epoch, or if it is not a training, it is cancelled
    instead. A later identical submission does not reuse a stopped job, and a stopped job does not
    complete a cell of a plan.

    Raises:
        UnknownJobError: There is no job of this id.
    """
    return (yield from ask(Question("stop_job", Job, job=_id(job))))


def wait(
    job: Job | str, *, timeout: float | None = None, progress: WatchJob | None = None
) -> Steps[Job]:
    """Wait until a job has succeeded, and return it.

    The wait reacts to a change of the job at once, by long polling, and continues while the server
    restarts.

    Args:
        job: The job, or its id.
        timeout: Longest wait, in seconds; None: no limit.
        progress: Callback that receives the job at first and after every change; None: a progress
            line on standard error in terminals and notebooks, otherwise nothing.

    Raises:
        JobFailedError: The job failed or was parked, or its result was deleted.
        JobCancelledError: The job was cancelled.
        JobStoppedError: The training was stopped early.
        JobWaitError: The job is not done after `timeout`.
        UnknownJobError: There is no job of this id.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    tell = progress or progress_line()
    question = Question("job", Job, job=_id(job))
    found = yield from _ask_patiently(question, until)
    tell(found)
    pause = _FIRST_PAUSE
    while found.state in _ACTIVE:
        asked = time.monotonic()
        if asked >= until:
            raise JobWaitError(f"job {found.id} is still {found.state}: wait again", job=found)
        hold = min(_LONG_POLL_SECONDS, until - asked)
        now = yield from _ask_patiently(_long_poll(question, found.revision, hold), until)
        if now.revision != found.revision:
            found, pause = now, _FIRST_PAUSE
            tell(found)
        elif time.monotonic() < asked + hold:
            # The answer came early: too many long polls are open, or the server is stopping.
            yield from sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(_LONGEST_PAUSE, pause * _GROWTH)
    return _succeeded(found)


def workers() -> Steps[list[RegisteredWorker]]:
    """Return the workers with a heartbeat within the last day, by id."""
    return (yield from ask(Question("workers", WorkerList))).items


def datasets() -> Steps[list[RegisteredDataset]]:
    """Return the data sets of all workers, which evaluations and trainings may use, by name."""
    return (yield from ask(Question("datasets", DatasetList))).items


def zoo() -> Steps[list[ZooModel]]:
    """Return the searched models that jobs may build, with their published accuracies."""
    return (yield from ask(Question("zoo", ZooList))).items


def checkpoints(*, limit: int | None = None) -> Steps[list[Checkpoint]]:
    """Return the uploaded weights, latest first.

    Args:
        limit: Maximum number; None: all.
    """
    return (yield from listed_items(Question("checkpoints", CheckpointList), limit))


def delete_checkpoint(checkpoint: Checkpoint | str) -> Steps[None]:
    """Delete uploaded weights; if the server has API keys, one of scope `admin` is needed.

    Args:
        checkpoint: The weights, or their SHA-256.

    Raises:
        InvalidRequestError: No weights have this digest, or a queued or running job uses them.
    """
    digest = checkpoint if isinstance(checkpoint, str) else checkpoint.sha256
    yield from ask(Question("delete_checkpoint", NoContent, checkpoint=digest))


def progress_line(stream: TextIO | None = None) -> WatchJob:
    """Return a callback that redraws a progress line; outside terminals and notebooks a no-op.

    Args:
        stream: Stream to write to; standard error by default.
    """
    out = stream or sys.stderr
    # A notebook shows its standard error, although `isatty` is false there.
    in_notebook = type(out).__module__.startswith(_NOTEBOOK)
    if not out.isatty() and not in_notebook:
        return lambda _: None
    drawn = 0

    def draw(job: Job) -> None:
        nonlocal drawn
        end = "" if job.state in _ACTIVE else "\n"
        line = cleaned(_described(job))[:_WIDEST]
        # Erase the rest of a longer previous line; notebooks do not support the escape code.
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


def _long_poll(question: Question[Job], revision: int, seconds: float) -> LongPoll[Job]:
    """Return a long poll that is answered once the job has another revision."""
    options = {"revision": revision, "wait": seconds}
    return LongPoll(
        "job", Job, job=question.job, options=options, seconds=seconds, without_delay=question
    )


def _ask_patiently(question: Question[Job], until: float) -> Steps[Job]:
    """Ask for a job, and repeat while the server is unavailable, for at most `_PATIENCE`."""
    away_since: float | None = None
    while True:
        try:
            return (yield from ask(question))
        except UnavailableError:
            now = time.monotonic()
            away_since = now if away_since is None else away_since
            if now >= until or now - away_since > _PATIENCE:
                raise
        yield from sleep(_LONGEST_PAUSE)


def _succeeded(job: Job) -> Job:
    """Return a job that has ended if it has succeeded.

    Raises:
        JobFailedError: The job has no result.
        JobCancelledError: The job was cancelled.
        JobStoppedError: The training was stopped early.
    """
    if job.state == "succeeded":
        return job
    if job.state == "stopped":
        raise JobStoppedError(f"job {job.id} was stopped early", job=job)
    if job.state == "cancelled":
        raise JobCancelledError(f"job {job.id} was cancelled", job=job)
    if job.state == "expired":
        raise JobFailedError(
            f"the result of job {job.id} was deleted to free space: submit it again", job=job
        )
    why = f"{job.error.kind}: {job.error.message}" if job.error else "no reason recorded"
    raise JobFailedError(f"job {job.id} {job.state}: {why}", job=job)


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job
