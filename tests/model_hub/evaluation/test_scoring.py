"""Accuracy: the published checkpoint at hand, and the rules of counting."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from model_hub import zoo
from model_hub.errors import InvalidArgumentError
from model_hub.evaluation import (
    DamagedImageError,
    DatasetError,
    ImageArray,
    LabelError,
    OutputError,
    evaluate,
    read_folder,
)
from model_hub.evaluation.scoring import OnGpu
from model_hub.protocols import EvaluationProtocol


def protocol(**values: Any) -> EvaluationProtocol:
    stated = {"dataset": "made up", "input_size": 4, "largest_value": 255.0}
    return EvaluationProtocol.from_dict(stated | values)


def images(greys: list[int], labels: list[int], **values: Any) -> ImageArray:
    """Return images of one colour."""
    pixels = np.array(greys, np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2).repeat(3, 3)
    return ImageArray(pixels=np.ascontiguousarray(pixels), labels=tuple(labels), **values)


class Answering(nn.Module):
    """Gives the logits that a function makes of the grey of an image."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.answer = answer

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        return self.answer(x[:, 0, 0, 0]) * self.weight


def one_hot(greys: Tensor) -> Tensor:
    return nn.functional.one_hot(greys.long(), 8).to(greys.dtype)


class TestTheRealCheckpoint:
    @pytest.fixture(scope="class")
    @staticmethod
    def network(shared: Path) -> nn.Module:
        path = shared / "data/zoo/proxyless-w0.3-r176_imagenet.pth"
        return zoo.load("proxyless-w0.3-r176", checkpoint=path)

    @pytest.fixture(scope="class")
    @staticmethod
    def sample(shared: Path) -> Any:
        return read_folder(shared / "data/imagenet-sample")

    def test_has_148_of_250_right_and_210_among_five(self, network: nn.Module, sample: Any) -> None:
        found = evaluate(network, sample, zoo.record("proxyless-w0.3-r176").protocol)
        assert (found.count, found.right, found.right_in_five) == (250, 148, 210)
        assert found.top1 == pytest.approx(59.2)
        assert sum(score.count for score in found.classes) == 250

    def test_loses_with_the_preprocessing_of_another(self, network: nn.Module, sample: Any) -> None:
        other = zoo.record("proxyless-mobile").protocol
        assert evaluate(network, sample, other).right < 140


def test_right_answers_are_counted_by_label() -> None:
    data = images([1, 1, 2, 3], [1, 2, 2, 2], classes=("a", "b", "c"))
    found = evaluate(Answering(one_hot), data, protocol())
    assert (found.count, found.right, found.top1) == (4, 2, 50.0)
    assert [(s.label, s.name, s.count, s.right) for s in found.classes] == [
        (1, "b", 1, 1),
        (2, "c", 3, 1),
    ]
    assert "2 c" in found.table()
    assert "top 1 50.000 % (2 of 4)" in str(found)


def test_ties_go_to_the_first_output_so_that_a_constant_network_is_no_better_than_one_label() -> (
    None
):
    def constant(greys: Tensor) -> Tensor:
        return torch.zeros(len(greys), 8)

    found = evaluate(Answering(constant), images([0] * 8, list(range(8))), protocol())
    assert (found.right, found.right_in_five) == (1, 5)


def test_the_loss_is_the_mean_cross_entropy() -> None:
    found = evaluate(Answering(one_hot), images([1, 2], [1, 3]), protocol())
    right, wrong = -log(exp(1) / (7 + exp(1))), -log(1 / (7 + exp(1)))
    assert found.loss == pytest.approx((right + wrong) / 2, rel=1e-6)


def test_fewer_than_five_outputs_will_do() -> None:
    def two(greys: Tensor) -> Tensor:
        return torch.stack([greys, -greys], 1)

    found = evaluate(Answering(two), images([1, 2], [0, 1]), protocol())
    assert (found.right, found.right_in_five) == (1, 2)


def test_labels_may_be_shifted() -> None:
    found = evaluate(Answering(one_hot), images([1, 2], [0, 1]), protocol(label_offset=1))
    assert found.top1 == 100


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_the_size_of_batches_changes_nothing(batch_size: int) -> None:
    data = images([1, 2, 3, 4, 5], [1, 2, 0, 4, 5])
    found = evaluate(Answering(one_hot), data, protocol(), batch_size=batch_size)
    assert (found.right, found.count) == (4, 5)


