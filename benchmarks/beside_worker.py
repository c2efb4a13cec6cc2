"""Measures what a busy worker on the same machine costs those who ask the tables.

    python benchmarks/beside_worker.py [ROUNDS] [IMAGES CHECKPOINT]

A server of the sample is asked by eight clients, thirty times a second each, while a worker is idle
and while it runs a network on all cores, in turn. With IMAGES (a folder with labels.csv) and
CHECKPOINT (the published weights of `proxyless-w0.3-r176`) each round evaluates that model as
well, which reads images.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

from load import paced
from processes import service

from bench_client import BenchClient, Job
from generators.registry import GENERATORS, SAMPLES
from model_hub import zoo

MODEL, IMAGES = "proxyless-w0.3-r176", 20_000
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


def p99_beside(port: int, bench: BenchClient, job: Job, stage: str) -> tuple[float, float]:
    """Return the two percentiles while a job is at a stage, and end the job."""
    while (now := bench.job(job)).progress is None or now.progress.stage != stage:
        if now.error:
            raise RuntimeError(now.error.message)
        time.sleep(0.1)
    found = p50_p99(port)
    if bench.job(job).state != "running":
        raise RuntimeError("the job ended too early")
    bench.cancel(job)
    while bench.job(job).state == "running":
        time.sleep(0.1)
    return found


def endless_images(images: Path, folder: Path) -> None:
    """Make a data set of a few images that are read again and again."""
    folder.mkdir(parents=True)
    with (images / "labels.csv").open() as file:
        rows = [(images / row["file"], row["file"], row["label"]) for row in csv.DictReader(file)]
    for path, name, _ in rows:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(path.read_bytes())
    lines = (f"{name},{label}\n" for _, name, label in islice(cycle(rows), IMAGES))
    (folder / "labels.csv").write_text("file,label\n" + "".join(lines))


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    evaluation = [Path(each) for each in sys.argv[2:4]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NASBENCH_JOBS_DIR"] = str(folder / "jobs")
        os.environ["NASBENCH_ZOO_DIR"] = str(folder / "zoo")
        os.environ["NASBENCH_DATASETS_DIR"] = str(folder / "datasets")
        raw = SAMPLES["nasbench201"](folder / "raw", architectures=12, seed=0)
        GENERATORS["nasbench201"](raw, folder, progress=lambda *_: None)
        if evaluation:
            endless_images(evaluation[0], folder / "datasets/images")
            zoo.convert(evaluation[1], MODEL)
        with service(folder) as server, worker(folder):
            bench = BenchClient(f"http://127.0.0.1:{server.port}")
            timed = partial(
                bench.latency,
                "nasbench201",
                dataset="cifar100",
                batch_size=64,
                repeats=1_000_000,
                wait=False,
            )
            evaluated = partial(bench.evaluate, model=MODEL, dataset="images", wait=False)
            works: list[tuple[str, Callable[[int], Job]]] = [("timing", timed)]
            if evaluation:
                works.append(("evaluating", lambda turn: evaluated(batch_size=32 + turn)))
            ratios: dict[str, list[float]] = {stage: [] for stage, _ in works}
            for turn in range(rounds):
                for stage, submit in works:
                    idle = p50_p99(server.port)
                    busy = p99_beside(server.port, bench, submit(turn), stage)
                    ratios[stage].append(busy[1] / idle[1])
                    print(
                        f"idle: median {idle[0]:.2f} ms, p99 {idle[1]:.2f} ms; {stage}: median "
                        f"{busy[0]:.2f} ms, p99 {busy[1]:.2f} ms; p99 {ratios[stage][-1]:.2f} times"
                    )
            for stage, found in ratios.items():
                print(f"p99 while a worker is {stage}: {median(found):.2f} times an idle one's")


if __name__ == "__main__":
    main()
