"""Answers of a network on the cores of a processor and, with no need of one, as on a GPU."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from operator import not_
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from waiting import until

from model_hub.evaluation import DamagedImageError, DatasetError, ImageFiles, read_folder, read_tar
from model_hub.evaluation.loading import Reader
from model_hub.evaluation.scoring import OnCores, OnGpu
from model_hub.protocols import EvaluationProtocol

PROTOCOL = EvaluationProtocol.from_dict({"dataset": "made up", "input_size": 4})
COUNT = 70
Way = type[OnCores] | type[OnGpu]
BOTH_WAYS = pytest.mark.parametrize("way", [OnCores, OnGpu])


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
    """Notes which images are read, by whatever process."""

    notes: Path

    def content(self, index: int) -> bytes:
        with self.notes.open("a") as file:
            file.write(f"{index}\n")
        return super().content(index)

    @property
    def reads(self) -> list[int]:
        return [*map(int, self.notes.read_text().split())]


def watched(folder: Path, notes: Path) -> Watched:
    images = read_folder(folder)
    return Watched(storage=images.storage, names=images.names, labels=images.labels, notes=notes)


def greys(pixels: Tensor) -> Tensor:
    """Answer with the grey of each image."""
    return pixels[:, 0, 0, :1].float()


class Evaluations(Dataset[Any]):
    """What two processes of a DataLoader do, which can have no processes themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> list[float]:
        """Answer with the grey of each image."""
        torch.set_num_threads(2)
        reader = Reader(read_folder(self.folder), PROTOCOL)
        answers = (OnCores, OnGpu)[index](greys, reader, batch_size=4).answers()
        return [grey for each in answers for grey in each.logits[:, 0].tolist()]


@BOTH_WAYS
@pytest.mark.parametrize("batch_size", [1, 9, 70, 100])
@pytest.mark.usefixtures("threads")
def test_every_image_is_answered_once_and_in_order(folder: Path, batch_size: int, way: Way) -> None:
    images = read_folder(folder)
    answers = list(way(greys, Reader(images, PROTOCOL), batch_size=batch_size).answers())
    assert [index for each in answers for index in each.indices] == list(range(COUNT))
    assert [n for each in answers for n in each.logits[:, 0].tolist()] == list(range(COUNT))
    expected = [hashlib.sha256(file.read_bytes()).digest() for file in sorted(folder.glob("a/*"))]
    assert [digest for each in answers for digest in each.digests] == expected


@BOTH_WAYS
class TestDamage:
    @pytest.fixture(autouse=True)
    @staticmethod
    def one_is_damaged(folder: Path) -> None:
        (folder / "a/041.png").write_text("no image")

    def test_is_told_in_its_own_words(self, folder: Path, way: Way) -> None:
        answering = way(greys, Reader(read_folder(folder), PROTOCOL), batch_size=7)
        with pytest.raises(DamagedImageError) as caught:
            list(answering.answers())
        assert str(caught.value) == f"{folder}/a/041.png is not an image that Pillow can read"

    @pytest.mark.usefixtures("threads")
    def test_is_left_out_when_asked(self, folder: Path, way: Way) -> None:
        reader = Reader(read_folder(folder), PROTOCOL, skip_damaged=True)
        answers = list(way(greys, reader, batch_size=4).answers())
        assert [place for each in answers for place in each.damaged] == [41]
        others = [place for place in range(COUNT) if place != 41]
        assert [place for each in answers for place in each.indices] == others
        assert [grey for each in answers for grey in each.logits[:, 0]] == others

    @pytest.mark.usefixtures("threads")
    def test_of_all_images_of_a_batch_leaves_nothing_to_ask(self, folder: Path, way: Way) -> None:
        for grey in range(20, 60):
            (folder / f"a/{grey:03}.png").write_text("no image")

        def run(pixels: Tensor) -> Tensor:
            assert len(pixels)
            return greys(pixels)

        reader = Reader(read_folder(folder), PROTOCOL, skip_damaged=True)
        answers = list(way(run, reader, batch_size=4).answers())
        assert any(each.logits is None for each in answers)
        assert [place for each in answers for place in each.damaged] == [*range(20, 60)]
        assert [place for each in answers for place in each.indices] == [*range(20), *range(60, 70)]

    def test_of_the_file_system_is_no_damaged_image(self, folder: Path, way: Way) -> None:
        reader = Reader(read_folder(folder), PROTOCOL, skip_damaged=True)
        (folder / "a/041.png").unlink()
        with pytest.raises(FileNotFoundError, match=r"041\.png"):
            list(way(greys, reader, batch_size=7).answers())


@BOTH_WAYS
def test_an_archive_that_ends_too_early_is_told_in_its_own_words(
    folder: Path, tmp_path: Path, way: Way
) -> None:
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder / "a", "a")
    reader = Reader(read_tar(path), PROTOCOL, skip_damaged=True)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DatasetError) as caught:
        list(way(greys, reader, batch_size=20).answers())
    assert re.fullmatch(rf"{path}, a/\d+\.png: the archive is truncated", str(caught.value))


def test_a_process_of_a_pool_does_all_by_itself(folder: Path) -> None:
    loader: DataLoader[Any] = DataLoader(Evaluations(folder), batch_size=None, num_workers=2)
    assert [*loader] == [[*range(COUNT)]] * 2


