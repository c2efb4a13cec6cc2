"""Measures supernets: building, activating, steps against the frozen network, gradients.

    python benchmarks/supernets.py [SPACE…] [--placed 200]

Uses one thread; times are CPU seconds of this process. A step is forward, backward and SGD on a
batch of 8. Both networks run once to warm up and then alternate; the shortest step of each counts.
`--placed N` also checks that the supernet stores every tensor of N samples; the tests check few.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import model_hub
from model_hub.memory import META
from model_hub.model_space import ModelSpace, TokenSpace
from nas_search.oneshot import Supernet
from nas_search.oneshot.views import fits

MOBILE = {
    "num_labels": 10,
    "depth_range": (1, 3),
    "base_widths": (8, 8, 16, 16, 32, 32, 64, 64, 128),
}
STAGES = {"depths": ((1, 2, 4),) * 3, "widths": ((16, 24, 32, 40),) * 3}
SPACES: dict[str, tuple[dict[str, Any], int]] = {
    "NasBench201": ({"stem_out_channels": 8, "num_modules_per_stack": 1}, 32),
    "ProxylessNAS": ({"width_mult": 0.25, "num_labels": 10}, 64),
    "FBNet": ({"num_labels": 10}, 64),
    "ShuffleNetSpace": ({"num_labels": 10}, 64),
    "SinglePathNAS": ({"num_labels": 10}, 64),
    "DARTS": ({"width": 8, "num_cells": 3}, 32),
    "NASNet": ({"width": 8, "num_cells": 3}, 32),
    "ENAS": ({"width": 8, "num_cells": 3}, 32),
    "PNAS": ({"width": 8, "num_cells": 3}, 32),
    "AmoebaNet": ({"width": 8, "num_cells": 3}, 32),
    "MobileNetV3Space": (MOBILE, 64),
    "AutoFormer": ({"search_depth": (4, 5), "img_size": 32, "num_labels": 10}, 32),
    "NatsSss": ({}, 16),
    "Vanilla": (STAGES, 16),
    "ResidualBasic": (STAGES, 16),
    "ResidualBottleneck": (STAGES, 16),
    "NasBench101": ({"stem_out_channels": 16, "num_modules_per_stack": 1}, 32),
    "LightSpeech": ({"hidden_size": 64}, 32),
    "NASBERT": ({"vocabulary": 1000, "hidden_sizes": (64, 128), "embed_dim": 128}, 32),
}
BATCH = 8
SAMPLES = 3
TURNS = 4


def main() -> None:
    """Print a row for each space."""
    parser = argparse.ArgumentParser()
    parser.add_argument("spaces", nargs="*", default=list(SPACES))
    parser.add_argument("--placed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("space | parameters | build, s | activate, us | step / frozen | gradients / path")
    for name in options.spaces:
        arguments, side = SPACES[name]
        space = model_hub.space(name, **arguments)
        print(f"{name} | " + " | ".join(measured(space, side)), flush=True)
        if options.placed:
            print(f"  {missing(space, options.placed)} of {options.placed} samples are not stored")


def measured(space: ModelSpace, side: int) -> list[str]:
    """Measure a space and return its columns."""
    build, supernet = clocked(lambda: Supernet(space))
    size = sum(parameter.numel() for parameter in supernet.parameters())
    samples = [space.choices.sample(seed) for seed in range(SAMPLES)]
    x = batch(space, side)
    activations, ratios, gradients = [], [], []
    for sample in samples:
        activations.extend(clocked(lambda s=sample: supernet.activate(s))[0] for _ in range(50))
        frozen = supernet.train().extract(sample)
        ratios.append(ratio(supernet, frozen, x))
        held = sum(p.numel() for p in supernet.parameters() if p.grad is not None)
        gradients.append(held / sum(p.numel() for p in frozen.parameters()))
    return [
        f"{size / 1e6:.2f} M",
        f"{build:.2f}",
        f"{statistics.median(activations) * 1e6:.0f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"{statistics.median(gradients):.1f}",
    ]


def ratio(supernet: nn.Module, frozen: nn.Module, x: torch.Tensor) -> float:
    """Return the time of a step of the supernet over that of the frozen network."""
    steps = [step_of(network, x) for network in (supernet, frozen)]
    times: list[list[float]] = [[], []]
    for step in steps:
        step()
    for _ in range(TURNS):
        for taken, step in zip(times, steps, strict=True):
            taken.append(clocked(step)[0])
    return min(times[0]) / min(times[1])


def step_of(network: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Return a function that makes a training step of a network."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad()
        outputs = network(x)
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        loss: Any = sum(y.square().mean() for y in several if y.is_floating_point())
        loss.backward()
        optimizer.step()

    return step


def batch(space: ModelSpace, side: int) -> torch.Tensor:
    """Return a batch of random images, or of token ids for a token space."""
    if isinstance(space, TokenSpace):
        return torch.randint(2, 60, (BATCH, side))
    return torch.randn(BATCH, 3, side, side)


def missing(space: ModelSpace, samples: int) -> int:
    """Return the number of samples with a tensor that the supernet does not store."""
    stored = Supernet(space).state_of_network()
    wrong = 0
    for seed in range(samples):
        sample = space.choices.sample(seed)
        values = space.choices.resolve(sample)
        with META:
            state = space.freeze(sample).state_dict()
        places = ((tensor.shape, *space.placed(values, name)) for name, tensor in state.items())
        wrong += not all(fits(stored[place].shape, view, shape) for shape, place, view in places)
    return wrong


def clocked(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds that a call took, and its result."""
    begin = time.process_time()
    result = function()
    return time.process_time() - begin, result


if __name__ == "__main__":
    main()
