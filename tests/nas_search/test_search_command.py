"""`nbs search`, as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nas_search.study import OtherStudyError, ProblemError, StudyFile
from service.cli.search import app

SEARCH = """
[problem]
benchmark = "nasbench101"
num_epochs = 12
objectives = ["valid_acc", "parameters"]
bounds = {{ parameters = [0.0, inf] }}
[strategy]
name = "NSGA2"
seed = {seed}
population_size = 10
[budget]
trials = 20
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "search.toml"
    file.write_text(SEARCH.format(seed=0))
    return file


def called(*arguments: Any) -> Any:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_search_is_run_gone_on_with_and_shown(file: Path, nasbench101_folder: Path) -> None:
    data = ("--data", nasbench101_folder)
    first = json.loads(called("run", file, *data))
    assert first["trials"] == {"ok": 20}
    assert first["strategy"]["name"] == "NSGA2"
    study = file.with_suffix(".study")
    assert json.loads(called("run", file, *data)) == first
    assert json.loads(called("resume", study, *data)) == first
    more = json.loads(called("resume", study, "--trials", 30, *data))
    assert more["trials"] == {"ok": 30}
    assert json.loads(called("show", study, "--top", 2))["top"] == more["top"][:2]
    front = json.loads(called("front", study))
    assert [one["number"] for one in front] == [one.number for one in StudyFile(study).front]
    called("export", study, "--out", file.with_suffix(".csv"))
    assert len(file.with_suffix(".csv").read_text().splitlines()) == 31
    events = [json.loads(line) for line in called("watch", study, "--no-follow").splitlines()]
    assert events[0]["kind"] == "begun"
    assert events[-1]["payload"] == {"reason": "trials", "trials": 30}


def test_another_search_in_the_same_file_is_refused(file: Path, nasbench101_folder: Path) -> None:
    called("run", file, "--data", nasbench101_folder)
    file.write_text(SEARCH.format(seed=1))
    with pytest.raises(OtherStudyError, match=r"strategy\.settings\.seed is 0 there and 1 here"):
        called("run", file, "--data", nasbench101_folder)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[problem]", "[problem", "is no TOML"),
        ("[budget]", "[bugdet]", "unknown part 'bugdet'; is it budget"),
        ("[budget]\ntrials = 20", "", r"has no part \[budget\]"),
        ("trials = 20", "", "the budget has no limit"),
        ("trials = 20", "trails = 20", "unknown limit 'trails'; is it trials"),
        ("trials = 20", "trials = -1", "above 0"),
        ('name = "NSGA2"', 'name = "NSGA3"', "NSGA2"),
        ('name = "NSGA2"', "", "the strategy has no name"),
        ("population_size", "populationsize", "population_size"),
        ('benchmark = "nasbench101"', "", "the problem has no benchmark"),
        ("num_epochs", "epochs", "unknown argument of the problem 'epochs'; is it num_epochs"),
        ("valid_acc", "valid_acccc", "unknown metric 'valid_acccc'; is it valid_acc"),
        ("[0.0, inf]", "[2.0, 1.0]", "within the bound"),
        ("{ parameters = [0.0, inf] }", "3", "bounds are"),
    ],
)
def test_a_file_that_means_nothing_is_refused(
    old: str, new: str, told: str, file: Path, nasbench101_folder: Path
) -> None:
    file.write_text(SEARCH.format(seed=0).replace(old, new))
    with pytest.raises(ProblemError, match=told):
        called("run", file, "--data", nasbench101_folder)
    assert not file.with_suffix(".study").exists()
