"""A package with trainers, installed into a folder as an installer would, with one code file.

folder = install_trainers(tmp_path / "site")     # to be named by PYTHONPATH
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

__all__ = ["CODE", "PACKAGE", "TRAINERS", "VERSION", "install", "install_trainers"]

PACKAGE: Final = "lab-trainers"
VERSION: Final = "1.2"
MODULE: Final = "labtrain"
TRAINERS: Final = ("quick", "odd")

CODE: Final = '''\
"""Trainers of a lab."""

import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F


def quick(network, data, protocol, report):
    """Train by Adam with noise on the inputs, and carry the optimizer's state."""
    optimizer = torch.optim.Adam(network.parameters(), lr=protocol.options.get("lr", 1e-3))
    if protocol.state:
        steps = {place: {} for place in range(len(optimizer.param_groups[0]["params"]))}
        for name, tensor in protocol.state.items():
            place, key = name.split("/")
            steps[int(place)][key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": steps, "param_groups": groups})
    figures = {}
    for epoch in range(protocol.done + 1, protocol.epochs + 1):
        if epoch == protocol.options.get("dies_before") and not protocol.done:
            os.kill(os.getpid(), 9)
        network.train()
        losses, right, seen = 0.0, 0, 0
        for inputs, labels in data.batches(epoch):
            noise = random.gauss(0, 0.01) + np.random.normal(0, 0.01)
            noisy = inputs + 0.01 * torch.randn_like(inputs) + noise
            logits = network(noisy)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(labels)
            right += (logits.argmax(1) == labels).sum().item()
            seen += len(labels)
        figures = {
            "train_loss": losses / seen,
            "train_accuracy": 100 * right / seen,
            **data.measure(network),
        }
        state = {
            f"{place}/{key}": value
            for place, held in optimizer.state_dict()["state"].items()
            for key, value in held.items()
        }
        if report(figures, state=state):
            break
    return figures


FIGURES = {"train_loss": 0.5, "train_accuracy": 80.0, "loss": 0.6, "accuracy": 75.0}


def odd(network, data, protocol, report):
    """Do what the option says, which is mostly wrong."""
    does = protocol.options["does"]
    if does == "raise":
        raise KeyError("a secret of the inside")
    if does == "sleep":
        time.sleep(10_000)
    if does == "exit":
        sys.exit(0)
    if does == "print":
        print("{" * 100_000)
        print("noise", file=sys.stderr)
    if does == "fork":
        child = os.fork()
        if child:
            os.waitpid(child, 0)
    if does == "leave":
        if not os.fork():
            time.sleep(10_000)
            os._exit(0)
    told = dict(FIGURES)
    if does == "nan":
        told = None
    if does == "unknown":
        told["f1"] = 0.5
    if does == "missing":
        del told["accuracy"]
    if does == "shape":
        told["accuracy"] = torch.zeros(2, 3)
    if does == "not finite":
        told["accuracy"] = float("nan")
    for epoch in range(1, protocol.epochs + 1):
        if does == "nan":
            told = {**FIGURES, "train_loss": float("nan") if epoch == 2 else 1.0}
        if does == "short" and epoch == protocol.epochs:
            break
        report(told)
    if does == "long":
        report(told)
    return b"garbage" if does == "garbage" else told
'''


def install_trainers(folder: Path, *, code: str = CODE, version: str = VERSION) -> Path:
    """Write the package and what an installer writes beside it; return the folder."""
    points = {name: f"{MODULE}:{name}" for name in TRAINERS}
    return install(folder, PACKAGE, version, {f"{MODULE}/__init__.py": code}, points)


def install(
    folder: Path, name: str, version: str, modules: dict[str, str], points: dict[str, str]
) -> Path:
    """Write a package as an installer does.

    Args:
        folder: What Python imports from.
        name: Of the distribution.
        version: Of the distribution.
        modules: Code by file.
        points: Entry points of trainers.
    """
    about = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = "".join(f"{point} = {value}\n" for point, value in points.items())
    files = {
        **modules,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/entry_points.txt": f"[nas_bench.trainers]\n{lines}",
    }
    record = f"{about}/RECORD,,\n"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text.encode())}\n"
    (folder / about / "RECORD").write_text(record)
    return folder
