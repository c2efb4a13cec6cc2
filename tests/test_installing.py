"""What is built from the sources, and that each extra alone brings what it needs.

The wheel is made of the sdist, as an index would have it. An environment with one extra is a folder
of links to the distributions that the extra needs, directly and indirectly, and to no other: that
shows what installing does, without installing anything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY: Final = Path(__file__).resolve().parents[1]
NAME: Final = "nas-bench-service"

pytestmark = pytest.mark.usefixtures("unmeasured")


def _build(kind: str, source: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target]
    told = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("sdist", REPOSITORY, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built of the sdist."""
    folder = tmp_path_factory.mktemp("sources")
    with tarfile.open(sdist) as container:
        container.extractall(folder, filter="data")
    (sources,) = folder.iterdir()
    return _build("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as container:
        container.extractall(folder)  # noqa: S202 - built above
    return folder


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(unpacked: Path) -> None:
    expected = {
        str(path.relative_to(REPOSITORY))
        for package in REPOSITORY.glob("*/__init__.py")
        for path in package.parent.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    found = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    information = {name for name in found if ".dist-info/" in name}
    assert {name.partition("/")[2] for name in information} >= {"METADATA", "entry_points.txt"}
    assert found - information == expected


def test_the_sdist_has_no_data(sdist: Path) -> None:
    with tarfile.open(sdist) as container:
        names = container.getnames()
    assert not [name for name in names if name.endswith((".db", ".pth", ".tar", ".npy"))]
    assert sdist.stat().st_size < 4 * 2**20


def _needed(requirement: Requirement, found: set[str]) -> None:
    """Add the distributions that a requirement brings, with those that they need."""
    name = canonicalize_name(requirement.name)
    known = {f"{name}[{extra}]" for extra in requirement.extras or {""}}
    if known <= found:
        return
    found |= known
    for text in distribution(requirement.name).requires or ():
        inner = Requirement(text)
        extras = requirement.extras or {""}
        if inner.marker is None or any(inner.marker.evaluate({"extra": one}) for one in extras):
            _needed(inner, found)


@pytest.fixture(scope="module")
def environment(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the folder of packages of an installation with one extra."""

    def make(extra: str) -> Path:
        found: set[str] = set()
        _needed(Requirement(f"{NAME}[{extra}]" if extra else NAME), found)
        folder = tmp_path_factory.mktemp(extra or "client")
        for path in unpacked.iterdir():
            (folder / path.name).symlink_to(path)
        for name in {one.partition("[")[0] for one in found} - {NAME}:
            for link, path in _parts(name):
                if not (folder / link).exists():
                    (folder / link).symlink_to(path)
        return folder

    return make


def _parts(name: str) -> Iterator[tuple[str, Path]]:
    """Yield the first names of the files of a distribution, and where they are."""
    found = distribution(name)
    for first in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
        yield first, Path(str(found.locate_file(first)))


CLIENT: Final = "from bench_client import BenchClient; BenchClient('http://127.0.0.1:1').close()"
NBS: Final = "import sys; from service.cli import main; sys.argv = ['nbs', *{}]; main()"
READ: Final = (
    "from bench_client import BenchClient; (run, *_) = BenchClient.local('data').query_nb201(0)"
)
SPACE: Final = "import model_hub; space = model_hub.space('NatsSss'); "

EXTRAS: Final = {
    "": CLIENT,
    "cli": NBS.format(["info", "--data", "data"]),
    "cluster": f"{CLIENT}; import redis, psycopg",
    "export": f"{CLIENT}; import arro3.io; from bench_client.frames import Items; "
    "from bench_client.models import Nb201Stats; Items([], Nb201Stats).to_arrow()",
    "generate": NBS.format(["verify", "data/nasbench201.db"]),
    "hub": f"{SPACE}space.freeze(space.choices.default)",
    "local": READ,
    "mcp": NBS.format(["mcp", "--help"]) + "; import mcp.server.stdio",
    "optuna": f"{READ}; import bench_client.compat_optuna, optuna",
    "pandas": "from bench_client.frames import Items; from bench_client.models import "
    "Nb201Stats; Items([], Nb201Stats).to_pandas()",
    "polars": "from bench_client.frames import Items; from bench_client.models import "
    "Nb201Stats; Items([], Nb201Stats).to_polars()",
    "ray": "import service.worker.ray_cluster",
    "s3": f"{CLIENT}; import obstore",
    "server": "from service.app import create_app; create_app()",
    "study": "import nas_search.study; import matplotlib.figure",
    "tensorboard": f"{CLIENT}; import tensorboardX",
    "tracing": "import opentelemetry.sdk.trace",
    "worker": f"{SPACE}import service.worker.worker, onnx, onnxscript",
}
"""By extra: what works where it alone is installed."""


def test_what_an_extra_does_not_bring_is_not_there(environment: Callable[[str], Path]) -> None:
    for extra, module in [("", "numpy"), ("server", "torch"), ("local", "fastapi")]:
        told = subprocess.run(
            [sys.executable, "-S", "-c", f"import {module}"],
            env={"PYTHONPATH": str(environment(extra))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"No module named '{module}'" in told.stderr


def test_every_extra_is_tried() -> None:
    assert set(distribution(NAME).metadata.get_all("Provides-Extra") or ()) == {
        *(set(EXTRAS) - {""}),
        "dev",
    }


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_alone_brings_what_it_needs(
    extra: str, environment: Callable[[str], Path], every_sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(every_sample)
    told = subprocess.run(
        # -S: without the packages that happen to be installed.
        [sys.executable, "-S", "-c", EXTRAS[extra]],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(environment(extra)),
            "NASBENCHMARK_DIR": str(every_sample),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-2000:]
