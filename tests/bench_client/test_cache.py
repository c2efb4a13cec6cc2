"""The file of a cache: what is kept is found, by anyone or not at all, whatever happens to it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bench_client.cache import AnswerCache, default_file, owner_of
from bench_client.freshness import Copy

OWNER = owner_of("http://lab:8000", None)
BODY = b'{"items": []}'

WRITER = """
import sys
from pathlib import Path
from bench_client.cache import AnswerCache
from bench_client.freshness import Copy

path, name, count, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cache = AnswerCache(path, b"owner")
print("open", flush=True)
for number in range(count):
    cache.keep(f"{name}/{number}", Copy(f"{name}/{number}".encode().ljust(size), "x", 1.0, 0.0))
cache.close()
"""


def copy_of(body: bytes = BODY) -> Copy:
    return Copy(body, 'W/"a"', 300.0, 1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


@pytest.fixture
def cache(path: Path) -> Iterator[AnswerCache]:
    opened = AnswerCache(path, OWNER)
    yield opened
    opened.close()


def writer(path: Path, name: str, count: int, size: int) -> subprocess.Popen[str]:
    arguments = [str(path), name, str(count), str(size)]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
    )


def test_what_is_kept_is_found_by_who_opens_the_file_next(cache: AnswerCache, path: Path) -> None:
    cache.keep("/v1/x?arch=\udcff", copy_of())
    cache.close()
    with closing(AnswerCache(path, OWNER)) as reopened:
        assert reopened.find("/v1/x?arch=\udcff") == copy_of()
        assert reopened.find("/v1/x") is None


def test_a_later_answer_takes_the_place_of_the_earlier(cache: AnswerCache) -> None:
    cache.keep("/v1/x", copy_of(b"{}"))
    cache.keep("/v1/x", Copy(BODY, "b", 1.0, 2.0))
    assert cache.find("/v1/x") == Copy(BODY, "b", 1.0, 2.0)


def test_an_answer_that_was_confirmed_has_another_time(cache: AnswerCache) -> None:
    cache.keep("/v1/x", copy_of())
    cache.confirm("/v1/x", Copy(BODY, 'W/"a"', 60.0, 2000.0))
    assert cache.find("/v1/x") == Copy(BODY, 'W/"a"', 60.0, 2000.0)
    cache.confirm("/v1/y", copy_of())
    assert cache.find("/v1/y") is None


@pytest.mark.parametrize(
    ("address", "api_key"),
    [("http://lab:8000", "key"), ("http://lab:8001", None), ("http://lab:8000\n", None)],
)
def test_other_servers_and_callers_share_nothing(
    cache: AnswerCache, path: Path, address: str, api_key: str | None
) -> None:
    cache.keep("/v1/x", copy_of())
    with closing(AnswerCache(path, owner_of(address, api_key))) as other:
        assert other.find("/v1/x") is None
        other.keep("/v1/x", copy_of(b"{}"))
    assert cache.find("/v1/x") == copy_of()


def test_the_file_is_for_its_owner_alone(cache: AnswerCache, path: Path) -> None:
    cache.keep("/v1/x", copy_of())
    for name in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(f"{path}{name}").stat().st_mode) == 0o600


def test_a_closed_cache_finds_and_keeps_nothing(cache: AnswerCache) -> None:
    cache.keep("/v1/x", copy_of())
    cache.close()
    cache.keep("/v1/y", copy_of())
    assert cache.find("/v1/x") is None
    cache.close()


@pytest.mark.parametrize("size", [500, 3000, 20_000])
def test_the_file_is_bounded_and_what_is_used_stays(path: Path, size: int) -> None:
    most_bytes = 2**20
    count = 4 * most_bytes // size
    with closing(AnswerCache(path, OWNER, most_bytes=most_bytes)) as cache:
        cache.keep("used", copy_of())
        for number in range(count):
            cache.keep(str(number), copy_of(os.urandom(size)))
            assert cache.find("used") == copy_of()
        assert cache.find("0") is None
        assert cache.find(str(count - 1)) is not None
        found = sum(cache.find(str(number)) is not None for number in range(count))
        assert found * size > most_bytes / 4
    assert path.stat().st_size < 1.1 * most_bytes


def test_what_was_used_is_known_to_who_opens_the_file_next(path: Path) -> None:
    most_bytes = 2**18
    with closing(AnswerCache(path, OWNER, most_bytes=most_bytes)) as cache:
        for number in range(8):
            cache.keep(str(number), copy_of(os.urandom(20_000)))
        assert cache.find("0")
    with closing(AnswerCache(path, OWNER, most_bytes=most_bytes)) as cache:
        for number in range(8, 14):
            cache.keep(str(number), copy_of(os.urandom(20_000)))
        assert cache.find("0")
        assert cache.find("1") is None


def test_an_answer_too_large_for_the_file_is_not_kept(path: Path) -> None:
    with closing(AnswerCache(path, OWNER, most_bytes=2**20)) as cache:
        cache.keep("/v1/x", copy_of(bytes(2**17 + 1)))
        assert cache.find("/v1/x") is None
        cache.keep("/v1/x", copy_of(bytes(2**17)))
        assert cache.find("/v1/x")


def test_a_file_smaller_than_an_empty_one_keeps_nothing(path: Path) -> None:
    with closing(AnswerCache(path, OWNER, most_bytes=2**13)) as cache:
        cache.keep("/v1/x", copy_of())
        assert cache.find("/v1/x") is None


def test_threads_share_a_cache(cache: AnswerCache) -> None:
    def used(number: int) -> bool:
        cache.keep(str(number), copy_of(str(number).encode()))
        return cache.find(str(number)) == copy_of(str(number).encode())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(used, range(500)))


def test_processes_share_a_file_from_the_moment_it_is_made(path: Path) -> None:
    processes = [writer(path, str(number), 50, 1000) for number in range(4)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with closing(AnswerCache(path, b"owner")) as cache:
        for name in range(4):
            for number in range(50):
                found = cache.find(f"{name}/{number}")
                assert found is not None
                assert found.body.strip() == f"{name}/{number}".encode()


def test_a_process_that_is_killed_while_it_writes_leaves_a_sound_file(path: Path) -> None:
    process = writer(path, "x", 1_000_000, 5000)
    assert process.stdout is not None
    with process.stdout as opened:
        assert opened.readline() == "open\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with closing(AnswerCache(path, b"owner")) as cache:
        assert cache.find("x/0")
        cache.keep("y", copy_of())
        assert cache.find("y") == copy_of()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_while_another_process_writes_answers_are_found_but_not_kept(
    cache: AnswerCache, path: Path
) -> None:
    cache.keep("/v1/x", copy_of())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.keep("/v1/y", copy_of())
        assert cache.find("/v1/x") == copy_of()
        assert cache.find("/v1/y") is None
        other.execute("ROLLBACK")
    cache.keep("/v1/y", copy_of())
    assert cache.find("/v1/y") == copy_of()


def test_a_full_disk_is_told_of_once(cache: AnswerCache) -> None:
    cache.keep("/v1/x", copy_of())
    cache._writer.execute("PRAGMA max_page_count = 6")
    with pytest.warns(RuntimeWarning, match=r"answers\.db cannot be used .*full"):
        cache.keep("/v1/y", copy_of(bytes(100_000)))
    cache.keep("/v1/y", copy_of(bytes(100_000)))
    assert cache.find("/v1/y") is None
    assert cache.find("/v1/x") == copy_of()


def test_a_file_that_is_no_database_is_set_aside(path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    with pytest.warns(RuntimeWarning, match=r"answers\.db is damaged .* answers\.db\.damaged"):
        cache = AnswerCache(path, OWNER)
    with closing(cache):
        cache.keep("/v1/x", copy_of())
        assert cache.find("/v1/x") == copy_of()
    assert path.with_name("answers.db.damaged").read_bytes() == b"x" * 5000


def test_a_file_damaged_while_it_is_open_is_set_aside_and_begun_anew(path: Path) -> None:
    with closing(AnswerCache(path, OWNER)) as cache:
        for number in range(200):
            cache.keep(str(number), copy_of(os.urandom(3000)))
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with closing(AnswerCache(path, OWNER)) as first, closing(AnswerCache(path, OWNER)) as second:
        with pytest.warns(RuntimeWarning, match="is damaged"):
            assert first.find("7") is None
        first.keep("7", copy_of())
        # The other holds the old file, and must not set the new one aside.
        assert second.find("8") is None
        assert second.find("7") == first.find("7") == copy_of()


def test_a_damaged_file_that_cannot_be_replaced_is_told_of_and_done_without(
    tmp_path: Path,
) -> None:
    path = tmp_path / "folder/answers.db"
    with closing(AnswerCache(path, OWNER)) as cache:
        cache.keep("/v1/x", copy_of(os.urandom(3000)))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    with closing(AnswerCache(path, OWNER)) as cache:
        shutil.rmtree(path.parent)
        path.parent.touch()
        with pytest.warns(RuntimeWarning, match=r"cannot be opened.*answers come from the server"):
            assert cache.find("/v1/x") is None
        cache.keep("/v1/x", copy_of())
        assert cache.find("/v1/x") is None


@pytest.mark.parametrize("seed", range(40))
def test_whatever_byte_is_damaged_nothing_wrong_is_found(path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable damage, not secrets
    bodies = {str(number): rng.randbytes(rng.choice([50, 900, 9000])) for number in range(60)}
    with closing(AnswerCache(path, OWNER)) as cache:
        for target, body in bodies.items():
            cache.keep(target, copy_of(body))
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    content[start : start + 16] = rng.randbytes(16)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            cache = AnswerCache(path, OWNER)
        except (OSError, ValueError):
            assert start < 100, "only a header can look like another program's"
            return
        with closing(cache):
            for target, body in bodies.items():
                found = cache.find(target)
                assert found is None or (found.body, found.etag) == (body, 'W/"a"')
                cache.keep(target, copy_of(body))


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (value)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"answers\.db is not a cache of answers"):
        AnswerCache(path, OWNER)
    assert path.read_bytes() == before


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    with closing(AnswerCache(tmp_path / "a/b/answers.db", OWNER)) as cache:
        cache.keep("/v1/x", copy_of())
    assert (tmp_path / "a/b/answers.db").is_file()


@pytest.mark.parametrize("name", ["folder", "file/answers.db"])
def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"{name} cannot be opened"):
        AnswerCache(tmp_path / name, OWNER)


def test_the_usual_place_is_the_cache_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_file().parent == tmp_path / ".cache/nas-bench-service"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert default_file().parent == tmp_path / "elsewhere/nas-bench-service"
    assert default_file().suffix == ".db"
