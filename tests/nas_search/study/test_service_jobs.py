"""Searches whose networks the workers of a real service train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bench_server import BenchServer, ending_together
from forked_nbs import ForkedProcess, start_nbs
from training_jobs import ARGUMENTS, RECIPE, write_images
from typer.testing import CliRunner
from waiting import PATIENCE, until

import model_hub
from bench_client import BenchClient, Job, UnknownDatasetError
from nas_search import Budget, ServiceTraining, SpaceProblem, Study
from nas_search.errors import FailingStudyError, ProblemError
from nas_search.strategies import RandomSearch
from nas_search.study import Curves, NothingLearnedWarning, State, StudyFile
from service.cli.search import app as search_commands

REPOSITORY = Path(__file__).resolve().parents[3]
SEARCH = f"""
import json, sys
sys.modules["torch"] = None
import model_hub
from bench_client import BenchClient
from nas_search import Budget, ServiceTraining, SpaceProblem, Study
from nas_search.strategies import RandomSearch

path, url, recipe, trials = sys.argv[1:]
space = model_hub.space("NasBench201", **{ARGUMENTS!r})
with BenchClient(url) as bench:
    training = ServiceTraining(bench, "tiny", json.loads(recipe), jobs=2)
    problem = SpaceProblem(space, training, objectives=["accuracy", "-parameters"])
    with Study(path, problem, RandomSearch(seed=0)) as study:
        study.run(Budget(trials=int(trials)), workers="service")
        print(json.dumps([[one.arch, one.metrics["loss"], one.job] for one in study.trials]))
