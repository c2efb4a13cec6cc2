"""Both clients and the command line, against a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import nbs

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    InvalidArchitectureError,
    InvalidRequestError,
    Job,
    JobCancelledError,
    JobFailedError,
    JobWaitError,
    UnknownDatasetError,
    UnknownJobError,
    UnsupportedQuestionError,
)
from service.jobs import Jobs
from service.jobs.records import Failure, Lease, Progress


@pytest.fixture(params=["blocking", "awaited"])
def asked(request: pytest.FixtureRequest, job_server: Any) -> Callable[..., Any]:
    """Asks something of either client."""

    def ask(question: Callable[[Any], Any]) -> Any:
        if request.param == "blocking":
            with BenchClient(job_server.url) as bench:
                return question(bench)

        async def awaited() -> Any:
            async with AsyncBenchClient(job_server.url) as bench:
                return await question(bench)

        return asyncio.run(awaited())

    return ask


def test_a_submission_is_waited_for_and_its_progress_told(
    asked: Callable[..., Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
    submission: dict[str, Any],
) -> None:
    arch, seen = submission["network"]["seed"], list[Job]()

    def submit(*, wait: bool) -> Any:
        return asked(
            lambda bench: bench.latency(
                "nasbench201",
                arch,
                dataset="cifar100",
                repeats=1000 + arch,
                priority=10,
                wait=wait,
                progress=seen.append,
            )
        )

    waiting = submit(wait=False)
    assert waiting.state == "queued"

    def work() -> None:
        claimed = claim(waiting.id)
        jobs.leases.renew(claimed, Progress(stage="timing", done=1, total=2))
        jobs.leases.succeed(claimed, {"median": 0.5}, [])

    thread = threading.Thread(target=work)
    thread.start()
    done = submit(wait=True)
    thread.join()
    assert (done.id, done.state, done.result) == (waiting.id, "succeeded", {"median": 0.5})
    assert seen[-1] == done


def test_a_job_without_a_result_is_a_typed_error_with_the_job(
    asked: Callable[..., Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
    submitted: dict[str, Any],
) -> None:
    job_id = submitted["id"]
    with pytest.raises(JobWaitError, match="still queued") as late:
        asked(lambda bench: bench.wait(job_id, timeout=0))
    assert isinstance(late.value, TimeoutError)
    jobs.leases.fail(claim(job_id), Failure(kind="out-of-memory", message="too large"))
    with pytest.raises(JobFailedError, match="too large") as failed:
        asked(lambda bench: bench.wait(job_id))
    assert failed.value.job.error is not None
    assert failed.value.job.error.kind == "out-of-memory"


def test_a_cancelled_job_is_a_typed_error(
    asked: Callable[..., Any], submitted: dict[str, Any]
) -> None:
    assert asked(lambda bench: bench.cancel(submitted["id"])).state == "cancelled"
    with pytest.raises(JobCancelledError):
        asked(lambda bench: bench.wait(submitted["id"]))
    found = asked(lambda bench: bench.jobs(state="cancelled", limit=1))
    assert [job.state for job in found] == ["cancelled"]
    network = {"benchmark": "nasbench201", "arch": 31, "dataset": "cifar10"}
    made = asked(
        lambda bench: bench.build(*list(network.values())[:2], dataset="cifar10", wait=False)
    )
    found = asked(lambda bench: bench.jobs(**network, kind="model"))
    assert made.id in [job.id for job in found]
    with pytest.raises(InvalidArchitectureError):
        asked(lambda bench: bench.jobs(benchmark="nasbench201", arch="odd", dataset="cifar10"))


@pytest.mark.parametrize("job_id", ["nonesuch", "../workers", "", "a?b"])
def test_an_unknown_job_is_a_typed_error(asked: Callable[..., Any], job_id: str) -> None:
    with pytest.raises(UnknownJobError):
        asked(lambda bench: bench.job(job_id))


def test_what_cannot_be_asked_is_a_typed_error(asked: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArchitectureError):
        asked(lambda bench: bench.build("nasbench201", -1, dataset="cifar10"))
    with pytest.raises(InvalidRequestError, match="exactly one of"):
        asked(lambda bench: bench.build("nasbench201", 1, model="proxyless-mobile"))
    with pytest.raises(UnknownDatasetError, match="no-such-set"):
        asked(lambda bench: bench.evaluate(model="proxyless-mobile", dataset="no-such-set"))
    assert isinstance(asked(lambda bench: bench.workers()), list)
    assert isinstance(asked(lambda bench: bench.datasets()), list)


def test_local_files_have_no_jobs(directory: Path) -> None:
    with (
        BenchClient.local(directory) as bench,
        pytest.raises(UnsupportedQuestionError, match="nbs worker"),
    ):
        bench.build(model="proxyless-mobile")


def test_the_command_line_lists_shows_cancels_and_watches(
    job_server: Any, submitted: dict[str, Any]
) -> None:
    def nbs_jobs(*arguments: str) -> subprocess.CompletedProcess[str]:
        return nbs("jobs", *arguments, NASBENCH_URL=job_server.url)

    listed = json.loads(nbs_jobs("list", "--state", "queued", "--limit", "1000").stdout)
    assert submitted["id"] in [job["id"] for job in listed]
    assert json.loads(nbs_jobs("show", submitted["id"]).stdout)["state"] == "queued"
    assert json.loads(nbs_jobs("cancel", submitted["id"]).stdout)["state"] == "cancelled"
    watched = nbs_jobs("watch", submitted["id"])
    assert watched.returncode == 1
    assert "was cancelled" in watched.stderr
    assert "Traceback" not in watched.stderr
