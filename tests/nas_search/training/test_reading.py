"""Data sets of files to train on: in memory, or read by threads when they are needed."""

from __future__ import annotations

import itertools
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import model_hub
from model_hub.errors import DamagedImageError, DatasetError, InvalidArgumentError, LabelError
from model_hub.evaluation import (
    ImageFiles,
    read_cifar10,
    read_cifar100,
    read_folder,
    read_images,
    read_tar,
)
from model_hub.protocols import EvaluationProtocol
from nas_search import Budget, Study
from nas_search.problems import SpaceProblem
from nas_search.problems.problem import silent
from nas_search.strategies import RandomSearch
from nas_search.study import NothingLearnedWarning
from nas_search.training import (
    Classification,
    Images,
    Recipe,
    StreamedImages,
    Trainer,
    images_of,
    split,
)
from nas_search.training.augmenting import resized_crop, window_draws
from nas_search.training.data import order_of_epoch, seeded, training_batches

PROTOCOL = EvaluationProtocol(
    dataset="made up", input_size=8, resize=9, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1)
)
DRAWING = Recipe(
    epochs=2,
    batch_size=8,
    resized_crop=0.3,
    flip=True,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    cutout=2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve images of several sizes."""
    made = tmp_path_factory.mktemp("folder")
    generator = np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog")):
        (made / name).mkdir()
        for number in range(12):
            shape = (10 + number, 12 + label, 3)
            array = generator.integers(100 * label, 100 * label + 156, shape, dtype=np.uint8)
            Image.fromarray(array).save(made / name / f"{number:02}.png")
    return made


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, in a tar archive."""
    path = tmp_path_factory.mktemp("archive") / "images.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(folder, ".")
    return path


def batches(images: Any, recipe: Recipe, *, epoch: int = 0) -> list[tuple[torch.Tensor, ...]]:
    order = order_of_epoch(images, recipe.batch_size, 5, epoch)
    return list(training_batches(images, enumerate(order, 3 * epoch), recipe, 5, torch.float32))


def test_bytes_are_normalised_as_the_protocol_says(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(2):
            array = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / label / f"{number}.png")
    dataset = read_folder(tmp_path)
    plain = images_of(dataset)
    assert plain.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(plain.normalised(plain.pixels, torch.float32), plain.pixels / 255)
    protocol = EvaluationProtocol(
        dataset="made up", input_size=4, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), channels="BGR"
    )
    cut = images_of(dataset, protocol)
    expected = plain.pixels[:, [2, 1, 0], 2:6, 2:6] / 255
    expected = (expected - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.2, 0.1]
    ).view(3, 1, 1)
    torch.testing.assert_close(cut.normalised(cut.pixels, torch.float32), expected)


def test_images_of_several_sizes_need_a_protocol(tmp_path: Path) -> None:
    for label, side in (("cat", 4), ("dog", 8)):
        (tmp_path / label).mkdir()
        Image.new("RGB", (side, side)).save(tmp_path / label / "0.png")
    with pytest.raises(InvalidArgumentError, match="protocol"):
        images_of(read_folder(tmp_path))


def test_what_is_larger_than_the_bound_is_streamed(folder: Path, archive: Path) -> None:
    pixels = 24 * 3 * 8 * 8
    for dataset in (read_folder(folder), read_tar(archive)):
        assert isinstance(images_of(dataset, PROTOCOL, memory=pixels), Images)
        assert isinstance(images_of(dataset, PROTOCOL, memory=pixels - 1), StreamedImages)
    assert isinstance(images_of(read_folder(folder), PROTOCOL), Images)


def test_streamed_images_are_evaluated_and_trained_on_as_those_in_memory(
    folder: Path, archive: Path
) -> None:
    held = images_of(read_folder(folder), PROTOCOL)
    padded = Recipe(batch_size=8, crop=2, flip=True, saturation=0.5, cutout=3)
    for dataset in (read_folder(folder), read_tar(archive)):
        streamed = images_of(dataset, PROTOCOL, memory=0)
        assert streamed.shape == held.shape == (3, 8, 8)
        assert (len(streamed), streamed.most) == (24, 1)
        assert torch.equal(streamed.labels, held.labels)
        for recipe in (Recipe(batch_size=8), padded):
            for ours, theirs in zip(batches(streamed, recipe), batches(held, recipe), strict=True):
                assert torch.equal(ours[0], theirs[0])
                assert torch.equal(ours[1], theirs[1])
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    trainers = [Trainer(network, images, Recipe(batch_size=8)) for images in (held, streamed)]
    assert trainers[0].evaluate(held) == trainers[1].evaluate(streamed)


