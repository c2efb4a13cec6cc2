"""What a database says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest

from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.provenance import Provenance

Altered = Callable[..., Path]

FIELDS = [field.name for field in fields(Provenance)]


def test_the_archive_is_named_with_its_size_and_digest(
    sample: NasBench201, sample_archive: Path
) -> None:
    provenance = sample.provenance
    assert provenance.source_name == sample_archive.name
    assert provenance.source_size == sample_archive.stat().st_size
    assert provenance.source_sha256 == sha256(sample_archive.read_bytes()).hexdigest()


def test_a_folder_has_the_digest_of_what_sha256sum_prints(
    real: NasBench201, real_folder: Path
) -> None:
    files = sorted(real_folder.iterdir())
    printed = "".join(f"{sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
    assert real.provenance.source_name == real_folder.name
    assert real.provenance.source_sha256 == sha256(printed.encode()).hexdigest()
    assert real.provenance.source_size == sum(f.stat().st_size for f in files)


def test_made_up_numbers_are_marked_and_real_ones_are_not(
    sample: NasBench201, real: NasBench201
) -> None:
    assert sample.provenance.synthetic is True
    assert real.provenance.synthetic is False


def test_the_generator_is_named(sample: NasBench201) -> None:
    provenance = sample.provenance
    assert provenance.benchmark == "nasbench201"
    assert provenance.schema_version == NasBench201.schema_version
    assert provenance.generator_version == version("nas-bench-service")
    created = datetime.fromisoformat(provenance.created)
    assert timedelta(0) <= datetime.now(UTC) - created < timedelta(hours=1)


def test_the_counts_are_those_of_the_tables(sample: NasBench201) -> None:
    contents = sample.provenance.contents
    runs = [run for _, run in enumerate(sample.all_rows())]
    assert contents["architectures"] == 12
    assert contents["architectures_missing"] == 15_625 - 12
    assert contents["runs"] == sum(contents["runs_by_dataset"].values()) == len(runs)
    assert contents["runs_without_latency"] == 0


def test_the_real_counts_are_known(real: NasBench201) -> None:
    # Architectures 0 and 11: 5 runs of 12 epochs and 12 of 200 epochs each.
    contents = real.provenance.contents
    assert contents["runs"] == 34
    assert contents["runs_by_dataset"]["cifar10-valid, 12 epochs"] == 4
    assert contents["runs_by_dataset"]["imagenet16-120, 200 epochs"] == 6


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(altered: Altered, field: str) -> None:
    path = altered(f"DELETE FROM provenance WHERE key = '{field}'")  # noqa: S608 - our own names
    with pytest.raises(
        UnusableDatabaseError, match=rf"^nasbench201.db does not record its {field}"
    ):
        NasBench201(path)


def test_all_missing_fields_are_named(altered: Altered) -> None:
    with pytest.raises(UnusableDatabaseError, match="benchmark, source_name, source_size"):
        NasBench201(altered("DELETE FROM provenance"))


def test_a_missing_table_is_told(altered: Altered) -> None:
    with pytest.raises(UnusableDatabaseError, match=r"nasbench201\.db: no such table: provenance"):
        NasBench201(altered("DROP TABLE provenance"))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["'{'", "''", "7.5", "x'00ff'", "'null'", "'[1]'", "'\"'"])
def test_a_malformed_field_is_named(altered: Altered, field: str, value: str) -> None:
    update = f"UPDATE provenance SET value = {value} WHERE key = '{field}'"  # noqa: S608 - our own
    with pytest.raises(UnusableDatabaseError, match=rf"^nasbench201.db is damaged: .*{field}"):
        NasBench201(altered(update))


def test_a_text_that_would_not_fit_a_header_is_refused(altered: Altered) -> None:
    update = (
        "UPDATE provenance SET value = json_quote(hex(zeroblob(600))) WHERE key = 'source_name'"
    )
    with pytest.raises(UnusableDatabaseError, match=r"'000.*is not a valid source_name"):
        NasBench201(altered(update))


def test_text_that_is_not_utf_8_is_damage(altered: Altered) -> None:
    update = "UPDATE provenance SET value = CAST(x'22ff22' AS TEXT) WHERE key = 'created'"
    with pytest.raises(UnusableDatabaseError, match=r"nasbench201\.db"):
        NasBench201(altered(update))


def test_another_benchmark_is_refused(altered: Altered) -> None:
    update = "UPDATE provenance SET value = '\"natssss\"' WHERE key = 'benchmark'"
    with pytest.raises(UnusableDatabaseError, match="holds 'natssss', not 'nasbench201'"):
        NasBench201(altered(update))


def test_unknown_fields_of_a_later_version_are_let_be(altered: Altered) -> None:
    benchmark = NasBench201(altered("INSERT INTO provenance VALUES ('mood', '\"good\"')"))
    assert benchmark.provenance.benchmark == "nasbench201"
    benchmark.close()
