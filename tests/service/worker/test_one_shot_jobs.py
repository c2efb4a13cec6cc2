"""Every one-shot strategy as a job: a real server, a real worker, and the same training here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import torch
from bench_server import BenchServer, ending_together
from safetensors.torch import load_file
from training_jobs import ARGUMENTS, LONG, RECIPE, figures, last_epoch, write_images

import model_hub
from bench_client import BenchClient, InvalidRequestError, Job, JobFailedError
from bench_client.models import SupernetRequest
from benchmark_db.catalog import Catalog
from nas_search.oneshot import Supernet
from nas_search.oneshot.registry import RELAXATIONS, SAMPLERS, OneShot
from nas_search.recipe import Recipe
from nas_search.training import images_of, split
from service.jobs.kinds import new_job
from service.jobs.training_folders import AttemptFolder
from service.worker.offers import Offers
from service.worker.training import _drop_candidates, train_space
from service.worker.work import ReleasedError, Workplace

from .conftest import Lab, attempt_of, one_thread, open_lab

SHORT: Final = {**RECIPE, "epochs": 2}
SOON: Final = {"warmup_epochs": 1, "every": 2}
POLICY: Final = {"name": "PolicyPaths", "updates": 3, "draws": 3, "batches": 2}
COSTS: Final = {"metric": "macs", "unit": 1e3}
STRATEGIES: Final[dict[str, dict[str, Any]]] = {
    "UniformPaths": {},
    "FairPaths": {"sampler": "FairPaths"},
    "BinnedPaths": {
        "sampler": {"name": "BinnedPaths", "bounds": [[0, 50], [50, 90.5]], "tries": 20},
        "costs": COSTS,
    },
    "PolicyPaths": {"sampler": POLICY},
    "Softmax": {
        "relaxation": "Softmax",
        "arch_recipe": {"optimizer": "adam", "lr": 0.01, "schedule": "constant"},
        "costs": COSTS,
        "loss": {"name": "Linear", "target": 50, "lam": 0.5},
    },
    "Gumbel": {"relaxation": {"name": "Gumbel", **SOON}},
    "GumbelHard": {"relaxation": "GumbelHard"},
    "BinaryGates": {"relaxation": {"name": "BinaryGates", "gates": "two", **SOON}},
    "Reinforced": {
        "relaxation": {"name": "Reinforced", "paths": 2, "target": 50, **SOON},
        "costs": {"metric": "parameters"},
    },
}
"""One statement of each strategy, but for `SandwichPaths`, which need numbers that are chosen."""


def stated(name: str) -> dict[str, Any]:
    """Return the statement of a strategy, as JSON without short forms."""
    return {
        part: {"name": value} if isinstance(value, str) else value
        for part, value in STRATEGIES[name].items()
    }


class Place(NamedTuple):
    """A worker and a client of the server beside it."""

    lab: Lab
    bench: BenchClient

    def train(self, **options: Any) -> Job:
        """Train a small supernet."""
        asked = {"dataset": "tiny", "recipe": SHORT, "fractions": (0.5, 0.5), **options}
        return self.bench.train_supernet("NasBench201", ARGUMENTS, **asked)


@pytest.fixture(scope="module")
def place(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("supernets")
    server = BenchServer(folder, directory)
    write_images(folder / "jobs/datasets/tiny")
    with ending_together() as start, open_lab(folder / "jobs") as lab:
        start(server)
        with BenchClient(server.url) as bench:
            lab.work()
            lab.until(lambda: len(bench.datasets()) == 1)
            yield Place(lab, bench)


def test_every_strategy_is_stated_here() -> None:
    assert {*STRATEGIES, "SandwichPaths"} == SAMPLERS.keys() | RELAXATIONS.keys()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_job_finds_what_the_same_search_here_finds(
    place: Place, tmp_path: Path, name: str
) -> None:
    job = place.train(**STRATEGIES[name], seed=5)
    assert job.result is not None
    space = model_hub.space("NasBench201", **ARGUMENTS)
    folder = place.lab.jobs.settings.folder / "datasets/tiny"
    data = split(images_of(model_hub.evaluation.read_folder(folder)), (0.5, 0.5), seed=0)
    here = Supernet(space, seed=5)
    with one_thread():
        one_shot = OneShot.stated(stated(name), space, input_shape=data[0].shape)
        trainer = one_shot.trainer(here, data, Recipe.from_dict(SHORT), seed=5)
        training = trainer.run()
        found = trainer.found()
    curve = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in training.curve]
    assert figures(job.result)["curve"] == curve
    weights = load_file(place.bench.download(job, tmp_path)["supernet.safetensors"])
    mine = here.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in mine.items())
    told = job.result["found"]
    if found is None:
        assert told is None
        return
    assert told["sample"] == found.sample
    if found.probabilities is not None:
        assert told["probabilities"] == {k: list(v) for k, v in found.probabilities.items()}
    if found.metrics is not None:
        assert told["metrics"] == dict(found.metrics)


@pytest.mark.parametrize("name", ["PolicyPaths", "Softmax", "BinnedPaths"])
def test_a_killed_search_goes_on_with_the_same_figures(place: Place, name: str) -> None:
    options = {**STRATEGIES[name], "seed": 6, "save_epochs": 2}
    job = place.train(recipe=LONG, wait=False, **options)
    before = place.lab.epoch(job, 4)
    os.kill(attempt_of(place.lab.started[-1].pid), signal.SIGKILL)
    again = place.lab.epoch(job, 1, attempts=2)
    assert again["epoch"] >= 3
    later = place.lab.epoch(job, int(max(before["epoch"], again["epoch"])) + 1, attempts=2)
    place.bench.cancel(job)
    whole = place.train(recipe=LONG, epochs=int(later["epoch"]), **options)
    assert whole.result is not None
    last = last_epoch(whole.result)
    assert {name: last[name] for name in later if name != "seconds"} == last_epoch(later)


@pytest.mark.parametrize("name", ["PolicyPaths", "GumbelHard"])
def test_a_search_that_is_handed_back_finds_the_same(tmp_path: Path, name: str) -> None:
    request = SupernetRequest.model_validate(
        {
            "network": {"space": "NasBench201", "arguments": ARGUMENTS},
            "dataset": "tiny",
            "recipe": {**SHORT, "epochs": 3},
            **stated(name),
        }
    )
    spec = new_job(request, catalog=Catalog(tmp_path), job_seconds=60.0).spec
    images = write_images(tmp_path / "tiny")

    def attempt(token: int, *, release_requested: bool, kept: str) -> dict[str, Any]:
        workplace = Workplace(
            folder=tmp_path,
            device="cpu",
            report=lambda _: None,
            offers=Offers(datasets={"tiny": images}),
            kept=AttemptFolder(root=tmp_path, job_id=kept, token=token, most_bytes=1 << 30),
            release_requested=lambda: release_requested,
        )
        return train_space(spec, workplace).result

    with one_thread():
        for token in (1, 2):
            with pytest.raises(ReleasedError):
                attempt(token, release_requested=True, kept="one")
        ended = attempt(3, release_requested=False, kept="one")
        again = attempt(1, release_requested=False, kept="other")
    assert figures(ended) == figures(again)
    assert ended["found"] == again["found"] != None  # noqa: E711 - both, and there is one


@pytest.mark.parametrize(
    ("options", "where", "why"),
    [
        ({"sampler": "FairPaths", "relaxation": "Softmax"}, "sampler", "or a relaxation"),
        ({"relaxation": "Softest"}, "relaxation", "Softmax"),
        ({"relaxation": {"name": "Gumbel", "temperature": 0}}, "temperature", "greater than 0"),
        ({"relaxation": "Softmax", "loss": {"name": "LogProduct"}}, "costs", "needs a table"),
        ({"relaxation": "Softmax", "arch_recipe": {"lr": -1}}, "arch_recipe.lr", "-1"),
        ({"arch_recipe": {"lr": 0.1}}, "arch_recipe", "no logits"),
        ({"costs": "macs"}, "costs", "does not use costs"),
        ({"costs": "latency", "relaxation": "Softmax"}, "costs.metric", "macs"),
        ({"sampler": {"name": "BinnedPaths", "bounds": [[0, 1]]}}, "costs", "needs a table"),
        (
            {"sampler": {"name": "BinnedPaths", "bounds": [[0, 1], [9, 1]]}},
            "bounds.1",
            "least cost",
        ),
        ({"sampler": {**POLICY, "updates": 0}}, "updates", "greater"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(
    place: Place, options: dict[str, Any], where: str, why: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        place.train(**options)
    said = [(".".join(map(str, one.loc)), one.msg) for one in caught.value.errors]
    assert any(where in loc and why in text for loc, text in said), said


def test_slices_have_no_mixture_and_other_reasons_fail_the_job(place: Place) -> None:
    asked = {"dataset": "tiny", "recipe": SHORT, "relaxation": "Softmax"}
    with pytest.raises(InvalidRequestError, match="has no mixture"):
        place.bench.train_supernet("NatsSss", {"candidates": [4, 6]}, **asked)
    with pytest.raises(JobFailedError, match="has no numeric choices") as caught:
        place.train(sampler="SandwichPaths")
    assert caught.value.job.error is not None
    assert caught.value.job.error.kind == "not-trainable"


def test_a_curve_that_is_too_long_for_a_result_leaves_candidates_out() -> None:
    epoch = {"epoch": 1.0, "arch/entropy": 0.5} | {f"arch/row/{n}": 0.1 for n in range(500)}
    short, long = {"curve": [epoch] * 100}, {"curve": [epoch] * 201}
    assert _drop_candidates(short) == []
    assert len(short["curve"][0]) == 502
    (note,) = _drop_candidates(long)
    assert "left out" in note
    assert long["curve"][0] == {"epoch": 1.0, "arch/entropy": 0.5}
