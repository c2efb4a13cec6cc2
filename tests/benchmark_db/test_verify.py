"""Proof that a database is what it says it is, and the digest it rests on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from benchmark_db.digests import SEAL_BYTES, content_digest
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.verify import verify_database
from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample

Altered = Callable[..., Path]

_STATS = NasBench201.stats


def refusal(path: Path) -> str:
    with pytest.raises(UnusableDatabaseError) as caught:
        verify_database(path)
    assert path.name in str(caught.value)
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


def test_a_sound_database_is_proven(sample: NasBench201, sample_database: Path) -> None:
    assert verify_database(sample_database) == sample.provenance


def test_a_database_is_proven_under_any_name(altered: Altered) -> None:
    path = altered()
    renamed = path.rename(path.with_name("backup of ü.sqlite"))
    assert verify_database(renamed).benchmark == "nasbench201"


def test_a_file_that_is_missing_or_no_database_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "no.db")
    text = tmp_path / "text.db"
    text.write_text("hello")
    assert "is not a benchmark database" in refusal(text)
    empty = tmp_path / "empty.db"
    empty.touch()
    assert "is not a benchmark database" in refusal(empty)


@pytest.mark.parametrize("value", ["'\"nasbench999\"'", "'[]'", "'{\"a\": 1}'", "'null'", "'7'"])
def test_an_unknown_benchmark_is_refused(altered: Altered, value: str) -> None:
    update = f"UPDATE provenance SET value = {value} WHERE key = 'benchmark'"  # noqa: S608 - ours
    assert "which this version does not know" in refusal(altered(update))


@pytest.mark.parametrize("value", ["'x'", "x'ff'", "3", "''", "CAST(x'ff' AS TEXT)"])
def test_a_malformed_name_is_refused(altered: Altered, value: str) -> None:
    refusal(altered(f"UPDATE provenance SET value = {value} WHERE key = 'benchmark'"))  # noqa: S608


def test_a_missing_run_is_noticed(altered: Altered) -> None:
    assert "runs; its provenance says" in refusal(altered("DELETE FROM run WHERE arch_index = 3"))


@pytest.mark.parametrize("column", _STATS)
def test_the_smallest_change_of_any_statistic_is_noticed(altered: Altered, column: str) -> None:
    path = altered()
    with sqlite3.connect(path) as connection:
        key, value = connection.execute(
            f"SELECT arch_index, {column} FROM run"  # noqa: S608 - our own names
            f" WHERE {column} IS NOT NULL LIMIT 1"
        ).fetchone()
        last_digit = value * (1 + 2**-52)
        assert last_digit != value
        connection.execute(
            f"UPDATE run SET {column} = ? WHERE arch_index = ? AND {column} = ?",  # noqa: S608
            (last_digit, key, value),
        )
    connection.close()
    assert "has been changed: its content has sha256:" in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET valid_acc = NULL WHERE arch_index = 1",
        "UPDATE run SET num_channels = 32 WHERE arch_index = 1",
        "UPDATE run SET num_cells = 6 WHERE arch_index = 1",
        "UPDATE run SET seed = 5 WHERE arch_index = 1 AND num_epochs = 12 AND seed = 111",
        "UPDATE run SET curve = NULL WHERE arch_index = 1",
        "UPDATE run SET curve = curve + 1 WHERE arch_index = 1",
        "UPDATE curve SET data = CAST(substr(data, 1, length(data) - 1) || x'01' AS BLOB)",
        "DELETE FROM curve WHERE id = 7",
    ],
)
def test_any_other_change_of_an_answer_is_noticed(altered: Altered, change: str) -> None:
    assert "has been changed" in refusal(altered(change))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET train_acc = x'00' WHERE arch_index = 1",
        "UPDATE run SET train_acc = 'much' WHERE arch_index = 1",
        "UPDATE curve SET data = 'text' WHERE id = 7",
        "UPDATE curve SET data = 5 WHERE id = 7",
        "UPDATE curve SET data = 5.5 WHERE id = 7",
    ],
)
def test_a_value_of_the_wrong_type_is_noticed(altered: Altered, change: str) -> None:
    refusal(altered(change))


def test_when_a_database_was_made_is_part_of_its_checksum_and_not_of_its_content(
    altered: Altered, resealed: Callable[[Path], Path], sample: NasBench201
) -> None:
    update = "UPDATE provenance SET value = '\"2020-01-01T00:00:00+00:00\"' WHERE key = 'created'"
    path = altered(update)
    assert "its checksum is not that of its bytes" in refusal(path)
    provenance = verify_database(resealed(path))
    assert provenance.created.startswith("2020")
    assert provenance.content_digest == sample.provenance.content_digest


def test_the_same_archive_gives_the_same_digest(tmp_path: Path, sample: NasBench201) -> None:
    archive = write_sample(tmp_path, architectures=12, seed=0)
    assert generate(archive, tmp_path).content_digest == sample.provenance.content_digest


def test_other_numbers_give_another_digest(tmp_path: Path, sample: NasBench201) -> None:
    archive = write_sample(tmp_path, architectures=12, seed=1)
    assert generate(archive, tmp_path).content_digest != sample.provenance.content_digest


def test_the_digest_tells_rows_apart_whose_bytes_run_together() -> None:
    rows = [(1, 2.0, b"ab"), (1, 2.0, b"c")]
    assert content_digest(rows) != content_digest([(1, 2.0, b"a"), (1, 2.0, b"bc")])
    assert content_digest(rows) != content_digest(list(reversed(rows)))
    assert content_digest(rows) != content_digest(rows[:1])
    assert content_digest([]).startswith("sha256:")


def test_every_flipped_bit_is_noticed(sample_database: Path, tmp_path: Path) -> None:
    whole = sample_database.read_bytes()
    path = tmp_path / "nasbench201.db"
    rng = Random(50)  # noqa: S311 - repeatable, not secret
    head = [place for place, byte in enumerate(whole[:16_384]) if byte]
    end = range(len(whole) - SEAL_BYTES, len(whole))
    for place in (*rng.sample(range(len(whole)), 50), *rng.sample(head, 50), *end):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(UnusableDatabaseError):
            verify_database(path)


@pytest.mark.parametrize("count", [-100_000, -41, -40, -1, 1, 39, 40, 16_384])
def test_a_file_that_is_shorter_or_longer_than_it_was_is_noticed(
    sample_database: Path, tmp_path: Path, count: int
) -> None:
    whole = sample_database.read_bytes()
    path = tmp_path / "nasbench201.db"
    path.write_bytes(whole[:count] if count < 0 else whole + whole[-count:])
    refusal(path)


def test_a_sealed_database_is_one_for_every_sqlite(sample_database: Path) -> None:
    with closing(sqlite3.connect(f"file:{sample_database}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_database_that_sqlite_has_copied_has_no_checksum(
    sample_database: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(sample_database)) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    assert "has no checksum at its end" in refusal(tmp_path / "copy.db")