def test_resized_crops_of_streams_are_drawn_from_whole_images(folder: Path) -> None:
    dataset = read_folder(folder)
    recipe = Recipe(batch_size=8, resized_crop=0.3)
    streamed = StreamedImages(dataset, PROTOCOL)
    places = next(iter(order_of_epoch(streamed, 8, 5, 0)))
    inputs, labels = batches(streamed, recipe)[0]
    for place, draws, found in zip(
        places.tolist(), window_draws(8, seeded(5, "step", 0)), inputs, strict=True
    ):
        pixels = resized_crop(dataset.image(place), (8, 8), 0.3, draws) / np.float32(255)
        mean, std = np.array(PROTOCOL.mean), np.array(PROTOCOL.std)
        expected = ((pixels - mean) / std).transpose(2, 0, 1)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert labels.tolist() == [dataset.label(place) for place in places.tolist()]


@pytest.mark.parametrize("epoch", [0, 1])
def test_the_number_of_threads_and_where_a_training_goes_on_change_no_image(
    folder: Path, epoch: int
) -> None:
    one = StreamedImages(read_folder(folder), PROTOCOL, threads=1)
    many = StreamedImages(read_folder(folder), PROTOCOL, threads=7)
    first = batches(one, DRAWING, epoch=epoch)
    for ours, theirs in zip(first, batches(many, DRAWING, epoch=epoch), strict=True):
        assert torch.equal(ours[0], theirs[0])
    # Going on behind the first step of the epoch.
    order = list(enumerate(order_of_epoch(many, 8, 5, epoch), 3 * epoch))[1:]
    rest = list(training_batches(many, order, DRAWING, 5, torch.float32))
    assert len(rest) == len(first) - 1 == 2
    for ours, theirs in zip(rest, first[1:], strict=True):
        assert torch.equal(ours[0], theirs[0])
    assert not torch.equal(first[0][0], batches(one, DRAWING, epoch=1 - epoch)[0][0])


def test_a_training_on_a_stream_that_is_interrupted_ends_as_one_that_is_not(
    folder: Path, tmp_path: Path
) -> None:
    streamed = StreamedImages(read_folder(folder), PROTOCOL, threads=2)
    space = model_hub.space(
        "NasBench201", stem_out_channels=4, num_modules_per_stack=1, image_size=8, num_labels=2
    )
    sample = dict.fromkeys(space.choices.labels, "conv_1x1")
    train, valid = split(streamed, (0.6, 0.4), seed=0)

    def trained(**arguments: Any) -> Classification:
        return Classification(train, valid, recipe=DRAWING, **arguments)

    whole = trained().evaluate(space, sample, fidelity=None, report=silent)
    kept = {"checkpoints": tmp_path, "save_steps": 1}
    trained(**kept).evaluate(space, sample, fidelity=1, report=silent)
    again = trained(**kept).evaluate(space, sample, fidelity=2, report=silent)
    same = ("loss", "train_loss", "accuracy", "train_accuracy")
    assert [again[name] for name in same] == [whole[name] for name in same]


def test_nothing_is_drawn_for_validation_images(folder: Path) -> None:
    streamed = StreamedImages(read_folder(folder), PROTOCOL)
    held = images_of(read_folder(folder), PROTOCOL)
    for images in (streamed, held):
        seen: list[torch.Tensor] = []

        class Watched(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(192, 2)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                if not self.training:
                    seen.append(inputs)  # noqa: B023 - used within this round
                return self.layer(inputs.flatten(1))

        Trainer(Watched(), images, DRAWING, valid=images).run(epochs=1)
        plain = held.normalised(held.pixels, torch.float32)
        assert torch.equal(torch.cat(seen), plain)


class Counting(ImageFiles):
    """Files that count how many of them were read."""

    read = 0

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        type(self).read += 1
        return super().image(index, content)


def test_no_more_is_read_ahead_than_two_batches(folder: Path) -> None:
    files = read_folder(folder)
    dataset = Counting(storage=files.storage, names=files.names, labels=files.labels)
    streamed = StreamedImages(dataset, PROTOCOL, threads=2)
    asked = 0

    def steps() -> Iterator[tuple[torch.Tensor, None]]:
        nonlocal asked
        for places in itertools.repeat(torch.arange(4), 30):
            asked += 1
            yield places, None

    reader = streamed.batches(steps(), None)
    for taken in range(1, 6):
        next(reader)
        assert asked == taken + 2
        assert Counting.read <= 4 * asked
    reader.close()
    assert Counting.read <= 4 * asked < 120


def test_digests_of_streams_tell_their_files_and_what_is_done_to_them(
    folder: Path, archive: Path, tmp_path: Path
) -> None:
    digest = StreamedImages(read_folder(folder), PROTOCOL).digest
    assert StreamedImages(read_tar(archive), PROTOCOL).digest == digest
    assert StreamedImages(read_folder(folder), PROTOCOL, threads=3).digest == digest
    plain = EvaluationProtocol(dataset="made up", input_size=8)
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / name / "00.png").write_bytes((folder / name / "00.png").read_bytes())
    less = read_folder(tmp_path)
    before = StreamedImages(less, PROTOCOL).digest
    with (tmp_path / "cat/00.png").open("ab") as file:
        file.write(b"more")
    others = [
        StreamedImages(read_folder(folder), plain).digest,
        StreamedImages(read_folder(folder), PROTOCOL).part(torch.arange(23)).digest,
        before,
        StreamedImages(less, PROTOCOL).digest,
    ]
    assert len({digest, *others}) == 5


