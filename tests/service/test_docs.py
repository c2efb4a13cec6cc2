"""The documentation says what is so: its tables are the program's, its links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from benchmark_db.registry import BENCHMARKS
from service.jobs.settings import JobSettings
from service.settings import LIMITS, Settings

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


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


def test_every_page_of_the_guide_is_in_its_menu() -> None:
    menu = set(
        re.findall(r": ([\w/-]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)
    )
    docs = REPOSITORY / "docs"
    assert menu == {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
