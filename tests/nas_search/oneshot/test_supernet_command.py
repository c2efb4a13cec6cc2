"""`nbs supernet`, as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from patterned_images import write_class_folders
from safetensors import safe_open
from typer.testing import CliRunner

import model_hub
from model_hub.errors import CheckpointError
from nas_search.errors import OtherTrainingError, ProblemError
from nas_search.oneshot.written import WrittenSupernet
from service.cli.supernet import app

FILE = """
[problem]
space = "NasBench201"
arguments = {{ stem_out_channels = 4, num_modules_per_stack = 1, num_labels = 4 }}
dataset = "images"
fractions = [0.5, 0.5]
bounds = {{ macs = [0, {most}] }}
[supernet]
{supernet}
recipe = {{ epochs = 2, batch_size = 20, lr = 0.05 }}
batches = 2
batch_size = 20
[strategy]
name = "RandomSearch"
[budget]
trials = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """80 images of 8 x 8 in four folders."""
    write_class_folders(tmp_path / "images")
    return tmp_path


def written(folder: Path, supernet: str, *, most: float = 1e9) -> Path:
    file = folder / "cells.toml"
    file.write_text(FILE.format(supernet=supernet, most=most))
    return file


def called(*arguments: Any) -> Any:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_supernet_is_trained_searched_and_a_network_taken_out(folder: Path) -> None:
    file = written(folder, 'sampler = "fair"', most=3e6)
    trained = json.loads(called("train", file))
    assert [one["epoch"] for one in trained["curve"]] == [1, 2]
    assert json.loads(called("train", file))["curve"] == []
    found = json.loads(called("search", file))
    assert len(found) == 5
    assert json.loads(called("search", file)) == found
    space = model_hub.space(
        "NasBench201", stem_out_channels=4, num_modules_per_stack=1, num_labels=4
    )
    assert all(space.profile(json.loads(one["arch_str"])).macs <= 3e6 for one in found)
    out = folder / "network.safetensors"
    called("extract", file, "--out", out)
    weights = safetensors.torch.load_file(out)
    with safe_open(out, "pt") as content:
        metadata = content.metadata()
    assert metadata["space"] == "NasBench201"
    assert metadata["sample"] == found[0]["arch_str"]
    network = space.freeze(json.loads(metadata["sample"]))
    network.load_state_dict(weights)
    other = json.dumps(space.choices.sample(9))
    called("extract", file, "--sample", other, "--out", out)
    space.freeze(json.loads(other)).load_state_dict(safetensors.torch.load_file(out))
    with pytest.raises(OtherTrainingError, match="sampler"):
        called("train", written(folder, 'sampler = "uniform"'))


def test_a_relaxation_with_costs_finds_a_sample(folder: Path) -> None:
    file = written(
        folder,
        'relaxation = { name = "GumbelHard", temperature = 5.0 }\n'
        'costs = { metric = "macs", unit = 1e6 }\n'
        'loss = { name = "Linear", target = 0.1, lam = 0.5 }\n'
        'arch_recipe = { optimizer = "adam", lr = 0.01, schedule = "constant" }',
    )
    found = json.loads(called("train", file))
    assert set(found["sample"].values()) <= {
        *("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
    }
    assert found["curve"][-1]["cost/expected"] > 0


def test_bins_take_the_costs_of_the_file(folder: Path) -> None:
    file = written(
        folder,
        'sampler = { name = "BinnedPaths", bounds = [[0.0, 2e6], [2e6, 9e6]] }\n'
        'costs = { metric = "macs" }',
    )
    assert len(json.loads(called("train", file))["curve"]) == 2


@pytest.mark.parametrize(
    ("supernet", "message"),
    [
        ('sampler = "fairly"', "unknown sampler 'fairly'"),
        ('samplers = "fair"', r"cells.toml, line 9: unknown argument of a supernet 'samplers'"),
        ('sampler = "fair"\nrelaxation = "Softmax"', "not both"),
        ('relaxation = { name = "Gumbel", temperature = 0 }', "no temperature above 0"),
        ('relaxation = { name = "Gumbel", heat = 1 }', "heat"),
        ('relaxation = "Softmax"\nloss = { name = "Linear", target = 0 }', "not a number above 0"),
        ("sampler = 3", "a table with a name"),
        ('weights = "supernet.safetensors"', "has weights or is trained, not both"),
        ('relaxation = "Softmax"\ncosts = 3', "a table of arguments"),
        ('sampler = "uniform"\ncosts = { metric = "macs" }', "UniformPaths does not use costs"),
        ('relaxation = "Softmax"\nloss = { name = "LogProduct" }', "needs a table"),
        ('sampler = { name = "BinnedPaths", bounds = [[0, 1]] }', "needs a table of costs"),
        ('sampler = "fair"\narch_recipe = { lr = 0.01 }', "has no logits"),
        ('sampler = { name = "PolicyPaths", updates = 0 }', "updates"),
    ],
)
def test_a_file_that_means_nothing_is_refused(folder: Path, supernet: str, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        called("train", written(folder, supernet))


def test_weights_that_are_not_of_the_supernet_are_refused(folder: Path) -> None:
    text = FILE.format(supernet='weights = "all.safetensors"', most=1e9)
    lines = [line for line in text.splitlines() if not line.startswith("recipe")]
    (folder / "cells.toml").write_text("\n".join(lines))
    written = WrittenSupernet.read(folder / "cells.toml")
    arguments = {"stem_out_channels": 4, "num_modules_per_stack": 1, "num_labels": 4}
    here = {"space": "NasBench201", "arguments": json.dumps(arguments)}
    nothing = {"a": torch.zeros(1)}
    with pytest.raises(ProblemError, match="is none"):
        written.train()
    for metadata, message in (
        ({}, "does not name its space"),
        ({**here, "arguments": "{"}, "does not name its space"),
        ({**here, "space": "DARTS"}, "of another supernet"),
        (here, "not have the weights of this supernet"),
    ):
        safetensors.torch.save_file(nothing, folder / "all.safetensors", metadata)
        with pytest.raises(ProblemError, match=message):
            written.train()
    (folder / "all.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="damaged"):
        written.train()


def test_files_without_a_supernet_or_a_space_are_refused(folder: Path) -> None:
    file = folder / "cells.toml"
    for text, message in (
        ("[problem]", r"no table \[supernet\]"),
        ("[", "is no TOML"),
        ('[supernet]\n[problem]\nbenchmark = "nasbench201"', "has none"),
        ("[supernet]", r"no table \[problem\]"),
    ):
        file.write_text(text)
        with pytest.raises(ProblemError, match=message):
            WrittenSupernet.read(file)
