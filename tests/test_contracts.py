"""Each contract about imports fails when somebody breaks it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from missing_extra import PACKAGES

REPOSITORY = Path(__file__).resolve().parents[1]
CONTRACTS: Final = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"][
        "importlinter"
    ]["contracts"]
}
LINT: Final = "from importlinter.cli import lint_imports_command as lint; lint()"
PLANTED: Final = {
    "layers": [
        ("benchmark_db/errors.py", "bench_client.errors"),
        ("bench_client/errors.py", "generators.build"),
        ("nas_search/__init__.py", "service.settings"),
    ],
    "spec": [
        ("benchmark_spec/spec.py", "benchmark_db.errors"),
        ("benchmark_spec/spaces.py", "numpy"),
        ("benchmark_spec/errors.py", "missing_extra"),
    ],
    "client": [
        ("bench_client/errors.py", "peewee"),
        ("bench_client/clients.py", "numpy"),
        ("bench_client/models/answers.py", "benchmark_db.catalog"),
        ("bench_client/jobs.py", "model_hub.spaces"),
        ("bench_client/frames.py", "orjson"),
    ],
    "data": [("benchmark_db/errors.py", "torch"), ("benchmark_db/oracle.py", "model_hub.spaces")],
    "generators": [
        ("generators/build.py", "model_hub.spaces"),
        ("generators/nds.py", "bench_client.models"),
    ],
    "search": [("nas_search/__init__.py", "benchmark_db.catalog")],
    "untrained": [
        ("nas_search/study/budget.py", "torch"),
        ("nas_search/problems/space.py", "nas_search.training"),
        ("nas_search/plans/cells.py", "torch"),
    ],
    "hub": [
        ("model_hub/errors.py", "benchmark_db.errors"),
        ("model_hub/spaces/__init__.py", "bench_client"),
    ],
    "extras": [("missing_extra/__init__.py", "bench_client.errors")],
    "pickles": [
        ("safe_pickle/machine.py", "pickle"),
        ("safe_pickle/errors.py", "generators.build"),
    ],
    "jobs": [
        ("service/jobs/errors.py", "service.http.problems"),
        ("service/jobs/store.py", "fastapi"),
    ],
    "plans": [
        ("service/plans/errors.py", "service.http.problems"),
        ("service/plans/feeder.py", "service.worker.worker"),
    ],
    "worker": [("service/worker/worker.py", "service.routes.jobs")],
    "http": [
        ("service/http/problems.py", "service.routes.nds"),
        ("service/routes/nds.py", "service.app"),
    ],
    "server": [("service/routes/nds.py", "torch")],
    "routes": [("service/routes/nds.py", "service.routes.nasbench101")],
}
"""Files of the product, by the contract that what is planted in them breaks, with the import."""
PLANTS: Final = [(name, *plant) for name, plants in PLANTED.items() for plant in plants]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that the contracts are about."""
    folder = tmp_path_factory.mktemp("copy")
    for name in (*PACKAGES, "pyproject.toml"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def reports(folder: Path) -> dict[str, str]:
    """Return what is told of each contract that is broken in a copy, by its id."""
    # As a process of its own: the packages that it looks at must be those of the copy.
    ended = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    summary, _, details = ended.stdout.partition("\nBroken contracts\n")
    states = {
        name: re.search(rf"^{re.escape(text)}\s*(KEPT|BROKEN)", summary, re.MULTILINE)
        for name, text in CONTRACTS.items()
    }
    assert all(states.values()), ended.stdout + ended.stderr
    broken = [name for name, state in states.items() if state and state.group(1) == "BROKEN"]
    assert (ended.returncode != 0) == bool(broken)
    told = {}
    for name in broken:
        heading = f"\n{CONTRACTS[name]}\n{'-' * len(CONTRACTS[name])}\n"
        assert details.count(heading) == 1, details
        told[name] = re.split(r"\n-{5,}\n", details.partition(heading)[2])[0]
    return told


@pytest.fixture(scope="module")
def told(copy: Path) -> dict[str, str]:
    """What is told of each contract when everything is planted at once.

    An import that is forbidden by itself is told of whatever else is imported.
    """
    before = {path: path.read_text() for path in {copy / file for _, file, _ in PLANTS}}
    for _, file, imported in PLANTS:
        with (copy / file).open("a") as module:
            # Within a function, where it would be least seen.
            module.write(f"\n\ndef planted() -> None:\n    import {imported}\n")
    try:
        return reports(copy)
    finally:
        for path, text in before.items():
            path.write_text(text)


def test_all_hold(copy: Path) -> None:
    assert reports(copy) == {}


def test_each_is_tried() -> None:
    assert set(PLANTED) == set(CONTRACTS)


@pytest.mark.parametrize(("contract", "file", "imported"), PLANTS)
def test_a_planted_import_breaks_it(
    told: dict[str, str], contract: str, file: str, imported: str
) -> None:
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert re.search(
        rf"^-? +{re.escape(module)} -> {re.escape(imported)} \(l\.", told[contract], re.MULTILINE
    )
