"""A small data set on disk and trainings on it, which tests of training jobs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

import model_hub

__all__ = [
    "ARGUMENTS",
    "LONG",
    "RECIPE",
    "SAMPLE",
    "TOML_ARGUMENTS",
    "figures",
    "last_epoch",
    "plan_text",
    "write_images",
]

ARGUMENTS: Final = {
    "stem_out_channels": 4,
    "num_modules_per_stack": 1,
    "num_labels": 4,
    "image_size": 8,
}
TOML_ARGUMENTS: Final = ", ".join(f"{name} = {value}" for name, value in ARGUMENTS.items())
SAMPLE: Final = dict.fromkeys(
    model_hub.space("NasBench201", **ARGUMENTS).choices.default, "conv_1x1"
)
RECIPE: Final = {"epochs": 4, "batch_size": 16, "lr": 0.05, "flip": True}
LONG: Final = {**RECIPE, "epochs": 10_000}
"""Minutes of processor time: what a test ends, and what cannot end before."""


def write_images(folder: Path, *, count: int = 160, classes: int = 4) -> Path:
    """Write images of 8 x 8, each a pattern of its class with noise; return their folder."""
    folder.mkdir(parents=True)
    source = np.random.default_rng(0)
    patterns = source.random((classes, 8, 8, 3))
    lines = ["file,label"]
    for place in range(count):
        label = place % classes
        pixels = 255 * (0.6 * patterns[label] + 0.4 * source.random((8, 8, 3)))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.png")
        lines.append(f"{place}.png,{label}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def plan_text(name: str, *, archs: int, epochs: list[int]) -> str:
    """Return the file of a plan of some architectures, trained on the images as `tiny`."""
    return f"""
name = "{name}"
title = "Small cells"
licence = "CC0-1.0"
[space]
name = "NasBench201"
arguments = {{ {TOML_ARGUMENTS} }}
[select]
kind = "sample"
n = {archs}
[data]
name = "tiny"
licence = "CC0-1.0"
split = {{ train = 80, valid = 80 }}
[protocol]
epochs = {epochs}
batch_size = 16
"""


def last_epoch(told: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of an epoch, or those of a result's last one, without times."""
    figures = told["curve"][-1] if "curve" in told else told
    return {name: value for name, value in figures.items() if name != "seconds"}


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """Return what is equal however often a training was interrupted: all but times and memory."""
    curve = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in result["curve"]]
    digest = result["provenance"]["weights_sha256"]
    return {"metrics": result["metrics"], "curve": curve, "weights": digest}
