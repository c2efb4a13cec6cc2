"""Creates a benchmark of your own on scikit-learn's digits, and queries it while it grows.

    python examples/own_benchmark.py [FOLDER] [--tenth | --few]

Needs neither a download nor a GPU: 600 images of 8 x 8 pixels, 200 of them for training. A server
and two workers train 125 cells of NAS-Bench-201 at two budgets with three seeds: 750 trainings,
some eleven minutes on two idle cores; a tenth of that with --tenth; with --few 6 trainings on 60
images by one worker. Meanwhile the table is queried, and a worker is killed and replaced. Finally
the table is sealed, verified, published and searched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from bench_client import (
    BenchClient,
    BenchmarkNotInstalledError,
    PartialDataWarning,
    Plan,
    UnavailableError,
)
from missing_extra import needs
from nas_search import Budget, DeclaredProblem, Study
from nas_search.strategies import LocalSearch

with needs("dev", "this example"):  # only the extra `dev` has scikit-learn
    from PIL import Image
    from sklearn.datasets import load_digits

PLAN: Final[dict[str, Any]] = {
    "name": "digits",
    "title": "NAS-Bench-201's cells on handwritten digits",
    "licence": "CC0-1.0",
    "space": {
        "name": "NasBench201",
        "arguments": {
            "stem_out_channels": 8,
            "num_modules_per_stack": 1,
            "num_labels": 10,
            "image_size": 8,
        },
        # Three edges are left: 125 architectures.
        "restrict": {
            "cell/0_3": ["none"],
            "cell/1_3": ["none"],
            "cell/2_3": ["conv_3x3"],
        },
    },
    "select": {"kind": "sample", "n": 125, "seed": 0},
    "data": {
        "name": "digits",
        "classes": 10,
        "licence": "CC-BY-4.0",
        "split": {"train": 200, "valid": 400},
    },
    "protocol": {
        "epochs": [6, 2],
        "seeds": [0, 1, 2],
        "batch_size": 16,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
        "augment": ["crop:pad=1"],
    },
    "limits": {"hours": 5, "cell_seconds": 120},
}
IMAGES: Final = 600
QUESTIONS: Final = 12
SMALLER: Final[dict[str, dict[str, Any]]] = {
    "--tenth": {"n": 12, "protocol": {"epochs": [2, 1]}},
    "--few": {
        "n": 3,
        "protocol": {"epochs": [2], "seeds": [0, 1]},
        "split": {"train": 60, "valid": 60},
        "images": 140,
        "questions": 4,
        "workers": 1,
    },
}
"""Changes to `PLAN` and the script's numbers, by command-line option."""


def main() -> None:
    """Make the table, from the plan to its publication."""
    folders = [one for one in sys.argv[1:] if one not in SMALLER]
    folder = Path(folders[0] if folders else "runs/own_benchmark").resolve()
    less = next((SMALLER[one] for one in sys.argv[1:] if one in SMALLER), {})
    plan = {
        **PLAN,
        "select": {**PLAN["select"], "n": less.get("n", PLAN["select"]["n"])},
        "data": {**PLAN["data"], "split": less.get("split", PLAN["data"]["split"])},
        "protocol": {**PLAN["protocol"], **less.get("protocol", {})},
    }
    questions = less.get("questions", QUESTIONS)
    write_digits(folder / "datasets" / "digits", less.get("images", IMAGES))
    warnings.simplefilter("ignore", PartialDataWarning)
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(folder))
        bench = stack.enter_context(BenchClient(lab.url))
        worker, *_ = [lab.worker() for _ in range(less.get("workers", 2))]
        while not is_ready(bench):
            time.sleep(0.2)
        submitted = bench.wait_plan(bench.plan(plan))
        print(f"the estimate: {cost(submitted)}")
        bench.start_plan(submitted)
        for question in range(1, questions + 1):
            now = bench.wait_plan("digits", fraction=question / (questions + 1))
            bench.version_plan("digits")
            print(f"{now.fraction:5.0%}  {best_of(bench)}")
            if question == questions // 2:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                print("       a worker was killed; another one is started")
                lab.worker()
        finished = bench.wait_plan("digits")
        print(
            f"{finished.state}: {finished.counts.done} of {finished.cells} cells, {cost(finished)}"
        )
        bench.seal_plan("digits")
        while not (sealed := bench.plan_named("digits")).versions[-1].complete:
            time.sleep(0.2)
        lab.nbs("verify", str(folder / "digits.db"))
        publication = folder / "digits.nbs"
        publication.unlink(missing_ok=True)
        lab.nbs("plan", "publish", "digits", "--out", str(publication), "--data", str(folder))
        print(f"version {sealed.versions[-1].version} is sealed, verified and published")
    with BenchClient.local(folder) as bench:
        search(bench)


def is_ready(bench: BenchClient) -> bool:
    """Return whether the server answers and a worker has the data set."""
    try:
        return "digits" in {dataset.name for dataset in bench.datasets()}
    except UnavailableError:
        return False


def cost(plan: Plan) -> str:
    """Describe the estimated cost of a plan."""
    estimate = plan.estimate
    if estimate is None or estimate.hours is None:
        return "unknown"
    return f"{60 * estimate.hours:.1f} minutes of a worker by {estimate.timings} trainings"


def best_of(bench: BenchClient) -> str:
    """Describe the best architecture in the table so far."""
    try:
        found = bench.top("digits", metric="valid_acc", num_epochs=2, n=1)
    except BenchmarkNotInstalledError:
        return "no version of the table is served yet"
    return f"{found[0].value:.2f} % by {found[0].config.arch_str}"


def search(bench: BenchClient) -> None:
    """Search the finished table and print the best architecture found."""
    budget = max(bench.benchmark("digits").budgets)
    problem = DeclaredProblem(bench, "digits", num_epochs=budget, objectives=["valid_acc"])
    with Study(None, problem, LocalSearch(num_init=2, seed=0)) as study:
        study.run(Budget(trials=20))
        best = study.best
    if best is not None:
        print(f"a search of 20 trials finds {best.metrics['valid_acc']:.2f} %: {best.arch}")


class Lab:
    """Context manager that runs a server and workers on one folder, and stops them at its end."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.port = port
        self.environment = {
            **os.environ,
            "NASBENCH_JOBS_DIR": str(folder / "jobs"),
            "NASBENCH_DATASETS_DIR": str(folder / "datasets"),
            "NASBENCH_URL": self.url,
            "NASBENCH_LEASE_SECONDS": "5",
            "OMP_NUM_THREADS": "1",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder / "jobs", ignore_errors=True)
        for path in self.folder.glob("digits*.db"):
            path.unlink()
        self.start("serve", "--data", str(self.folder), "--port", str(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker that uses one thread per job."""
        return self.start("worker", "--threads", "1")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a long-running command, which logs into the folder."""
        log = self.folder / f"{words[0]}-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "service.cli", *words],
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        self.processes.append(process)
        return process

    def nbs(self, *words: str) -> None:
        """Run a command and wait for its end."""
        subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "service.cli", *words],
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def write_digits(folder: Path, images: int) -> None:
    """Write a number of digits as RGB images, with a folder for each class."""
    if folder.is_dir():
        return
    found = load_digits()
    # Each training reads all images, so only those of the split are written.
    some = list(zip(found.images, found.target, strict=True))[:images]
    for number, (image, label) in enumerate(some):
        of_class = folder / str(label)
        of_class.mkdir(parents=True, exist_ok=True)
        pixels = (image * 255 / 16).astype("uint8")
        Image.fromarray(pixels).convert("RGB").save(of_class / f"{number:04}.png")


if __name__ == "__main__":
    main()
