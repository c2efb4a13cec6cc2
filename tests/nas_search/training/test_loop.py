"""The loop: it learns, as a bare one does, and ends where it is told."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

import model_hub
from model_hub.errors import InvalidArgumentError, LabelError, OutputError
from model_hub.model_space import ModelSpace
from nas_search.training import Images, Recipe, Trainer, split
from nas_search.training.data import order_of_epoch


def a_space(num_labels: int = 4) -> ModelSpace:
    return model_hub.space(
        "NasBench201",
        stem_out_channels=4,
        num_modules_per_stack=1,
        num_labels=num_labels,
        image_size=8,
    )


def a_network(num_labels: int = 4, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    space = a_space(num_labels)
    return space.freeze(dict.fromkeys(space.choices.labels, "conv_3x3"))


def a_small_one() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 4))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "lr": 0.1, "nesterov": True, "weight_decay": 5e-4},
        {"optimizer": "rmsprop", "lr": 0.003, "momentum": 0.0},
        {"optimizer": "adam", "lr": 0.01, "schedule": "step", "step_epochs": 2},
        {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.01, "ema": 0.8},
        {"lr": 0.05, "crop": 1, "label_smoothing": 0.1, "clip_norm": 5, "warmup_epochs": 1},
        {"lr": 0.1, "schedule": "linear", "precision": "mixed-bfloat16"},
    ],
)
def test_a_network_learns_by_every_kind_of_recipe(images: Images, changes: dict[str, Any]) -> None:
    train, valid = split(images, (0.6, 0.4), seed=0)
    recipe = Recipe(epochs=4, batch_size=24, **changes)
    training = Trainer(a_network(), train, recipe, valid=valid).run()
    assert training.metrics["accuracy"] > 80
    assert training.metrics["loss"] < math.log(4)
    assert training.metrics["top5"] == 100
    assert training.metrics["epochs"] == 4
    assert [epoch["epoch"] for epoch in training.curve] == [1, 2, 3, 4]
    assert training.curve[-1]["train_loss"] < training.curve[0]["train_loss"]
    assert 0 < sum(epoch["seconds"] for epoch in training.curve) <= training.seconds
    assert training.peak_memory > 1 << 20


def test_the_weights_are_those_of_a_bare_loop(images: Images) -> None:
    recipe = Recipe(
        epochs=2, batch_size=40, lr=0.1, schedule="constant", weight_decay=1e-3, clip_norm=1.0
    )
    ours, bare = a_small_one(), a_small_one()
    Trainer(ours, images, recipe).run()
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    for epoch in range(2):
        for places in order_of_epoch(images, 40, 0, epoch):
            optimizer.zero_grad()
            inputs = images.normalised(images.pixels[places], torch.float32)
            F.cross_entropy(bare(inputs), images.labels[places]).backward()
            nn.utils.clip_grad_norm_(bare.parameters(), 1.0)
            optimizer.step()
    for one, other in zip(ours.parameters(), bare.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_is_measured_is_what_the_network_says(images: Images) -> None:
    trainer = Trainer(a_small_one(), images, Recipe(epochs=1, batch_size=40), valid=images)
    figures = trainer.run().metrics
    logits = trainer.evaluated(images.normalised(images.pixels, torch.float32)).detach().double()
    right = (logits.argmax(1) == images.labels).double().mean()
    assert figures["accuracy"] == pytest.approx(100 * float(right))
    assert figures["loss"] == pytest.approx(float(F.cross_entropy(logits, images.labels)), rel=1e-6)


def test_a_report_may_end_a_training(images: Images) -> None:
    seen: list[float] = []

    def report(figures: Any) -> bool:
        seen.append(figures["epoch"])
        return len(seen) == 2

    training = Trainer(a_small_one(), images, Recipe(epochs=5, batch_size=40)).run(report=report)
    assert seen == [1, 2]
    assert training.stopped
    assert training.metrics["epochs"] == 2


def test_the_caller_draws_on_as_if_nothing_had_been_trained(images: Images) -> None:
    trainer = Trainer(a_small_one(), images, Recipe(epochs=1, batch_size=40))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainer.run()
    assert torch.equal(torch.rand(3), expected)


def test_the_moving_average_is_evaluated_not_the_last_weights(images: Images) -> None:
    network = a_small_one()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    recipe = Recipe(epochs=1, batch_size=240, lr=0.1, ema=0.75)
    trainer = Trainer(network, images, recipe)
    trainer.run()
    rows = zip(trainer.evaluated.parameters(), network.parameters(), before, strict=True)
    for mean, last, first in rows:
        torch.testing.assert_close(mean, 0.75 * first + 0.25 * last)


class WithTwoClassifiers(nn.Module):
    """Gives a second set of logits in training, as DARTS does."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(192, 4), nn.Linear(192, 4)
        self.dropped: list[float] = []

    def set_drop_path(self, probability: float) -> None:
        self.dropped.append(probability)

    def forward(self, x: Tensor) -> Any:
        x = x.flatten(1)
        return (self.first(x), self.second(x)) if self.training else self.first(x)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_a_second_classifier_learns_by_its_weight(images: Images, weight: float) -> None:
    network = WithTwoClassifiers()
    before = network.second.weight.detach().clone()
    recipe = Recipe(epochs=4, batch_size=80, auxiliary_weight=weight, drop_path=0.2, lr=0.01)
    Trainer(network, images, recipe, valid=images).run()
    assert torch.equal(network.second.weight, before) == (weight == 0)
    assert network.dropped == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_a_darts_network_is_trained_by_its_recipe(images: Images) -> None:
    space = model_hub.space(
        "DARTS",
        width=4,
        num_cells=3,
        num_labels=4,
        auxiliary_loss=True,
        dataset="cifar",
    )
    network = space.freeze(space.choices.sample(seed=0))
    pixels = F.interpolate(images.pixels[:16].float(), size=32).to(torch.uint8)
    recipe = Recipe(epochs=1, batch_size=8, drop_path=0.2, lr=0.01, cutout=8)
    training = Trainer(network, Images(pixels, images.labels[:16]), recipe).run()
    assert math.isfinite(training.metrics["train_loss"])


