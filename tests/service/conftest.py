"""Real servers on real sockets, serving databases made from archives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

import httpx
import pytest
from forked_nbs import ForkedProcess, start_nbs
from measuring import unmeasured
from waiting import PATIENCE, until

from generators.registry import GENERATORS
from service.jobs import Jobs, JobSettings, open_jobs

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_RECORDS = REPOSITORY.parent / "shared/data/nasbench201/NATS-tss-v1_0-3ffb9-simple"

Serve: TypeAlias = Callable[..., str]


@pytest.fixture(scope="session")
def directory(every_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the databases of made-up archives of twelve architectures, and for logs."""
    folder = tmp_path_factory.mktemp("sample")
    for path in every_sample.glob("*.db"):
        (folder / path.name).hardlink_to(path)
    return folder


@pytest.fixture(scope="session")
@unmeasured()
def real_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of the two real records."""
    if not REAL_RECORDS.is_dir():
        pytest.skip("the real records are in ../shared, which is not there")
    folder = tmp_path_factory.mktemp("real")
    GENERATORS["nasbench201"](REAL_RECORDS, folder, progress=lambda *_: None)
    return folder


@pytest.fixture(scope="session")
def server(directory: Path) -> Iterator[str]:
    """The address of a server of the sample."""
    with serving(directory) as url:
        yield url


@pytest.fixture(scope="session")
def real_server(real_directory: Path) -> Iterator[str]:
    """The address of a server of the real records."""
    with serving(real_directory) as url:
        yield url


@pytest.fixture(scope="session")
def nds_server(nds_folder: Path) -> Iterator[str]:
    """The address of a server of NDS with the published runs."""
    with serving(nds_folder) as url:
        yield url


@pytest.fixture(scope="session")
def nasbench101_server(nasbench101_folder: Path) -> Iterator[str]:
    """The address of a server of NAS-Bench-101 with the golden cell."""
    with serving(nasbench101_folder) as url:
        yield url


@pytest.fixture(scope="session")
@unmeasured()
def sizes_and_costs_folder(
    shared: Path, real_hardware_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the databases of the real size space records and the real hardware costs."""
    folder = tmp_path_factory.mktemp("sizes-and-costs")
    raw = shared / "data/natssss/NATS-sss-v1_0-50262-simple"
    GENERATORS["natssss"](raw, folder, progress=lambda *_: None)
    (folder / real_hardware_database.name).hardlink_to(real_hardware_database)
    return folder


@pytest.fixture(scope="session")
def sizes_and_costs_server(sizes_and_costs_folder: Path) -> Iterator[str]:
    """The address of a server of them."""
    with serving(sizes_and_costs_folder) as url:
        yield url


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that end with the test."""
    started = []

    def start(folder: Path, workers: int = 1, **environment: str) -> str:
        context = serving(folder, workers, **environment)
        started.append(context)
        return context.__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)


class JobServer(NamedTuple):
    """A server, and the folder of its jobs."""

    url: str
    folder: Path


@pytest.fixture(scope="session")
def job_server(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    """A server of the sample whose jobs nobody does, unless a test acts as their worker."""
    folder = tmp_path_factory.mktemp("jobs")
    limits = {"NASBENCH_CHECKPOINT_BYTES": str(8 * 2**20), "NASBENCH_JOB_STREAMS": "40"}
    with serving(directory, NASBENCH_JOBS_DIR=str(folder), **limits) as url:
        yield JobServer(url, folder)


@pytest.fixture
def jobs(job_server: JobServer) -> Iterator[Jobs]:
    """The jobs of that server, as a worker beside it sees them."""
    with open_jobs(JobSettings(jobs_dir=job_server.folder)) as opened:
        yield opened


@pytest.fixture
def asking(job_server: JobServer) -> Iterator[httpx.Client]:
    """A bare HTTP client of that server."""
    with httpx.Client(base_url=job_server.url, timeout=30) as client:
        yield client


@pytest.fixture
def http(server: str) -> Iterator[httpx.Client]:
    """A bare HTTP client of the server."""
    with httpx.Client(base_url=server, timeout=30) as client:
        yield client


@pytest.fixture(scope="session", name="serving")
def serving_fixture() -> Callable[..., AbstractContextManager[str]]:
    """Runs servers for as long as a fixture of any scope lasts."""
    return serving


@contextmanager
def serving(
    folder: Path, workers: int = 1, host: str = "127.0.0.1", **environment: str
) -> Iterator[str]:
    """Run `nbs serve` on a free port; at the end it must stop by itself when told to."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / f"server-{port}.log"
    command = ["serve", "--data", str(folder), "--port", str(port), "--host", host]
    jobs = {"NASBENCH_JOBS_DIR": str(folder / f"jobs-{port}")}
    # No proxy waits to hear that a test's server ends.
    told = {**os.environ, **jobs, "NASBENCH_DRAIN_SECONDS": "0", **environment}
    process: ForkedProcess | subprocess.Popen[bytes]
    with log.open("wb") as output:
        if workers == 1:
            process = start_nbs(*command, env=told, stderr=output)
        else:
            command = [sys.executable, "-m", "service.cli", *command, "--workers", str(workers)]
            process = subprocess.Popen(command, stderr=output, cwd=REPOSITORY, env=told)
    try:
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
        wait_for(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE)
    assert status in {0, -signal.SIGTERM}, log.read_text()
    assert "Traceback" not in log.read_text()


def wait_for(url: str, process: ForkedProcess | subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers.

    Raises:
        AssertionError: It has ended, or does not; with its log.
    """

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(httpx.TransportError):
            httpx.get(f"{url}/livez")
            return True
        return False

    try:
        until(answers, what="an answer of the server")
    except AssertionError as failed:
        failed.add_note(log.read_text())
        raise