def test_a_stream_arrives_in_another_process_as_it_was(folder: Path) -> None:
    streamed = StreamedImages(read_folder(folder), PROTOCOL).part(torch.tensor([3, 20]))
    theirs = pickle.loads(pickle.dumps(streamed))
    assert theirs.digest == streamed.digest
    assert theirs.labels.tolist() == [0, 1]


@pytest.mark.parametrize("classes", [10, 100])
def test_cifar_is_trained_on_as_it_is_published(tmp_path: Path, classes: int) -> None:
    generator = np.random.default_rng(0)

    def records(count: int) -> bytes:
        labels = np.arange(count)[:, None] % classes
        columns = [labels] if classes == 10 else [labels // 5, labels]
        pixels = generator.integers(0, 256, (count, 3072))
        return np.concatenate([*columns, pixels], axis=1).astype(np.uint8).tobytes()

    if classes == 10:
        names = [f"data_batch_{number}.bin" for number in range(1, 6)]
        (tmp_path / "batches.meta.txt").write_text("".join(f"class{n}\n" for n in range(10)))
    else:
        names = ["train.bin"]
        (tmp_path / "fine_label_names.txt").write_text("".join(f"class{n}\n" for n in range(100)))
    for name in names:
        (tmp_path / name).write_bytes(records(200))
    read = read_cifar10 if classes == 10 else read_cifar100
    images = images_of(read(tmp_path, train=True))
    assert images.shape == (3, 32, 32)
    assert images.most == classes - 1
    train, valid = split(images, (0.5, 0.5), seed=0)
    assert len(train) == len(valid) == len(images) / 2
    recipe = Recipe(epochs=1, batch_size=50, crop=4, flip=True, cutout=16)
    network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, classes))
    curve = Trainer(network, train, recipe, valid=valid).run().curve
    assert 0 <= curve[0]["accuracy"] <= 100


class TestBadInput:
    """What is refused, and what the message says."""

    def test_a_folder_without_images(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=str(tmp_path)):
            images_of(read_images(tmp_path), PROTOCOL)

    def test_a_damaged_image_is_named(self, folder: Path, tmp_path: Path) -> None:
        for name in ("cat", "dog"):
            (tmp_path / name).mkdir()
            for number in range(4):
                content = (folder / name / f"{number:02}.png").read_bytes()
                (tmp_path / name / f"{number}.png").write_bytes(content)
        whole = (tmp_path / "dog/2.png").read_bytes()
        (tmp_path / "dog/2.png").write_bytes(whole[: len(whole) // 2])
        dataset = read_folder(tmp_path)
        with pytest.raises(DamagedImageError, match=r"dog/2\.png is damaged"):
            images_of(dataset, PROTOCOL)
        streamed = images_of(dataset, PROTOCOL, memory=0)
        with pytest.raises(DamagedImageError, match=r"dog/2\.png is damaged"):
            batches(streamed, DRAWING)
        # In a search it is the trial that fails, and says why.
        space = model_hub.space("NasBench201", num_modules_per_stack=1, num_labels=2)
        recipe = Recipe(epochs=1, batch_size=4, resized_crop=0.5)
        problem = SpaceProblem(space, Classification(streamed, streamed, recipe=recipe))
        study = Study(None, problem, RandomSearch(seed=0))
        with pytest.warns(NothingLearnedWarning, match=r"1 of 1 trials failed, .*dog/2\.png"):
            study.run(Budget(trials=1))
        assert study.trials[0].state == "failed"
        assert "dog/2.png is damaged" in str(study.trials[0].error)

    def test_images_of_one_class(self, folder: Path) -> None:
        images = images_of(read_folder(folder), PROTOCOL)
        cats = images.part(torch.arange(12))
        with pytest.raises(InvalidArgumentError, match="all of its images have label 0"):
            Classification(cats, images, recipe=DRAWING)

    def test_labels_that_have_no_output(self, folder: Path) -> None:
        images = images_of(read_folder(folder), PROTOCOL, memory=0)
        space = model_hub.space("NasBench201", num_modules_per_stack=1, num_labels=1)
        evaluator = Classification(images, images, recipe=DRAWING)
        sample = space.choices.sample(seed=0)
        with pytest.raises(LabelError, match="label 1 has no output: the space has 1 labels"):
            evaluator.evaluate(space, sample, fidelity=None, report=silent)

    def test_a_stream_of_several_sizes_without_a_protocol(self, folder: Path) -> None:
        with pytest.raises(InvalidArgumentError, match=r"png has \d+ x \d+ pixels instead of 10 x"):
            batches(StreamedImages(read_folder(folder)), Recipe(batch_size=24))

    def test_no_threads_and_no_images(self, folder: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="threads"):
            StreamedImages(read_folder(folder), PROTOCOL, threads=0)
        with pytest.raises(InvalidArgumentError, match="no images"):
            StreamedImages(read_folder(folder), PROTOCOL, places=torch.arange(0))
