"""The shared writer: the old database or the new one, whatever happens, and nothing beside it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from forked_nbs import run_forked, start_forked

from benchmark_db.nasbench201.architecture import arch_str, operations_at
from benchmark_db.nasbench201.benchmark import TABLES, VIEWS, Architecture, NasBench201
from benchmark_db.verify import verify_database
from generators.build import BuildError, DatabaseBuild
from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample
from generators.source import Source

FilesOf = Callable[[Path], dict[str, bytes]]

KILLS = 12
LARGER = 25
SOURCE = Source("test", 1, "0" * 64)

# Says a line when the first architecture is in, and one when all is done.
CONVERSION = """
import sys
from pathlib import Path
from generators.nasbench201 import generate

def progress(done, total):
    if done == 1:
        print("started", flush=True)

generate(Path(sys.argv[1]), Path(sys.argv[2]), progress=progress)
print("done", flush=True)
"""
IMPORTED = ("generators.nasbench201",)


class Conversion:
    """A conversion in a process of its own."""

    def __init__(self, archive: Path, out: Path) -> None:
        reading, writing = os.pipe()
        self._said = os.fdopen(reading)
        with os.fdopen(writing, "w") as output:
            self.process = start_forked(
                CONVERSION,
                archive,
                out,
                modules=IMPORTED,
                # A signal that comes while coverage holds its lock would leave it waiting.
                env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
                stdout=output,
                stderr=output,
            )

    def line(self) -> str:
        """Return the next line it says."""
        return self._said.readline()

    def ended(self) -> tuple[str, int]:
        """Wait until it has ended; return what else it said, and its status."""
        with self._said:
            rest = self._said.read()
        return rest, self.process.wait()


def started(target: Path) -> DatabaseBuild:
    return DatabaseBuild(target, NasBench201, TABLES, VIEWS)


def architecture(index: int) -> tuple[int, str, int]:
    return index, arch_str(operations_at(index)), index


@pytest.fixture(scope="module")
def larger_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose conversion takes long enough to be killed at many points."""
    return write_sample(tmp_path_factory.mktemp("larger"), architectures=LARGER, seed=1)