@pytest.mark.parametrize("precision", ["float64", "bfloat16", "float16"])
def test_the_precision_is_that_of_weights_and_inputs(precision: str) -> None:
    seen = []

    def note(greys: Tensor) -> Tensor:
        seen.append(greys.dtype)
        return one_hot(greys)

    network = Answering(note)
    evaluate(network, images([1], [1]), protocol(), precision=precision)
    assert seen == [getattr(torch, precision)]
    assert network.weight.dtype == torch.float32


def test_the_network_stays_as_it_is() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 4))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    evaluate(network, images([1, 2], [0, 1]), protocol())
    assert network.training
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())
    assert not any(module.training is False for module in network.modules())


def test_a_label_without_an_output_is_named() -> None:
    with pytest.raises(DatasetError, match=r"images, image 1: label 8 with offset 0.* 8 outputs"):
        evaluate(Answering(one_hot), images([1, 2], [1, 8]), protocol())
    with pytest.raises(DatasetError, match="label 0 with offset -1"):
        evaluate(Answering(one_hot), images([1], [0]), protocol(label_offset=-1))


def test_outputs_that_are_no_numbers_are_no_answers() -> None:
    def bad(greys: Tensor) -> Tensor:
        return one_hot(greys) / (greys != 2)[:, None]

    with pytest.raises(OutputError, match="image 1: the network's outputs are no numbers"):
        evaluate(Answering(bad), images([1, 2], [1, 1]), protocol())


def test_a_damaged_image_ends_the_evaluation(tmp_path: Path) -> None:
    (tmp_path / "n01").mkdir()
    (tmp_path / "n01/a.png").write_text("no image")
    with pytest.raises(DatasetError, match=r"a\.png is not an image"):
        evaluate(Answering(one_hot), read_folder(tmp_path), protocol())


@pytest.mark.parametrize(
    "arguments", [{"batch_size": 0}, {"batch_size": True}, {"precision": "int8"}]
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        evaluate(Answering(one_hot), images([1], [1]), protocol(), **arguments)
    assert caught.value.argument == next(iter(arguments))


def test_no_images_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="dataset: it has no images"):
        evaluate(Answering(one_hot), images([], []), protocol())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_counts_alike() -> None:
    data = images([1, 2, 3], [1, 2, 0])
    assert evaluate(Answering(one_hot), data, protocol(), device="cuda").right == 2


_CAN_COMPILE = shutil.which("c++") and Path(sysconfig.get_path("include"), "Python.h").is_file()


@pytest.mark.long
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(not _CAN_COMPILE, reason="there is no C++ compiler with Python's headers")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_network_counts_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.manual_seed(0)
    # Norm and ReLU are one kernel, and so the C++ compiler runs once for the network.
    layers = (nn.Linear(48, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5))
    network = nn.Sequential(nn.Flatten(), *layers)
    shown = images([0, 80, 160, 240], [0, 1, 2, 3])
    eager, compiled = (
        evaluate(network, shown, protocol(), batch_size=2, compiled=how) for how in (False, True)
    )
    assert list(tmp_path.rglob("*.so"))
    assert compiled.answers == eager.answers
    assert compiled.loss == pytest.approx(eager.loss, rel=1e-5)


