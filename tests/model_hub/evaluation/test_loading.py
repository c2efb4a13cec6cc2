"""Batches of pixels: by threads in turn with the caller, and by processes beside it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from PIL import Image

from model_hub.evaluation import DamagedImageError, DatasetError, ImageFiles, read_folder, read_tar
from model_hub.evaluation.loading import batches
from model_hub.protocols import EvaluationProtocol

PROTOCOL = EvaluationProtocol.from_dict({"dataset": "made up", "input_size": 4})
COUNT = 70
BOTH_WAYS = pytest.mark.parametrize(
    "way", [{"for_gpu": False}, {"for_gpu": True}], ids=["in turn", "beside"]
)


@pytest.fixture(params=[1, 3], ids=["1 thread", "3 threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seventy images of one class, each of its own grey."""
    (tmp_path / "a").mkdir()
    for grey in range(COUNT):
        Image.new("L", (4, 4), grey).save(tmp_path / f"a/{grey:03}.png")
    return tmp_path


@dataclass(frozen=True, kw_only=True)
class Watched(ImageFiles):
    """Notes what is asked for."""

    read: list[int] = field(default_factory=list)
    decoded: list[int] = field(default_factory=list)

    def content(self, index: int) -> bytes:
        self.read.append(index)
        return super().content(index)

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        self.decoded.append(index)
        return super().image(index, content)


def watched(folder: Path) -> Watched:
    images = read_folder(folder)
    return Watched(storage=images.storage, names=images.names, labels=images.labels)


@BOTH_WAYS
@pytest.mark.parametrize("batch_size", [1, 9, 70, 100])
@pytest.mark.usefixtures("threads")
def test_every_image_comes_once_and_in_order(
    folder: Path, batch_size: int, way: dict[str, bool]
) -> None:
    made = list(batches(read_folder(folder), PROTOCOL, batch_size, **way))
    assert [index for batch in made for index in batch.indices] == list(range(COUNT))
    assert all(len(batch.indices) <= batch_size for batch in made)
    assert [p[0, 0].tolist() for batch in made for p in batch.pixels] == [
        [n] * 3 for n in range(COUNT)
    ]
    files = sorted(folder.glob("a/*"))
    expected = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    assert [digest for batch in made for digest in batch.digests] == expected


@pytest.mark.usefixtures("threads")
def test_a_file_is_read_once(folder: Path) -> None:
    images = watched(folder)
    for _ in batches(images, PROTOCOL, 9):
        pass
    assert sorted(images.read) == sorted(images.decoded) == list(range(COUNT))


def test_nothing_is_decoded_in_the_turn_of_the_caller_but_files_are_read(
    folder: Path, threads: int
) -> None:
    images = watched(folder)
    for batch in batches(images, PROTOCOL, 4):
        last, decoded = batch.indices[-1], len(images.decoded)
        deadline = time.monotonic() + 10
        # Sixteen images for each thread, in whole batches, and as many files beyond.
        while len(images.read) < min(COUNT, decoded + 16 * threads):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert len(images.decoded) == decoded > last


@BOTH_WAYS
class TestDamage:
    @pytest.fixture(autouse=True)
    @staticmethod
    def one_is_damaged(folder: Path) -> None:
        (folder / "a/041.png").write_text("no image")

    def test_is_told_in_its_own_words(self, folder: Path, way: dict[str, bool]) -> None:
        with pytest.raises(DamagedImageError) as caught:
            list(batches(read_folder(folder), PROTOCOL, 20, **way))
        assert str(caught.value) == f"{folder}/a/041.png is no image that Pillow knows"

    @pytest.mark.usefixtures("threads")
    def test_is_left_out_when_asked(self, folder: Path, way: dict[str, bool]) -> None:
        images = read_folder(folder)
        made = list(batches(images, PROTOCOL, 20, skip_damaged=True, **way))
        assert [batch.damaged for batch in made] == [(), (), (41,), ()]
        assert [len(batch.pixels) for batch in made] == [20, 20, 19, 10]
        assert [p[0, 0, 0].item() for p in made[2].pixels] == [40, *range(42, 60)]

    def test_of_the_file_system_is_no_damaged_image(
        self, folder: Path, way: dict[str, bool]
    ) -> None:
        images = read_folder(folder)
        (folder / "a/041.png").unlink()
        with pytest.raises(FileNotFoundError, match=r"041\.png"):
            list(batches(images, PROTOCOL, 20, skip_damaged=True, **way))


@BOTH_WAYS
def test_an_archive_that_ends_too_early_is_told_in_its_own_words(
    folder: Path, tmp_path: Path, way: dict[str, bool]
) -> None:
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder / "a", "a")
    images = read_tar(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DatasetError) as caught:
        list(batches(images, PROTOCOL, 20, skip_damaged=True, **way))
    assert re.fullmatch(rf"{path}, a/\d+\.png: the archive is truncated", str(caught.value))


@pytest.mark.usefixtures("threads")
def test_who_has_enough_leaves_no_processes_behind(folder: Path) -> None:
    before = set(multiprocessing.active_children())
    made = batches(read_folder(folder), PROTOCOL, 2, for_gpu=True)
    next(made)
    assert set(multiprocessing.active_children()) > before
    made.close()
    deadline = time.monotonic() + 30
    while set(multiprocessing.active_children()) - before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
