"""Training of supernets: sums of gradients, fairness of updates, resumption, bad input."""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from patterned_images import cell_space, halves, mobile_space
from torch import Tensor

from model_hub.errors import InvalidArgumentError, LabelError, OutputError
from model_hub.model_space import ModelSpace
from nas_search.errors import OtherTrainingError
from nas_search.oneshot import (
    FairPaths,
    Sampler,
    Softmax,
    Supernet,
    UniformPaths,
    search_supernet,
    train_supernet,
)
from nas_search.oneshot.samplers import Path as OnePath
from nas_search.training import Images, Recipe, Trainer

RECIPE = Recipe(epochs=2, batch_size=40, lr=0.05, nesterov=True, weight_decay=1e-3, clip_norm=5)
PLAIN = Recipe(epochs=1, batch_size=120, lr=0.1, momentum=0, schedule="constant")


def state_of(supernet: Supernet) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in supernet.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_a_summed_update_is_the_sum_of_separate_gradients() -> None:
    data, space = halves(), cell_space()
    supernet, alone = Supernet(space, seed=1), Supernet(space, seed=1)
    before = state_of(supernet)
    train_supernet(supernet, data, FairPaths(), recipe=PLAIN, seed=3)
    images = data[0]
    inputs = images.normalised(images.pixels, torch.float32)
    # One batch of all images, whose order does not matter but for rounding.
    sums: dict[str, Tensor] = {}
    for path in FairPaths().paths(space.choices, seed=3, step=0):
        alone.activate(path)
        alone.zero_grad()
        F.cross_entropy(alone.train()(inputs), images.labels).backward()
        for name, parameter in alone.named_parameters():
            if parameter.grad is not None:
                sums[name] = sums.get(name, 0) + parameter.grad
    moved = dict(supernet.named_parameters())
    assert sums
    for name, total in sums.items():
        torch.testing.assert_close(
            moved[name].detach(), before[name] - 0.1 * total, rtol=1e-4, atol=1e-6
        )
    assert all(torch.equal(moved[n], before[n]) for n in moved.keys() - sums.keys())


class Counting(FairPaths):
    """Fair paths that remember which were drawn."""

    def paths(self, choices: Any, *, seed: int, step: int) -> tuple[OnePath, ...]:
        found = super().paths(choices, seed=seed, step=step)
        DRAWN.append(found)
        return found


DRAWN: list[tuple[OnePath, ...]] = []


@pytest.mark.parametrize("batches", ["shared", "one a path"])
def test_every_update_uses_every_candidate_once(batches: Any) -> None:
    DRAWN.clear()
    train_supernet(Supernet(cell_space()), halves(), Counting(batches=batches), recipe=RECIPE)
    assert len(DRAWN) == 6
    for paths in DRAWN:
        for label in paths[0]:
            assert len({path[label] for path in paths}) == len(paths) == 5


def test_one_batch_a_path_trains_on_other_images_than_a_shared_one() -> None:
    states = []
    for batches in ("shared", "one a path"):
        supernet = Supernet(cell_space())
        sampler = FairPaths(batches=batches)  # type: ignore[arg-type]
        train_supernet(supernet, halves(), sampler, recipe=RECIPE)
        states.append(state_of(supernet))
    assert not equal(*states)


def test_what_no_path_used_is_not_moved_by_decay_and_momentum() -> None:
    class Always:
        batches = "shared"
        settings = {"name": "Always"}  # noqa: RUF012

        def check(self, choices: Any) -> None:
            pass

        def paths(self, choices: Any, *, seed: int, step: int) -> tuple[OnePath, ...]:
            del seed, step
            return (dict.fromkeys(choices.labels, "conv_1x1"),)

    sampler: Sampler = Always()  # type: ignore[assignment]
    supernet = Supernet(cell_space())
    before = state_of(supernet)
    train_supernet(supernet, halves(), sampler, recipe=RECIPE)
    for name, tensor in supernet.state_dict().items():
        if "conv_3x3" in name:
            assert torch.equal(tensor, before[name]), name
        elif name.endswith("weight"):
            assert not torch.equal(tensor, before[name]), name


def test_steps_are_made_in_whole_epochs() -> None:
    training = train_supernet(
        Supernet(cell_space()), halves(), UniformPaths(), steps=7, recipe=RECIPE
    )
    assert len(training.curve) == 3
    assert training.curve[-1]["train_loss"] > 0


class Interrupted(Exception):  # noqa: N818 - stands for Ctrl-C
    pass


def run(kind: str, folder: Path | None, *, seed: int = 0) -> Any:
    """Train or search, stopped in the middle of an epoch where told so."""
    supernet, data = Supernet(cell_space(), seed=seed), halves()
    options: dict[str, Any] = {"recipe": RECIPE, "checkpoint": folder, "save_steps": 1}
    if kind == "uniform":
        train_supernet(supernet, data, UniformPaths(), **options)
    elif kind == "fair":
        train_supernet(supernet, data, FairPaths(), **options)
    else:
        search_supernet(supernet, data, Softmax(), **options)
    return supernet


