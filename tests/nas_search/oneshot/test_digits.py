"""A fifth of benchmarks/one_shot_digits.py: what must hold of inherited weights on real images."""

from __future__ import annotations

from statistics import fmean

import torch

import model_hub
from nas_search.oneshot import FairPaths, Inherited, Supernet, train_supernet
from nas_search.problems.problem import silent
from nas_search.training import Images, Recipe

BROKEN = (
    "none none none none none none",
    # Node 2 reads the input and feeds nothing.
    "none conv_3x3 none none conv_1x1 none",
)
"""Cells whose output does not depend on their input."""


def test_recalibration_makes_inherited_weights_worth_something() -> None:
    # Every process that collects the tests would load it, a second each.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bunch = load_digits()
    pixels = torch.tensor(bunch.images * (255 / 16)).to(torch.uint8)[:, None].repeat(1, 3, 1, 1)
    images = Images(pixels, torch.tensor(bunch.target), mean=(0.5,), std=(0.5,))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    data = (images.part(order[:1000]), images.part(order[1000:]))
    space = model_hub.space(
        "NasBench201", stem_out_channels=8, num_modules_per_stack=1, image_size=8
    )
    supernet = Supernet(space)
    recipe = Recipe(epochs=10, batch_size=100, lr=0.05, clip_norm=5)
    train_supernet(supernet, data, FairPaths(update="each path"), recipe=recipe)
    whole = [
        dict(zip(space.choices.labels, cell.split(), strict=True))
        for cell in (
            "conv_3x3 conv_1x1 skip_connect conv_3x3 none avg_pool_3x3",
            "skip_connect none conv_3x3 conv_1x1 conv_3x3 none",
            "conv_1x1 conv_3x3 none skip_connect conv_3x3 conv_1x1",
            "none skip_connect none conv_3x3 none conv_1x1",
            "conv_3x3 none conv_1x1 none skip_connect conv_3x3",
            "avg_pool_3x3 conv_3x3 none conv_1x1 skip_connect none",
            "conv_3x3 conv_3x3 conv_3x3 conv_3x3 conv_3x3 conv_3x3",
            "skip_connect conv_1x1 avg_pool_3x3 none conv_3x3 conv_3x3",
        )
    ]
    broken = [dict(zip(space.choices.labels, cell.split(), strict=True)) for cell in BROKEN]

    def accuracies(cells: list[dict[str, str]], batches: int) -> list[float]:
        evaluator = Inherited(supernet, data, batches=batches, batch_size=100)
        return [
            evaluator.evaluate(space, cell, fidelity=None, report=silent)["accuracy"]
            for cell in cells
        ]

    recalibrated = accuracies(whole, 10)
    assert fmean(recalibrated) > fmean(accuracies(whole, 0)) + 20
    assert max(accuracies(broken, 10)) < min(recalibrated)