def test_a_finished_build_is_in_place_and_alone(tmp_path: Path, sample_archive: Path) -> None:
    provenance = generate(sample_archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["nasbench201.db"]
    assert verify_database(tmp_path / "nasbench201.db") == provenance


def test_a_missing_folder_is_made(tmp_path: Path, sample_archive: Path) -> None:
    generate(sample_archive, tmp_path / "a" / "b")
    verify_database(tmp_path / "a" / "b" / "nasbench201.db")


def test_everybody_may_read_a_database(sample_database: Path) -> None:
    assert stat.S_IMODE(sample_database.stat().st_mode) == 0o644


def test_nothing_is_in_place_before_the_build_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "nasbench201.db"
    with started(target) as build:
        build.insert(Architecture, [architecture(0)])
        assert not target.exists()
        assert len(list(tmp_path.iterdir())) == 1
        build.complete(SOURCE, {"runs": 0}, synthetic=True)
        assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert verify_database(target).contents == {"runs": 0}


def test_leaving_a_build_incomplete_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path / "nasbench201.db") as build:
        build.insert(Architecture, [architecture(0)])
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_build_leaves_what_was_there(
    tmp_path: Path, sample_database: Path, files_of: FilesOf
) -> None:
    shutil.copy(sample_database, tmp_path)
    before = files_of(tmp_path)

    def interrupted() -> None:
        with started(tmp_path / "nasbench201.db") as build:
            build.insert(Architecture, [architecture(0)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files_of(tmp_path) == before


def test_a_row_written_twice_is_an_error_of_the_archive(tmp_path: Path) -> None:
    with (
        pytest.raises(BuildError, match="the archive holds a run twice or an invalid one"),
        started(tmp_path / "nasbench201.db") as build,
    ):
        build.insert(Architecture, [architecture(0), architecture(0)])
    assert list(tmp_path.iterdir()) == []


def test_a_build_replaces_the_database_that_readers_keep_reading(
    tmp_path: Path, sample_database: Path, larger_archive: Path
) -> None:
    target = Path(shutil.copy(sample_database, tmp_path / "nasbench201.db"))
    reader = NasBench201(target)
    before = reader.computed_stats({}, limit=1000)
    generate(larger_archive, tmp_path)
    assert reader.computed_stats({}, limit=1000) == before
    reader.close()
    replaced = NasBench201(target)
    assert replaced.provenance.contents["architectures"] == LARGER
    replaced.close()


@pytest.mark.usefixtures("unmeasured")
def test_a_killed_conversion_leaves_the_old_database_or_none(
    tmp_path: Path, sample_database: Path, larger_archive: Path, files_of: FilesOf
) -> None:
    reference = tmp_path / "reference"
    conversion = Conversion(larger_archive, reference)
    assert conversion.line() == "started\n"
    at_work = time.monotonic()
    assert conversion.line() == "done\n"
    seconds = time.monotonic() - at_work
    conversion.ended()
    digest = verify_database(reference / "nasbench201.db").content_digest

    out = tmp_path / "out"
    out.mkdir()
    target = out / "nasbench201.db"
    rng = Random(9)  # noqa: S311 - repeatable, not secret
    old = None
    killed = 0
    for _ in range(5 * KILLS):  # some come too late
        if killed == KILLS:
            break
        if killed >= KILLS // 2 and old is None:
            old = sample_database.read_bytes()
            target.write_bytes(old)
        conversion = Conversion(larger_archive, out)
        assert conversion.line() == "started\n"
        time.sleep(rng.uniform(0, seconds))
        conversion.process.kill()
        _, status = conversion.ended()
        killed += status == -signal.SIGKILL
        if not target.exists():
            assert old is None
        elif target.read_bytes() != old:  # killed after the move, or too late
            assert verify_database(target).content_digest == digest
            target.unlink()
            if old is not None:
                target.write_bytes(old)
    assert killed == KILLS

    generate(larger_archive, out)
    assert list(files_of(out)) == ["nasbench201.db"]
    assert verify_database(target).content_digest == digest


def test_a_conversion_stopped_by_hand_leaves_nothing(tmp_path: Path, larger_archive: Path) -> None:
    conversion = Conversion(larger_archive, tmp_path)
    assert conversion.line() == "started\n"
    conversion.process.send_signal(signal.SIGINT)
    said, status = conversion.ended()
    assert "KeyboardInterrupt" in said
    assert status != 0
    assert list(tmp_path.iterdir()) == []


def test_the_next_build_removes_what_a_killed_one_left(
    tmp_path: Path, sample_archive: Path
) -> None:
    leftover = tmp_path / ".nasbench201.db.k1ll3d.building"
    leftover.write_bytes(b"half a database")
    journal = leftover.with_name(f"{leftover.name}-journal")  # it was killed while it packed
    journal.write_bytes(b"half a journal")
    other = tmp_path / ".nasbench101.db.k1ll3d.building"
    other.write_bytes(b"half of another database")
    generate(sample_archive, tmp_path)
    assert not leftover.exists()
    assert not journal.exists()
    assert other.exists()


def test_a_build_in_progress_is_not_removed_by_another(
    tmp_path: Path, sample_archive: Path
) -> None:
    target = tmp_path / "nasbench201.db"
    with started(target) as build:
        build.insert(Architecture, [architecture(5)])
        generate(sample_archive, tmp_path)
        build.complete(SOURCE, {"runs": 0}, synthetic=False)
    assert verify_database(target).source_name == "test"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_build_in_progress_in_another_process_is_not_removed(
    tmp_path: Path, sample_archive: Path, larger_archive: Path
) -> None:
    conversion = Conversion(larger_archive, tmp_path)
    assert conversion.line() == "started\n"
    conversion.process.send_signal(signal.SIGSTOP)
    generate(sample_archive, tmp_path)
    conversion.process.send_signal(signal.SIGCONT)
    assert conversion.ended() == ("done\n", 0)
    assert verify_database(tmp_path / "nasbench201.db").contents["architectures"] == LARGER
    assert [path.name for path in tmp_path.iterdir()] == ["nasbench201.db"]


def test_two_conversions_at_the_same_time_both_end_well(
    tmp_path: Path, sample_archive: Path
) -> None:
    both = [Conversion(sample_archive, tmp_path) for _ in range(2)]
    for conversion in both:
        assert conversion.ended() == ("started\ndone\n", 0)
    verify_database(tmp_path / "nasbench201.db")
    assert [path.name for path in tmp_path.iterdir()] == ["nasbench201.db"]


def test_builds_in_threads_do_not_meet(tmp_path: Path) -> None:
    # Neither in peewee's table classes, which all of them use, nor as abandoned files.
    target = tmp_path / "nasbench201.db"
    at_once = threading.Barrier(8)

    def build(thread: int) -> bool:
        for round_ in range(10):
            at_once.wait()
            with started(target) as building:
                building.insert(Architecture, [architecture(thread)])
                if round_ == 9:
                    building.complete(SOURCE, {"runs": 0}, synthetic=True)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(build, range(8)))
    verify_database(target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


# Each limit is one file size at which the disk is "full"; what was there must survive.
FULL_DISK = """
import resource, sys
from pathlib import Path
from generators.build import BuildError
from generators.nasbench201 import generate

archive, out, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
before = {path.name: path.read_bytes() for path in out.iterdir()}
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (0, 1, 4096, 16_384, 100_000, size // 2, size - 16_384, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    try:
        generate(archive, out)
    except BuildError as error:
        assert "is the disk full" in str(error), error
        assert str(out / "nasbench201.db") in str(error), error
    else:
        raise SystemExit(f"a database of {size} bytes in {limit}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert after == before, (limit, list(after))
generate(archive, out)
"""


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("with_old", [True, False])
def test_a_full_disk_is_told_and_leaves_what_was_there(
    tmp_path: Path, sample_archive: Path, sample_database: Path, *, with_old: bool
) -> None:
    if with_old:
        (tmp_path / "nasbench201.db").write_bytes(b"the old one")
    size = str(sample_database.stat().st_size)
    done = run_forked(
        FULL_DISK, sample_archive, tmp_path, size, modules=IMPORTED, env=dict(os.environ)
    )
    assert (done.stderr, done.returncode) == ("", 0)
    verify_database(tmp_path / "nasbench201.db")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, sample_archive: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BuildError, match=r"cannot write .*nasbench201\.db"):
        generate(sample_archive, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, sample_archive: Path, unprivileged: list[str]
) -> None:
    program = (
        "import sys; from pathlib import Path; from generators.nasbench201 import generate;"
        "generate(*map(Path, sys.argv[1:]))"
    )
    command = [*unprivileged, sys.executable, "-c", program, sample_archive, tmp_path]
    tmp_path.chmod(0o500)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        tmp_path.chmod(0o700)
    last = done.stderr.splitlines()[-1]
    assert "BuildError" in last
    assert "or the folder read-only" in last
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_database_is_told(
    tmp_path: Path, sample_archive: Path
) -> None:
    (tmp_path / "nasbench201.db").mkdir()
    with pytest.raises(BuildError, match="cannot write"):
        generate(sample_archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["nasbench201.db"]


def test_people_can_open_the_file_with_other_tools(sample_database: Path) -> None:
    connection = sqlite3.connect(f"file:{sample_database}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    query = "SELECT * FROM computed_stats WHERE dataset = 'cifar100' ORDER BY seed"
    row = dict(connection.execute(query).fetchone())
    benchmark = NasBench201(sample_database)
    (item,) = benchmark.computed_stats(
        {
            "arch": row["index"],
            "num_epochs": row["num_epochs"],
            "dataset": "cifar100",
            "seed": row["seed"],
        }
    ).items
    assert {name: row[name] for name in NasBench201.stats} == {
        name: item[name] for name in NasBench201.stats
    }
    assert row["arch_str"] == item["config"]["arch_str"]
    benchmark.close()
    connection.close()


def test_every_architecture_of_the_table_has_its_class(sample_database: Path) -> None:
    connection = sqlite3.connect(f"file:{sample_database}?mode=ro", uri=True)
    rows = connection.execute('SELECT "index", arch_str, isomorphism_class FROM architecture')
    for index, name, smallest in rows.fetchall():
        assert name == arch_str(operations_at(index))
        assert smallest <= index
    indexes = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    assert any("arch_str" in name for (name,) in indexes)
    connection.close()