@cache
def uninterrupted(kind: str) -> dict[str, Tensor]:
    return state_of(run(kind, None))


@pytest.mark.parametrize("kind", ["uniform", "fair", "softmax"])
@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_training_that_goes_on_is_equal_to_the_bit(
    kind: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = uninterrupted(kind)
    save = Trainer._save

    def cut(trainer: Trainer) -> None:
        save(trainer)
        if trainer._step >= step:
            raise Interrupted

    monkeypatch.setattr(Trainer, "_save", cut)
    with pytest.raises(Interrupted):
        run(kind, tmp_path)
    monkeypatch.undo()
    # Other initial weights: those of the checkpoint count.
    assert equal(whole, state_of(run(kind, tmp_path, seed=9)))
    names = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {".safetensors", ".json"}


def test_another_space_seed_sampler_or_data_set_is_refused(tmp_path: Path) -> None:
    data = halves()
    train_supernet(Supernet(cell_space()), data, UniformPaths(), recipe=RECIPE, checkpoint=tmp_path)
    others: list[tuple[str, Any]] = [
        ("seed", lambda: (Supernet(cell_space()), data, UniformPaths(), 1)),
        ("sampler", lambda: (Supernet(cell_space()), data, FairPaths(), 0)),
        ("train", lambda: (Supernet(cell_space()), data[::-1], UniformPaths(), 0)),
        ("arguments|space", lambda: (Supernet(mobile_space()), halves(side=32), UniformPaths(), 0)),
    ]
    for name, make in others:
        supernet, images, sampler, seed = make()
        with pytest.raises(OtherTrainingError, match=name):
            train_supernet(supernet, images, sampler, recipe=RECIPE, seed=seed, checkpoint=tmp_path)


def test_gradients_that_are_no_numbers_spoil_no_weights() -> None:
    data = halves()
    pixels = data[0].pixels.float()
    pixels[3] = float("nan")
    broken = (Images(pixels, data[0].labels), data[1])
    supernet = Supernet(cell_space())
    with pytest.raises(OutputError, match="gradients of step"):
        train_supernet(supernet, broken, UniformPaths(), recipe=RECIPE)
    assert all(bool(one.isfinite().all()) for one in supernet.parameters())
    with pytest.raises(OutputError, match="gradients of"):
        search_supernet(Supernet(cell_space()), broken, Softmax(), recipe=RECIPE)


def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = halves()
    short = Recipe(**{**RECIPE.as_dict(), "epochs": 2})
    whole = Supernet(cell_space())
    train_supernet(whole, data, UniformPaths(), recipe=short)
    sync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        # A checkpoint syncs four times: the second one meets a full disk.
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        train_supernet(
            Supernet(cell_space()), data, UniformPaths(), recipe=short, checkpoint=tmp_path
        )
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    resumed = Supernet(cell_space(), seed=5)
    train_supernet(resumed, data, UniformPaths(), recipe=short, checkpoint=tmp_path)
    assert equal(state_of(whole), state_of(resumed))


def test_images_and_labels_that_do_not_fit_are_refused() -> None:
    train, valid = halves()
    few = (train.part(torch.arange(10)), valid)
    for call in (
        lambda: train_supernet(Supernet(cell_space()), few, UniformPaths(), recipe=RECIPE),
        lambda: train_supernet(Supernet(cell_space()), few, UniformPaths(), recipe=RECIPE, steps=3),
        lambda: search_supernet(Supernet(cell_space()), (train, few[0]), Softmax(), recipe=RECIPE),
    ):
        with pytest.raises(InvalidArgumentError, match="fewer than a batch"):
            call()
    unknown = (Images(train.pixels, train.labels + 1), valid)
    with pytest.raises(LabelError, match="label 4 has no output"):
        train_supernet(Supernet(cell_space()), unknown, UniformPaths(), recipe=RECIPE)
    with pytest.raises(InvalidArgumentError, match=r"is not always active|candidates"):
        train_supernet(Supernet(mobile_space()), halves(side=32), FairPaths(), recipe=RECIPE)


@pytest.mark.parametrize(("space", "side"), [(cell_space(), 8), (mobile_space(), 32)])
def test_an_extracted_network_takes_the_step_that_the_supernet_takes(
    space: ModelSpace, side: int
) -> None:
    """Also where a space has parameters that do not decay."""
    train, _ = halves(120, side=side)
    recipe = Recipe(epochs=1, batch_size=60, lr=0.1, nesterov=True, weight_decay=1e-3)
    for seed in range(3):
        sample = space.choices.sample(seed)
        supernet = Supernet(space, seed=seed)
        network = supernet.extract(sample)
        supernet.activate(sample)
        Trainer(network, train, recipe).run()
        Trainer(supernet, train, recipe).run()
        assert equal(dict(network.state_dict()), supernet.weights_of(sample))
