"""Files that are no database of ours, and how those that are behave while they are read."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmark_db.database import APPLICATION_ID, ReadOnlyDatabase
from benchmark_db.errors import TimeBudgetExceededError, UnusableDatabaseError
from benchmark_db.nasbench201.benchmark import NasBench201

Altered = Callable[..., Path]

LONG_SCAN = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"
    " SELECT count(*) FROM n"
)


def refusal(path: Path) -> str:
    with pytest.raises(UnusableDatabaseError) as caught:
        NasBench201(path)
    message = str(caught.value)
    assert path.name in message
    assert str(path.parent) not in message
    return message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nasbench201.db")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nasbench201.db").mkdir()
    assert "is not a file" in refusal(tmp_path / "nasbench201.db")


@pytest.mark.parametrize(
    "content",
    [
        b"not a database\n",
        b"arch,accuracy\n" * 10_000,
        b"\x00" * 4096,
        b"SQLite format 3\x00",
        b"SQLite format 3\x00" + b"\xff" * 4096,
    ],
    ids=["short text", "long text", "zeros", "magic alone", "magic and noise"],
)
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nasbench201.db"
    path.write_bytes(content)
    assert "is not an SQLite database" in refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nasbench201.db"
    path.touch()
    assert "not made by `nbs`" in refusal(path)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nasbench201.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE run (x)")
    connection.close()
    assert "not made by `nbs`" in refusal(path)


def test_another_application_id_is_refused(altered: Altered) -> None:
    assert "not made by `nbs`" in refusal(altered("PRAGMA application_id = 1"))


@pytest.mark.parametrize("version", [0, 1, 999])
def test_another_schema_is_refused_with_the_way_out(altered: Altered, version: int) -> None:
    message = refusal(altered(f"PRAGMA user_version = {version}"))
    current = NasBench201.schema_version
    assert f"has schema {version}, this version reads {current}; generate it again" in message


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.9999, 0.999999])
def test_a_truncated_copy_is_refused(sample_database: Path, tmp_path: Path, share: float) -> None:
    whole = sample_database.read_bytes()
    path = tmp_path / "nasbench201.db"
    path.write_bytes(whole[: int(len(whole) * share)])
    refusal(path)


def test_a_file_that_may_not_be_read_is_refused(altered: Altered, unprivileged: list[str]) -> None:
    path = altered()
    path.chmod(0)
    program = (
        "import sys; from pathlib import Path;"
        "from benchmark_db.nasbench201.benchmark import NasBench201; NasBench201(Path(sys.argv[1]))"
    )
    command = [*unprivileged, sys.executable, "-c", program, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "UnusableDatabaseError" in last
    assert path.name in last
    assert str(path.parent) not in last


def test_a_file_below_a_file_is_refused(sample_database: Path) -> None:
    assert "does not exist" in refusal(sample_database / "nasbench201.db")


def test_a_folder_with_an_unusual_name_is_no_obstacle(
    sample_database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "ü 100% ?mode=rwc#x&immutable=0"
    folder.mkdir()
    benchmark = NasBench201(Path(shutil.copy(sample_database, folder)))
    assert benchmark.computed_stats({"arch": 0}).items
    benchmark.close()
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("table", ["run", "curve"])
def test_a_table_that_is_gone_is_an_unusable_database(altered: Altered, table: str) -> None:
    benchmark = NasBench201(altered(f"DROP TABLE {table}"))
    with pytest.raises(UnusableDatabaseError, match=f"no such table: {table}"):
        benchmark.intermediate_stats({})
    benchmark.close()


def test_curves_that_cannot_be_unpacked_are_an_unusable_database(altered: Altered) -> None:
    benchmark = NasBench201(altered("UPDATE curve SET data = x'00'"))
    assert benchmark.computed_stats({}).items
    with pytest.raises(UnusableDatabaseError, match="the database is damaged"):
        benchmark.computed_stats({}, include_intermediates=True)
    benchmark.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM run",
        "INSERT INTO provenance VALUES ('a', 'b')",
        "CREATE TABLE new (x)",
        "DROP TABLE curve",
        "PRAGMA user_version = 7",
        "VACUUM",
    ],
)
def test_writes_are_refused(altered: Altered, statement: str) -> None:
    path = altered()
    before = path.read_bytes()
    database = ReadOnlyDatabase(path, NasBench201.schema_version)
    with pytest.raises(UnusableDatabaseError, match=r"readonly|read-only|cannot"):
        list(database.rows(statement))
    database.close()
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_database_in_a_folder_that_cannot_be_written_leaves_nothing_beside_it(
    altered: Altered,
) -> None:
    path = altered()
    benchmark = NasBench201(path)
    assert benchmark.computed_stats({}).items
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    benchmark.close()


def test_the_application_id_spells_nasb(sample_database: Path) -> None:
    assert sample_database.read_bytes()[68:72] == b"NASB" == APPLICATION_ID.to_bytes(4, "big")


def test_eight_threads_ask_at_once(sample: NasBench201) -> None:
    expected = [sample.computed_stats({"arch": i}, include_intermediates=True) for i in range(12)]
    start = threading.Barrier(8)

    def ask(thread: int) -> bool:
        start.wait()
        return all(
            sample.computed_stats({"arch": index % 12}, include_intermediates=True)
            == expected[index % 12]
            for index in range(thread, thread + 24)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed on Linux")
def test_a_database_closes_the_connections_of_all_threads(altered: Altered) -> None:
    path = altered()
    benchmark = NasBench201(path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: benchmark.computed_stats({"arch": index}), range(20)))
        benchmark.close()
    opened = [entry.resolve() for entry in Path("/proc/self/fd").iterdir()]
    assert path.resolve() not in opened


def test_a_long_scan_is_stopped_at_its_time_budget(sample: NasBench201) -> None:
    started = time.monotonic()
    with (
        pytest.raises(TimeBudgetExceededError, match="exceeded its time budget"),
        sample.database.time_budget(0.05),
    ):
        list(sample.database.rows(LONG_SCAN))
    assert time.monotonic() - started < 2


def test_the_connection_works_after_a_scan_was_stopped(sample: NasBench201) -> None:
    for _ in range(3):
        with pytest.raises(TimeBudgetExceededError), sample.database.time_budget(0.01):
            list(sample.database.rows(LONG_SCAN))
        assert sample.computed_stats({"arch": 0}).items
        with sample.database.time_budget(30):
            assert sample.computed_stats({"arch": 0}).items


def test_a_spent_budget_ends_with_its_block(sample: NasBench201) -> None:
    with sample.database.time_budget(0.001):
        time.sleep(0.01)
    assert sample.computed_stats({}, limit=1000).items


def test_no_row_is_given_out_once_the_budget_is_spent(sample: NasBench201) -> None:
    with sample.database.time_budget(0), pytest.raises(TimeBudgetExceededError):
        sample.computed_stats({}, limit=1000, include_intermediates=True)


def test_the_budget_of_one_thread_is_not_that_of_another(sample: NasBench201) -> None:
    with ThreadPoolExecutor(1) as pool, sample.database.time_budget(0):
        assert pool.submit(lambda: sample.computed_stats({}, limit=1000).items).result()


def test_a_damaged_page_is_an_unusable_database(sample_database: Path, tmp_path: Path) -> None:
    data = bytearray(sample_database.read_bytes())
    page = 16_384
    data[page:] = b"\xff" * (len(data) - page)
    path = tmp_path / "nasbench201.db"
    path.write_bytes(data)
    refusal(path)


def test_a_database_that_can_be_read_passes_its_check(sample: NasBench201) -> None:
    sample.database.check()
