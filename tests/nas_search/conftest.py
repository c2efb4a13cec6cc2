"""A benchmark small enough to search to its end, from its files and from a real server."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from forked_nbs import ForkedProcess, start_nbs

from bench_client import BenchClient, Simulation
from nas_search.study import RecordedPoint, RecordedRun

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 30


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
        process.wait(20)


def wait_for(url: str, process: ForkedProcess) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the server does not start"
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"no answer from {url}")


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
