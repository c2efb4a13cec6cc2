"""Checkpoints: equal to the bit after any interruption, whole or not there."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas_search.errors import OtherTrainingError
from nas_search.training import Checkpoints, Images, Recipe, TornCheckpointWarning, Trainer
from nas_search.training.checkpoint import Saved

IDENTITY = {"seed": 0}


def a_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(144, 4),
    )


class Interrupted(Exception):  # noqa: N818 - stands for Ctrl-C
    pass


class Interrupting(Checkpoints):
    """Ends the training once a step is saved."""

    def __init__(self, folder: Path, identity: dict[str, Any], step: int) -> None:
        super().__init__(folder, identity)
        self._last = step

    def save(self, saved: Saved) -> None:
        super().save(saved)
        if saved.step >= self._last:
            raise Interrupted


class Unsaved(Checkpoints):
    """Reads checkpoints and saves none."""

    def save(self, saved: Saved) -> None:
        pass


RECIPES = [
    Recipe(epochs=3, batch_size=60, nesterov=True, weight_decay=1e-3, crop=1, flip=True, ema=0.9),
    Recipe(epochs=3, batch_size=60, optimizer="adamw", lr=1e-2, schedule="linear", cutout=3),
    Recipe(epochs=3, batch_size=60, optimizer="rmsprop", lr=1e-3, by_epoch=True),
]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.evaluated.state_dict()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
@pytest.mark.parametrize("step", [1, 3, 4, 7, 11, 12])
def test_a_resumed_training_is_equal_to_the_bit(
    images: Images, tmp_path: Path, recipe: Recipe, step: int
) -> None:
    whole = Trainer(a_network(), images, recipe, valid=images)
    curve = whole.run().curve
    broken = Interrupting(tmp_path, IDENTITY, step)
    with pytest.raises(Interrupted):
        Trainer(a_network(), images, recipe, valid=images, checkpoints=broken, save_steps=1).run()
    # Other initial weights: those of the checkpoint count.
    resumed = Trainer(
        a_network(9), images, recipe, valid=images, checkpoints=Checkpoints(tmp_path, IDENTITY)
    )
    again = resumed.run().curve
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name

    def figures(curve: Any) -> Any:
        return [{k: v for k, v in one.items() if k != "seconds"} for one in curve]

    assert figures(again) == figures(curve)


def test_a_training_tells_its_processor_time_and_how_often_it_was_resumed(
    images: Images, tmp_path: Path
) -> None:
    recipe = RECIPES[0]

    def trainer() -> Trainer:
        return Trainer(a_network(), images, recipe, checkpoints=Checkpoints(tmp_path, IDENTITY))

    begun = time.process_time()
    first = trainer().run(epochs=1)
    assert (first.resumed, first.resumed_after) == (0, None)
    assert 0 < first.processor_seconds <= time.process_time() - begun
    # What is done after its last checkpoint is lost, and counts for nothing.
    for _ in range(2):
        lost = Trainer(a_network(), images, recipe, checkpoints=Unsaved(tmp_path, IDENTITY))
        assert lost.run(epochs=2).resumed == 1
    second = trainer().run(epochs=2)
    assert (second.resumed, second.resumed_after) == (1, 1)
    again = trainer()
    third = again.run()
    assert (third.resumed, third.resumed_after) == (2, 2)
    assert first.processor_seconds <= second.processor_seconds < third.processor_seconds
    assert third.processor_seconds <= time.process_time() - begun
    # What is there already takes next to nothing, and is no interruption.
    assert again.run().resumed == 2


def test_a_longer_training_goes_on_from_a_shorter(images: Images, tmp_path: Path) -> None:
    recipe = RECIPES[0]
    whole = Trainer(a_network(), images, recipe)
    whole.run()
    first = Trainer(a_network(), images, recipe, checkpoints=Checkpoints(tmp_path, IDENTITY))
    assert first.run(epochs=1).metrics["epochs"] == 1
    second = Trainer(a_network(), images, recipe, checkpoints=Checkpoints(tmp_path, IDENTITY))
    seen: list[float] = []
    second.run(report=lambda figures: seen.append(figures["epoch"]))
    assert seen == [2, 3]
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(second)[name]), name
    # Asked for less than is done, it gives the figures of then.
    assert second.run(epochs=2).metrics["train_loss"] == second.curve[1]["train_loss"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def saved(step: int) -> Saved:
    return Saved(step, {"network/w": torch.full((3,), float(step))}, {"curve": []})


def test_the_newest_two_are_kept_and_nothing_else_is_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "new" / "folder", IDENTITY)
    assert checkpoints.newest() is None
    # What a process that was killed left unfinished is in nobody's way.
    (checkpoints.folder / ".step-000000000002.partial").mkdir(parents=True)
    (checkpoints.folder / ".step-000000000002.partial" / "state.json").write_text("{")
    assert checkpoints.newest() is None
    for step in (1, 2, 9, 10):
        checkpoints.save(saved(step))
    assert names_in(checkpoints.folder) == ["step-000000000009", "step-000000000010"]
    assert names_in(checkpoints.folder / "step-000000000010") == [
        "state.json",
        "weights.safetensors",
    ]
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 10
    assert newest.tensors["network/w"].tolist() == [10.0] * 3


@pytest.mark.parametrize("file", ["state.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "flipped", "emptied"])
def test_a_torn_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, file: str, damage: str
) -> None:
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for step in (1, 2):
        checkpoints.save(saved(step))
    path = tmp_path / "step-000000000002" / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        path.write_bytes(bytes([content[0] ^ 0x80]) + content[1:])
    else:
        path.write_bytes(content[:-7] if damage == "truncated" else b"")
    with pytest.warns(TornCheckpointWarning, match="step-000000000002 is damaged"):
        newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 1


def test_another_training_is_refused_by_the_first_difference(tmp_path: Path) -> None:
    Checkpoints(tmp_path, {"seed": 0, "space": "NasBench201"}).save(saved(1))
    with pytest.raises(OtherTrainingError, match="another seed: 0 there, 1 here"):
        Checkpoints(tmp_path, {"seed": 1, "space": "NasBench201"}).newest()
    with pytest.raises(OtherTrainingError, match="another space: 'NasBench201' there, 'DARTS'"):
        Checkpoints(tmp_path, {"seed": 0, "space": "DARTS"}).newest()


def test_a_difference_within_is_told_by_its_name(tmp_path: Path) -> None:
    Checkpoints(tmp_path, {"seed": 0, "recipe": {"epochs": 3, "lr": 0.1}}).save(saved(1))
    with pytest.raises(OtherTrainingError, match=r"another recipe\.lr: 0\.1 there, 0\.05 here"):
        Checkpoints(tmp_path, {"seed": 0, "recipe": {"epochs": 3, "lr": 0.05}}).newest()
    with pytest.raises(OtherTrainingError, match=r"another recipe\.clip: None there, 5 here"):
        Checkpoints(tmp_path, {"recipe": {"epochs": 3, "lr": 0.1, "clip": 5}}).newest()


def test_a_newer_version_is_refused_not_passed_over(tmp_path: Path) -> None:
    Checkpoints(tmp_path, IDENTITY).save(saved(1))
    path = tmp_path / "step-000000000001" / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 3}))
    with pytest.raises(OtherTrainingError, match="version 3"):
        Checkpoints(tmp_path, IDENTITY).newest()


def test_the_old_one_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(saved(1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            checkpoints.save(saved(2))
    assert names_in(tmp_path) == ["step-000000000001"]
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 1
