"""The documentation says what is so: its examples run, its tables are the program's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from benchmark_db.registry import BENCHMARKS
from service.jobs.settings import JobSettings
from service.settings import LIMITS, Settings

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
# What needs a worker is run with one, in tests/service/worker/test_proof.py.
EXAMPLES = [
    example
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    if "materialize" not in example
]
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_readme_run(
    example: str, server: str, directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(directory)
    ended = subprocess.run(
        [sys.executable, "-c", example.replace("http://127.0.0.1:8000", server)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "NASBENCH_URL": server, "PYTHONPATH": str(REPOSITORY)},
    )
    assert ended.returncode == 0, ended.stderr


def test_the_page_of_limits_is_the_table_of_limits() -> None:
    page = (REPOSITORY / "docs/limits.md").read_text()
    for limit in LIMITS:
        value = f"{limit.value:.0f}" if limit.value == int(limit.value) else f"{limit.value:g}"
        assert f"| `{limit.name}` | {value} | {limit.sentence} |" in page


def test_every_setting_is_documented() -> None:
    page = (REPOSITORY / "docs/limits.md").read_text()
    for name in Settings.model_fields:
        variable = "NASBENCHMARK_DIR" if name == "directory" else f"NASBENCH_{name.upper()}"
        assert variable in page


@pytest.mark.parametrize("name", JobSettings.model_fields)
def test_every_setting_of_jobs_is_documented_with_its_sentence(name: str) -> None:
    page = (REPOSITORY / "docs/limits.md").read_text()
    row = f"| `NASBENCH_{name.upper()}` | "
    rows = [line for line in page.splitlines() if line.startswith(row)]
    assert any(line.endswith(f"| {JobSettings.model_fields[name].description} |") for line in rows)


def test_every_dependency_has_its_reason() -> None:
    page = (REPOSITORY / "docs/dependencies.md").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    required = [
        *project["dependencies"],
        *chain.from_iterable(project["optional-dependencies"].values()),
    ]
    for requirement in required:
        name = re.split(r"[\[><=; ]", requirement)[0]
        if name != project["name"] and not name.startswith("types-"):
            assert name in page, name


def test_every_promise_names_a_test_that_is_there() -> None:
    page = (REPOSITORY / "docs/guarantees.md").read_text()
    named = re.findall(r"tests/[\w/]+\.py", page)
    assert named
    assert [path for path in named if not (REPOSITORY / path).is_file()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_benchmark_is_in_the_readme() -> None:
    for benchmark in BENCHMARKS.values():
        assert benchmark.spec.title in README or benchmark.spec.name in README