"""
FILE = f"""
[problem]
space = "NasBench201"
arguments = {{ {", ".join(f"{name} = {value}" for name, value in ARGUMENTS.items())} }}
dataset = "tiny"
recipe = {{ epochs = 1, batch_size = 16, lr = 0.05 }}
jobs = 2
[strategy]
name = "RandomSearch"
seed = 0
[budget]
trials = 2
"""
SHORT = {**RECIPE, "epochs": 1}
LONG = {**RECIPE, "epochs": 500}


class Site(NamedTuple):
    """A server, a worker beside it, and a client."""

    server: BenchServer
    worker: ForkedProcess
    bench: BenchClient

    def problem(self, recipe: dict[str, Any] = SHORT, **options: Any) -> SpaceProblem:
        """Return a search on small networks."""
        asked = {"dataset": "tiny", "recipe": recipe, "jobs": 2, **options}
        space = model_hub.space("NasBench201", **ARGUMENTS)
        return SpaceProblem(space, ServiceTraining(self.bench, **asked))

    def study(self, path: Path | None, problem: SpaceProblem, seed: int = 0) -> Study:
        """Return a study of random networks."""
        return Study(path, problem, RandomSearch(seed=seed))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("searches")
    (folder / "data").mkdir()
    write_images(folder / "jobs/datasets/tiny")
    write_images(folder / "jobs/datasets/classes", classes=5)
    server = BenchServer(folder, folder / "data")
    told = {
        "NASBENCH_JOBS_DIR": str(folder / "jobs"),
        "NASBENCH_DATASETS_DIR": str(folder / "jobs/datasets"),
        "OMP_NUM_THREADS": "1",
    }
    with ending_together() as start:
        start(server)
        with (folder / "worker.log").open("wb") as log:
            worker = start_nbs("worker", "--threads", "1", env={**os.environ, **told}, stderr=log)
        try:
            with BenchClient(server.url) as bench:
                until(bench.datasets, lambda told: len(told) == 2, what="both data sets offered")
                yield Site(server, worker, bench)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(PATIENCE)


def test_a_search_without_torch_has_its_networks_trained(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "one.study"
    ended = searched(site, path, SHORT, 3)
    assert ended.returncode == 0, ended.stderr
    with Study(path, two_objectives(site), RandomSearch(seed=0)) as study:
        jobs = [site.bench.job(str(one.job)) for one in study.trials]
        events = list(study.events())
    for trial, job in zip(study.trials, jobs, strict=True):
        assert job.result is not None
        assert trial.metrics["accuracy"] == job.result["metrics"]["accuracy"]
        assert trial.metrics["parameters"] > 0
        assert trial.cost == job.result["seconds"] > 0
    told = [event.payload for event in events if event.kind == "epoch"]
    assert sorted(one["trial"] for one in told) == [0, 1, 2]
    assert {one["epoch"] for one in told} == {1}


def test_a_search_from_a_file_is_trained_by_the_service_and_gone_on_with(
    site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "search.toml"
    file.write_text(FILE)
    asked = [str(file), "--url", site.server.url, "--json"]
    first = CliRunner().invoke(search_commands, ["run", *asked], catch_exceptions=False)
    assert json.loads(first.stdout)["trials"] == {"ok": 2}
    study = str(file.with_suffix(".study"))
    more = ["resume", study, "--trials", "3", "--url", site.server.url, "--json"]
    again = CliRunner().invoke(search_commands, more, catch_exceptions=False)
    assert json.loads(again.stdout)["trials"] == {"ok": 3}
    trials = StudyFile(study).trials
    assert {site.bench.job(str(one.job)).state for one in trials} == {"succeeded"}


@pytest.mark.parametrize("line", ['proxies = ["nwot"]', 'checkpoints = "kept"'])
def test_a_file_for_the_service_names_nothing_that_is_done_here(
    site: Site, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "search.toml"
    file.write_text(FILE.replace("jobs = 2", f"jobs = 2\n{line}"))
    with pytest.raises(ProblemError, match="which a service evaluates"):
        CliRunner().invoke(
            search_commands, ["run", str(file), "--url", site.server.url], catch_exceptions=False
        )


def test_a_killed_search_waits_for_the_jobs_that_it_had_submitted(
    site: Site, tmp_path: Path
) -> None:
    path, recipe = tmp_path / "killed.study", {**RECIPE, "epochs": 5, "lr": 0.04}
    with subprocess.Popen(command(site, path, recipe, 3), **plain()) as first:
        until(lambda: of_epochs(site, 5), lambda jobs: len(jobs) == 2, what="two jobs")
        first.kill()
    ended = searched(site, path, recipe, 3)
    assert ended.returncode == 0, ended.stderr
    # Had one been submitted anew after a cancellation or a failure, there would be more.
    assert len(of_epochs(site, 5)) == 3
    assert {job.state for job in of_epochs(site, 5)} == {"succeeded"}


def test_a_submission_whose_answer_was_lost_is_not_made_twice(site: Site, tmp_path: Path) -> None:
    problem = site.problem({**RECIPE, "epochs": 2, "lr": 0.03})
    with site.study(tmp_path / "lost.study", problem) as study:
        trial = study.ask()
        assert trial is not None
        study.assign(trial, "key:of-this-test")
        job = problem.evaluator.submit(
            problem.space, trial.sample, fidelity=None, key="of-this-test", time_limit=None
        )
        site.bench.cancel(job)
    with site.study(tmp_path / "lost.study", problem) as study:
        with pytest.warns(NothingLearnedWarning, match="1 of 1 trials failed, 1 by: job"):
            study.run(Budget(trials=1), workers="service")
        # The job is that of the key, whatever became of it.
        assert study.trials[0].job == job.id
        assert study.trials[0].error is not None
        assert f"job {job.id} cancelled" in study.trials[0].error


def test_numbered_and_arrival_order_evaluate_the_same(site: Site) -> None:
    found = []
    for order in ("numbered", "arrival"):
        with site.study(None, site.problem()) as study:
            study.run(Budget(trials=4), workers="service", order=order)  # type: ignore[arg-type]
            found.append([(one.arch, one.metrics["loss"]) for one in study.trials])
            if order == "numbered":
                orders = [one.told_order for one in study.trials]
                assert orders == sorted(orders, key=int)  # type: ignore[arg-type]
    assert found[0] == found[1]


def test_the_end_of_a_budget_cancels_what_is_under_way_and_the_next_run_begins_it_anew(
    site: Site, tmp_path: Path
) -> None:
    problem = site.problem(LONG)
    with site.study(tmp_path / "budget.study", problem) as study:
        study.run(Budget(seconds=2), workers="service")
        assert study.ended == "seconds"
        assert not study.trials
        assert study.given_out
    jobs = of_epochs(site, 500)
    assert len(jobs) == 2
    until(
        lambda: of_epochs(site, 500),
        lambda jobs: {job.state for job in jobs} == {"cancelled"},
        what="both jobs cancelled",
    )
    with site.study(tmp_path / "budget.study", problem) as study:
        study.run(Budget(seconds=1), workers="service")
    assert len(of_epochs(site, 500)) == 4


def test_a_job_that_the_service_has_forgotten_is_submitted_anew(site: Site, tmp_path: Path) -> None:
    with site.study(tmp_path / "forgotten.study", site.problem()) as study:
        trial = study.ask()
        assert trial is not None
        study.assign(trial, "0" * 32)
    with site.study(tmp_path / "forgotten.study", site.problem()) as study:
        study.run(Budget(trials=1), workers="service")
        lost = [one.payload for one in study.events() if one.kind == "job.lost"]
        assert lost == [{"trial": 0, "job": "0" * 32}]
        assert study.trials[0].error is None


@dataclass(frozen=True)
class AfterTwo:
    """Ends every training after its second epoch, or the next that is heard of."""

    metric: str | None = None

    def stops(self, trial: int, epoch: int, curves: Curves, *, ended: Any) -> bool:
        """Tell whether two are done."""
        assert curves[trial][epoch] >= 0
        assert not ended(trial)
        return epoch >= 2


def test_a_rule_stops_jobs_and_their_trials_have_the_figures_so_far(
    site: Site, tmp_path: Path
) -> None:
    endless = {**RECIPE, "epochs": 10_000}
    path = tmp_path / "stopped.study"
    with site.study(path, site.problem(endless)) as study:
        study.run(Budget(trials=3), workers="service", stop=AfterTwo())
        stopped = study.trials
        assert study.best is None
    assert [trial.state for trial in stopped] == [State.STOPPED] * 3
    for trial in stopped:
        assert 2 <= trial.metrics["epoch"] < 10_000
        assert 0 <= trial.metrics["accuracy"] <= 100
        assert trial.cost > 0
        assert site.bench.job(str(trial.job)).state == "stopped"
    with site.study(path, site.problem(endless)) as study:
        assert [one.metrics for one in study.trials] == [one.metrics for one in stopped]


def test_jobs_that_fail_are_failed_trials_with_the_reason(site: Site) -> None:
    with site.study(None, site.problem(dataset="classes")) as study:
        with pytest.warns(NothingLearnedWarning, match="2 of 2 trials failed, 1 by: job .*label 4"):
            study.run(Budget(trials=2), workers="service")
        errors = [one.error for one in study.trials]
    assert all(error and "label 4 has no output" in error for error in errors)


def test_requests_that_are_refused_end_the_search_when_there_are_twenty(site: Site) -> None:
    with (
        site.study(None, site.problem(protocol="none")) as study,
        pytest.raises(FailingStudyError, match="protocol"),
    ):
        study.run(Budget(trials=100), workers="service")
    assert len(study.trials) == 20


def test_a_data_set_that_nobody_has_ends_the_search_at_once(site: Site) -> None:
    with (
        site.study(None, site.problem(dataset="tinny")) as study,
        pytest.raises(UnknownDatasetError, match="tiny"),
    ):
        study.run(Budget(trials=2), workers="service")
    assert study.given_out


def test_a_server_may_be_started_anew_during_a_search(site: Site) -> None:
    problem = site.problem({**RECIPE, "epochs": 3, "lr": 0.02})
    killed = False

    def kill_once(event: Any) -> None:
        nonlocal killed
        if event.kind == "epoch" and not killed:
            killed = True
            site.server.kill()
            site.server.start()

    with site.study(None, problem) as study:
        study.subscribe(kill_once)
        study.run(Budget(trials=2), workers="service")
        assert killed
        assert [one.error for one in study.trials] == [None, None]


def test_a_service_and_an_evaluator_of_one_go_together(site: Site) -> None:
    with (
        site.study(None, site.problem()) as study,
        pytest.raises(ProblemError, match='only with workers="service"'),
    ):
        study.run(Budget(trials=1))
    space = model_hub.space("NasBench201", **ARGUMENTS)
    with (
        Study(None, SpaceProblem(space, len), RandomSearch()) as other,
        pytest.raises(ProblemError, match="ServiceTraining"),
    ):
        other.run(Budget(trials=1), workers="service")
    with (
        site.study(None, site.problem()) as study,
        pytest.raises(ValueError, match="service"),
    ):
        study.run(Budget(trials=1), workers="services")  # type: ignore[arg-type]


def two_objectives(site: Site) -> SpaceProblem:
    """Return the problem of `SEARCH`."""
    space = model_hub.space("NasBench201", **ARGUMENTS)
    training = ServiceTraining(site.bench, "tiny", SHORT)
    return SpaceProblem(space, training, objectives=["accuracy", "-parameters"])


def of_epochs(site: Site, epochs: int) -> list[Job]:
    """Return the jobs of a recipe of so many epochs."""
    return [
        job
        for job in site.bench.jobs(kind="training", limit=None)
        if job.request["recipe"]["epochs"] == epochs
    ]


def command(site: Site, path: Path, recipe: dict[str, Any], trials: int) -> list[str]:
    """Return the command of a search in a process of its own."""
    asked = (str(path), site.server.url, json.dumps(recipe), str(trials))
    return [sys.executable, "-c", SEARCH, *asked]


def plain() -> dict[str, Any]:
    """Return how such a process is started."""
    return {"cwd": REPOSITORY, "env": {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}}


def searched(
    site: Site, path: Path, recipe: dict[str, Any], trials: int
) -> subprocess.CompletedProcess[str]:
    """Run a search in a process of its own."""
    asked = command(site, path, recipe, trials)
    return subprocess.run(asked, capture_output=True, text=True, check=False, **plain())
