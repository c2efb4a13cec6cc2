"""Measures how much a busy worker on the same machine slows down queries.

    python benchmarks/beside_worker.py [ROUNDS] [IMAGES CHECKPOINT]

Eight clients query a server of the sample, thirty times a second each, while a worker is idle and
while it is busy, in turn. The worker times a network with one input a pass (the default) and with
64, and exports one network after another in every format. With IMAGES (a folder with labels.csv)
and CHECKPOINT (the published weights of `proxyless-w0.3-r176`) it also evaluates that model on
the images.

The 99th percentile of a round is its twentieth slowest request and differs by a quarter between two
rounds with an idle worker. The result is therefore computed over the requests of all rounds. For
comparison, the odd rounds with an idle worker are compared with the even ones in the same way.
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
from bench_client.models.submissions import ModelFormat
from generators.registry import GENERATORS, SAMPLES
from model_hub import zoo

MODEL, IMAGES = "proxyless-w0.3-r176", 20_000
EXPORTS = 40
CLIENTS, RATE, SECONDS = 8, 30.0, 8.0
PATHS = [
    f"/v1/nasbench201/computed-stats?arch={arch}&num_epochs=200&dataset=cifar100&reduction=mean"
    for arch in range(12)
]


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    """Run a worker that logs into a folder."""
    log = (folder / "worker.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "service.cli", "worker"], stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def asked(port: int) -> list[float]:
    """Return the latencies of one round of queries, in milliseconds."""
    latencies, errors = paced(port, PATHS, clients=CLIENTS, rate=RATE, seconds=SECONDS)
    if errors:
        raise RuntimeError(f"{errors} errors")
    return [seconds * 1e3 for seconds in latencies]


def p99(latencies: list[float]) -> float:
    """Return the 99th percentile of latencies."""
    return quantiles(latencies, n=100)[98]


def compared(idle: list[float], busy: list[float]) -> str:
    """Describe medians and 99th percentiles beside an idle and a busy worker."""
    before, beside = p99(idle), p99(busy)
    return (
        f"median {median(idle):.2f} and {median(busy):.2f} ms, "
        f"p99 {before:.2f} and {beside:.2f} ms, {beside / before:.2f} times"
    )


def asked_beside(port: int, bench: BenchClient, jobs: list[Job]) -> list[float]:
    """Return latencies while a worker runs jobs, from its first progress on; cancel the jobs."""
    while (now := bench.job(jobs[0])).state != "succeeded":
        if now.error:
            raise RuntimeError(now.error.message)
        if now.progress and now.progress.done:
            break
        time.sleep(0.1)
    found = asked(port)
    if bench.job(jobs[-1]).state not in ("queued", "running"):
        raise RuntimeError("the jobs ended too early")
    for job in jobs:
        bench.cancel(job)
    while any(bench.job(job).state == "running" for job in jobs):
        time.sleep(0.1)
    return found


def endless_images(images: Path, folder: Path) -> None:
    """Create a data set of `IMAGES` names that link to a few images."""
    folder.mkdir(parents=True)
    with (images / "labels.csv").open() as file:
        rows = [(images / row["file"], row["label"]) for row in csv.DictReader(file)]
    with (folder / "labels.csv").open("w") as table:
        table.write("file,label\n")
        for number, (path, label) in enumerate(islice(cycle(rows), IMAGES)):
            name = f"{number}{path.suffix}"
            (folder / name).symlink_to(path.resolve())
            table.write(f"{name},{label}\n")


def works_of(bench: BenchClient, *, evaluates: bool) -> dict[str, Callable[[int], list[Job]]]:
    """Return functions, by kind of work, that submit more jobs than a round takes."""
    network = partial(bench.latency, "nasbench201", dataset="cifar100", wait=False)
    timed = partial(network, repeats=1_000_000)
    forms: list[ModelFormat] = ["safetensors", "export", "onnx", "report", "picture"]
    exported = partial(bench.build, "nasbench201", dataset="cifar100", formats=forms, wait=False)
    evaluated = partial(bench.evaluate, model=MODEL, dataset="images", wait=False)
    works: dict[str, Callable[[int], list[Job]]] = {
        "timing": lambda turn: [timed(turn)],
        "timing with 64 inputs a pass": lambda turn: [timed(turn, batch_size=64)],
        "exporting": lambda turn: [exported(turn * EXPORTS + each) for each in range(EXPORTS)],
    }
    if evaluates:
        works["evaluating"] = lambda turn: [evaluated(batch_size=32 + turn)]
    return works


def main() -> None:
    """Run the rounds and print the comparison of each kind of work."""
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
            works = works_of(bench, evaluates=bool(evaluation))
            idle: dict[str, list[list[float]]] = {work: [] for work in works}
            busy: dict[str, list[list[float]]] = {work: [] for work in works}
            for turn in range(rounds):
                for work, submit in works.items():
                    idle[work].append(asked(server.port))
                    busy[work].append(asked_beside(server.port, bench, submit(turn)))
                    print(f"{work}: {compared(idle[work][-1], busy[work][-1])}", flush=True)
            for work, latencies in idle.items():
                both = compared([*chain(*latencies)], [*chain(*busy[work])])
                print(f"{work}, all rounds: {both}")
            rest = [*chain(*idle.values())]
            if len(rest) > 1:
                print("idle twice:", compared([*chain(*rest[::2])], [*chain(*rest[1::2])]))


if __name__ == "__main__":
    main()
