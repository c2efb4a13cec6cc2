"""Training by functions of others: what they are given, what they may say, and that they go on."""

from __future__ import annotations

import os
import random
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lab_trainers import install
from torch import Tensor, nn

from model_hub.errors import OutputError
from nas_search.errors import TrainerError
from nas_search.recipe import Recipe
from nas_search.trainers import GROUP, TrainerUse, load_trainer
from nas_search.training import Checkpoints, CustomTrainer, Images, TrainerData, TrainerProtocol

FIGURES = {"train_loss": 1.0, "train_accuracy": 50, "loss": np.float32(2), "accuracy": 25.0}
RECIPE = Recipe(epochs=3, batch_size=4, flip=True)


def states() -> tuple[Any, ...]:
    """Return the states of the generators of this process."""
    numbers = np.random.get_state()[1].tolist()  # noqa: NPY002 - what trainers may draw from
    return random.getstate(), numbers, torch.get_rng_state().tolist()


def images(seed: int = 0) -> Images:
    source = torch.Generator().manual_seed(seed)
    return Images(torch.rand(8, 1, 4, 4, generator=source), torch.arange(8) % 2)


def trainer(function: Callable[..., Any], **options: Any) -> CustomTrainer:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    for weights in network.parameters():
        nn.init.zeros_(weights)
    given = {"valid": images(1), "recipe": RECIPE, "name": "mine", **options}
    return CustomTrainer(function, network, images(), given.pop("recipe"), **given)


def drawing(
    network: nn.Module,
    data: TrainerData,
    protocol: TrainerProtocol,
    report: Callable[..., bool],
) -> Mapping[str, Any]:
    """Move the weights by what every generator draws and what the batches hold."""
    figures: Mapping[str, Any] = FIGURES
    for epoch in range(protocol.done + 1, protocol.epochs + 1):
        seen = sum(
            float((inputs * (labels[:, None, None, None] + 1)).sum())
            for inputs, labels in data.batches(epoch)
        )
        drawn = random.gauss(0, 1) + np.random.rand() + float(torch.rand(()))  # noqa: NPY002 - what trainers may draw from
        with torch.no_grad():
            for weights in network.parameters():
                weights.add_(drawn + seen / 1000)
        weight = next(iter(network.parameters()))
        figures = {**FIGURES, "train_loss": weight.sum(), **data.measure(network)}
        if report(figures, state={"kept": torch.tensor([float(epoch)])}):
            break
    return figures


def test_a_training_goes_on_bit_for_bit_from_what_was_reported(tmp_path: Path) -> None:
    undisturbed = trainer(drawing, seed=2)
    outside = states()
    whole = undisturbed.run()
    assert states() == outside  # the draws of whoever calls are left alone
    folder = tmp_path / "kept"
    first = trainer(drawing, seed=2, checkpoints=Checkpoints(folder, {"of": "this"}))
    stopped = first.run(report=lambda epoch: epoch["epoch"] == 2)
    assert (stopped.stopped, len(stopped.curve)) == (True, 2)
    second = trainer(drawing, seed=2, checkpoints=Checkpoints(folder, {"of": "this"}))
    gone_on = second.run()
    assert (whole.resumed, whole.resumed_after) == (0, None)
    assert (gone_on.resumed, gone_on.resumed_after) == (1, 2)
    assert gone_on.processor_seconds > 0
    plain = [[{**one, "seconds": 0} for one in found.curve] for found in (whole, gone_on)]
    assert plain[0] == plain[1]
    assert {**whole.metrics, "seconds": 0, "peak_memory": 0} == {
        **gone_on.metrics,
        "seconds": 0,
        "peak_memory": 0,
    }
    assert trainer(drawing, seed=3).run().curve[0]["train_loss"] != whole.curve[0]["train_loss"]


def test_the_trainer_of_the_guide_is_installed_and_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs/plans.md").read_text()
    blocks = re.findall(r"```(\w+)\n# (\S+).*?\n(.*?)```", guide, re.DOTALL)
    (path, code), (_, package) = [(path, text) for _, path, text in blocks]
    about = tomllib.loads(package)["project"]
    points = about["entry-points"][GROUP]
    site = install(tmp_path, about["name"], about["version"], {path: code}, points)
    monkeypatch.syspath_prepend(site)
    function = load_trainer(TrainerUse(name="mixing"))
    runs = [trainer(function, options={"strength": 0.4}, seed=seed).run() for seed in (1, 1, 2)]
    curves = [[{**epoch, "seconds": 0} for epoch in run.curve] for run in runs]
    assert curves[0] == curves[1] != curves[2]
    assert [epoch["epoch"] for epoch in curves[0]] == [1, 2, 3]


