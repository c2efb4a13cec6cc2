"""The page of the hub is what the spaces and the records make of it."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import model_hub

REPOSITORY = Path(__file__).resolve().parents[3]
STATED = tomllib.loads((REPOSITORY / "docs/model-hub-spaces.toml").read_text())


def loaded(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, REPOSITORY / f"docs/{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("make_model_hub")


def test_every_space_has_its_paper_and_stages() -> None:
    assert set(STATED) == set(model_hub.space_names()), "see docs/model-hub-spaces.toml"


def test_the_tests_that_show_a_stage_are_there() -> None:
    for name, stated in STATED.items():
        for test in stated["stages"].values():
            assert (REPOSITORY / test).is_file(), f"{name}: {test}"


def test_stage_four_is_what_its_tests_said_and_no_older_than_they_are() -> None:
    marking = loaded("mark_stages")
    recorded = json.loads(marking.RESULTS.read_text())
    assert recorded["tests"] == marking.TESTS
    assert recorded["digest"] == marking.digest(), "run `python docs/mark_stages.py`"
    assert set(recorded["spaces"]) == set(model_hub.space_names())
    for name, outcomes in recorded["spaces"].items():
        assert set(outcomes) == {"RandomSearch", "RegularizedEvolution", "Inherited"}, name
        assert "4" not in STATED[name].get("stages", {}), "stage 4 is not marked by hand"


def test_a_space_is_marked_where_all_of_its_tests_passed(script: ModuleType) -> None:
    known = {name: {} for name in model_hub.space_names()}
    spaces = {
        "DARTS": {"RandomSearch": "passed", "RegularizedEvolution": "failed"},
        "ENAS": {"RandomSearch": "passed", "RegularizedEvolution": "passed"},
        "NASNet": {},
        "PNAS": {"RandomSearch": "passed", "Inherited": "passed"},
        "Vanilla": {"RandomSearch": "passed", "Inherited": "failed"},
    }
    tests = {"RandomSearch": "x.py", "RegularizedEvolution": "x.py", "Inherited": "a.py"}
    rows = script._reached(known, {"tests": tests, "spaces": spaces})
    assert {row[0]: row[4] for row in rows if any("x.py" in cell for cell in row)} == {
        "ENAS": "[x](../x.py)",
        "PNAS": "[x](../x.py), [a](../a.py)",
    }


def test_outcomes_of_tests_become_those_of_spaces() -> None:
    outcomes = loaded("mark_stages").Outcomes()

    def report(outcome: str, when: str, strategy: str) -> pytest.TestReport:
        return pytest.TestReport(
            *("t", ("t", 0, "t"), {}, outcome, None, when),
            user_properties=[("stage 4", f"ENAS {strategy}"), ("other", 1)],
        )

    for when in ("setup", "call", "teardown"):
        outcomes.pytest_runtest_logreport(report("passed", when, "RandomSearch"))
    outcomes.pytest_runtest_logreport(report("failed", "call", "TPE"))
    outcomes.pytest_runtest_logreport(report("passed", "teardown", "TPE"))
    assert outcomes.spaces == {"ENAS": {"RandomSearch": "passed", "TPE": "failed"}}


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    assert script.PAGE.read_text() == script.page(), "run `python docs/make_model_hub.py`"


def test_the_examples_of_the_page_run(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", script.PAGE.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "model-hub.md", "exec"), {})  # noqa: S102 - our own page
