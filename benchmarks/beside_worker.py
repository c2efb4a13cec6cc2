"""Measures what a busy worker on the same machine costs those who ask the tables.

    python benchmarks/beside_worker.py [ROUNDS] [IMAGES CHECKPOINT]

A server of the sample is asked by eight clients, thirty times a second each, while a worker is idle
and while it runs a network, in turn. With IMAGES (a folder with labels.csv) and
CHECKPOINT (the published weights of `proxyless-w0.3-r176`) each round evaluates that model as
well, which reads images.

The 99th percentile of a round is its twentieth slowest request, and differs by a quarter between
two rounds with an idle worker: hence a figure over the requests of all rounds, and as much of the
idle ones, of which the odd rounds are held against the even.
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
from itertools import chain, cycle, islice
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


def asked(port: int) -> list[float]:
    """Return latencies, in milliseconds."""
    latencies, errors = paced(port, PATHS, clients=CLIENTS, rate=RATE, seconds=SECONDS)
    if errors:
        raise RuntimeError(f"{errors} errors")
    return [seconds * 1e3 for seconds in latencies]


def p99(latencies: list[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(latencies, n=100)[98]


def compared(idle: list[float], busy: list[float]) -> str:
    """Return medians and 99th percentiles beside an idle worker and a busy one."""
    before, beside = p99(idle), p99(busy)
    return (
        f"median {median(idle):.2f} and {median(busy):.2f} ms, "
        f"p99 {before:.2f} and {beside:.2f} ms, {beside / before:.2f} times"
    )


def asked_beside(port: int, bench: BenchClient, job: Job, stage: str) -> list[float]:
    """Return latencies while a job is at a stage, and end the job."""
    while (now := bench.job(job)).progress is None or now.progress.stage != stage:
        if now.error:
            raise RuntimeError(now.error.message)
        time.sleep(0.1)
    found = asked(port)
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
            idle: dict[str, list[list[float]]] = {stage: [] for stage, _ in works}
            busy: dict[str, list[list[float]]] = {stage: [] for stage, _ in works}
            for turn in range(rounds):
                for stage, submit in works:
                    idle[stage].append(asked(server.port))
                    busy[stage].append(asked_beside(server.port, bench, submit(turn), stage))
                    print(stage, compared(idle[stage][-1], busy[stage][-1]))
            for stage, latencies in idle.items():
                both = compared([*chain(*latencies)], [*chain(*busy[stage])])
                print(f"{stage}, all rounds: {both}")
            rest = [*chain(*idle.values())]
            if len(rest) > 1:
                print("idle twice:", compared([*chain(*rest[::2])], [*chain(*rest[1::2])]))


if __name__ == "__main__":
    main()