def test_what_is_returned_are_the_figures_at_the_end(tmp_path: Path) -> None:
    def averaged(_: Any, __: Any, protocol: TrainerProtocol, report: Callable[..., bool]) -> Any:
        for _epoch in range(protocol.epochs):
            report(FIGURES)
        return {**FIGURES, "accuracy": torch.tensor(75.0), "top5": 100}

    found = trainer(averaged).run(epochs=2)
    assert found.curve[-1]["accuracy"] == 25
    assert (found.metrics["accuracy"], found.metrics["top5"], found.metrics["epochs"]) == (
        75,
        100,
        2,
    )
    with pytest.raises(TrainerError, match="epoch 1: `state` is no mapping of tensors by name"):
        trainer(
            lambda *given: given[-1](FIGURES, state={"a": 1}),
            checkpoints=Checkpoints(tmp_path, {}),
        ).run()


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("sparse", torch.eye(3).to_sparse()),
        ("meta", torch.zeros(3, device="meta")),
        ("a\ud800", torch.zeros(1)),
        ("a\0", torch.zeros(1)),
    ],
)
def test_a_state_that_no_file_can_have_is_named(name: str, tensor: Any, tmp_path: Path) -> None:
    state = {"kept": torch.zeros(1), name: tensor}
    training = trainer(
        lambda *given: given[-1](FIGURES, state=state), checkpoints=Checkpoints(tmp_path, {})
    )
    with pytest.raises(TrainerError, match=r"epoch 1: `state` has .*, which is no dense tensor"):
        training.run()


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        (None, "None are no metrics"),
        ({**FIGURES, "loss": True}, "`loss` is no number but True"),
        ({**FIGURES, "loss": "1"}, "`loss` is no number but '1'"),
        ({**FIGURES, "loss": 10**400}, "`loss` is larger than any float"),
        ({**FIGURES, "loss": Tensor([1.0])}, r"`loss` is no number but of shape \(1,\)"),
        ({**FIGURES, "accuracy": 100.5}, "`accuracy` of 100.5 is no percentage"),
        ({**FIGURES, "lr": float("inf")}, "`lr` of inf is no learning rate"),
        ({**FIGURES, 3: 1.0}, "there is no metric 3"),
    ],
)
def test_what_are_no_figures_is_named(figures: Any, says: str) -> None:
    with pytest.raises(TrainerError, match=f"the trainer mine, epoch 1:.*{says}"):
        trainer(lambda *given: given[-1](figures)).run()


def test_a_loss_that_is_no_number_is_a_training_that_diverged() -> None:
    for loss in ("loss", "train_loss"):
        with pytest.raises(OutputError, match="the loss is inf"):
            trainer(lambda *given, loss=loss: given[-1]({**FIGURES, loss: float("inf")})).run()


def test_what_may_be_the_machines_fault_is_raised_as_it_is() -> None:
    def failing(error: Exception) -> Callable[..., Any]:
        def train(*_: Any) -> Any:
            raise error

        return train

    for error in (OSError("disk"), MemoryError(), torch.OutOfMemoryError("GPU")):
        with pytest.raises(type(error)):
            trainer(failing(error)).run()
    with pytest.raises(TrainerError, match="raised ZeroDivisionError in epoch 1"):
        trainer(failing(ZeroDivisionError())).run()


def test_one_that_does_not_end_when_it_is_told_to_is_left() -> None:
    def endless(*given: Any) -> Any:
        while True:
            try:
                given[-1](FIGURES)
            except Exception:  # noqa: BLE001, S112 - whatever it catches
                continue

    found = trainer(endless, recipe=Recipe(epochs=9, batch_size=4)).run(report=lambda _: True)
    assert (found.stopped, len(found.curve), found.metrics["accuracy"]) == (True, 1, 25)


def test_a_forked_child_does_not_go_on_as_its_parent() -> None:
    def forking(*given: Any) -> Any:
        child = os.fork()
        for _ in range(3):
            given[-1](FIGURES)
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        return FIGURES

    assert len(trainer(forking).run().curve) == 3
