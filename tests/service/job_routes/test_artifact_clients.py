"""Files of jobs on the caller's disk: whole, with the right digest, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench_client import AsyncBenchClient, BenchClient, UnexpectedAnswerError, UnknownJobError
from service.jobs import Jobs
from service.jobs.records import Artifact, Lease


@pytest.fixture
def made(
    jobs: Jobs, claim: Callable[[str], Lease], submitted: dict[str, Any], tmp_path: Path
) -> str:
    """The id of a job that made a report."""
    source = tmp_path / "source"
    source.write_bytes(b'{"parameters": 1}' * 1000)
    sha256, size = jobs.artifacts.add(source)
    report = Artifact(name="report.json", media_type="application/json", size=size, sha256=sha256)
    claimed = claim(submitted["id"])
    jobs.leases.succeed(claimed, {"parameters": 1}, [report])
    return claimed.job.id


def test_files_are_written_into_a_folder(made: str, job_server: Any, tmp_path: Path) -> None:
    with BenchClient(job_server.url) as bench:
        paths = bench.download(bench.job(made), tmp_path / "out")
    assert paths == {"report.json": tmp_path / "out/report.json"}
    assert paths["report.json"].read_bytes() == b'{"parameters": 1}' * 1000


def test_files_are_written_while_others_wait(made: str, job_server: Any, tmp_path: Path) -> None:
    async def fetch() -> dict[str, Path]:
        async with AsyncBenchClient(job_server.url) as bench:
            return await bench.download(await bench.job(made), tmp_path / "out")

    assert asyncio.run(fetch())["report.json"].stat().st_size == 17_000


def test_a_file_that_was_changed_on_the_way_is_refused(
    made: str, job_server: Any, jobs: Jobs, tmp_path: Path
) -> None:
    with BenchClient(job_server.url) as bench:
        job = bench.job(made)
        path = jobs.artifact_folder.path(job.artifacts[0].sha256)
        path.write_bytes(b"x" * 17_000)
        with pytest.raises(UnexpectedAnswerError, match="has another digest"):
            bench.download(job, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_is_not_there_is_named(made: str, job_server: Any, tmp_path: Path) -> None:
    with BenchClient(job_server.url) as bench:
        job = bench.job(made)
        with pytest.raises(UnknownJobError, match=r"no 'a\.onnx', but report\.json"):
            bench.download(job, tmp_path, names=["a.onnx"])
        jobs_path = tmp_path / "none"
        job = job.model_copy(update={"id": "nonesuch"})
        with pytest.raises(UnknownJobError):
            bench.download(job, jobs_path)


def test_what_becomes_a_network_needs_its_weights(job_server: Any) -> None:
    with BenchClient(job_server.url) as bench, pytest.raises(ValueError, match="safetensors"):
        bench.materialize("nasbench201", 0, dataset="cifar10", formats=["onnx"])
