"""Measures what a busy worker on the same machine costs those who ask the tables.

    python benchmarks/beside_worker.py [ROUNDS]

A server of the sample is asked by eight clients, thirty times a second each, while a worker is idle
and while it runs a network on all cores, in turn.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

from load import paced
from processes import service

from bench_client import BenchClient
from generators.registry import GENERATORS, SAMPLES

CLIENTS, RATE, SECONDS = 8, 30.0, 8.0
PATHS = [
    f"/v1/nasbench201/computed-stats?arch={arch}&num_epochs=200&dataset=cifar100&reduction=mean"
    for arch in range(12)
]


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    """Run a worker whose jobs are in a folder."""
    log = (folder / "worker.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "service.cli", "worker"], stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def p50_p99(port: int) -> tuple[float, float]:
    """Return the median and the 99th percentile of latencies, in milliseconds."""
    latencies, errors = paced(port, PATHS, clients=CLIENTS, rate=RATE, seconds=SECONDS)
    if errors:
        raise RuntimeError(f"{errors} errors")
    return median(latencies) * 1e3, quantiles(latencies, n=100)[98] * 1e3


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NASBENCH_JOBS_DIR"] = str(folder / "jobs")
        raw = SAMPLES["nasbench201"](folder / "raw", architectures=12, seed=0)
        GENERATORS["nasbench201"](raw, folder, progress=lambda *_: None)
        with service(folder) as server, worker(folder):
            bench = BenchClient(f"http://127.0.0.1:{server.port}")
            ratios = []
            for turn in range(rounds):
                idle = p50_p99(server.port)
                job = bench.latency(
                    "nasbench201",
                    turn,
                    dataset="cifar100",
                    batch_size=64,
                    repeats=1_000_000,
                    wait=False,
                )
                while (now := bench.job(job)).progress is None or now.progress.stage != "timing":
                    time.sleep(0.1)
                busy = p50_p99(server.port)
                bench.cancel(job)
                while bench.job(job).state == "running":
                    time.sleep(0.1)
                ratios.append(busy[1] / idle[1])
                print(
                    f"idle: median {idle[0]:.2f} ms, p99 {idle[1]:.2f} ms; busy: median "
                    f"{busy[0]:.2f} ms, p99 {busy[1]:.2f} ms; p99 {ratios[-1]:.2f} times"
                )
            print(f"p99 beside a busy worker: {median(ratios):.2f} times that beside an idle one")


if __name__ == "__main__":
    main()
