"""`nbs zoo`, its commands as they are given."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from forked_nbs import on_terminal
from PIL import Image
from typer.testing import CliRunner

from missing_extra import install_command
from model_hub import zoo
from model_hub.errors import UnknownNameError
from model_hub.evaluation import DamagedImageError
from service.cli.zoo import app


def run(*arguments: str | Path) -> Result:
    """Run a command and return what it printed; its failure is the test's."""
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of six images in three classes."""
    rng = np.random.default_rng(0)
    for number in range(6):
        folder = tmp_path / f"images/class{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "images"


def test_list_tells_which_weights_are_here(small: zoo.Record, saved: Path) -> None:
    zoo.convert(saved, small.name, unlisted=True)
    rows = json.loads(run("list").stdout)
    assert [row["model"] for row in rows] == list(zoo.names())
    assert [row["model"] for row in rows if row["weights"]] == ["small"]
    assert next(row for row in rows if row["model"] == "spos")["top1"] == 74.14


def test_info_tells_what_is_known() -> None:
    found = json.loads(run("info", "proxyless-mobile").stdout)
    assert (found["parameters"], found["macs"]) == (4_080_512, 320_427_584)
    assert found["weights_here"] is None
    assert found["protocol"]["resize"] == 256
    assert found["licence"] == "MIT"


def test_info_of_an_unknown_model_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="nearest are proxyless-mobile"):
        run("info", "proxyless-mobil")


def test_convert_and_evaluate_work_together(
    add_small: Callable[..., zoo.Record], saved: Path, images: Path
) -> None:
    add_small(weights=[{"file": saved.name}])
    converted = run("convert", saved, "--model", "small")
    assert converted.exit_code == 0
    assert str(zoo.weights_path("small")) in converted.stderr
    found: dict[str, Any] = json.loads(run("evaluate", "small", "--images", images).stdout)
    assert (found["model"], found["count"], found["right_in_five"]) == ("small", 6, 6)
    assert [score["name"] for score in found["classes"]] == ["class0", "class1", "class2"]
    assert found["top1"] == pytest.approx(100 * found["right"] / 6)


def test_evaluate_takes_an_archive_and_goes_past_damaged_images_when_asked(
    add_small: Callable[..., zoo.Record], saved: Path, images: Path, tmp_path: Path
) -> None:
    add_small(weights=[{"file": saved.name}])
    run("convert", saved, "--model", "small")
    (images / "class1/4.png").write_bytes(b"no image")
    packed = tmp_path / "images.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(images, arcname=".")
    with pytest.raises(DamagedImageError, match=r"class1/4\.png"):
        run("evaluate", "small", "--images", packed)
    arguments = ("--images", packed, "--skip-damaged", "--precision", "mixed-bfloat16")
    evaluated = run("evaluate", "small", *arguments)
    assert json.loads(evaluated.stdout)["count"] == 5
    assert "nbs: skipped, damaged: class1/4.png" in evaluated.stderr


def test_convert_takes_an_unlisted_file_on_demand(
    small: zoo.Record, saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(zoo.DigestError, match="--unlisted"):
        run("convert", saved, "--model", small.name)
    out = tmp_path / "elsewhere/small.safetensors"
    run("convert", saved, "--model", small.name, "--unlisted", "--out", out, "--naming", "order")
    assert out.is_file()


def test_evaluate_without_weights_says_where_to_get_them(images: Path) -> None:
    with pytest.raises(zoo.MissingWeightsError, match="nbs zoo convert FILE --model spos"):
        run("evaluate", "spos", "--images", images)


def test_people_get_text(add_small: Callable[..., zoo.Record], saved: Path, images: Path) -> None:
    add_small(weights=[{"file": saved.name}], note="made up")
    zoo.convert(saved, "small")
    listed = on_terminal("zoo", "list")
    assert "Searched models; weights in" in listed
    assert len([line for line in listed.splitlines() if "ProxylessNAS" in line]) == 8
    told = on_terminal("zoo", "info", "small")
    assert "made up: 32 px" in told
    assert str(zoo.weights_path("small"))[:40] in told
    evaluated = on_terminal("zoo", "evaluate", "small", "--images", images, "--per-class")
    assert "of 6), top 5 100.000 % (6)" in evaluated
    assert "2 class2" in evaluated


def test_a_missing_package_is_named_with_its_extra() -> None:
    program = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['nbs', 'zoo', 'info', 'spos']\n"
        "from service.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    wanted = f"counting a network needs torch: {install_command('hub')}"
    assert ended.stderr == f"nbs: {wanted}\n"


def test_wrong_usage_is_told() -> None:
    assert run("evaluate", "spos").exit_code == 2
    assert run("convert", "none.pth", "--model", "spos").exit_code == 2
