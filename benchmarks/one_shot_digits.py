"""Compares rankings of cells by inherited weights with training alone, on scikit-learn's digits.

OMP_NUM_THREADS=1 python benchmarks/one_shot_digits.py [CELLS] [SEEDS]

NasBench201 with 8 channels and a cell a stack, on 1,797 images of 8 x 8: 1,000 for training, 797
for comparison. 40 random cells are trained alone with two seeds. Supernets are trained on 500 paths
with three seeds and three samplers: uniform, fair with an update a path, and fair with summed
gradients. The loss and accuracy that each cell inherits, with the running statistics of the
supernet's norms and with recalibrated ones, are ranked against the cell trained alone. Baselines
are the number of parameters, and one seed against the other as the upper limit.

Finally runs DARTS on the same data and prints the probability of operations without weights.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

import torch
from scipy.stats import kendalltau, spearmanr
from sklearn.datasets import load_digits

import model_hub
from model_hub.model_space import ModelSpace
from nas_search.oneshot import (
    FairPaths,
    Inherited,
    Sampler,
    Softmax,
    Supernet,
    UniformPaths,
    search_supernet,
    train_supernet,
)
from nas_search.training import Classification, Images, Recipe

TRAIN: Final = 1000
PATHS: Final = 500
PER_UPDATE: Final = 5
ALONE: Final = Recipe(epochs=4, batch_size=100, lr=0.1)
SHARED: Final = Recipe(epochs=PATHS // 10, batch_size=100, lr=0.05, clip_norm=5)
SAMPLERS: Final[Mapping[str, tuple[Sampler, int]]] = {
    "uniform": (UniformPaths(), 1),
    "fair, an update a path": (FairPaths(update="each path"), 1),
    "fair, summed": (FairPaths(), PER_UPDATE),
}
"""By name, the sampler and its number of paths per update."""
WEIGHTLESS: Final = ("none", "skip_connect", "avg_pool_3x3")
Figures = dict[str, list[float]]


def main() -> None:
    """Run the experiment and print its correlations."""
    cells, seeds = (int(one) for one in [*sys.argv[1:], *("40", "3")[len(sys.argv) - 1 :]])
    torch.set_num_threads(1)
    data, space = digits(), the_space()
    samples = random_cells(space, cells)
    alone, seconds = timed(lambda: [trained_alone(space, data, samples, seed) for seed in (0, 1)])
    accuracies = [fmean(pair) for pair in zip(*(one["accuracy"] for one in alone), strict=True)]
    print(
        f"{cells} cells alone: {min(accuracies):.1f} to {max(accuracies):.1f} % ({seconds:.0f} s)"
    )
    print(row("seed against seed", alone[0], alone[1]))
    mean = {
        name: [fmean(pair) for pair in zip(*(one[name] for one in alone), strict=True)]
        for name in alone[0]
    }
    sizes = [float(space.profile(sample).parameters) for sample in samples]
    print(row("parameters", {"accuracy": sizes, "loss": [-one for one in sizes]}, mean))
    for name, (sampler, paths) in SAMPLERS.items():
        for seed in range(seeds):
            supernet = Supernet(space, seed=seed)
            recipe = Recipe(**{**SHARED.as_dict(), "epochs": SHARED.epochs // paths})
            _, spent = timed(
                lambda net=supernet, by=sampler, how=recipe, start=seed: train_supernet(
                    net, data, by, recipe=how, seed=start
                )
            )
            for batches in (0, 10):
                found, judged = timed(
                    lambda net=supernet, count=batches: inherited(net, data, samples, count)
                )
                kind = "recalibrated" if batches else "running"
                print(
                    row(f"{name}, seed {seed}, {kind}", found, mean),
                    f"mean {fmean(found['accuracy']):.1f} % ({spent:.0f} + {judged:.0f} s)",
                )
    darts(space, data[0])


def digits() -> tuple[Images, Images]:
    """Return the images for training and those for comparison."""
    bunch = load_digits()
    pixels = torch.tensor(bunch.images * (255 / 16)).to(torch.uint8)[:, None].repeat(1, 3, 1, 1)
    images = Images(pixels, torch.tensor(bunch.target), mean=(0.5,), std=(0.5,))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images.part(order[:TRAIN]), images.part(order[TRAIN:])


def the_space() -> ModelSpace:
    """Return the space of NAS-Bench-201 with 8 channels and a cell a stack."""
    return model_hub.space(
        "NasBench201", stem_out_channels=8, num_modules_per_stack=1, image_size=8
    )


def has_path(sample: Mapping[str, Any]) -> bool:
    """Return whether the output of a cell depends on its input."""
    reached = {0}
    last = 3
    for target in range(1, last + 1):
        if any(sample[f"cell/{source}_{target}"] != "none" for source in reached):
            reached.add(target)
    return last in reached


def random_cells(space: ModelSpace, count: int) -> list[dict[str, Any]]:
    """Return distinct cells that have a path from input to output."""
    found: list[dict[str, Any]] = []
    for seed in range(100 * count):
        sample = space.choices.sample(seed)
        if has_path(sample) and sample not in found:
            found.append(sample)
        if len(found) == count:
            break
    return found


def trained_alone(
    space: ModelSpace, data: tuple[Images, Images], samples: Sequence[dict[str, Any]], seed: int
) -> Figures:
    """Return loss and accuracy of each cell, trained alone."""
    evaluator = Classification(*data, recipe=ALONE, seed=seed)
    return collected(evaluator, space, samples)


def inherited(
    supernet: Supernet,
    data: tuple[Images, Images],
    samples: Sequence[dict[str, Any]],
    batches: int,
) -> Figures:
    """Return loss and accuracy of each cell with the weights of a supernet."""
    evaluator = Inherited(supernet, data, batches=batches, batch_size=100)
    return collected(evaluator, supernet.space, samples)


def collected(evaluator: Any, space: ModelSpace, samples: Sequence[dict[str, Any]]) -> Figures:
    """Return loss and accuracy of each cell according to an evaluator."""
    all_figures = [
        evaluator.evaluate(space, sample, fidelity=None, report=lambda *_: None)
        for sample in samples
    ]
    return {name: [one[name] for one in all_figures] for name in ("accuracy", "loss")}


def row(name: str, found: Figures, wanted: Figures) -> str:
    """Format Spearman's and Kendall's correlation of two rankings, by accuracy and by loss."""
    figures = "  ".join(
        f"{kind} {spearmanr(found[kind], wanted[kind]).statistic:5.2f} "
        f"{kendalltau(found[kind], wanted[kind]).statistic:5.2f}"
        for kind in ("accuracy", "loss")
    )
    return f"{name:45}{figures}"


def darts(space: ModelSpace, train: Images) -> None:
    """Run DARTS and print the probabilities of operations after every fifth epoch."""
    half = len(train) // 2
    order = torch.arange(len(train))
    parts = train.part(order[:half]), train.part(order[half:])
    found = search_supernet(
        Supernet(space),
        parts,
        Softmax(),
        recipe=Recipe(
            epochs=30, batch_size=100, lr=0.025, min_lr=0.001, weight_decay=3e-4, clip_norm=5
        ),
        arch_recipe=Recipe(
            optimizer="adam", lr=0.01, beta=0.5, weight_decay=1e-3, schedule="constant"
        ),
    )
    for figures in found.curve[::5] + found.curve[-1:]:
        shares = {
            operation: fmean(figures[f"arch/{label}/{operation}"] for label in space.choices.labels)
            for operation in ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
        }
        weightless = sum(shares[one] for one in WEIGHTLESS)
        listed = "  ".join(f"{name} {share:.3f}" for name, share in shares.items())
        print(f"DARTS, epoch {figures['epoch']:2.0f}: weightless {weightless:.3f}  {listed}")
    print("DARTS found", found.sample, f"({found.seconds:.0f} s)")


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call and its processor time in seconds."""
    begun = time.process_time()
    found = run()
    return found, time.process_time() - begun


if __name__ == "__main__":
    main()