def test_too_few_images_and_paths_that_are_not_there_are_refused(images: Images) -> None:
    with pytest.raises(InvalidArgumentError, match="240 images are fewer than a batch of 241"):
        Trainer(a_small_one(), images, Recipe(batch_size=241))
    with pytest.raises(InvalidArgumentError, match="no paths to drop"):
        Trainer(a_small_one(), images, Recipe(drop_path=0.1))
    with pytest.raises(InvalidArgumentError, match="epochs"):
        Trainer(a_small_one(), images, Recipe(epochs=2)).run(epochs=3)


def test_a_label_without_output_and_a_loss_without_end_are_errors(images: Images) -> None:
    with pytest.raises(LabelError, match="label 3 has no output: the network has 3"):
        Trainer(a_network(num_labels=3), images, Recipe(batch_size=40)).run()
    with pytest.raises(OutputError, match="loss"):
        Trainer(a_small_one(), images, Recipe(batch_size=40, lr=1e3, weight_decay=1e3)).run()


def test_mixed_float16_is_refused_without_a_gpu(images: Images) -> None:
    recipe = Recipe(epochs=1, batch_size=24, precision="mixed-float16")
    with pytest.raises(InvalidArgumentError, match="mixed-float16 needs a GPU, and cpu is none"):
        Trainer(a_small_one(), images, recipe)


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_gradients_that_are_scaled_train_as_others_but_for_rounding(
    images: Images, clip_norm: float
) -> None:
    recipe = Recipe(epochs=2, batch_size=24, lr=0.1, clip_norm=clip_norm)
    plain, scaled = a_small_one(), a_small_one()
    Trainer(plain, images, recipe).run()
    trainer = Trainer(scaled, images, recipe)
    # What a GPU has with mixed-float16, in float32: the scaling alone.
    trainer._scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=True)
    trainer.run()
    for ours, theirs in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_network_learns_in_mixed_float16_on_a_gpu(images: Images) -> None:
    recipe = Recipe(epochs=4, batch_size=24, lr=0.1, clip_norm=5, precision="mixed-float16")
    trainer = Trainer(a_network(), images, recipe, valid=images, device="cuda")
    assert trainer.run().metrics["accuracy"] > 80
    assert all(one.dtype == torch.float32 for one in trainer.evaluated.parameters())
