"""Training by several processes, which torchrun starts: real ones, over gloo, on a processor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from torch import nn

from nas_search.training import Images, Recipe, Trainer, parallel

SCRIPT: Final = """
import json, sys
from pathlib import Path
import torch
from nas_search.training import Checkpoints, Recipe, Trainer, parallel
from test_parallel import KINDS, RECIPE, images, network

folder, told = Path(sys.argv[1]), []
with parallel() as device:
    rank = torch.distributed.get_rank()
    for kind in KINDS:
        def trainer(name):
            checkpoints = Checkpoints(folder / f"{name}-{kind}", {})
            return Trainer(network(kind), images(0), RECIPE, valid=images(1), seed=3,
                           checkpoints=checkpoints, save_steps=2)
        whole = trainer("whole")
        done = whole.run(report=told.append)
        half = trainer("half")
        half.run(report=lambda epoch: epoch["epoch"] == 1)
        again = trainer("half")
        resumed = again.run()
        torch.save({name: value for name, value in whole.evaluated.state_dict().items()},
                   folder / f"weights-{kind}-{rank}.pt")
        same = all(torch.equal(one, other) for one, other in zip(
            whole.evaluated.state_dict().values(), again.evaluated.state_dict().values()))
        (folder / f"told-{kind}-{rank}.json").write_text(json.dumps({
            "curve": [dict(epoch, seconds=0) for epoch in done.curve],
            "resumed": [dict(epoch, seconds=0) for epoch in resumed.curve],
            "same": same, "reports": len(told)}))
    try:
        Trainer(network("plain"), images(0), Recipe(batch_size=9), seed=3)
    except Exception as error:
        (folder / f"refused-{rank}").write_text(str(error))
"""

KINDS: Final = ("plain", "normed")
RECIPE: Final = Recipe(
    epochs=2, batch_size=16, lr=0.1, schedule="cosine", precision="float64", clip_norm=1
)


def images(seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (70, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return Images(pixels, torch.randint(0, 4, (70,), generator=generator))


def network(kind: str) -> nn.Module:
    torch.manual_seed(5)
    norm = nn.BatchNorm2d(4) if kind == "normed" else nn.Identity()
    layers = (nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4, 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("parallel")
    (where / "train.py").write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run(
        [*torchrun, "--nproc-per-node", "2", str(where / "train.py"), str(where)],
        check=True,
        env={
            "PYTHONPATH": str(Path(__file__).parent),
            "OMP_NUM_THREADS": "1",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        timeout=120,
    )
    return where


def told(folder: Path, kind: str, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"told-{kind}-{rank}.json").read_text())
    return found


def test_two_processes_train_as_one_does_where_nothing_depends_on_the_batch(folder: Path) -> None:
    alone = Trainer(network("plain"), images(0), RECIPE, valid=images(1), seed=3)
    curve = alone.run().curve
    weights = torch.load(folder / "weights-plain-0.pt", weights_only=True)
    for name, value in alone.evaluated.state_dict().items():
        assert torch.allclose(value, weights[name], rtol=0, atol=1e-12), name
    for mine, theirs in zip(curve, told(folder, "plain", rank=0)["curve"], strict=True):
        for name in mine.keys() - {"seconds"}:
            assert theirs[name] == pytest.approx(mine[name], abs=1e-9), name


@pytest.mark.parametrize("kind", KINDS)
def test_both_processes_have_the_same_network_and_figures(folder: Path, kind: str) -> None:
    first, second = (
        torch.load(folder / f"weights-{kind}-{rank}.pt", weights_only=True) for rank in range(2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert told(folder, kind, 0)["curve"] == told(folder, kind, 1)["curve"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_ended_training_goes_on_to_the_same_weights(folder: Path, kind: str) -> None:
    for rank in range(2):
        found = told(folder, kind, rank)
        assert found["same"]
        assert found["resumed"] == found["curve"]


def test_the_first_process_alone_reports(folder: Path) -> None:
    assert told(folder, "normed", rank=0)["reports"] == 4
    assert told(folder, "normed", rank=1)["reports"] == 0


def test_a_batch_that_cannot_be_divided_is_refused(folder: Path) -> None:
    for rank in range(2):
        assert (
            "9 images cannot be divided among 2 processes"
            in (folder / f"refused-{rank}").read_text()
        )


def test_outside_of_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with parallel() as device:
        assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
        assert not torch.distributed.is_initialized()
