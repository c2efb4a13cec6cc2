"""Files that are replaced, removed or written to while they are open."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from forked_pools import forked_pool

from benchmark_db.answers import computed_stats_answer
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.nasbench201.benchmark import NasBench201
from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample

THREADS = 24


@pytest.fixture(scope="module")
def other_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of other numbers, and of a few more architectures."""
    folder = tmp_path_factory.mktemp("other")
    generate(write_sample(folder, architectures=14, seed=1), folder)
    return folder / "nasbench201.db"


@pytest.fixture
def path(sample_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sample_database, tmp_path / "nasbench201.db"))


@pytest.fixture
def opened(path: Path) -> Iterator[NasBench201]:
    benchmark = NasBench201(path)
    yield benchmark
    benchmark.close()


def everything(benchmark: NasBench201) -> object:
    return [computed_stats_answer(benchmark, {"arch": index}) for index in range(12)]


def moved_into_place(new: Path, path: Path) -> None:
    shutil.copy(new, path.with_name("new"))
    path.with_name("new").replace(path)


def removed(_: Path, path: Path) -> None:
    path.unlink()


def moved_away(_: Path, path: Path) -> None:
    path.rename(path.with_name("old"))


def put_in_the_way(_: Path, path: Path) -> None:
    path.unlink()
    path.mkdir()


REPLACED = pytest.mark.parametrize(
    "replace", [moved_into_place, removed, moved_away, put_in_the_way]
)


@REPLACED
def test_threads_that_come_after_a_file_was_replaced_read_the_file_that_was_opened(
    path: Path,
    opened: NasBench201,
    other_database: Path,
    replace: Callable[[Path, Path], None],
) -> None:
    expected = everything(opened)
    replace(other_database, path)
    start = threading.Barrier(THREADS)

    def ask(_: int) -> bool:
        start.wait()  # all at once, and more of them than there are connections
        return everything(opened) == expected

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(ask, range(THREADS)))
    opened.database.verify()


def test_threads_that_come_while_files_are_being_replaced_read_the_file_that_was_opened(
    path: Path, opened: NasBench201, other_database: Path, sample_database: Path
) -> None:
    expected = everything(opened)
    done = threading.Event()

    def keep_replacing() -> None:
        while not done.is_set():
            for new in (other_database, sample_database):
                moved_into_place(new, path)

    replacing = threading.Thread(target=keep_replacing)
    replacing.start()
    try:
        for _ in range(5):
            with ThreadPoolExecutor(8) as pool:
                assert all(pool.map(lambda _: everything(opened) == expected, range(8)))
    finally:
        done.set()
        replacing.join()


def test_a_question_that_is_being_read_when_its_file_is_replaced_is_read_to_its_end(
    path: Path, opened: NasBench201, other_database: Path
) -> None:
    expected = list(opened.all_rows())
    rows = opened.all_rows()
    begun = [next(rows) for _ in range(5)]
    moved_into_place(other_database, path)
    assert begun + list(rows) == expected


def test_what_is_opened_after_a_file_was_replaced_is_the_new_one(
    path: Path, opened: NasBench201, other_database: Path
) -> None:
    moved_into_place(other_database, path)
    new = NasBench201(path)
    assert new.provenance.content_digest != opened.provenance.content_digest
    assert everything(new) != everything(opened)
    new.close()


def copied_over(new: Path, path: Path) -> None:
    shutil.copyfile(new, path)


def copied_over_with_its_time(new: Path, path: Path) -> None:
    shutil.copy2(new, path)


def cut_off(_: Path, path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(_: Path, path: Path) -> None:
    os.truncate(path, 0)


def made_longer(_: Path, path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def changed_by_a_bit(_: Path, path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(300_000)
        (byte,) = file.read(1)
        file.seek(300_000)
        file.write(bytes([byte ^ 1]))


CHANGED = pytest.mark.parametrize(
    "change",
    [
        copied_over,
        copied_over_with_its_time,
        cut_off,
        emptied,
        made_longer,
        changed_by_a_bit,
    ],
)


@CHANGED
def test_a_file_that_is_written_to_while_it_is_open_is_not_asked_any_more(
    path: Path,
    opened: NasBench201,
    other_database: Path,
    change: Callable[[Path, Path], None],
) -> None:
    everything(opened)
    change(other_database, path)
    for index in range(12):
        with pytest.raises(UnusableDatabaseError):
            computed_stats_answer(opened, {"arch": index})
    for ask in (opened.database.check, opened.database.verify, opened.database.check_unchanged):
        with pytest.raises(UnusableDatabaseError, match="was changed in its place"):
            ask()


@CHANGED
def test_a_question_that_is_being_read_when_its_file_is_written_to_has_no_end(
    path: Path,
    opened: NasBench201,
    other_database: Path,
    change: Callable[[Path, Path], None],
) -> None:
    rows = opened.all_rows()
    next(rows)
    change(other_database, path)
    with pytest.raises(UnusableDatabaseError):
        list(rows)


def test_a_bit_that_flips_without_a_write_is_found_by_verifying(
    path: Path, opened: NasBench201, other_database: Path
) -> None:
    before = path.stat()
    changed_by_a_bit(other_database, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    opened.database.check()  # nothing of it shows
    assert opened.database.verified_at is None
    with pytest.raises(UnusableDatabaseError, match="its checksum is not that of its bytes"):
        opened.database.verify()
    for _ in range(2):
        with pytest.raises(UnusableDatabaseError, match="its checksum is not that of its bytes"):
            computed_stats_answer(opened, {"arch": 0})
    assert opened.database.verified_at is None


def test_another_sound_file_in_the_same_place_is_not_sound(
    path: Path, opened: NasBench201, other_database: Path
) -> None:
    before = path.stat()
    copied_over(other_database, path)
    os.truncate(path, before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UnusableDatabaseError):
        opened.database.verify()


def test_a_check_that_is_broken_off_says_nothing(opened: NasBench201) -> None:
    opened.database.verify(should_run=lambda: False)
    assert opened.database.verified_at is None
    assert opened.database.failure is None
    opened.database.verify()
    assert opened.database.verified_at is not None


def test_forked_processes_open_the_file_anew_and_refuse_another(
    path: Path, opened: NasBench201, other_database: Path
) -> None:
    expected = everything(opened)
    with forked_pool(4, remember, (opened,)) as pool:
        assert pool.map(answers_of_the_opened, range(16)) == [expected] * 16
    moved_into_place(other_database, path)
    with forked_pool(2, remember, (opened,)) as pool:
        told = pool.map(answers_of_the_opened, range(2))
    assert (
        told
        == ["nasbench201.db has been replaced or removed since it was opened: open it again"] * 2
    )
    assert everything(opened) == expected


def test_a_process_forked_while_threads_ask_can_ask_itself(opened: NasBench201) -> None:
    expected = everything(opened)
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            everything(opened)

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            with forked_pool(1, remember, (opened,)) as pool:
                assert pool.apply_async(answers_of_the_opened, (0,)).get(60) == expected
    finally:
        done.set()
        for thread in threads:
            thread.join()


_remembered: list[NasBench201] = []


def remember(benchmark: NasBench201) -> None:
    _remembered[:] = [benchmark]


def answers_of_the_opened(_: int) -> object:
    try:
        return everything(_remembered[0])
    except UnusableDatabaseError as error:
        return str(error)
