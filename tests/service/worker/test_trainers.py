"""Trainers of an installed package: real workers that offer them, and what they may do wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bench_server import BenchServer, ending_together
from forked_nbs import nbs
from lab_trainers import CODE, PACKAGE, VERSION, install_trainers
from planned import content
from training_jobs import ARGUMENTS, RECIPE, SAMPLE, figures, plan_text, write_images
from waiting import PATIENCE

import model_hub
from bench_client import BenchClient, Job, JobFailedError, RegisteredTrainer, UnknownTrainerError
from model_hub.errors import InvalidArgumentError
from nas_search import Budget, ServiceTraining, SpaceProblem, Study
from nas_search.errors import OtherStudyError, UnreportedError
from nas_search.specification import Specification
from nas_search.strategies import RandomSearch
from nas_search.study import NothingLearnedWarning
from nas_search.training import Classification, Recipe, images_of, split

from .conftest import REPOSITORY, WORKER, Lab, one_thread, open_lab

PLAN = (
    plan_text("mixed", archs=1, epochs=[2])
    + """
[protocol.trainer]
name = "quick"
options = { lr = 0.01 }
"""
)
QUICK = {"name": "quick", "options": {"lr": 0.01}}
SPACE = model_hub.space("NasBench201", **ARGUMENTS)
TINY = "datasets/tiny"


class Site(NamedTuple):
    """A server, a client, and workers that are real processes of Python."""

    lab: Lab
    server: BenchServer
    bench: BenchClient
    packages: Path

    def train(self, trainer: Any = QUICK, **options: Any) -> Job:
        """Train a small network by a trainer."""
        asked = {"dataset": "tiny", "recipe": RECIPE, "trainer": trainer, **options}
        return self.bench.train(space="NasBench201", arguments=ARGUMENTS, arch=SAMPLE, **asked)

    def odd(self, does: str, **options: Any) -> Job:
        """Train by the trainer that does what the option says."""
        return self.train({"name": "odd", "options": {"does": does}}, **options)

    def failure(self, does: str, **options: Any) -> Job:
        """Return the job of a training that cannot be done."""
        with pytest.raises(JobFailedError) as caught:
            self.odd(does, **options)
        return caught.value.job

    def searched(self, trainer: Any, path: Path | None = None, **options: Any) -> Study:
        """Return a study whose networks a trainer trains as jobs."""
        training = ServiceTraining(self.bench, "tiny", RECIPE, trainer=trainer, jobs=2)
        return Study(path, SpaceProblem(SPACE, training, **options), RandomSearch(seed=0))

    def offered(self, name: str = "quick") -> list[RegisteredTrainer]:
        """Return the trainers of a name that living workers have."""
        workers = [worker for worker in self.bench.workers() if worker.alive]
        return [one for worker in workers for one in worker.trainers if one.name == name]

    @contextmanager
    def working(self, *arguments: str, packages: Path, **environment: str) -> Iterator[Path]:
        """Let a worker work that finds the package by its path; give its log."""
        log = packages / f"worker-{os.urandom(4).hex()}.log"
        told = {**os.environ, **self.lab.environment, "PYTHONPATH": str(packages), **environment}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", *WORKER, *arguments],
                cwd=REPOSITORY,
                env=told,
                stdout=subprocess.DEVNULL,
                stderr=output,
            )
        try:
            self.lab.until(lambda: process.poll() is not None or "worker ready" in log.read_text())
            yield log
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("trainers")
    packages = install_trainers(folder / "site")
    write_images(folder / "jobs/datasets/tiny")
    (folder / "data").mkdir()
    server = BenchServer(folder, folder / "data", NASBENCH_RETRY_SECONDS="0.1")
    with ending_together() as start, open_lab(folder / "jobs") as lab:
        start(server)
        with BenchClient(server.url) as bench:
            site = Site(lab, server, bench, packages)
            with site.working("--trainer", "quick", "--trainer", "odd", packages=packages):
                lab.until(site.offered)
                yield site


def test_a_trainer_trains_with_the_same_figures_again_and_is_in_the_provenance(site: Site) -> None:
    job = site.train(seed=3, weights=True)
    assert job.result is not None
    (offered,) = site.offered()
    stated = {**offered.model_dump(), "options": {"lr": 0.01}}
    assert (offered.package, offered.version) == (PACKAGE, VERSION)
    assert job.request["trainer"] == job.result["provenance"]["trainer"] == stated
    assert [sorted(epoch) for epoch in job.result["curve"]] == 4 * [
        ["accuracy", "epoch", "loss", "seconds", "top5", "train_accuracy", "train_loss"]
    ]
    # With its code spelled out it is the same request; another interval makes another one of it.
    assert site.train(stated, seed=3, weights=True).id == job.id
    again = site.train(seed=3, weights=True, save_epochs=2)
    assert again.result is not None
    assert (again.id != job.id, figures(again.result)) == (True, figures(job.result))
    other = site.train({**QUICK, "options": {"lr": 0.02}}, seed=3, weights=True)
    assert other.result is not None
    assert figures(other.result)["weights"] != figures(job.result)["weights"]


def test_a_killed_training_goes_on_from_what_the_trainer_reported(site: Site) -> None:
    whole = site.train(seed=5)
    dying = site.train({"name": "quick", "options": {"lr": 0.01, "dies_before": 3}}, seed=5)
    assert (whole.attempts, dying.attempts) == (1, 2)
    assert whole.result is not None
    assert dying.result is not None
    assert figures(dying.result) == figures(whole.result)


@pytest.mark.parametrize(
    ("does", "kind", "says"),
    [
        ("raise", "trainer-failed", "the trainer odd raised KeyError in epoch 1"),
        ("garbage", "trainer-failed", "b'garbage' are no metrics by name"),
        ("unknown", "trainer-failed", "there is no metric 'f1'"),
        ("missing", "trainer-failed", "epoch 1: `accuracy` is missing"),
        ("shape", "trainer-failed", "`accuracy` is no number but of shape (2, 3)"),
        ("not finite", "trainer-failed", "`accuracy` of nan is no percentage"),
        ("short", "trainer-failed", "reported 3 of 4 epochs"),
        ("long", "trainer-failed", "reports more than 4 epochs"),
        ("nan", "diverged", "the loss is nan"),
    ],
)
def test_what_a_trainer_does_wrong_fails_the_training_and_is_named(
    site: Site, does: str, kind: str, says: str
) -> None:
    job = site.failure(does)
    assert job.error is not None
    assert (job.state, job.attempts, job.error.kind) == ("failed", 1, kind)
    assert says in job.error.message
    assert "secret" not in job.model_dump_json()


def test_a_trainer_that_sleeps_or_exits_is_ended_and_parked(site: Site) -> None:
    asleep = site.failure("sleep", time_limit=1.0)
    assert asleep.error is not None
    assert (asleep.state, asleep.attempts, asleep.error.kind) == ("parked", 3, "time-limit")
    gone = site.failure("exit")
    assert gone.error is not None
    assert (gone.state, gone.attempts, gone.error.kind) == ("parked", 3, "crash")


def test_what_a_trainer_prints_and_forks_changes_no_result(site: Site) -> None:
    for does in ("print", "fork", "leave"):
        job = site.odd(does)
        assert job.result is not None
        assert job.attempts == 1
        assert (job.result["metrics"]["accuracy"], len(job.result["curve"])) == (75.0, 4)


def test_a_trainer_that_no_worker_has_is_refused_with_those_there_are(site: Site) -> None:
    (offered,) = site.offered()
    with pytest.raises(UnknownTrainerError, match=rf"'fast'.*quick \({PACKAGE} {VERSION}, sha256"):
        site.train("fast")
    with pytest.raises(UnknownTrainerError, match=offered.sha256):
        site.train({**offered.model_dump(), "sha256": "0" * 64})
    with pytest.raises(UnknownTrainerError, match="quick"):
        site.bench.check_plan(content(data__name="tiny", protocol__trainer={"name": "fast"}))
    checked = site.bench.check_plan(content(data__name="tiny", protocol__trainer=QUICK))
    assert checked.plan["protocol"]["trainer"] == {**offered.model_dump(), **QUICK}


def test_a_plan_is_trained_by_a_trainer_and_its_card_names_it(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "mixed.toml"
    file.write_text(PLAN)
    (offered,) = site.offered()
    asked = ("--url", site.server.url)
    assert json.loads(nbs("plan", "check", file, "--json").stdout)["trainer"] == QUICK
    checked = json.loads(nbs("plan", "check", file, *asked, "--json").stdout)
    assert checked["trainer"] == {**offered.model_dump(), **QUICK}
    plan = site.bench.plan(file, pilot=False)
    assert (plan.digest, site.bench.plan(file).digest) == (checked["digest"], checked["digest"])
    site.bench.start_plan(plan)
    site.bench.wait_plan(plan)
    (cell,) = site.bench.plan_cells("mixed", state="done")
    assert cell.provenance is not None
    assert cell.provenance["trainer"] == checked["trainer"]
    shown = json.loads(nbs("plan", "show", "mixed", *asked).stdout)
    assert shown["trainer"] == checked["trainer"]
    site.bench.seal_plan("mixed")
    site.lab.until(lambda: site.bench.plan_named("mixed").versions)
    out = tmp_path / "mixed.nbs"
    data = site.server.jobs_folder.parent / "data"
    ended = nbs("plan", "publish", "mixed", "--out", out, "--data", data, *asked)
    assert ended.returncode == 0, ended.stderr
    with zipfile.ZipFile(out) as archive:
        card = archive.read("README.md").decode()
    assert f"- Trainer: quick of {PACKAGE} {VERSION}, SHA-256 `{offered.sha256}`" in card
    with BenchClient.local(data) as read:
        (told,) = (one for one in read.benchmarks() if one.name == "mixed")
    assert told.provenance.contents["trainer"] == checked["trainer"]


def test_the_trials_of_a_search_are_trained_by_a_trainer_with_the_figures_of_this_process(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (offered,) = site.offered()
    stated = {**offered.model_dump(), "options": {"lr": 0.01}}
    with site.searched(QUICK, tmp_path / "one.study") as study:
        study.run(Budget(trials=2), workers="service", order="numbered")
        jobs = [site.bench.job(str(one.job)) for one in study.trials]
        assert [job.request["trainer"] for job in jobs] == [stated, stated]
        trials = [(one.arch, one.metrics["loss"], one.metrics["top5"]) for one in study.trials]
    # Of this code, and of no other: it is part of what the study is.
    with site.searched(stated, tmp_path / "one.study") as again:
        assert [one.job for one in again.trials] == [job.id for job in jobs]
    other = {**stated, "sha256": "0" * 64}
    with pytest.raises(OtherStudyError, match=r"evaluator\.settings\.trainer\.sha256"):
        site.searched(other, tmp_path / "one.study")
    monkeypatch.syspath_prepend(site.packages)
    monkeypatch.delitem(sys.modules, "labtrain", raising=False)
    images = images_of(model_hub.evaluation.read_folder(site.lab.jobs.settings.folder / TINY))
    train, valid = split(images, (0.5, 0.5), seed=0)
    here = Classification(train, valid, recipe=Recipe.from_dict(RECIPE), trainer=QUICK)
    assert here.settings["trainer"] == stated
    with one_thread(), Study(None, SpaceProblem(SPACE, here), RandomSearch(seed=0)) as study:
        study.run(Budget(trials=2))
        found = [(one.arch, one.metrics["loss"], one.metrics["top5"]) for one in study.trials]
    assert found == trials


def test_a_search_needs_no_figure_that_a_trainer_may_leave_out_but_those_sought(
    site: Site,
) -> None:
    fine = {"name": "odd", "options": {"does": "nothing wrong"}}
    with site.searched(fine) as study:
        study.run(Budget(trials=1), workers="service")
        (trial,) = study.trials
    assert (trial.error, trial.metrics["accuracy"], "top5" in trial.metrics) == (None, 75.0, False)
    with site.searched(fine, objectives=["accuracy", "top5"]) as study:
        with pytest.raises(UnreportedError, match=r"reports no top5.* of accuracy, epochs"):
            study.run(Budget(trials=4), workers="service")
        assert not study.trials
    for does, says in (
        ("not finite", "`accuracy` of nan is no percentage"),
        ("nan", "loss is nan"),
    ):
        with site.searched({"name": "odd", "options": {"does": does}}) as study:
            with pytest.warns(NothingLearnedWarning, match="1 of 1 trials failed, 1 by: "):
                study.run(Budget(trials=1), workers="service")
            assert says in str(study.trials[0].error)


def test_a_search_by_a_trainer_that_no_worker_has_does_not_begin(site: Site) -> None:
    (offered,) = site.offered()
    with pytest.raises(UnknownTrainerError, match=rf"no trainer 'fast'.*quick \({PACKAGE}"):
        site.searched("fast")
    with pytest.raises(UnknownTrainerError, match=offered.sha256):
        site.searched({"name": "quick", "version": "9"})
    with pytest.raises(InvalidArgumentError, match=r"^trainer\.options: lr = \[\]"):
        site.searched({"name": "quick", "options": {"lr": []}})
    stated = {"space": "NasBench201", "arguments": ARGUMENTS, "dataset": "tiny", "jobs": 2}
    written = Specification({**stated, "recipe": RECIPE, "trainer": QUICK}, {}, {})
    assert written.make_problem(site.bench).spec == site.searched(QUICK).spec["problem"]
    # All is stated, so that nobody is asked before the first job.
    gone = {**offered.model_dump(), "sha256": "0" * 64}
    with site.searched(gone) as study:
        with pytest.raises(UnknownTrainerError, match=offered.sha256):
            study.run(Budget(trials=2), workers="service")
        assert not study.trials


def test_a_worker_with_other_code_gets_no_training_of_the_first(site: Site, tmp_path: Path) -> None:
    (offered,) = site.offered()
    other = install_trainers(tmp_path / "site", code=CODE + "# edited", version="1.3")
    over_http = {"NASBENCH_TRAINERS": "quick", "NASBENCH_JOBS_DIR": str(tmp_path / "jobs")}
    with site.working("--server", site.server.url, packages=other, **over_http) as log:
        site.lab.until(lambda: len(site.offered()) == 2)
        with pytest.raises(UnknownTrainerError, match="more than one trainer 'quick'"):
            site.train(seed=6)
        with pytest.raises(UnknownTrainerError, match=r"more than one trainer 'quick': select one"):
            site.searched(QUICK)
        (new,) = (one for one in site.offered() if one.sha256 != offered.sha256)
        assert (new.version, new.package) == ("1.3", PACKAGE)
        by = {}
        for code in (offered, new):
            job = site.train({**code.model_dump(), "options": {"lr": 0.01}}, seed=6)
            by[code.sha256] = job.worker
        assert by[offered.sha256] != by[new.sha256]
        # Edited while the worker runs: it trains nothing by other code than was demanded.
        (other / "labtrain/__init__.py").write_text(CODE + "# edited again")
        job = site.train({**new.model_dump(), "options": {}}, seed=7, wait=False)
        # It may have begun the job before it looked again, and hands it back then.
        site.lab.until(lambda: new.sha256 not in {one.sha256 for one in site.offered()})
        site.lab.until(lambda: site.bench.job(job.id).state == "queued")
        assert site.bench.job(job.id).attempts == 0
        site.bench.cancel(job)
        assert "Traceback" not in log.read_text()


def test_a_worker_does_not_start_with_a_trainer_that_is_not_installed(site: Site) -> None:
    with site.working("--trainer", "fast", packages=site.packages) as log:
        told = " ".join(log.read_text().split())
    assert "there is no trainer 'fast'; installed are: odd, quick" in told
