"""From a TFRecord archive to the database, and from a damaged one to a clear refusal."""

from __future__ import annotations

import base64
import json
import sqlite3
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.verify import verify_database
from generators.nasbench101 import generate
from generators.raw import nasbench101_archive as reading
from generators.raw.nasbench101_record import parse_model_metrics
from generators.raw.tfrecord import framed
from generators.sample.nasbench101 import write_sample
from safe_pickle import ArchiveError, DamagedArchiveError, WrongFormatError

Training: TypeAlias = Callable[..., bytes]
Write: TypeAlias = Callable[[Path, Iterable[bytes]], Path]

CHAIN = {"op1": "conv3x3", "input1": [0], "input2": [1]}
CHAIN_HASH = "b49ac8c578b4561d79ac7087988f1c61"
POOL = {"op1": "maxpool", "input1": [0], "input2": [1]}
DATABASE = "nasbench101.db"


@pytest.fixture
def payloads(training: Training) -> list[bytes]:
    """Two cells, two budgets, three repeats: record n of them has 10 n + 1 seconds."""
    return [
        training(cell, epochs, final=(1.0, 0.9, 0.88, 10.0 * number + 1))
        for number, (cell, epochs) in enumerate(
            (cell, epochs) for _ in range(3) for cell in (CHAIN, POOL) for epochs in (108, 4)
        )
    ]


def place_of(payloads: list[bytes], number: int) -> str:
    offset = sum(len(framed(payload)) for payload in payloads[:number])
    return f"record {number} at byte {offset}"


def opened(folder: Path) -> NasBench101:
    return NasBench101(folder / DATABASE)


def leaves_nothing(folder: Path) -> bool:
    return not folder.exists() or not list(folder.iterdir())


