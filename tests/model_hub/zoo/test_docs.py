"""The page of the hub is what the spaces and the records make of it."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import model_hub

REPOSITORY = Path(__file__).resolve().parents[3]
STATED = tomllib.loads((REPOSITORY / "docs/model-hub-spaces.toml").read_text())


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "make_model_hub", REPOSITORY / "docs/make_model_hub.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_space_has_its_paper_and_stages() -> None:
    assert set(STATED) == set(model_hub.space_names()), "see docs/model-hub-spaces.toml"


def test_the_tests_that_show_a_stage_are_there() -> None:
    for name, stated in STATED.items():
        for test in stated["stages"].values():
            assert (REPOSITORY / test).is_file(), f"{name}: {test}"


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    assert script.PAGE.read_text() == script.page(), "run `python docs/make_model_hub.py`"


def test_the_examples_of_the_page_run(script: ModuleType) -> None:
    examples = re.findall(r"```python\n(.*?)```", script.PAGE.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "model-hub.md", "exec"), {})  # noqa: S102 - our own page
