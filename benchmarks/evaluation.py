r"""Measures the overhead of an evaluation beyond reading images and running the network.

    python benchmarks/evaluation.py FOLDER [--checkpoint FILE] [--model NAME] [--device cuda] …

FOLDER contains images (a folder per class, or labels.csv). Without --checkpoint the weights are
random, which takes as long. `evaluate` is compared with a bare loop over DataLoader and the
network, which counts nothing, and with reading and running alone. On a CPU the network of the loop
and the decoding processes may use all cores. Figures are medians of rounds in which the four
alternate, so that other programs affect all of them. On a busy machine, compare processor time; on
a GPU it says nothing.

    python benchmarks/evaluation.py FOLDER --model proxyless-mobile --device cuda \
        --precision bfloat16 --batch-size 256 --repeat 40

is for a GPU; its share is that of `only running`, where the images are on the device already.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model_hub import zoo
from model_hub.evaluation import LabelledImages, evaluate, read_folder
from model_hub.evaluation.loading import Batch, Reader, batches
from model_hub.evaluation.transform import normalised
from model_hub.protocols import EvaluationProtocol
from model_hub.running import Running


@dataclass(frozen=True)
class Setting:
    """A network, its images, and how it runs."""

    network: nn.Module
    images: LabelledImages
    protocol: EvaluationProtocol
    batch_size: int
    device: str
    precision: str

    @property
    def on_gpu(self) -> bool:
        """Whether the network runs on a GPU."""
        return self.device != "cpu"

    @property
    def run(self) -> Callable[[Tensor], Any]:
        """A function that runs the network on a batch."""
        return Running(device=self.device, precision=self.precision).prepared(self.network)

    @property
    def read(self) -> Iterator[Batch]:
        """An iterator over the images in batches."""
        reader = Reader(self.images, self.protocol)
        return batches(
            reader,
            reader.parts(self.batch_size),
            processes=torch.get_num_threads(),
            pinned=self.on_gpu,
            work=lambda batch: batch,
        )


def evaluation(setting: Setting) -> None:
    """Evaluate as a job does."""
    evaluate(
        setting.network,
        setting.images,
        setting.protocol,
        batch_size=setting.batch_size,
        device=setting.device,
        precision=setting.precision,
    )


def bare_loop(setting: Setting) -> None:
    """Read all images and run the network on them, without using its output."""
    run = setting.run
    with torch.inference_mode():
        for batch in setting.read:
            pixels = batch.pixels.to(setting.device, non_blocking=True)
            run(normalised(pixels, setting.protocol))
        waited(setting)


def only_reading(setting: Setting) -> None:
    """Read all images."""
    for _ in setting.read:
        pass


def only_running(setting: Setting) -> None:
    """Run the network on as many images, all of them zeros on the device."""
    run, size = setting.run, setting.protocol.input_size
    inputs = torch.zeros(setting.batch_size, 3, size, size, device=setting.device)
    with torch.inference_mode():
        for start in range(0, len(setting.images), setting.batch_size):
            run(inputs[: len(setting.images) - start])
        waited(setting)


def waited(setting: Setting) -> None:
    """Wait until the GPU has finished, if there is one."""
    if setting.on_gpu:
        torch.cuda.synchronize(setting.device)


def in_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Return median wall-clock seconds and processor seconds, children included, by name."""
    walls: dict[str, list[float]] = {name: [] for name in works}
    cores: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            wall, core = time.perf_counter(), sum(os.times()[:4])
            work()
            walls[name].append(time.perf_counter() - wall)
            cores[name].append(sum(os.times()[:4]) - core)
    return {
        name: (statistics.median(walls[name]), statistics.median(cores[name])) for name in works
    }


def main() -> None:
    """Measure and print images a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--model", default="proxyless-w0.3-r176")
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--repeat", type=int, default=1, help="how many times each image is read")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    images = read_folder(asked.folder)
    images = replace(images, names=images.names * asked.repeat, labels=images.labels * asked.repeat)
    network = (
        zoo.load(asked.model, checkpoint=asked.checkpoint)
        if asked.checkpoint
        else zoo.build(asked.model).eval()
    )
    setting = Setting(
        network,
        images,
        zoo.record(asked.model).protocol,
        asked.batch_size,
        asked.device,
        asked.precision,
    )
    works: dict[str, Callable[[], object]] = {
        "evaluate": partial(evaluation, setting),
        "bare loop": partial(bare_loop, setting),
        "only reading": partial(only_reading, setting),
        "only running": partial(only_running, setting),
    }
    in_turns(works, 1)
    seconds = in_turns(works, asked.rounds)
    cores = len(os.sched_getaffinity(0))
    place = torch.cuda.get_device_name(asked.device) if setting.on_gpu else "no GPU"
    print(
        f"{asked.model}, {len(images)} images, {place}, {cores} cores, "
        f"{torch.get_num_threads()} threads"
    )
    for name, (wall, core) in seconds.items():
        print(f"{name:14}{len(images) / wall:8.1f} images/s{core:8.2f} s of a core")
    for other, goal in {
        "bare loop": 80,
        **({"only running": 70} if setting.on_gpu else {}),
    }.items():
        wall, core = (b / e for b, e in zip(seconds[other], seconds["evaluate"], strict=True))
        print(
            f"evaluate reaches {wall:.0%} of {other}, {core:.0%} by processor time (goal: {goal} %)"
        )


if __name__ == "__main__":
    main()
