"""Measures the training loop of `nas_search.training` against a bare PyTorch loop.

python benchmarks/training_speed.py [SECONDS]

Both train NasBench201 (8 channels, a cell a stack, all edges conv_3x3) on 1,700 of scikit-learn's
digits (real images of 8 x 8) in batches of 100, with SGD, Nesterov momentum and weight decay, on
one thread. They alternate epoch by epoch, and processor time is measured, so a busy machine matters
little; the share is the median over the pairs.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from sklearn.datasets import load_digits
from torch import nn

import model_hub
from nas_search.training import Images, Recipe, Trainer

IMAGES: Final = 1700
BATCH: Final = 100
SECONDS: Final = 30.0


def main() -> None:
    """Print images a second of both loops and their ratio."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    torch.set_num_threads(1)
    images = digits()
    recipe = Recipe(epochs=10_000, batch_size=BATCH, lr=0.01, nesterov=True, weight_decay=5e-4)
    trainer = Trainer(network(), images, recipe)
    epochs = iter(range(1, recipe.epochs))
    ours, bare = [], []
    one_bare_epoch = bare_loop(images)
    for run in (lambda: trainer.run(epochs=next(epochs)), one_bare_epoch):
        timed(run)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        ours.append(timed(lambda: trainer.run(epochs=next(epochs))))
        bare.append(timed(one_bare_epoch))
    share = statistics.median(b / o for o, b in zip(ours, bare, strict=True))
    print(f"bare loop          {IMAGES / statistics.median(bare):8.0f} images a second")
    print(f"nas_search.training {IMAGES / statistics.median(ours):7.0f} images a second")
    print(f"share {share:.1%} over {len(ours)} pairs of epochs")


def digits() -> Images:
    """Return the images with their grey channel repeated three times."""
    held = load_digits()
    grey = torch.from_numpy(held.images[:IMAGES] * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(held.target[:IMAGES]).long()
    return Images(grey[:, None].repeat(1, 3, 1, 1), labels)


def network() -> nn.Module:
    """Return the network, initialised."""
    torch.manual_seed(0)
    space = model_hub.space(
        "NasBench201", stem_out_channels=8, num_modules_per_stack=1, image_size=8
    )
    return space.freeze(dict.fromkeys(space.choices.labels, "conv_3x3"))


def bare_loop(images: Images) -> Callable[[], None]:
    """Return a function that trains one epoch in plain PyTorch."""
    bare = network().train()
    inputs, labels = images.pixels.float() / 255, images.labels
    optimizer = torch.optim.SGD(
        bare.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )

    def epoch() -> None:
        for places in torch.randperm(IMAGES).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(bare(inputs[places]), labels[places]).backward()
            optimizer.step()

    return epoch


def timed(run: Callable[[], object]) -> float:
    """Return the processor time of a call, in seconds."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
