"""What an installation brings, and what it does not."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from itertools import chain
from pathlib import Path

import pytest

import bench_client
from missing_extra import PACKAGES

REPOSITORY = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROJECT, TOOLS = PYPROJECT["project"], PYPROJECT["tool"]


def names(requirements: list[str]) -> set[str]:
    return {requirement.split(">")[0].split("[")[0].strip() for requirement in requirements}


@pytest.mark.parametrize(
    "listed",
    [
        TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"],
        TOOLS["mypy"]["packages"],
        TOOLS["coverage"]["run"]["source"],
        TOOLS["importlinter"]["root_packages"],
    ],
    ids=["wheel", "mypy", "coverage", "import-linter"],
)
def test_no_package_is_forgotten(listed: list[str]) -> None:
    assert set(listed) == PACKAGES
    assert {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} == PACKAGES


def test_a_client_needs_httpx_and_pydantic_alone() -> None:
    # sniffio is a part of httpx that it looks for in vain otherwise.
    assert names(PROJECT["dependencies"]) == {"httpx", "pydantic", "sniffio"}


@pytest.mark.parametrize("extra", ["local", "cli", "server", "generate"])
def test_no_server_needs_torch(extra: str) -> None:
    needed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]
    assert not any(
        name in requirement for requirement in needed for name in ("torch", "hub", "optuna")
    )


def test_the_installed_version_is_that_of_the_changelog() -> None:
    assert f"## {version('nas-bench-service')}" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_the_licence_is_mit() -> None:
    assert metadata("nas-bench-service")["License-Expression"] == "MIT"


def test_every_requirement_is_pinned_by_the_constraints() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    every = [
        *PROJECT["dependencies"],
        *chain.from_iterable(PROJECT["optional-dependencies"].values()),
    ]
    assert names(every) - {"nas-bench-service"} <= pinned


@pytest.mark.parametrize("name", bench_client.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert getattr(bench_client, name).__doc__


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    code = (
        "import sys, bench_client;"
        "print([m for m in ('fastapi', 'peewee', 'numpy', 'orjson', 'torch', 'typer') "
        "if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