@pytest.mark.parametrize(("asked", "used"), [(3, 3), (4, 4), (50, 4)])
def test_a_core_takes_no_more_than_four_images_at_a_time(
    asked: int, used: int, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"

    def note(greys: Tensor) -> Tensor:
        with notes.open("a") as file:
            file.write(f"{len(greys)}\n")
        return one_hot(greys)

    data = images([1] * 20, [1] * 20)
    found = evaluate(Answering(note), data, protocol(), batch_size=asked)
    seen = [*map(int, notes.read_text().split())]
    assert (max(seen), sum(seen), found.batch_size) == (used, 20, used)
    assert not found.halved


@pytest.mark.parametrize(("room", "used", "halved"), [(8, 8, False), (5, 4, True), (1, 1, True)])
def test_batches_that_were_halved_are_told(
    room: int, used: int, *, halved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrow(greys: Tensor) -> Tensor:
        if len(greys) > room:
            raise torch.OutOfMemoryError
        return one_hot(greys)

    # What a GPU does, on the processor.
    monkeypatch.setattr("model_hub.evaluation.scoring.OnCores", OnGpu)
    data = images([1, 2, 3, 4, 5, 6, 7, 1, 2], [1, 2, 0, 4, 5, 6, 7, 1, 2])
    found = evaluate(Answering(narrow), data, protocol(), batch_size=8)
    assert (found.batch_size, found.halved) == (used, halved)
    assert found.answers == (1, 2, 3, 4, 5, 6, 7, 1, 2)


@pytest.fixture
def with_damage(tmp_path: Path) -> Path:
    """A folder of five images of label 0, of which the second and the last are none."""
    (tmp_path / "n01").mkdir()
    (tmp_path / "classes.txt").write_text("n01")
    for number in range(5):
        Image.new("L", (4, 4), 0).save(tmp_path / f"n01/{number}.png")
    for number in (1, 4):
        (tmp_path / f"n01/{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_damaged_images_are_left_out_and_named(with_damage: Path, batch_size: int) -> None:
    told: list[int] = []
    found = evaluate(
        Answering(one_hot),
        read_folder(with_damage),
        protocol(),
        batch_size=batch_size,
        skip_damaged=True,
        progress=told.append,
    )
    assert (found.count, found.right) == (3, 3)
    assert found.skipped == ("n01/1.png", "n01/4.png")
    assert "2 damaged left out" in str(found)
    assert told == sorted(told)
    assert told[-1] == 5


def test_nothing_but_damaged_images_is_no_accuracy(with_damage: Path) -> None:
    for number in (0, 2, 3):
        (with_damage / f"n01/{number}.png").write_text("no image")
    with pytest.raises(DamagedImageError, match="all 5 images"):
        evaluate(Answering(one_hot), read_folder(with_damage), protocol(), skip_damaged=True)


def test_a_label_without_an_output_is_no_damage_to_be_skipped() -> None:
    with pytest.raises(LabelError):
        evaluate(Answering(one_hot), images([1], [8]), protocol(), skip_damaged=True)


def test_the_worst_labels_are_told_with_what_they_were_taken_for() -> None:
    data = images([1, 1, 5, 6, 6, 2, 2, 3], [1, 1, 4, 4, 4, 2, 2, 2])
    found = evaluate(Answering(one_hot), data, protocol())
    told = [(c.label, c.taken_for, c.count) for c in found.confusions]
    assert told == [(4, 6, 2), (4, 5, 1), (2, 3, 1)]


def test_what_a_label_is_taken_for_is_a_label_where_labels_are_shifted() -> None:
    found = evaluate(Answering(one_hot), images([3], [1]), protocol(label_offset=1))
    assert [(c.label, c.taken_for) for c in found.confusions] == [(1, 2)]
    assert found.answers == (2,)


class TestTheDigest:
    @staticmethod
    def of(data: ImageArray, **arguments: Any) -> str:
        return evaluate(Answering(one_hot), data, protocol(), **arguments).sha256

    def test_is_that_of_the_data_alone(self) -> None:
        data = images([1, 2, 3], [1, 2, 0])
        assert self.of(data) == self.of(data, batch_size=2) == self.of(data, precision="float64")

    @pytest.mark.parametrize(
        ("greys", "labels"),
        [([1, 2, 4], [1, 2, 0]), ([1, 2, 3], [1, 2, 1]), ([2, 1, 3], [2, 1, 0])],
    )
    def test_changes_with_pixels_labels_and_order(
        self, greys: list[int], labels: list[int]
    ) -> None:
        assert self.of(images(greys, labels)) != self.of(images([1, 2, 3], [1, 2, 0]))

    def test_takes_names_that_are_no_text(self, tmp_path: Path) -> None:
        folder = tmp_path / "n01"
        folder.mkdir()
        (tmp_path / "classes.txt").write_text("n01")
        Image.new("L", (4, 4), 0).save(tmp_path / "a.png")
        (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/\xff.png"))
        found = evaluate(Answering(one_hot), read_folder(tmp_path), protocol())
        assert len(found.sha256) == 64