class TestOnCores:
    def test_a_file_is_read_once(self, folder: Path, tmp_path: Path, threads: int) -> None:
        images = watched(folder, tmp_path / "read")
        for _ in OnCores(greys, Reader(images, PROTOCOL), batch_size=9).answers():
            pass
        assert sorted(images.reads) == list(range(COUNT))
        assert torch.get_num_threads() == threads

    def test_all_cores_work_and_each_by_itself(
        self, folder: Path, tmp_path: Path, threads: int
    ) -> None:
        notes = tmp_path / "notes"

        def run(pixels: Tensor) -> Tensor:
            with notes.open("a") as file:
                file.write(f"{len(pixels)} {torch.get_num_threads()} {os.getpid()}\n")
            return greys(pixels)

        # Eighteen passes of four images, the last of which has two.
        list(OnCores(run, Reader(read_folder(folder), PROTOCOL), batch_size=50).answers())
        seen = [[*map(int, line.split())] for line in notes.read_text().splitlines()]
        assert sorted(size for size, _, _ in seen) == [2] + [4] * 17
        assert {threads_of_it for _, threads_of_it, _ in seen} == {1}
        # The caller answers the first few, and with one thread all.
        others = min(threads, len(os.sched_getaffinity(0))) if threads > 1 else 0
        assert len({process for _, _, process in seen} - {os.getpid()}) == others

    def test_the_number_of_threads_changes_no_bit(self, folder: Path) -> None:
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
        )

        @torch.inference_mode()
        def run(pixels: Tensor) -> Tensor:
            found: Tensor = network(pixels.permute(0, 3, 1, 2).float())
            return found

        def logits(threads: int) -> Tensor:
            torch.set_num_threads(threads)
            answering = OnCores(run, Reader(read_folder(folder), PROTOCOL), batch_size=50)
            return torch.cat([torch.from_numpy(each.logits) for each in answering.answers()])

        before = torch.get_num_threads()
        one, *others = (logits(threads) for threads in (1, 2, 5))
        torch.set_num_threads(before)
        assert one.shape == (COUNT, 10)
        assert all(torch.equal(one, other) for other in others)

    def test_the_next_files_are_read_meanwhile_and_no_more(
        self, folder: Path, tmp_path: Path
    ) -> None:
        images = watched(folder, tmp_path / "read")
        seen = []

        def run(pixels: Tensor) -> Tensor:
            # Four images, then messages of four passes, which find those of the next one read.
            message = -(-len(seen) // 4)
            expected = min(4 + 16 * (message + 1), COUNT) if seen else 4
            reads = until(
                lambda: len(images.reads),
                lambda reads: reads >= expected,
                what=f"{expected} files read",
                pause=0.001,
            )
            seen.append((reads, expected))
            return greys(pixels)

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        list(OnCores(run, Reader(images, PROTOCOL), batch_size=4).answers())
        torch.set_num_threads(before)
        assert len(seen) == 18
        assert all(found == expected for found, expected in seen)

    @pytest.mark.usefixtures("threads")
    def test_numbers_drawn_by_the_caller_stay_the_same(self, folder: Path) -> None:
        before = torch.random.get_rng_state()
        list(OnCores(greys, Reader(read_folder(folder), PROTOCOL), batch_size=4).answers())
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_an_error_of_the_network_ends_it(self, folder: Path, threads: int) -> None:
        def run(_: Tensor) -> Tensor:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            list(OnCores(run, Reader(read_folder(folder), PROTOCOL), batch_size=2).answers())
        assert torch.get_num_threads() == threads


class TestOnGpu:
    @pytest.mark.parametrize(
        ("asked", "room", "used"), [(8, 8, 8), (8, 5, 4), (100, 3, 2), (7, 1, 1)]
    )
    def test_batches_are_halved_until_they_fit_and_no_image_is_lost(
        self, folder: Path, asked: int, room: int, used: int
    ) -> None:
        def run(pixels: Tensor) -> Tensor:
            if len(pixels) > room:
                raise torch.OutOfMemoryError
            return greys(pixels)

        answering = OnGpu(run, Reader(read_folder(folder), PROTOCOL), batch_size=asked)
        found = [n for each in answering.answers() for n in each.logits[:, 0].tolist()]
        assert found == list(range(COUNT))
        assert answering.batch_size == used

    def test_a_device_without_room_for_one_image_ends_it(self, folder: Path) -> None:
        def run(_: Tensor) -> Tensor:
            raise torch.OutOfMemoryError

        with pytest.raises(torch.OutOfMemoryError):
            list(OnGpu(run, Reader(read_folder(folder), PROTOCOL), batch_size=2).answers())


@BOTH_WAYS
def test_who_has_enough_leaves_no_processes_behind(folder: Path, threads: int, way: Way) -> None:
    before = set(multiprocessing.active_children())
    answers = way(greys, Reader(read_folder(folder), PROTOCOL), batch_size=2).answers()
    # On cores the first answers are the caller's own.
    next(answers), next(answers)
    expected = way is OnGpu or threads > 1
    assert (set(multiprocessing.active_children()) > before) is expected
    answers.close()
    assert torch.get_num_threads() == threads
    until(
        lambda: set(multiprocessing.active_children()) - before,
        not_,
        what="no process left behind",
    )
