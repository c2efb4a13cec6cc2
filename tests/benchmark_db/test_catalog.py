"""The benchmarks in a folder: those that are served, and why not the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnknownBenchmarkError
from benchmark_db.registry import BENCHMARKS


@pytest.fixture
def directory(sample_database: Path, tmp_path: Path) -> Path:
    shutil.copy(sample_database, tmp_path / "nasbench201.db")
    return tmp_path


@pytest.fixture
def catalog(directory: Path) -> Iterator[Catalog]:
    catalog = Catalog(directory)
    yield catalog
    catalog.close()


def test_a_database_in_the_folder_is_installed(catalog: Catalog) -> None:
    assert list(catalog.benchmarks) == ["nasbench201"]
    assert catalog.unusable == {}
    assert catalog["nasbench201"].computed_stats({"arch": 0}).items


def test_an_unknown_benchmark_is_told_the_known_ones(catalog: Catalog) -> None:
    with pytest.raises(UnknownBenchmarkError, match="no benchmark 'mine'; known are") as e:
        catalog["mine"]
    assert all(name in str(e.value) for name in BENCHMARKS)


def test_an_unknown_benchmark_is_told_those_with_a_near_name_first(catalog: Catalog) -> None:
    with pytest.raises(UnknownBenchmarkError, match=r"'nb201'; is it nasbench201\? known are"):
        catalog["nb201"]


@pytest.mark.parametrize("name", ["nasbench201", "nasbenchmacro"])
def test_one_that_is_not_installed_says_how_to_install_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownBenchmarkError, match=f"nbs generate {name} RAW"):
        Catalog(tmp_path)[name]


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "none")
    assert catalog.benchmarks == catalog.unusable == {}


def test_a_text_file_is_unusable_and_says_why_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "nasbench201.db").write_text("hello")
    catalog = Catalog(tmp_path)
    assert catalog.benchmarks == {}
    assert "nasbench201.db is not an SQLite database" in catalog.unusable["nasbench201"]
    assert str(tmp_path) not in catalog.unusable["nasbench201"]
    with pytest.raises(UnknownBenchmarkError, match=r"cannot be served: nasbench201\.db is not"):
        catalog["nasbench201"]


def test_a_folder_in_the_place_of_a_database_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "nasbench201.db").mkdir()
    assert "is not a file" in Catalog(tmp_path).unusable["nasbench201"]


def test_one_unusable_database_does_not_keep_another_from_being_served(directory: Path) -> None:
    broken = min(set(BENCHMARKS) - {"nasbench201"})
    (directory / f"{broken}.db").write_text("hello")
    catalog = Catalog(directory)
    assert list(catalog.benchmarks) == ["nasbench201"]
    assert list(catalog.unusable) == [broken]
    catalog.close()


def test_the_database_of_another_benchmark_under_its_name_is_unusable(directory: Path) -> None:
    other = min(set(BENCHMARKS) - {"nasbench201"})
    shutil.copy(directory / "nasbench201.db", directory / f"{other}.db")
    catalog = Catalog(directory)
    assert list(catalog.benchmarks) == ["nasbench201"]
    assert other in catalog.unusable
    catalog.close()


def test_files_of_unknown_names_are_let_be(directory: Path) -> None:
    (directory / "notes.db").write_text("hello")
    catalog = Catalog(directory)
    assert catalog.unusable == {}
    catalog.close()


def test_a_new_database_moved_into_place_does_not_disturb_the_open_one(
    catalog: Catalog, directory: Path
) -> None:
    before = catalog["nasbench201"].computed_stats({"arch": 3}).items
    (directory / "new").write_text("hello")
    (directory / "new").replace(directory / "nasbench201.db")
    assert catalog["nasbench201"].computed_stats({"arch": 3}).items == before
