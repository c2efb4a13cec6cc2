"""Measures claims over HTTP: how many jobs a second workers get from a server.

    python benchmarks/worker_claims.py [--postgresql postgresql://USER@HOST:PORT/NAME]

Starts a server with one process on loopback and twice `JOBS` jobs in its table. Threads claim them
as workers do; each claim is a transaction that is on the disk when it is answered. Processor time
is that of the server, in milliseconds a claim; other programs affect it least. The SQLite database
is in a temporary folder (TMPDIR selects the disk). The PostgreSQL database must be empty.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import httpx
from processes import cpu_seconds

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.database import JobDatabase
from service.jobs.kinds import spec_key
from service.jobs.records import NewJob
from service.jobs.worker_wire import Heartbeat

JOBS: Final = 1500
THREADS: Final = 8
PATIENCE: Final = 60.0


def fill(jobs: Jobs, number: int) -> None:
    """Submit a number of jobs."""
    for rank in range(number):
        spec = {"network": {"checkpoint": None}, "number": rank}
        jobs.store.submit(NewJob(kind="model", spec=spec, key=spec_key("model", spec)))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(url: str) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            httpx.get(f"{url}/livez").raise_for_status()
            return
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


def measure(name: str, url: str | None) -> None:
    """Print claims a second and their processor time, with one worker and with several."""
    with tempfile.TemporaryDirectory() as folder:
        settings = JobSettings(jobs_dir=Path(folder) / "jobs", jobs_url=url, queue_bound=10**6)
        with open_jobs(settings) as jobs:
            fill(jobs, 2 * JOBS)
        with (
            closing(JobDatabase(settings.database_url)) as database,
            database.peewee.connection_context(),
        ):
            # PostgreSQL does so by itself within a minute or so.
            database.peewee.execute_sql("ANALYZE" if url is None else "VACUUM ANALYZE job")
        address = f"http://127.0.0.1:{(port := free_port())}"
        told = {"NASBENCH_JOBS_DIR": str(settings.jobs_dir), "NASBENCH_LOG_JSON": "0"}
        told |= {"NASBENCH_JOBS_URL": url} if url else {}
        command = [sys.executable, "-m", "service.cli", "serve", "--data", folder, "--port"]
        with subprocess.Popen(
            [*command, str(port)], env={**os.environ, **told}, stderr=subprocess.DEVNULL
        ) as server:
            try:
                wait_for(address)
                found = [rate(address, server.pid, threads) for threads in (1, THREADS)]
            finally:
                server.terminate()
    cells = (f"{claims:,.0f} | {cost:.1f} ms" for claims, cost in found)
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def rate(address: str, pid: int, threads: int) -> tuple[float, float]:
    """Return claims a second, and the milliseconds of the server's processor time per claim."""
    with httpx.Client(base_url=address, timeout=30) as client:
        # A different worker for each claim: the same one would get the lease that it already has.
        workers = [f"{threads}-{rank}" for rank in range(JOBS)]
        lists: dict[str, Any] = {name: [] for name in ("devices", "datasets", "models", "running")}
        for worker in workers:
            told = Heartbeat(id=worker, host="here", pid=1, version="0", **lists)
            client.post("/v1/worker/heartbeat", json=told.model_dump()).raise_for_status()

        def claim(rank: int) -> None:
            asked = {"worker": workers[rank], "device": "cpu"}
            answer = client.post("/v1/worker/claim", json=asked)
            assert answer.status_code == httpx.codes.OK, answer.text  # noqa: S101 - a check

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(claim, range(threads)))
            began, used = time.perf_counter(), cpu_seconds(pid)
            list(pool.map(claim, range(threads, JOBS)))
            seconds, used = time.perf_counter() - began, cpu_seconds(pid) - used
    return (JOBS - threads) / seconds, used / (JOBS - threads) * 1e3


def main() -> None:
    """Measure SQLite and, if its address is given, PostgreSQL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", help="address of an empty database")
    arguments = parser.parse_args()
    columns = ("one worker", "processor", f"{THREADS} workers", "processor")
    print(f"| claims a second | {' | '.join(columns)} |\n|---|---|---|---|---|")
    measure("SQLite", None)
    if arguments.postgresql:
        measure("PostgreSQL", arguments.postgresql)


if __name__ == "__main__":
    main()
