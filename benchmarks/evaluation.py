"""Measures what an evaluation takes besides reading images and running the network.

    python benchmarks/evaluation.py FOLDER [CHECKPOINT] [ROUNDS]

FOLDER holds images (a folder a class, or labels.csv), CHECKPOINT the published weights of
`proxyless-w0.3-r176`; without them the weights are drawn, which takes as long. `evaluate` is held
against a bare loop over the same loader and network, which counts nothing and makes no digest, and
against each of its two halves alone. Figures are medians of the rounds; the four take turns, so
that other work on the machine meets all of them. Where there is much of it, go by processor time.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from model_hub import zoo
from model_hub.evaluation import LabelledImages, evaluate, read_images
from model_hub.evaluation.loading import batches
from model_hub.protocols import EvaluationProtocol

MODEL = "proxyless-w0.3-r176"
BATCH = 50


def bare_loop(network: nn.Module, images: LabelledImages, protocol: EvaluationProtocol) -> None:
    """Run the network on all images and look at nothing that it says."""
    with torch.inference_mode():
        for batch in batches(images, protocol, BATCH):
            network(batch.inputs)


def only_reading(images: LabelledImages, protocol: EvaluationProtocol) -> None:
    """Read all images."""
    for _ in batches(images, protocol, BATCH):
        pass


def only_running(network: nn.Module, count: int, size: int) -> None:
    """Run the network on as many images, which are there already."""
    inputs = torch.zeros(BATCH, 3, size, size)
    with torch.inference_mode():
        for start in range(0, count, BATCH):
            network(inputs[: count - start])


def in_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds that each takes, and of processor time of all its threads."""
    walls: dict[str, list[float]] = {name: [] for name in works}
    cores: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            wall, core = time.perf_counter(), time.process_time()
            work()
            walls[name].append(time.perf_counter() - wall)
            cores[name].append(time.process_time() - core)
    return {
        name: (statistics.median(walls[name]), statistics.median(cores[name])) for name in works
    }


def main(folder: Path, checkpoint: Path | None, rounds: int) -> None:
    """Print images a second."""
    protocol = zoo.record(MODEL).protocol
    network = zoo.load(MODEL, checkpoint=checkpoint) if checkpoint else zoo.build(MODEL).eval()
    images = read_images(folder)
    works: dict[str, Callable[[], object]] = {
        "evaluate": partial(evaluate, network, images, protocol, batch_size=BATCH),
        "bare loop": partial(bare_loop, network, images, protocol),
        "only reading": partial(only_reading, images, protocol),
        "only running": partial(only_running, network, len(images), protocol.input_size),
    }
    in_turns(works, 1)
    seconds = in_turns(works, rounds)
    cores = len(os.sched_getaffinity(0))
    print(f"{MODEL}, {len(images)} images, {cores} cores, {torch.get_num_threads()} threads")
    for name, (wall, core) in seconds.items():
        print(f"{name:14}{len(images) / wall:8.1f} images/s{core:8.2f} s of a core")
    wall, core = (b / e for b, e in zip(seconds["bare loop"], seconds["evaluate"], strict=True))
    print(
        f"evaluate reaches {wall:.0%} of the bare loop, {core:.0%} by processor time (goal: 80 %)"
    )


if __name__ == "__main__":
    folder, checkpoint, rounds, *_ = [*sys.argv[1:], *[""] * 3]
    main(Path(folder), Path(checkpoint) if checkpoint else None, int(rounds or 5))
