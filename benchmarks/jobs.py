"""Measures how fast a server accepts jobs and reports that a worker has begun one.

python -m benchmarks.jobs
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from bench_client import BenchClient
from service.jobs import JobSettings, open_jobs
from service.jobs.records import Capabilities

_JOBS: Final = 1000
_THREADS: Final = 8
_ROUNDS: Final = 10


def main() -> None:
    """Measure both on a server of its own without workers, and print the figures."""
    with tempfile.TemporaryDirectory() as name, _serving(Path(name)) as url:
        # Before the submissions below, whose notifications would wake the waiting worker.
        delays = sorted(_first_event(url, Path(name), round_) for round_ in range(_ROUNDS))
        sys.stdout.write(
            f"from a submission to the event of its claim: median "
            f"{delays[_ROUNDS // 2] * 1000:.0f} ms, longest {delays[-1] * 1000:.0f} ms\n"
        )
        seconds = _submit(url)
        sys.stdout.write(f"{_JOBS} jobs submitted by {_THREADS} threads in {seconds:.2f} s\n")


def _submit(url: str) -> float:
    with BenchClient(url) as bench, ThreadPoolExecutor(_THREADS) as threads:
        bench.jobs(limit=1)  # opens the job database
        began = time.perf_counter()
        done = threads.map(
            lambda arch: bench.build("nasbench201", arch, dataset="cifar10", wait=False),
            range(_JOBS),
        )
        assert len({job.id for job in done}) == _JOBS  # noqa: S101 - else jobs were merged
        return time.perf_counter() - began


def _first_event(url: str, folder: Path, number: int) -> float:
    """Return the seconds from a submission to the event that a waiting worker claimed the job."""
    can = Capabilities(device="cpu")
    body = {
        "network": {"benchmark": "nasbench201", "arch": 15_000 + number, "dataset": "cifar10"},
        "priority": 10,
    }

    def work() -> None:
        with open_jobs(JobSettings(jobs_dir=folder / "jobs")) as jobs:
            ready.set()
            jobs.notifier.wait(30, lambda: False)
            claim = jobs.leases.acquire("hand", can)
            assert claim is not None  # noqa: S101 - nobody else claims
            jobs.leases.succeed(claim, {}, [])

    ready = threading.Event()
    worker = threading.Thread(target=work)
    worker.start()
    ready.wait()
    with httpx.Client(base_url=url) as http:
        began = time.perf_counter()
        job = http.post("/v1/models", json=body).json()
        with http.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
            for line in response.iter_lines():
                if line.startswith("data:") and '"state":"queued"' not in line:
                    delay = time.perf_counter() - began
                    break
    worker.join()
    return delay


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "service.cli", "serve", "--data", str(folder)]
    environment = {**os.environ, "NASBENCH_JOBS_DIR": str(folder / "jobs")}
    server = subprocess.Popen(
        [*command, "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/livez")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    main()
