"""Databases of declared tables: what they carry, and what of it may not be believed."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from declared_tables import RAW, rows, written_declaration

from benchmark_db.catalog import Catalog
from benchmark_db.digests import seal
from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    UnsupportedQuestionError,
    UnusableDatabaseError,
)
from benchmark_db.tabular.benchmark import Tabular
from benchmark_db.verify import verify_database
from generators.declared import generate_table


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "runs.csv").write_bytes(RAW["csv"][1](rows()))
    generate_table(written_declaration(folder), folder / "runs.csv", folder)
    return folder / "tiny-table.db"


def tampered(database: Path, folder: Path, *statements: tuple[str, tuple[Any, ...]]) -> Path:
    """Return a copy in which something was changed, sealed like a right one."""
    path = folder / database.name
    path.write_bytes(database.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement, values in statements:
            connection.execute(statement, values)
    file = os.open(path, os.O_RDWR)
    seal(file)
    os.close(file)
    return path


def spec_with(database: Path, **changes: Any) -> str:
    with closing(sqlite3.connect(database)) as connection:
        (text,) = connection.execute("SELECT value FROM provenance WHERE key = 'spec'").fetchone()
    return json.dumps({**json.loads(text), **changes}, sort_keys=True, separators=(",", ":"))


def test_a_database_needs_no_declaration_to_be_opened(database: Path) -> None:
    catalog = Catalog(database.parent)
    benchmark = catalog["tiny-table"]
    assert benchmark.spec.title == "Tiny table"
    assert benchmark.num_architectures == 27
    assert benchmark.filters["dataset"].read("TWO") == 1
    assert len(benchmark.neighbors("skip|skip|skip")) == 6
    catalog.close()


def test_an_axis_of_one_value_need_not_be_named(database: Path) -> None:
    with closing(Tabular(database)) as table:
        assert table.parts({"dataset": "two"}) == [(1, 12)]
        assert table.part_named((1, 12)) == {"dataset": "two", "num_epochs": 12}
        with pytest.raises(InvalidQuestionError, match="say which dataset"):
            table.parts({})
        with pytest.raises(InvalidQuestionError, match="unknown num_epochs 13"):
            table.parts({"dataset": "one", "num_epochs": 13})


def test_what_it_does_not_have_is_refused(database: Path) -> None:
    with closing(Tabular(database)) as table:
        with pytest.raises(UnsupportedQuestionError, match="no learning curves"):
            table.intermediate_stats({})
        with pytest.raises(InvalidArchitectureError):
            table.describe("skip")


SPEC = "UPDATE provenance SET value = ? WHERE key = 'spec'"


def test_a_description_that_was_turned_over_is_found(database: Path, tmp_path: Path) -> None:
    text = spec_with(database)
    turned = text.replace('"better":"larger"', '"better":"smaller"')
    assert turned != text
    with pytest.raises(UnusableDatabaseError, match="do not belong together"):
        Tabular(tampered(database, tmp_path, (SPEC, (turned,))))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "x; DROP TABLE run"}, "lower-case letters"),
        ({"stats": []}, "statistics"),
        ({"space": {"kind": "product", "length": 1000, "choices": ["a", "b"]}}, "missing|listed"),
        ({"space": {"kind": "exec"}}, "not one of"),
        ({"more": 1}, "unknown keys"),
    ],
)
def test_a_hostile_description_is_refused(
    database: Path, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = tampered(database, tmp_path, (SPEC, (spec_with(database, **changes),)))
    with pytest.raises(UnusableDatabaseError, match=told):
        Tabular(path)
    catalog = Catalog(tmp_path)
    assert "tiny-table" in catalog.unusable
    catalog.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE run SET test_acc = 99 WHERE arch_index = 3 AND seed = 0", "has been changed"),
        ("UPDATE architecture SET arch_str = 'x' WHERE \"index\" = 3", "architecture 3 is"),
        ("UPDATE axis_name SET name = 'three' WHERE code = 1", "names of its axes"),
        ("DELETE FROM run WHERE arch_index = 3", "104 runs"),
        ("ALTER TABLE run RENAME COLUMN loss TO gain", "it has columns"),
        ("PRAGMA user_version = 99", "schema|version"),
    ],
)
def test_verify_finds_what_was_changed(
    database: Path, tmp_path: Path, statement: str, told: str
) -> None:
    verify_database(database)
    with pytest.raises(UnusableDatabaseError, match=told):
        verify_database(tampered(database, tmp_path, (statement, ())))


def test_a_file_must_be_called_what_it_holds(database: Path, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(database.read_bytes())
    catalog = Catalog(tmp_path)
    assert catalog.unusable == {"other": "other.db holds tiny-table: call it tiny-table.db"}
    catalog.close()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "notes.db")) as connection:
        connection.execute("CREATE TABLE note (text)")
    (tmp_path / "text.db").write_text("nothing")
    catalog = Catalog(tmp_path)
    assert not catalog.unusable
    assert not catalog.installed
    catalog.close()
