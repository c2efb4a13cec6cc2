"""Every example runs as a reader would run it, on the made-up sample."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import httpx
import pytest
from forked_nbs import ForkedProcess, start_nbs
from measuring import MEASURED, unmeasured
from waiting import PATIENCE, until

from generators.registry import GENERATORS, SAMPLES

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
SAYS: Final = {
    "compare_strategies": "random draws, exactly: ",
    "nasbench_style": "found after",
    "nats_bench_style": "the best is |",
    "nni_style": "best of ResNet: ",
    "optuna_study": "M multiply-adds",
    "own_strategy": "annealing is better in ",
    "random_search": "place 1 of 50",
}
"""A part of what each example prints."""

OF_JOBS: Final = "timed_networks"
"""The example that needs a worker."""

OF_TRAINING: Final = "train_on_digits"
"""The example that asks no benchmark."""

OF_PLANS: Final = "own_benchmark"
"""The example that has a server and workers of its own."""

WITH_EXTRA: Final = {"optuna_study": "optuna"}

STRICT: Final = ("-W", "error", "-W", "ignore:the numbers of")
"""Warnings are errors, but for the one that says that the sample is made up."""

ENVIRONMENT: Final = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("NASBENCH") and name != MEASURED
}
"""Of all processes here; what they run has tests in which it is measured."""


@pytest.fixture(scope="module")
@unmeasured()
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases that `nbs sample --convert` makes: those of the benchmarks that examples ask."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("nasbench101", "nasbench201", "natssss", "nds"):
        raw = SAMPLES[name](folder / "raw", architectures=50, seed=0)
        GENERATORS[name](raw, folder, progress=lambda *_: None)
    return folder


@pytest.fixture(scope="module")
def jobs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the jobs of the service."""
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def service(sample: Path, jobs_folder: Path) -> Iterator[str]:
    """The address of a service of them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = start_nbs(
        *("serve", "--data", sample, "--port", str(port)),
        env=ENVIRONMENT | {"NASBENCH_JOBS_DIR": str(jobs_folder)},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.fixture
def worker(jobs_folder: Path) -> Iterator[None]:
    """A worker beside that service."""
    environment = ENVIRONMENT | {"NASBENCH_JOBS_DIR": str(jobs_folder)}
    process = start_nbs("worker", "--threads", "1", env=environment, stderr=subprocess.DEVNULL)
    yield
    process.terminate()
    process.wait(PATIENCE)


def _wait_for(url: str, server: ForkedProcess) -> None:
    def ready() -> bool:
        assert server.poll() is None, "the service ended by itself"
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/readyz").is_success
        return False

    until(ready, what="the service ready")


def ran(name: str, *arguments: str, **environment: str) -> str:
    """Run an example and return what it printed."""
    module = WITH_EXTRA.get(name)
    if module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f"{name} needs {module}, an extra")
    ended = subprocess.run(
        [sys.executable, *STRICT, str(EXAMPLES / f"{name}.py"), *arguments],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SAYS, OF_JOBS, OF_TRAINING, OF_PLANS}


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_the_same_of_local_files_and_of_a_service(
    name: str, sample: Path, service: str
) -> None:
    from_files = ran(name, NASBENCHMARK_DIR=str(sample))
    assert SAYS[name] in from_files
    assert ran(name, NASBENCH_URL=service) == from_files


@pytest.mark.usefixtures("worker")
def test_the_example_of_jobs_follows_them_to_their_results(service: str) -> None:
    said = ran(OF_JOBS, NASBENCH_URL=service).splitlines()
    results = [line for line in said if line.endswith(" ms an image")]
    assert len(results) == 3
    assert all(re.fullmatch(r"\d+: \d+\.\d\d %, \d+\.\d\d ms an image", line) for line in results)
    followed = [line.rpartition(" is ")[2] for line in said if line.startswith("  job ")]
    assert sum(state.startswith("succeeded") for state in followed) == 3


@pytest.mark.long
def test_the_example_of_training_goes_on_with_its_study_and_draws_its_front(tmp_path: Path) -> None:
    said = ran(OF_TRAINING, str(tmp_path)).splitlines()
    assert said[:2] == ["trials 0 to 4", "trials 4 to 6"]
    front = [re.fullmatch(r" *([\d.]+) % with +([\d,]+) macs", line) for line in said[2:-1]]
    points = [(float(one[1]), int(one[2].replace(",", ""))) for one in front if one]
    assert len(points) == len(front) > 0
    assert points == sorted(points, reverse=True)
    assert points[0][0] > 90
    assert all(macs <= 500_000 for _, macs in points)
    tested = re.fullmatch(r"the best has ([\d.]+) % of the test images right", said[-1])
    assert tested
    assert float(tested[1]) > 85
    assert ET.parse(tmp_path / "digits.svg").getroot().tag.endswith("svg")  # noqa: S314 - written just above
    # What is complete is not trained again.
    again = ran(OF_TRAINING, str(tmp_path)).splitlines()
    assert again == ["trials 6 to 6", "trials 6 to 6", *said[2:]]


@pytest.mark.long
@pytest.mark.usefixtures("unmeasured")
def test_the_example_of_plans_makes_a_table_searches_and_publishes_it(tmp_path: Path) -> None:
    said = ran(OF_PLANS, str(tmp_path), "--few").splitlines()
    assert said[0].startswith("the estimate: ")
    assert said[0].endswith(" trainings")
    assert "       a worker was killed; another one is started" in said
    assert len([line for line in said if re.match(r" *\d+%  ", line)]) == 4
    assert any(line.startswith("finished: 6 of 6 cells") for line in said)
    assert any(line.endswith(" is sealed, verified and published") for line in said)
    assert said[-1].startswith("a search of 20 trials finds ")
    assert (tmp_path / "digits.nbs").is_file()
