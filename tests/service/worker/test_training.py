"""Trainings as jobs: a real server, a real worker, and a data set on its disk."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import torch
from bench_server import BenchServer, ending_together
from forked_nbs import nbs
from safetensors.torch import load_file
from training_jobs import (
    ARGUMENTS,
    LONG,
    RECIPE,
    SAMPLE,
    TOML_ARGUMENTS,
    figures,
    last_epoch,
    write_images,
)

import model_hub
from bench_client import (
    AsyncBenchClient,
    BenchClient,
    InvalidRequestError,
    Job,
    JobCancelledError,
    JobFailedError,
    UnknownDatasetError,
)
from bench_client.models import TrainingRequest
from benchmark_db.catalog import Catalog
from nas_search.errors import ProblemError
from nas_search.oneshot import FairPaths, Supernet, train_supernet
from nas_search.oneshot.written import WrittenSupernet
from nas_search.recipe import Recipe
from nas_search.training import Classification, images_of, split
from service.jobs import JobSettings, open_jobs
from service.jobs.kinds import new_job
from service.jobs.records import Capabilities, Progress
from service.jobs.training_folders import AttemptFolder
from service.worker.offers import Offers
from service.worker.training import train_network
from service.worker.work import ReleasedError, WorkError, Workplace

from .conftest import Lab, attempt_of, one_thread, open_lab

SEARCH = """
[problem]
space = "NasBench201"
arguments = {{ {arguments} }}
dataset = "{folder}"
fractions = [0.5, 0.5]
seed = 3
[supernet]
weights = "supernet.safetensors"
batches = 2
batch_size = 20
[strategy]
name = "RandomSearch"
[budget]
trials = 3
"""


class Site(NamedTuple):
    """A server, the worker beside it, and a client."""

    lab: Lab
    bench: BenchClient
    server: BenchServer

    def train(self, **options: Any) -> Job:
        """Train a small network."""
        asked = {"dataset": "tiny", "recipe": RECIPE, **options}
        return self.bench.train(space="NasBench201", arguments=ARGUMENTS, arch=SAMPLE, **asked)

    def train_supernet(self, **options: Any) -> Job:
        """Train a small supernet."""
        asked = {"space": "NasBench201", "arguments": ARGUMENTS, "dataset": "tiny"}
        return self.bench.train_supernet(**{**asked, "recipe": RECIPE, **options})

    def end(self, job: Job) -> None:
        """Cancel a job and wait until nothing of it is left."""
        self.bench.cancel(job)
        with pytest.raises(JobCancelledError):
            self.bench.wait(job)
        self.lab.until(lambda: job.id not in self.kept)

    @property
    def kept(self) -> list[str]:
        """Jobs of which something is kept on disk."""
        folder = self.lab.jobs.settings.trainings_dir
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture(scope="module")
def site(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("trainings")
    server = BenchServer(folder, directory)
    write_images(folder / "jobs/datasets/tiny")
    write_images(folder / "jobs/datasets/few", count=12)
    write_images(folder / "jobs/datasets/classes", classes=5)
    with ending_together() as start, open_lab(folder / "jobs") as lab:
        start(server)
        with BenchClient(server.url) as bench:
            lab.work()
            lab.until(lambda: len(bench.datasets()) == 3)
            yield Site(lab, bench, server)


def test_a_training_has_the_figures_of_the_same_training_here(site: Site) -> None:
    seen: list[dict[str, Any]] = []

    def note(job: Job) -> None:
        if job.progress and job.progress.figures:
            seen.append(job.progress.figures)

    job = site.train(fractions=(0.5, 0.5), seed=3, weights=True, progress=note)
    assert job.result is not None
    space = model_hub.space("NasBench201", **ARGUMENTS)
    folder = site.lab.jobs.settings.folder / "datasets/tiny"
    train, valid = split(images_of(model_hub.evaluation.read_folder(folder)), (0.5, 0.5), seed=0)
    with one_thread():
        recipe = Recipe.from_dict(RECIPE)
        trainer, training = Classification(train, valid, recipe=recipe, seed=3).train(space, SAMPLE)
    here = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in training.curve]
    assert figures(job.result)["curve"] == here
    assert job.result["metrics"]["accuracy"] == here[-1]["accuracy"]
    assert job.result["seconds"] > 0
    assert job.result["peak_memory"] > 2**20
    assert job.result["notes"] == []
    assert (job.result["provenance"]["train_images"], len(valid)) == (80, 80)
    # The end may come before the progress of the last epochs is recorded.
    epochs = [int(told["epoch"]) for told in seen]
    assert epochs == sorted(epochs)
    assert [told["loss"] for told in seen] == [here[epoch - 1]["loss"] for epoch in epochs]
    site.lab.until(lambda: site.kept == [])
    out = site.lab.jobs.settings.folder / "out"
    weights = load_file(site.bench.download(job, out)["network.safetensors"])
    mine = trainer.evaluated.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in mine.items())


def test_a_training_may_end_after_some_epochs_of_its_recipe(site: Site) -> None:
    whole, short = site.train(), site.train(epochs=2)
    assert whole.result is not None
    assert short.result is not None
    assert figures(short.result)["curve"] == figures(whole.result)["curve"][:2]
    assert short.artifacts == []


@pytest.mark.parametrize("victim", ["the attempt", "the worker"])
def test_a_killed_training_goes_on_with_the_same_figures(site: Site, victim: str) -> None:
    # Another interval of checkpoints makes it another request, and nothing else.
    number = ["the attempt", "the worker"].index(victim)
    job = site.train(recipe=LONG, seed=7, save_epochs=2 + number, wait=False)
    before = site.lab.epoch(job, 4)
    if victim == "the attempt":
        os.kill(attempt_of(site.lab.started[-1].pid), signal.SIGKILL)
    else:
        site.lab.end_workers()
        site.lab.work()
    again = site.lab.epoch(job, 1, attempts=2)
    # It went on: what the second attempt told first is none of the first epochs.
    assert again["epoch"] >= 3
    later = site.lab.epoch(job, int(max(before["epoch"], again["epoch"])) + 1, attempts=2)
    site.end(job)
    whole = site.train(recipe=LONG, seed=7, epochs=int(later["epoch"]))
    assert whole.result is not None
    assert last_epoch(whole.result) == last_epoch(later)


def test_a_training_that_is_handed_back_ends_with_the_same_result_and_says_it_was_resumed(
    tmp_path: Path,
) -> None:
    request = TrainingRequest.model_validate(
        {
            "network": {"space": "NasBench201", "arguments": ARGUMENTS, "arch": SAMPLE},
            "dataset": "tiny",
            "recipe": RECIPE,
        }
    )
    new = new_job(request, catalog=Catalog(tmp_path), job_seconds=60.0)
    images = write_images(tmp_path / "tiny")

    def attempt(
        token: int, *, release_requested: bool, kept: str, wanted: str | None = None
    ) -> dict[str, Any]:
        workplace = Workplace(
            folder=tmp_path,
            device="cpu",
            report=told.append,
            offers=Offers(datasets={"tiny": images}),
            kept=AttemptFolder(root=tmp_path, job_id=kept, token=token, most_bytes=1 << 30),
            release_requested=lambda: release_requested,
            dataset_sha256=wanted,
        )
        told.clear()
        return train_network(new.spec, workplace).result

    told: list[Progress] = []
    with one_thread():
        for token in (1, 2):
            with pytest.raises(ReleasedError):
                attempt(token, release_requested=True, kept="one")
        ended = attempt(3, release_requested=False, kept="one")
        messages = [one.message for one in told if one.stage == "training"]
        assert [text.startswith("resumed after epoch 2: ") for text in messages] == [True] + [
            False
        ] * 2
        mine = ended["provenance"]["dataset_sha256"]
        again = attempt(1, release_requested=False, kept="other", wanted=mine)
        assert figures(ended) == figures(again)
        with pytest.raises(WorkError, match="tiny of this worker has digest") as refused:
            attempt(1, release_requested=False, kept="third", wanted="0" * 64)
        assert refused.value.kind == "other-data"
    assert (again["resumed"], again["resumed_after"]) == (0, None)
    with open_jobs(JobSettings(jobs_dir=tmp_path / "jobs")) as jobs:
        jobs.store.submit(new)
        can = Capabilities(device="cpu", datasets=frozenset({"tiny"}))
        for _ in range(3):
            lease = jobs.leases.acquire("w", can)
            assert lease is not None
            jobs.leases.release(lease)
        lease = jobs.leases.acquire("w", can)
        assert lease is not None
        jobs.leases.succeed(lease, ended, ())
        row = jobs.ledger.of([new.key])[new.key].provenance
    # Attempts that were handed back are none that failed, and yet it was resumed.
    assert (row["attempts"], row["resumed"], row["resumed_after"]) == (1, 2, 2)
    assert row["processor_seconds"] == ended["processor_seconds"] > 0


def test_a_training_outlives_its_server(site: Site) -> None:
    job = site.train(seed=8, recipe=LONG, wait=False)
    before = site.lab.epoch(job, 1)
    site.server.kill()
    site.server.start()
    site.lab.epoch(job, int(before["epoch"]) + 1)
    assert site.bench.job(job.id).attempts == 1
    site.end(job)


def test_a_cancelled_training_leaves_nothing(site: Site) -> None:
    job = site.train(recipe=LONG, seed=1, wait=False)
    site.lab.epoch(job, 2)
    assert site.kept == [job.id]
    site.end(job)
    assert site.kept == []


def test_a_training_has_a_time_limit_and_is_parked(site: Site) -> None:
    job = site.train(recipe=LONG, seed=2, time_limit=0.7, wait=False)
    with pytest.raises(JobFailedError) as caught:
        site.bench.wait(job)
    assert (caught.value.job.state, caught.value.job.attempts) == ("parked", 3)
    assert caught.value.job.error is not None
    assert caught.value.job.error.kind == "time-limit"
    site.lab.until(lambda: site.kept == [])


def test_an_awaited_client_trains_too(site: Site) -> None:
    async def train() -> Job:
        async with AsyncBenchClient(site.server.url) as bench:
            return await bench.train(
                space="NasBench201",
                arguments=ARGUMENTS,
                arch=SAMPLE,
                dataset="tiny",
                recipe=RECIPE,
            )

    assert asyncio.run(train()).id == site.train().id


def test_the_command_line_trains(site: Site) -> None:
    command = ("jobs", "train", "--space", "NasBench201", "--dataset", "tiny")
    told = {"--arch": SAMPLE, "--arguments": ARGUMENTS, "--recipe": RECIPE}
    options = [word for name, value in told.items() for word in (name, json.dumps(value))]
    url = ("--url", site.server.url)
    ended = nbs(*command, *options, *url, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["id"] == site.train().id
    ended = nbs(*command, "--recipe", "{", *url)
    assert ended.returncode == 2
    assert "not JSON" in ended.stderr


def test_a_supernet_has_the_weights_of_the_same_training_here_and_is_searched(
    site: Site, tmp_path: Path
) -> None:
    job = site.train_supernet(sampler="FairPaths", fractions=(0.5, 0.5), split_seed=3, seed=3)
    assert job.result is not None
    assert job.kind == "supernet"
    space = model_hub.space("NasBench201", **ARGUMENTS)
    folder = site.lab.jobs.settings.folder / "datasets/tiny"
    train, valid = split(images_of(model_hub.evaluation.read_folder(folder)), (0.5, 0.5), seed=3)
    here = Supernet(space, seed=3)
    with one_thread():
        recipe = Recipe.from_dict(RECIPE)
        training = train_supernet(here, (train, valid), FairPaths(), recipe=recipe, seed=3)
    curve = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in training.curve]
    assert figures(job.result)["curve"] == curve
    assert set(job.result["metrics"]) == {"train_accuracy", "train_loss", "epochs"}
    assert job.result["parameters"] == sum(one.numel() for one in here.parameters())
    site.bench.download(job, tmp_path)
    file = tmp_path / "cells.toml"
    file.write_text(SEARCH.format(folder=folder, arguments=TOML_ARGUMENTS))
    loaded, _ = WrittenSupernet.read(file).train()
    theirs = loaded.state_dict()
    assert all(torch.equal(theirs[name], one) for name, one in here.state_dict().items())
    found = nbs("supernet", "search", str(file), "--json")
    assert found.returncode == 0, found.stderr
    assert len(json.loads(found.stdout)) == 3
    ended = nbs("supernet", "extract", str(file), "--out", str(tmp_path / "one.safetensors"))
    assert ended.returncode == 0, ended.stderr
    best = json.loads(found.stdout)[0]["arch_str"]
    space.freeze(json.loads(best)).load_state_dict(load_file(tmp_path / "one.safetensors"))
    other = TOML_ARGUMENTS.replace("num_labels = 4", "num_labels = 5")
    file.write_text(SEARCH.format(folder=folder, arguments=other))
    with pytest.raises(ProblemError, match="of another supernet"):
        WrittenSupernet.read(file).train()


def test_a_killed_supernet_goes_on_with_the_same_figures(site: Site) -> None:
    job = site.train_supernet(recipe=LONG, save_epochs=2, wait=False)
    before = site.lab.epoch(job, 4)
    os.kill(attempt_of(site.lab.started[-1].pid), signal.SIGKILL)
    again = site.lab.epoch(job, 1, attempts=2)
    assert again["epoch"] >= 3
    later = site.lab.epoch(job, int(max(before["epoch"], again["epoch"])) + 1, attempts=2)
    assert site.kept == [job.id]
    site.end(job)
    whole = site.train_supernet(recipe=LONG, epochs=int(later["epoch"]))
    assert whole.result is not None
    assert last_epoch(whole.result) == last_epoch(later)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"space": "DARTS", "arguments": {}}, "network"),
        ({"sampler": "BinnedPaths"}, "sampler"),
        ({"sampler": {"name": "FairPaths", "update": "never"}}, "sampler.FairPaths.update"),
        ({"sampler": {"name": "SandwichPaths", "random": 257}}, "sampler.SandwichPaths.random"),
        ({"recipe": {**RECIPE, "lr": -1}}, "recipe.lr"),
    ],
)
def test_supernets_that_mean_nothing_are_refused(
    site: Site, options: dict[str, Any], place: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        site.train_supernet(**options)
    said = [".".join(map(str, one.loc)) for one in caught.value.errors]
    assert any(place in text for text in said), said


def test_paths_that_the_space_has_not_fail_with_their_reason(site: Site) -> None:
    with pytest.raises(JobFailedError, match="has no numeric choices") as caught:
        site.train_supernet(sampler="SandwichPaths")
    assert caught.value.job.error is not None
    assert caught.value.job.error.kind == "not-trainable"


def test_the_command_line_trains_supernets_and_a_job_is_its_own_request(site: Site) -> None:
    told = {"--arguments": ARGUMENTS, "--recipe": RECIPE, "--sampler": {"name": "UniformPaths"}}
    options = [word for name, value in told.items() for word in (name, json.dumps(value))]
    command = ("jobs", "train-supernet", "--space", "NasBench201", "--dataset", "tiny")
    ended = nbs(*command, *options, "--url", site.server.url, "--json")
    assert ended.returncode == 0, ended.stderr
    job = site.train_supernet()
    assert json.loads(ended.stdout)["id"] == job.id
    again = httpx.post(f"{site.server.url}/v1/supernets", json=job.request)
    assert (again.status_code, again.json()["id"]) == (200, job.id)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"recipe": {**RECIPE, "lr": float("nan")}}, "cannot be sent as JSON"),
        ({"recipe": {**RECIPE, "lr": -0.1}}, "recipe.lr"),
        ({"recipe": {**RECIPE, "epochs": 10**9}}, "recipe.epochs"),
        ({"recipe": {**RECIPE, "batch_size": 0}}, "recipe.batch_size"),
        ({"recipe": {**RECIPE, "epoch": 3}}, "recipe.epoch"),
        ({"recipe": "NasBench20"}, "recipe"),
        ({"epochs": 5}, "epochs"),
        ({"fractions": (0.8, 0.3)}, "fractions"),
        ({"fractions": (1.0, 0.0)}, "fractions"),
        ({"protocol": "imagenet-22"}, "protocol"),
        ({"idempotency_key": "a\nb"}, "idempotency_key"),
        ({"save_epochs": 0}, "save_epochs"),
    ],
)
def test_what_means_nothing_is_refused_before_it_is_a_job(
    site: Site, options: dict[str, Any], place: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        site.train(**options)
    said = (str(caught.value), *(".".join(map(str, one.loc)) for one in caught.value.errors))
    assert any(place in text for text in said), said


def test_an_unknown_data_set_is_told_with_those_there_are(site: Site) -> None:
    with pytest.raises(UnknownDatasetError, match="tiny"):
        site.train(dataset="tinny")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"dataset": "few"}, "unfit-images", "fewer than a batch of 16"),
        ({"dataset": "classes"}, "too-few-outputs", "label 4 has no output"),
        ({"recipe": {**RECIPE, "drop_path": 0.2}}, "not-trainable", "drop_path"),
        ({"recipe": {**RECIPE, "lr": 1e3, "batch_size": 8}}, "diverged", "smaller learning rate"),
        ({"fractions": (0.9, 0.001)}, "too-few-images", "leaves none"),
    ],
)
def test_what_cannot_be_trained_fails_with_its_reason(
    site: Site, options: dict[str, Any], kind: str, words: str
) -> None:
    with pytest.raises(JobFailedError, match=words) as caught:
        site.train(**options)
    assert caught.value.job.state == "failed"
    assert caught.value.job.error is not None
    assert caught.value.job.error.kind == kind
    assert "datasets/" not in caught.value.job.error.message
    site.lab.until(lambda: site.kept == [])


def test_a_key_stands_for_one_job_whatever_became_of_it(site: Site) -> None:
    options: dict[str, Any] = {"recipe": LONG, "seed": 5, "wait": False}
    first = site.train(**options, idempotency_key="mine")
    site.bench.cancel(first)
    site.lab.end_of(site.lab.jobs.store.get(first.id))
    assert site.train(**options, idempotency_key="mine").id == first.id
    other = site.train(**options, idempotency_key="another")
    assert other.id != first.id
    site.bench.cancel(other)
    site.lab.end_of(site.lab.jobs.store.get(other.id))
