"""Measures the time from the end of a training to its row in the database (goal: 50 ms).

    python benchmarks/row_overhead.py [--trainings 30]

A real worker trains small networks, first with direct access to the database and then over HTTP on
loopback. The clock starts in the training process when the loop of epochs returns, and ends at the
time that the database records as the end of the job. In between, the result is assembled with the
digest of the weights and the count of the network, sent to the worker, and written with its ledger
entry in one durable transaction.

Attempts run in the idle class of the kernel, so a busy machine dominates the figures; the load is
printed, too.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

HERE: Final = Path(__file__).resolve().parent
WORK: Final = (
    "from service.worker import attempt; attempt._PRELOADED.insert(0, 'row_overhead'); "
    "from service.cli import main; main()"
)
"""Code that starts a worker whose attempts record when a training ends."""
ARGUMENTS: Final = {
    "stem_out_channels": 4,
    "num_modules_per_stack": 1,
    "num_labels": 4,
    "image_size": 8,
}
PATIENCE: Final = 300.0


def stamp() -> None:
    """Patch trainings to record when they ended, in the process that attempts are forked from."""
    from service.worker import training  # noqa: PLC0415 - loads PyTorch

    trained, train_network = training._run_training, training.train_network  # noqa: SLF001 - patched
    ended: list[float] = []

    def noted(*arguments: Any) -> Any:
        found = trained(*arguments)
        ended[:] = [time.time()]
        return found

    def stamped(*arguments: Any) -> Any:
        done = train_network(*arguments)
        done.result["provenance"]["ended_at"] = ended[0]
        return done

    training._run_training, training.train_network = noted, stamped  # noqa: SLF001


def write_images(folder: Path) -> None:
    """Write a data set of 64 noise images of 8 x 8 pixels."""
    import numpy as np  # noqa: PLC0415 - not where attempts are forked from
    from PIL import Image  # noqa: PLC0415

    folder.mkdir(parents=True)
    source = np.random.default_rng(0)
    for place in range(64):
        pixels = source.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    lines = [f"{place}.png,{place % 4}" for place in range(64)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")


@contextmanager
def process(*command: str, told: dict[str, str]) -> Iterator[None]:
    """Run a Python command until the end of the context."""
    path = {"PYTHONPATH": f"{HERE}:{HERE.parent}"}
    with subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **path, **told},
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            yield
        finally:
            running.terminate()


def until(found: Callable[[], Any]) -> Any:
    """Poll until a call returns a true value, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if answer := found():
                return answer
        time.sleep(0.05)
    raise SystemExit(f"no result within {PATIENCE:.0f} seconds")


def overheads(trainings: int, folder: Path, *, over_http: bool) -> list[float]:
    """Return the seconds from the end of each training to its row."""
    import model_hub  # noqa: PLC0415 - not where attempts are forked from
    from bench_client import BenchClient  # noqa: PLC0415
    from service.jobs import JobSettings, open_jobs  # noqa: PLC0415

    network = model_hub.space("NasBench201", **ARGUMENTS)
    write_images(folder / "datasets/noise")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    jobs_dir = {"NASBENCH_JOBS_DIR": str(folder / "jobs"), "NASBENCH_WRITE_ACCESS": "open"}
    own = {
        "NASBENCH_JOBS_DIR": str(folder / ("far" if over_http else "jobs")),
        "NASBENCH_DATASETS_DIR": str(folder / "datasets"),
    }
    serve = ("-m", "service.cli", "serve", "--data", str(folder), "--port", url.rpartition(":")[2])
    work = ("-c", WORK, "worker", "--threads", "1", *(("--server", url) if over_http else ()))
    with (
        process(*serve, told=jobs_dir),
        BenchClient(url) as bench,
        open_jobs(JobSettings(jobs_dir=folder / "jobs")) as jobs,
    ):
        until(lambda: httpx.get(f"{url}/livez").is_success)
        with process(*work, told=own):
            until(bench.datasets)
            found = []
            for seed in range(trainings + 1):
                job = bench.train(
                    space="NasBench201",
                    arguments=ARGUMENTS,
                    arch=dict(network.choices.default),
                    dataset="noise",
                    recipe={"epochs": 2, "batch_size": 16},
                    seed=seed,
                )
                row = jobs.store.get(job.id)
                assert row.finished_at is not None and row.result is not None  # noqa: S101, PT018
                ended = row.result["provenance"]["ended_at"]
                found.append(row.finished_at.timestamp() - ended)
    # The first training also loads modules.
    return found[1:]


def main() -> None:
    """Measure with the database and over HTTP, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trainings", type=int, default=30)
    trainings = parser.parse_args().trainings
    print("| worker | median | nine of ten within | load |\n|---|---|---|---|")
    for name, over_http in (("with the database", False), ("over HTTP", True)):
        with tempfile.TemporaryDirectory() as folder:
            found = overheads(trainings, Path(folder), over_http=over_http)
        median, most = statistics.median(found), statistics.quantiles(found, n=10)[-1]
        load = os.getloadavg()[0]
        print(
            f"| {name} | {1000 * median:.0f} ms | {1000 * most:.0f} ms | {load:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
elif __name__ == "row_overhead":
    stamp()
