"""What the README says is done by four new users, in an empty folder with an empty home."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from chromium import CHROMIUM, MISSING

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "benchmarks/first_minutes.py"
PAGE = REPOSITORY / "docs/first-minutes.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("first_minutes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["first_minutes"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
@pytest.mark.usefixtures("unmeasured")
def test_four_users_run_every_block_of_the_readme_as_it_stands(tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "--here"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if "NASBENCH" not in name},
    )
    assert ended.returncode == 0, ended.stderr
    steps = json.loads(ended.stdout)
    # The page tells of the same steps, and of the clone before them.
    told = re.findall(r"^\| ([a-z ]+) \| ([^|]+) \| \d+\.\d s \|$", PAGE.read_text(), re.MULTILINE)
    assert [(step["user"], step["says"]) for step in steps] == told[1:]
    assert len({user for user, _ in told}) == 4


def test_what_is_run_elsewhere_is_in_the_readme_and_has_its_test(script: ModuleType) -> None:
    for part, test in script.ELSEWHERE.items():
        assert sum(part in text for _, text in script.BLOCKS) == 1, part
        assert (REPOSITORY / test).is_file()


@pytest.mark.usefixtures("unmeasured")
def test_networks_are_built_as_the_readme_has_it(
    script: ModuleType, server: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", script.block("model_hub.build(row)")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "NASBENCH_URL": server, "PYTHONPATH": str(REPOSITORY)},
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[-1]) > 0
