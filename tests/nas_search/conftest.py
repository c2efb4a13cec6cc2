"""A benchmark small enough to search to its end, from its files and from a real server."""

from __future__ import annotations

import csv
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from forked_nbs import ForkedProcess, start_nbs
from lab_trainers import install_trainers
from made_once import made_once
from waiting import PATIENCE, until

from bench_client import BenchClient, Simulation
from benchmark_db.nasbench201.architecture import isomorphism_classes
from benchmark_db.nasbench201.benchmark import (
    DATASETS,
    TABLES,
    VIEWS,
    Architecture,
    Dataset,
    NasBench201,
    Run,
)
from generators.build import DatabaseBuild
from generators.source import Source
from nas_search.study import RecordedPoint, RecordedRun

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package of a lab's trainers, on the path of this process."""
    folder = install_trainers(tmp_path / "site")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "labtrain", raising=False)
    return folder


@pytest.fixture(scope="session")
def cells(nasbench101_folder: Path) -> Iterator[BenchClient]:
    """All NAS-Bench-101 cells of up to four vertices, and the golden one, with made-up runs."""
    with BenchClient.local(nasbench101_folder) as bench:
        yield bench


@pytest.fixture(scope="session")
def cells_server(nasbench101_folder: Path) -> Iterator[str]:
    """The address of a server of them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = start_nbs(
        "serve", "--data", nasbench101_folder, "--port", str(port), stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/livez", process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def wait_for(url: str, process: ForkedProcess) -> None:
    def answers() -> bool:
        assert process.poll() is None, "the server does not start"
        with suppress(httpx.TransportError):
            httpx.get(url, trust_env=False).raise_for_status()
            return True
        return False

    until(answers, what=f"an answer from {url}")


@pytest.fixture
def simulate(cells: BenchClient) -> Callable[..., Simulation]:
    """Simulate at 12 epochs, each of which took 16 seconds."""

    def simulate(budget: float = 192.0 * 40, **options: Any) -> Simulation:
        return cells.simulate("nasbench101", None, 12, budget=budget, **options)

    return simulate


@pytest.fixture
def run_of() -> Callable[..., RecordedRun]:
    """Make a run from times and values; its oracle is 95."""

    def run_of(*points: tuple[float, float], **fields: Any) -> RecordedRun:
        better = max if fields.get("larger_is_better", True) else min
        trajectory = tuple(
            RecordedPoint(
                arch=f"arch {place}",
                num_epochs=200,
                epoch=200,
                time=time,
                value=value,
                best=better(value for _, value in points[: place + 1]),
            )
            for place, (time, value) in enumerate(points)
        )
        chosen: dict[str, Any] = {
            "strategy": "random search",
            "seed": 0,
            "benchmark": "nasbench201",
            "dataset": "cifar10-valid",
            "num_epochs": 200,
            "metric": "valid_acc",
            "larger_is_better": True,
            "budget": 100.0,
            "run_seed": None,
            "continue_training": False,
            "free_repeats": False,
            "evaluation_time": False,
            "oracle": 95.0,
            "trajectory": trajectory,
            **fields,
        }
        return RecordedRun(**chosen)

    return run_of


SECONDS: Final[dict[int, float]] = {12: 120.0, 200: 2000.0}
"""Of every training here: the table has accuracies alone."""


def parameters_of(arch: str) -> float:
    """Return the millions of parameters of a NAS-Bench-201 network for CIFAR-10."""
    wide, narrow = arch.count("nor_conv_3x3"), arch.count("nor_conv_1x1")
    cells = sum(5 * (wide * (9 * c**2 + 2 * c) + narrow * (c**2 + 2 * c)) for c in (16, 32, 64))
    between = sum(9 * i * o + 2 * o + 9 * o**2 + 2 * o + i * o for i, o in ((16, 32), (32, 64)))
    return (464 + cells + between + 778) / 1e6


def published_runs(index: int, row: dict[str, str]) -> Iterator[tuple[Any, ...]]:
    """Yield one run for each budget and data set of a row of the published accuracies."""
    for dataset, epochs, valid, test, original in (
        ("cifar10-valid", 12, "cifar10_x_valid_12", None, "cifar10_ori_test_12"),
        ("cifar10-valid", 200, "cifar10_x_valid_200", None, "cifar10_ori_test_200"),
        ("cifar100", 12, "cifar100_x_valid_12", "cifar100_x_test_12", None),
        ("imagenet16-120", 12, "imagenet16_120_x_valid_12", "imagenet16_120_x_test_12", None),
    ):
        accuracies = [
            None if name is None else float(row[name]) for name in (valid, test, original)
        ]
        sizes = (parameters_of(row["arch"]) if dataset == "cifar10-valid" else None, None, None)
        stats = (None, *accuracies, *[None] * 4, *sizes)
        key = (index, epochs, DATASETS.index(dataset), 777)
        yield (None, *key, *stats, SECONDS[epochs], None, None, None, 16, 5)


@pytest.fixture(scope="session")
def published(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchClient]:
    """NAS-Bench-201 as published: one run an architecture, data set and budget."""

    def make(folder: Path) -> None:
        with (shared / "data/nasbench201/accuracies.csv").open() as file:
            rows = list(csv.DictReader(file))
        with DatabaseBuild(folder / "nasbench201.db", NasBench201, TABLES, VIEWS) as build:
            build.insert(Dataset, enumerate(DATASETS))
            classes = isomorphism_classes()
            named = ((index, row["arch"], classes[index]) for index, row in enumerate(rows))
            build.insert(Architecture, named)
            runs = (run for index, row in enumerate(rows) for run in published_runs(index, row))
            # The table is in the order of its key.
            build.insert(Run, sorted(runs, key=lambda run: run[1:5]))
            source = Source(name="tests", size=1, sha256="0" * 64)
            build.complete(source, {"architectures": len(rows)}, synthetic=False)

    folder = made_once(tmp_path_factory, "published", make)
    with BenchClient.local(folder) as bench:
        yield bench
