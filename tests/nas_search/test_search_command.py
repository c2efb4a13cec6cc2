"""`nbs search`, as people call it."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from patterned_images import write_class_folders
from typer.testing import CliRunner

from model_hub.errors import InvalidArgumentError, ModelHubError
from nas_search.problems import TableProblem
from nas_search.specification.keys import TABLE
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
    more = json.loads(called("resume", study, "--trials", 30, "--workers", 2, *data))
    assert more["trials"] == {"ok": 30}
    assert json.loads(called("show", study, "--top", 2))["top"] == more["top"][:2]
    front = json.loads(called("front", study))
    assert [one["number"] for one in front] == [one.number for one in StudyFile(study).front]
    called("export", study, "--out", file.with_suffix(".csv"))
    assert len(file.with_suffix(".csv").read_text().splitlines()) == 31
    events = [json.loads(line) for line in called("watch", study, "--no-follow").splitlines()]
    begun = [one["payload"]["workers"] for one in events if one["kind"] == "begun"]
    assert begun == [1, 1, 1, 2]
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
        ("[budget]", "[bugdet]", r"search\.toml, line 11: unknown table 'bugdet'; is it budget"),
        ("[budget]\ntrials = 20", "", r"has no table \[budget\]"),
        ("trials = 20", "", "the budget has no limit"),
        ("trials = 20", "trails = 20", "line 12: unknown limit 'trails'; is it trials"),
        ("trials = 20", "trials = -1", "trials = -1; it is a whole number from 1"),
        ('name = "NSGA2"', 'name = "NSGA3"', "line 8: unknown strategy 'NSGA3'; is it NSGA2"),
        ('name = "NSGA2"', "", "the strategy has no name"),
        (
            *("population_size", "populationsize"),
            "line 10: unknown setting of NSGA2 'populationsize'; is it population_size",
        ),
        ('benchmark = "nasbench101"', "", "the problem has neither a benchmark"),
        ("num_epochs", "epochs", "line 4: unknown argument of the problem 'epochs'"),
        ("valid_acc", "valid_acccc", "unknown metric 'valid_acccc'; is it valid_acc"),
        ("[0.0, inf]", "[2.0, 1.0]", "allows nothing, or everything"),
        ("[0.0, inf]", "1979-05-27", "has a date"),
        ('benchmark = "nasbench101"', 'benchmark = "a"\nspace = "b"', "a benchmark or a space"),
        ("{ parameters = [0.0, inf] }", "3", "bounds are"),
        ("[0.0, inf]", f"[0, 1{'0' * 400}]", "the bound of parameters is a least"),
        ("[problem]", f"[problem]\nfree_repeats = {'[' * 5_000}", "is no TOML"),
        ('objectives = ["valid_acc", "parameters"]', "objectives = 3", "objectives are a list"),
        ('name = "NSGA2"', "name = [1]", r"line 8: unknown strategy \[1\]; is it"),
        ("trials = 20", f"trials = -1{'0' * 400}", "; it is a whole number from 1"),
        ("trials = 20", f"seconds = 1{'0' * 400}", "; it is a number above 0"),
        (
            "[strategy]",
            f"reference = {{ valid_acc = 1{'0' * 400} }}\n[strategy]",
            "a reference point has a number by objective",
        ),
        (
            'benchmark = "nasbench101"\nnum_epochs = 12',
            'benchmark = "nds"\nproposer = [1]\ngenerator = 2',
            "unknown generator 2; is it random",
        ),
        (
            'name = "NSGA2"\nseed = 0\npopulation_size = 10',
            f'name = "RegularizedEvolution"\npopulation_size = 1{"0" * 400}',
            "population_size <= 2147483648",
        ),
    ],
)
def test_a_file_that_means_nothing_is_refused(
    old: str, new: str, told: str, file: Path, nasbench101_folder: Path
) -> None:
    file.write_text(SEARCH.format(seed=0).replace(old, new))
    with pytest.raises(ProblemError, match=told):
        called("run", file, "--data", nasbench101_folder)
    assert not file.with_suffix(".study").exists()


NETWORKS = """
[problem]
space = "NasBench201"
arguments = {{ stem_out_channels = 4, num_modules_per_stack = 1, num_labels = 4 }}
dataset = "images"
fractions = [0.75, 0.25]
recipe = {{ epochs = 1, batch_size = 16, lr = 0.05 }}
objectives = ["accuracy", "-macs"]
bounds = {{ parameters = [0, 20e3] }}
[strategy]
name = "{strategy}"
[budget]
trials = 2
"""


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    """A search of networks, beside 80 images of 8 x 8 in four folders."""
    write_class_folders(tmp_path / "images")
    file = tmp_path / "search.toml"
    file.write_text(NETWORKS.format(strategy="RandomSearch"))
    return file


def test_networks_are_trained_gone_on_with_and_shown(networks: Path) -> None:
    first = json.loads(called("run", networks))
    study = networks.with_suffix(".study")
    assert first["trials"] == {"ok": 2}
    assert first["problem"]["evaluator"]["settings"]["recipe"]["lr"] == 0.05
    assert all(one["parameters"] <= 20e3 and one["macs"] > 0 for one in first["top"])
    assert json.loads(called("resume", study)) == first
    more = json.loads(called("resume", study, "--trials", 3))
    assert more["trials"] == {"ok": 3}
    assert len(json.loads(called("front", study))) == len(StudyFile(study).front)
    called("export", study, "--out", networks.with_suffix(".csv"))
    runs = networks.parent / "tensorboard"
    called("resume", study, "--trials", 4, "--tensorboard", runs)
    assert {one.name for one in runs.iterdir() if one.is_dir()} == {"trial-3"}
    kinds = [
        json.loads(line)["kind"] for line in called("watch", study, "--no-follow").splitlines()
    ]
    assert kinds.count("epoch") == 4


def test_a_study_of_networks_goes_on_from_its_file_alone(networks: Path) -> None:
    called("run", networks)
    networks.unlink()
    study = networks.with_suffix(".study")
    assert json.loads(called("resume", study, "--trials", 3))["trials"] == {"ok": 3}
    (networks.parent / "images" / "0" / "0.png").unlink()
    with pytest.raises(OtherStudyError, match=r"evaluator\.settings\.train is"):
        called("resume", study, "--trials", 4)


def test_a_rule_of_the_file_stops_trainings_also_when_it_is_gone_on_with(networks: Path) -> None:
    rule = '[stop]\nname = "HalvingRule"\nmin_epochs = 1\neta = 2\n'
    text = (
        networks.read_text()
        .replace("epochs = 1,", "epochs = 3,")
        .replace("trials = 2", "trials = 6")
    )
    networks.write_text(f"{text}{rule}")
    states = json.loads(called("run", networks))["trials"]
    study = networks.with_suffix(".study")
    stopped = [one for one in StudyFile(study).trials if one.state.value == "stopped"]
    assert states == {"ok": 6 - len(stopped), "stopped": len(stopped)}
    assert stopped
    assert all(one.metrics["epochs"] < 3 for one in stopped)
    begun = [one for one in StudyFile(study).events() if one.kind == "begun"]
    assert begun[0].payload["stop"] == {
        "name": "HalvingRule",
        "metric": None,
        "min_epochs": 1,
        "eta": 2,
    }
    called("resume", study, "--trials", 12)
    assert sum(json.loads(called("show", study))["trials"].values()) == 12
    begun = [one for one in StudyFile(study).events() if one.kind == "begun"]
    assert begun[1].payload["stop"] == begun[0].payload["stop"]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('[stop]\nname = "MedianRul"\n', "unknown rule 'MedianRul'; is it MedianRule"),
        ('[stop]\nname = "MedianRule"\ntrials = 3\n', "line 16: unknown argument of MedianRule"),
        ('[stop]\nname = "HalvingRule"\neta = 1\n', "eta"),
        ("[stop]\n", "unknown rule 'None'"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(networks: Path, rule: str, told: str) -> None:
    networks.write_text(networks.read_text() + rule)
    with pytest.raises(ProblemError, match=told):
        called("run", networks)
    assert not networks.with_suffix(".study").exists()


def test_proxies_score_networks_and_rank_what_is_trained(networks: Path) -> None:
    text = networks.read_text().replace('objectives = ["accuracy", "-macs"]\n', "")
    ranked = '"ProxySearch"\nscore = "synflow"\nthen = "stop"\nnum_scored = 5'
    networks.write_text(text.replace('"RandomSearch"', ranked))
    first = json.loads(called("run", networks))
    assert first["strategy"]["settings"]["score"] == "synflow"
    assert json.loads(called("resume", networks.with_suffix(".study"))) == first
    recipe = next(line for line in text.splitlines() if line.startswith("recipe"))
    networks.write_text(text.replace(recipe, 'proxies = ["nwot", "params"]'))
    scored = networks.with_name("scored.study")
    (best, *_) = json.loads(called("run", networks, "--study", scored))["top"]
    assert best["nwot"] != 0


def test_a_metric_of_a_table_ranks_what_is_looked_up(file: Path, nasbench101_folder: Path) -> None:
    text = SEARCH.format(seed=0).replace('["valid_acc", "parameters"]', '["valid_acc"]')
    ranked = '"ProxySearch"\nscore = "-parameters"\nthen = "stop"\nnum_scored = 30'
    text = text.replace('"NSGA2"', ranked).replace("population_size = 10", "")
    file.write_text(text)
    found = json.loads(called("run", file, "--data", nasbench101_folder))
    trials = StudyFile(file.with_suffix(".study")).trials
    sizes = [one.parameters for one in trials]
    assert sizes == sorted(sizes)
    assert (
        json.loads(called("resume", file.with_suffix(".study"), "--data", nasbench101_folder))
        == found
    )
    file.write_text(text.replace("-parameters", "valid_acc"))
    with pytest.raises(ProblemError, match="unknown score 'valid_acc'; is it"):
        called("run", file, "--data", nasbench101_folder, "--study", file.with_suffix(".other"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "batch_size",
            "batchsize",
            "line 7: unknown field of a recipe 'batchsize'; is it batch_siz",
        ),
        ("recipe", "recipee", "line 7: unknown argument of the problem 'recipee'; is it recipe"),
        ("fractions", "num_epochs", "line 6: unknown argument of the problem 'num_epochs'"),
        ('"NasBench201"', '"NasBench202"', "there is no space"),
        ("stem_out", "stemm_out", "no such argument"),
        ('dataset = "images"', "", "has no dataset"),
        ("[0.75, 0.25]", "[1.0]", "there are two fractions"),
        ('"accuracy"', '"acuracy"', "unknown metric 'acuracy'; is it accuracy"),
        ("epochs = 1,", 'name = "NasBench2", epochs = 1,', "there is no recipe"),
        ("epochs = 1,", "epochs = 0,", "epochs"),
        ("recipe", "seed = 0.5\nrecipe", "not a whole number"),
        ("recipe", 'proxies = ["nwot"]\nrecipe', "not both"),
    ],
)
def test_a_search_of_networks_that_means_nothing_is_refused(
    old: str, new: str, told: str, networks: Path
) -> None:
    networks.write_text(networks.read_text().replace(old, new, 1))
    with pytest.raises((ProblemError, ModelHubError), match=told):
        called("run", networks)
    assert not networks.with_suffix(".study").exists()


def test_a_proxy_that_is_none_is_refused(networks: Path) -> None:
    text = networks.read_text().replace('"RandomSearch"', '"ProxySearch"\nscore = "synflw"')
    networks.write_text(text)
    with pytest.raises(InvalidArgumentError, match="synflow"):
        called("run", networks)


def test_names_that_are_known_are_those_of_tables() -> None:
    assert set(TABLE) == set(signature(TableProblem).parameters) - {"bench"} | {"reference"}