class TestASoundArchive:
    def test_every_final_statistic_is_the_raw_double(
        self, nasbench101: NasBench101, nasbench101_payloads: list[bytes]
    ) -> None:
        expected = Counter()
        for payload in nasbench101_payloads:
            cell_hash, epochs, _, _, text = json.loads(payload)
            final = parse_model_metrics(base64.b64decode(text)).evaluation_data[2]
            accuracies = (final.train_accuracy, final.validation_accuracy, final.test_accuracy)
            percents = [100 * accuracy for accuracy in accuracies]
            expected[cell_hash, epochs, *percents, final.training_time] += 1
        columns = "hash, num_epochs, train_acc, valid_acc, test_acc, training_time"
        found = nasbench101.database.rows(f"SELECT {columns} FROM computed_stats")  # noqa: S608
        assert Counter(found) == expected

    def test_half_way_values_are_the_raw_float32(
        self, nasbench101: NasBench101, nasbench101_payloads: list[bytes]
    ) -> None:
        seen = 0
        for payload in nasbench101_payloads[:200]:
            cell_hash, epochs, _, _, text = json.loads(payload)
            half = parse_model_metrics(base64.b64decode(text)).evaluation_data[1]
            (narrowed,) = struct.unpack("<f", struct.pack("<f", half.validation_accuracy))
            curves = nasbench101.intermediate_stats({"arch": cell_hash, "num_epochs": epochs})
            assert 100 * narrowed in [curve["valid_acc"][0] for curve in curves.items]
            seen += 1
        assert seen == 200

    def test_the_nth_record_met_is_repeat_n(
        self, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        generate(write_tfrecord(tmp_path / "a", payloads), tmp_path / "db")
        benchmark = opened(tmp_path / "db")
        runs = benchmark.computed_stats({"arch": CHAIN_HASH, "num_epochs": 4}).items
        benchmark.close()
        assert [run["training_time"] for run in runs] == [11.0, 51.0, 91.0]

    def test_completeness_is_reported(self, nasbench101: NasBench101) -> None:
        assert nasbench101.provenance.contents == {
            "cells": 92,
            "runs": 1104,
            "runs_by_budget": {f"{budget} epochs": 276 for budget in (4, 12, 36, 108)},
            "budgets_missing": [],
            "cells_missing": 423_532,
            "configurations_missing": 0,
            "repeats_missing": 0,
            "records_skipped": 0,
            "skipped": [],
        }
        assert not nasbench101.provenance.synthetic
        assert nasbench101.provenance.source_name == "nasbench_full.tfrecord"

    def test_cells_are_numbered_by_hash_and_kept_as_recorded(
        self, nasbench101: NasBench101
    ) -> None:
        rows = list(nasbench101.database.rows("SELECT id, hash, code FROM cell ORDER BY id"))
        hashes = [cell_hash for _, cell_hash, _ in rows]
        assert [rank for rank, _, _ in rows] == list(range(92))
        assert hashes == sorted(hashes)
        assert hashes == [hash_cell(Cell(code)) for _, _, code in rows]

    def test_the_file_with_108_epochs_alone_converts(
        self, nasbench101_payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        only = [payload for payload in nasbench101_payloads if json.loads(payload)[1] == 108]
        raw = write_tfrecord(tmp_path / "nasbench_only108.tfrecord", only)
        contents = generate(raw, tmp_path / "db").contents
        assert contents["runs_by_budget"] == {"108 epochs": 276}
        assert contents["budgets_missing"] == [4, 12, 36]
        assert (contents["configurations_missing"], contents["repeats_missing"]) == (0, 0)

    def test_a_budget_that_some_cells_lack_is_reported(
        self, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        rest = [payload for number, payload in enumerate(payloads) if number % 4]
        contents = generate(write_tfrecord(tmp_path / "a", rest), tmp_path / "db").contents
        assert (contents["configurations_missing"], contents["repeats_missing"]) == (1, 0)

    def test_the_order_of_cells_in_the_archive_does_not_matter(
        self, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        first = generate(write_tfrecord(tmp_path / "a", payloads), tmp_path / "db")
        by_cell = sorted(payloads, key=lambda payload: payload[:40])
        second = generate(write_tfrecord(tmp_path / "b", by_cell), tmp_path / "db")
        assert first.content_digest == second.content_digest
        by_cell.reverse()
        third = generate(write_tfrecord(tmp_path / "c", by_cell), tmp_path / "db")
        assert third.content_digest != first.content_digest, "other records are met first"

    def test_several_processes_make_the_same_database(
        self,
        nasbench101: NasBench101,
        nasbench101_archive: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(reading, "_BATCH_RECORDS", 100)
        done = []
        provenance = generate(
            nasbench101_archive, tmp_path, progress=lambda *counts: done.append(counts)
        )
        assert provenance.content_digest == nasbench101.provenance.content_digest
        assert len(done) == 12
        assert done == sorted(done)

    def test_the_result_is_sound_and_a_change_is_noticed(
        self, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        generate(write_tfrecord(tmp_path / "a", payloads), tmp_path / "db")
        target = tmp_path / "db" / DATABASE
        assert verify_database(target).contents["runs"] == 12
        for change in (
            "UPDATE run SET valid_acc = valid_acc + 1e-12 WHERE repeat = 2 AND cell = 0",
            "UPDATE cell SET trainable_parameters = 1 WHERE id = 1",
            "UPDATE run SET halfway = zeroblob(16) WHERE repeat = 0 AND num_epochs = 4",
            "DELETE FROM cell WHERE id = 0",
        ):
            copy = tmp_path / "copy.db"
            copy.write_bytes(target.read_bytes())
            with sqlite3.connect(copy) as connection:
                connection.execute(change)
            connection.close()
            with pytest.raises(UnusableDatabaseError, match="changed"):
                verify_database(copy)

    def test_a_cell_may_be_recorded_in_two_isomorphic_forms(
        self, training: Training, write_tfrecord: Write, tmp_path: Path
    ) -> None:
        forms = [
            {"op1": "conv3x3", "op2": "maxpool", "input1": [0], "input2": [0], "input3": [1, 2]},
            {"op1": "maxpool", "op2": "conv3x3", "input1": [0], "input2": [0], "input3": [1, 2]},
        ]
        records = [training(forms[number > 0], 4) for number in range(3)]
        contents = generate(write_tfrecord(tmp_path / "a", records), tmp_path / "db").contents
        assert (contents["cells"], contents["runs"]) == (1, 3)
        benchmark = opened(tmp_path / "db")
        assert benchmark.computed_stats({}).items[0]["config"]["arch"] == forms[0]
        benchmark.close()


class TestTheSample:
    def test_is_marked_as_made_up(self, tmp_path: Path) -> None:
        provenance = generate(write_sample(tmp_path, architectures=3), tmp_path)
        assert provenance.synthetic
        assert (provenance.contents["cells"], provenance.contents["runs"]) == (3, 36)
        catalog = Catalog(tmp_path)
        assert catalog["nasbench101"].provenance == provenance
        catalog.close()

    def test_one_record_of_it_marks_a_whole_archive(
        self, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        sample = write_sample(tmp_path, architectures=2)
        raw = tmp_path / "mixed"
        raw.write_bytes(write_tfrecord(raw, payloads).read_bytes() + sample.read_bytes())
        assert generate(raw, tmp_path, skip_corrupt=True).synthetic

    def test_the_same_seed_makes_the_same_archive(self, tmp_path: Path) -> None:
        made = [
            write_sample(tmp_path / str(place), architectures=2, seed=seed).read_bytes()
            for place, seed in enumerate((5, 5, 6))
        ]
        assert made[0] == made[1] != made[2]


def flipped(payloads: list[bytes], raw: Path) -> None:
    """Flip a bit within the payload of record 5."""
    data = bytearray(raw.read_bytes())
    data[sum(len(framed(payload)) for payload in payloads[:5]) + 40] ^= 1
    raw.write_bytes(data)


def cut(_: list[bytes], raw: Path) -> None:
    raw.write_bytes(raw.read_bytes()[:-9])


def endless(_: list[bytes], raw: Path) -> None:
    """Append a length of 2^60 with its right CRC."""
    header = struct.pack("<Q", 2**60)
    crc = framed(header)[-4:]
    raw.write_bytes(raw.read_bytes() + header + crc)


DAMAGED: dict[str, tuple[Callable[[list[bytes], Path], None], int, str]] = {
    "a payload with a wrong CRC": (flipped, 5, "CRC of the payload does not match"),
    "a truncated last record": (cut, 11, "the file ends 9 bytes before the record does"),
    "a length of 2^60": (endless, 12, f"the length is {2**60} bytes"),
}


@pytest.mark.parametrize(("damage", "number", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_refused_by_record_and_byte_and_leaves_nothing(
    payloads: list[bytes],
    write_tfrecord: Write,
    tmp_path: Path,
    damage: Callable[[list[bytes], Path], None],
    number: int,
    reason: str,
) -> None:
    raw = write_tfrecord(tmp_path / "raw.tfrecord", payloads)
    damage(payloads, raw)
    with pytest.raises(DamagedArchiveError) as caught:
        generate(raw, tmp_path / "db")
    assert f"raw.tfrecord: {place_of(payloads, number)}: " in str(caught.value)
    assert reason in str(caught.value)
    assert "--skip-corrupt" in str(caught.value)
    assert leaves_nothing(tmp_path / "db")
    contents = generate(raw, tmp_path / "db", skip_corrupt=True).contents
    assert contents["records_skipped"] == 1
    assert place_of(payloads, number) in contents["skipped"][0]
    assert contents["runs"] == (12 if number == 12 else 11)
    assert contents["repeats_missing"] == 12 - contents["runs"]


def odd_records(training: Training) -> dict[str, tuple[bytes, str]]:
    sound = json.loads(training(CHAIN, 4))
    start = parse_model_metrics(base64.b64decode(sound[4]))
    del start.evaluation_data[2]  # type: ignore[attr-defined]
    fewer = base64.b64encode(start.SerializeToString()).decode()
    return {
        "no JSON": (b"hello", "not JSON"),
        "other JSON": (b'{"a": 1}', "not a list"),
        "fewer evaluations": (json.dumps([*sound[:4], fewer]).encode(), "2 evaluations, not 3"),
        "a hash of another cell": (training(CHAIN, 4, digest="0" * 32), "that of its cell"),
        "a fourth run": (training(CHAIN, 4), "one more than 3 runs of 4 epochs"),
        "another budget": (training(CHAIN, 5), "5 epochs is not one of the budgets 4, 12, 36, 108"),
        "other parameters": (training(CHAIN, 12, parameters=7), "7 trainable parameters"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("no JSON", "other JSON", "fewer evaluations", "a hash of another cell"),
        *("a fourth run", "another budget", "other parameters"),
    ],
)
def test_an_odd_record_is_refused_or_skipped(
    kind: str, training: Training, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    odd, reason = odd_records(training)[kind]
    expected = generate(write_tfrecord(tmp_path / "sound", payloads), tmp_path / "sound-db")
    raw = write_tfrecord(tmp_path / "raw.tfrecord", [*payloads, odd])
    with pytest.raises(DamagedArchiveError) as caught:
        generate(raw, tmp_path / "db")
    assert f"raw.tfrecord: {place_of(payloads, 12)}: " in str(caught.value)
    assert reason in str(caught.value)
    assert leaves_nothing(tmp_path / "db")
    provenance = generate(raw, tmp_path / "db", skip_corrupt=True)
    assert provenance.contents["records_skipped"] == 1
    assert reason in provenance.contents["skipped"][0]
    assert provenance.content_digest == expected.content_digest


def test_fewer_than_three_runs_are_refused_or_reported(
    payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    raw = write_tfrecord(tmp_path / "raw.tfrecord", payloads[:-1])
    with pytest.raises(
        DamagedArchiveError, match=r"fewer than 3 runs at a budget: 1; .* with 2 of 4 epochs"
    ):
        generate(raw, tmp_path / "db")
    assert leaves_nothing(tmp_path / "db")
    contents = generate(raw, tmp_path / "db", skip_corrupt=True).contents
    assert (contents["repeats_missing"], contents["records_skipped"]) == (1, 0)


def test_the_same_archive_twice_is_refused_or_read_once(
    payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    once = generate(write_tfrecord(tmp_path / "once", payloads), tmp_path / "once-db")
    raw = write_tfrecord(tmp_path / "raw.tfrecord", payloads * 2)
    with pytest.raises(DamagedArchiveError, match=r"record 12 .*archive in the file twice"):
        generate(raw, tmp_path / "db")
    assert leaves_nothing(tmp_path / "db")
    twice = generate(raw, tmp_path / "db", skip_corrupt=True)
    assert twice.content_digest == once.content_digest
    assert twice.contents["records_skipped"] == 12


def test_after_a_skipped_record_the_next_one_met_takes_its_number(
    payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    raw = write_tfrecord(tmp_path / "raw", [b"?", *payloads[1:]])
    generate(raw, tmp_path / "db", skip_corrupt=True)
    benchmark = opened(tmp_path / "db")
    runs = benchmark.computed_stats({"arch": CHAIN, "num_epochs": 108}).items
    benchmark.close()
    assert [(run["repeat"], run["training_time"]) for run in runs] == [(0, 41.0), (1, 81.0)]


def test_of_several_faults_the_first_in_the_file_is_told(
    training: Training, payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    bad = [training(POOL, 4, digest="f" * 32), training(CHAIN, 4, digest="0" * 32)]
    raw = write_tfrecord(tmp_path / "raw", [*payloads, *bad])
    with pytest.raises(DamagedArchiveError, match=r"record 12 .*f{32}"):
        generate(raw, tmp_path / "db")
    skipped = generate(raw, tmp_path / "db", skip_corrupt=True).contents["skipped"]
    assert [text.split(" at")[0] for text in skipped] == ["record 12", "record 13"]


def test_a_fault_in_another_process_is_told_alike(
    nasbench101_payloads: list[bytes],
    write_tfrecord: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_BATCH_RECORDS", 100)
    payloads = [*nasbench101_payloads[:950], b"?", *nasbench101_payloads[950:]]
    raw = write_tfrecord(tmp_path / "raw", payloads)
    with pytest.raises(DamagedArchiveError) as caught:
        generate(raw, tmp_path / "db")
    assert place_of(payloads, 950) in str(caught.value)
    assert leaves_nothing(tmp_path / "db")
    contents = generate(raw, tmp_path / "db", skip_corrupt=True).contents
    assert (contents["runs"], contents["records_skipped"]) == (1104, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, this is no archive of anything at all", "is not a TFRecord file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a TFRecord file"),
        (struct.pack("<Q", 2**60) + bytes(20), "is not a TFRecord file"),
    ],
    ids=["empty", "text", "a picture", "a length of 2^60 without its CRC"],
)
@pytest.mark.parametrize("options", [{}, {"skip_corrupt": True}], ids=["default", "skipping"])
def test_what_is_no_tfrecord_is_refused_either_way(
    tmp_path: Path, content: bytes, message: str, options: dict[str, bool]
) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(content)
    with pytest.raises(WrongFormatError, match=message):
        generate(raw, tmp_path / "db", **options)
    assert leaves_nothing(tmp_path / "db")


@pytest.mark.parametrize("payload", [b"hello", b'["a", 1, "b", "c", "d"]'])
def test_an_archive_without_any_record_of_the_benchmark_is_refused_either_way(
    write_tfrecord: Write, tmp_path: Path, payload: bytes
) -> None:
    raw = write_tfrecord(tmp_path / "raw", [payload] * 3)
    with pytest.raises(ArchiveError, match="record 0 at byte 0"):
        generate(raw, tmp_path / "db", skip_corrupt=True)
    assert leaves_nothing(tmp_path / "db")


def test_an_archive_in_which_no_hash_is_right_is_refused_either_way(
    training: Training, write_tfrecord: Write, tmp_path: Path
) -> None:
    raw = write_tfrecord(tmp_path / "raw", [training(CHAIN, 4, digest="0" * 32)] * 3)
    with pytest.raises(ArchiveError, match="no record is valid for the benchmark; record 0"):
        generate(raw, tmp_path / "db", skip_corrupt=True)


@pytest.mark.parametrize("name", ["a folder", "missing"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a folder").mkdir()
    with pytest.raises((ArchiveError, OSError)):
        generate(tmp_path / name, tmp_path / "db")
    assert leaves_nothing(tmp_path / "db")


def test_a_failed_conversion_leaves_the_database_that_was_there(
    payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    raw = write_tfrecord(tmp_path / "raw", payloads)
    generate(raw, tmp_path / "db")
    before = (tmp_path / "db" / DATABASE).read_bytes()
    for damage in (flipped, cut, endless):
        write_tfrecord(raw, payloads)
        damage(payloads, raw)
        with pytest.raises(DamagedArchiveError):
            generate(raw, tmp_path / "db")
        assert [file.name for file in (tmp_path / "db").iterdir()] == [DATABASE]
        assert (tmp_path / "db" / DATABASE).read_bytes() == before


def test_the_report_names_a_limited_number_of_records(
    payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
) -> None:
    raw = write_tfrecord(tmp_path / "raw", [*payloads, *[b"?"] * 50])
    contents: dict[str, Any] = dict(generate(raw, tmp_path, skip_corrupt=True).contents)
    assert contents["records_skipped"] == 50
    assert len(contents["skipped"]) == 20
