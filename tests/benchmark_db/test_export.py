"""Exports: the rows of the paged answers, whatever the slices, the benchmark and the format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_client.export import columns_of
from bench_client.models import fields_of
from benchmark_db import export
from benchmark_db.catalog import Catalog
from benchmark_db.config_columns import Column
from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    TimeBudgetExceededError,
    UnknownBenchmarkError,
    UnusableDatabaseError,
)
from benchmark_db.export import ExportTable, export_table
from benchmark_db.export_formats import FORMATS, _fields, _lines, format_named
from benchmark_db.registry import BENCHMARKS, INSTALLABLE

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads what was written")


@pytest.fixture(scope="module")
def catalog(every_sample: Path) -> Iterator[Catalog]:
    catalog = Catalog(every_sample)
    yield catalog
    catalog.close()


def rows_of(table: ExportTable) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [
        dict(zip(names, row, strict=True))
        for columns in table.slices()
        for row in zip(*columns, strict=True)
    ]


def every_item(ask: Callable[..., Any], filters: dict[str, Any], **options: Any) -> list[Any]:
    page = ask(filters, limit=1000, **options)
    items = list(page.items)
    while page.next_cursor is not None:
        page = ask(filters, limit=1000, cursor=page.next_cursor, **options)
        items += page.items
    return items


def written(table: ExportTable, form: str) -> bytes:
    file = io.BytesIO()
    FORMATS[form].write(table, file)
    return file.getvalue()


def read_back(content: bytes) -> Any:
    return parquet.read_table(io.BytesIO(content))


def laid_flat(item: dict[str, Any], *, synthetic: bool) -> dict[str, Any]:
    """Return what the row of an item must hold, written once more and without any table."""
    config = dict(item.pop("config"))
    if "arch_str" in config:
        del config["arch"]
    texts = {
        name: orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        for name, value in config.items()
        if isinstance(value, dict | list)
    }
    return {**config, **texts, **item, "synthetic": synthetic}


class TestRows:
    @pytest.mark.usefixtures("unmeasured")
    @pytest.mark.parametrize("reduction", [None, "mean", "std", "min", "max"])
    @pytest.mark.parametrize("name", BENCHMARKS)
    def test_are_the_items_of_the_paged_answer_laid_flat(
        self, catalog: Catalog, name: str, reduction: str | None
    ) -> None:
        items = every_item(catalog[name].computed_stats, {}, reduction=reduction)
        expected = [laid_flat(item, synthetic=True) for item in items]
        assert expected
        assert rows_of(export_table(catalog, name, {}, reduction=reduction)) == expected

    def test_of_hardware_are_its_items_too(self, catalog: Catalog) -> None:
        filters = {"dataset": "cifar100", "device": "EdgeGPU"}
        items = every_item(catalog.hardware().costs, filters)
        expected = [laid_flat(item, synthetic=True) for item in items]
        assert rows_of(export_table(catalog, "hw-nas-bench", filters)) == expected
        assert len(expected) == 15_625

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    @pytest.mark.parametrize("reduction", [None, "mean"])
    @pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "nds"])
    def test_do_not_depend_on_where_slices_end(
        self,
        catalog: Catalog,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        reduction: str | None,
        size: int,
    ) -> None:
        table = export_table(catalog, name, {"num_epochs": 12} if "nas" in name else {})
        whole = rows_of(table)
        reduced = rows_of(export_table(catalog, name, {}, reduction=reduction))
        monkeypatch.setattr(export, "SLICE_ROWS", size)
        assert rows_of(table) == whole
        assert rows_of(export_table(catalog, name, {}, reduction=reduction)) == reduced

    @pytest.mark.parametrize(
        ("name", "filters"),
        [
            ("nasbench201", {"arch": 3, "num_epochs": 200, "dataset": "CIFAR100", "seed": None}),
            ("natssss", {"dataset": "cifar10", "num_epochs": 90}),
            ("nds", {"proposer": "resnet", "min_best_test_acc": 80.0}),
            ("nds", {"cell_spec": {}}),
        ],
    )
    def test_are_those_that_the_filters_leave(
        self, catalog: Catalog, name: str, filters: dict[str, Any]
    ) -> None:
        items = every_item(catalog[name].computed_stats, filters)
        expected = [laid_flat(item, synthetic=True) for item in items]
        assert expected
        assert rows_of(export_table(catalog, name, filters)) == expected

    def test_of_a_cell_are_found_by_its_matrix_where_isomorphs_do_not_count(
        self, catalog: Catalog
    ) -> None:
        item = catalog["nasbench101"].computed_stats({}, limit=1).items[0]
        filters = {"arch": item["config"]["arch"], "isomorphism": False}
        rows = rows_of(export_table(catalog, "nasbench101", filters))
        assert {row["hash"] for row in rows} == {item["config"]["hash"]}

    def test_tell_an_architecture_in_a_spelling_that_questions_take(self, catalog: Catalog) -> None:
        for name, column in {"nasbench101": "arch", "nasbench201": "arch_str"}.items():
            row = rows_of(export_table(catalog, name, {}))[0]
            found = rows_of(export_table(catalog, name, {"arch": row[column]}))
            assert found[0] == row

    @pytest.mark.parametrize("name", BENCHMARKS)
    def test_have_a_column_for_every_field_of_a_configuration(
        self, catalog: Catalog, name: str
    ) -> None:
        config = catalog[name].computed_stats({}, limit=1).items[0]["config"]
        told = {column.name for column in catalog[name].exported()}
        assert told == set(config) - ({"arch"} if "arch_str" in config else set())


class TestQuestions:
    @pytest.mark.parametrize(
        ("name", "filters", "options", "field"),
        [
            ("nasbench201", {"colour": 1}, {}, "colour"),
            ("nasbench201", {"num_epochs": "200"}, {}, "num_epochs"),
            ("nasbench201", {"limit": 3}, {}, "limit"),
            ("nasbench101", {"isomorphism": "yes"}, {}, "isomorphism"),
            ("nasbench201", {}, {"reduction": "median"}, "reduction"),
            ("hw-nas-bench", {}, {"reduction": "mean"}, "reduction"),
            ("hw-nas-bench", {"device": "abacus"}, {}, "device"),
        ],
    )
    def test_that_are_malformed_are_refused_before_anything_is_read(
        self,
        catalog: Catalog,
        name: str,
        filters: dict[str, Any],
        options: dict[str, Any],
        field: str,
    ) -> None:
        with pytest.raises(InvalidQuestionError) as caught:
            export_table(catalog, name, filters, **options)
        assert caught.value.field == field

    def test_about_malformed_architectures_are_refused(self, catalog: Catalog) -> None:
        with pytest.raises(InvalidArchitectureError):
            export_table(catalog, "nasbench201", {"arch": "nonsense"})

    def test_about_what_is_not_installed_say_so(self, catalog: Catalog, tmp_path: Path) -> None:
        with pytest.raises(UnknownBenchmarkError, match="there is no benchmark 'nasbench999'"):
            export_table(catalog, "nasbench999", {})
        with pytest.raises(UnknownBenchmarkError, match="not installed"):
            export_table(Catalog(tmp_path), "nasbench201", {})

    def test_in_unknown_formats_are_refused(self) -> None:
        with pytest.raises(InvalidQuestionError, match="known are ndjson, csv, parquet"):
            format_named("xlsx")

    def test_may_not_take_longer_a_slice_than_their_time_budget(self, catalog: Catalog) -> None:
        table = export_table(catalog, "nasbench201", {}, time_budget=1e-9)
        with pytest.raises(TimeBudgetExceededError):
            rows_of(table)

    def test_have_their_time_budget_anew_for_every_slice(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "SLICE_ROWS", 1)
        table = export_table(catalog, "nasbench201", {"arch": 3}, time_budget=0.5)
        count = 0
        for columns in table.slices():
            count += len(columns[0])
        assert count == len(rows_of(export_table(catalog, "nasbench201", {"arch": 3})))


PART = {"hw-nas-bench": {"dataset": "cifar10"}}
"""A third of what there are tens of thousands of rows of."""


@pytest.mark.parametrize("name", INSTALLABLE)
class TestFormats:
    def test_ndjson_has_an_object_a_row(self, catalog: Catalog, name: str) -> None:
        table = export_table(catalog, name, PART.get(name, {}))
        lines = written(table, "ndjson").splitlines(keepends=True)
        assert all(line.endswith(b"\n") for line in lines)
        assert [json.loads(line) for line in lines] == rows_of(table)

    def test_csv_reads_back_to_the_last_digit(self, catalog: Catalog, name: str) -> None:
        table = export_table(catalog, name, PART.get(name, {}))
        text = written(table, "csv").decode()
        header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        assert header == [column.name for column in table.columns]
        reads = {
            "integer": int,
            "number": float,
            "text": str,
            "boolean": {"true": True, "false": False}.__getitem__,
        }
        found = [
            {
                column.name: None if field == "" else reads[column.kind](field)
                for column, field in zip(table.columns, line, strict=True)
            }
            for line in lines
        ]
        assert found == rows_of(table)
        assert text.count("\r\n") == len(lines) + 1 == text.count("\n")

    def test_parquet_reads_back_with_types_and_nulls(self, catalog: Catalog, name: str) -> None:
        table = export_table(catalog, name, PART.get(name, {}))
        read = read_back(written(table, "parquet"))
        types = {"integer": "int64", "number": "double", "text": "string", "boolean": "bool"}
        assert [str(kind) for kind in read.schema.types] == [
            types[column.kind] for column in table.columns
        ]
        assert read.to_pylist() == rows_of(table)

    def test_parquet_tells_units_and_where_it_comes_from(self, catalog: Catalog, name: str) -> None:
        table = export_table(
            catalog,
            name,
            PART.get(name, {}),
            fields=columns_of(fields_of(catalog.entry(name).spec)),
        )
        schema = parquet.read_schema(io.BytesIO(written(table, "parquet")))
        installed = catalog.installed[name]
        provenance = json.loads(schema.metadata[b"provenance"])
        assert provenance["content_digest"] == installed.provenance.content_digest
        assert provenance["synthetic"] is True
        assert schema.metadata[b"citation"].decode() == installed.spec.citation
        units = json.loads(schema.metadata[b"units"])
        assert schema.metadata[b"licence"].decode() == installed.spec.licence
        for field in schema:
            if field.name.endswith("_acc"):
                assert (field.metadata[b"unit"], units[field.name]) == (b"percent", "percent")
            if field.name.endswith("_energy"):
                assert units[field.name] == "millijoules"


WITHOUT_RUNS: dict[str, dict[str, Any]] = {
    "nasbench101": {"arch": "0" * 32},
    "nasbench201": {"arch": 15_000},
    "natssss": {"arch": 32_000},
    "nds": {"min_best_test_acc": 100.0},
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_nothing_is_still_a_table(catalog: Catalog, name: str) -> None:
    table = export_table(catalog, name, WITHOUT_RUNS[name])
    assert written(table, "ndjson") == b""
    header = ",".join(column.name for column in table.columns)
    assert written(table, "csv").decode() == f"{header}\r\n"
    read = read_back(written(table, "parquet"))
    assert (read.num_rows, read.schema.names) == (0, header.split(","))


def test_parquet_has_row_groups_of_one_size(catalog: Catalog) -> None:
    table = export_table(catalog, "hw-nas-bench", {})
    groups = parquet.ParquetFile(io.BytesIO(written(table, "parquet"))).metadata
    assert (groups.num_row_groups, groups.num_rows) == (1, 46_875)
    assert groups.row_group(0).column(1).compression == "ZSTD"


class Breaking:
    """A file on a disk that is full after some bytes."""

    def __init__(self, after: int) -> None:
        self.left = after

    def write(self, data: bytes, /) -> int:
        if len(data) > self.left:
            raise OSError(28, "No space left on device")
        self.left -= len(data)
        return len(data)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("after", [0, 300_000])
def test_a_file_that_cannot_be_written_is_the_error_of_the_file(
    catalog: Catalog, form: str, after: int
) -> None:
    table = export_table(catalog, "hw-nas-bench", PART["hw-nas-bench"])
    with pytest.raises(OSError, match="No space left"):
        FORMATS[form].write(table, Breaking(after))


def damaged(path: Path) -> Path:
    """Overwrite pages in the middle of the table of costs."""
    content = bytearray(path.read_bytes())
    start = len(content) * 2 // 5
    content[start : start + 65_536] = b"\xa5" * 65_536
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_an_error_on_the_way_leaves_no_file_that_looks_complete(
    every_sample: Path, tmp_path: Path, form: str
) -> None:
    (tmp_path / "hw-nas-bench.db").write_bytes((every_sample / "hw-nas-bench.db").read_bytes())
    damaged(tmp_path / "hw-nas-bench.db")
    catalog = Catalog(tmp_path)
    file = io.BytesIO()
    with pytest.raises(UnusableDatabaseError, match="damaged"):
        FORMATS[form].write(export_table(catalog, "hw-nas-bench", {}), file)
    catalog.close()
    if form == "parquet":
        assert not file.getvalue().endswith(b"PAR1")
    else:
        assert file.getvalue()


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.booleans(),
        ),
        min_size=1,
    )
)
def test_any_text_and_number_survives_csv(rows: list[tuple[Any, ...]]) -> None:
    columns = [
        Column("a", "text"),
        Column("b", "number"),
        Column("c", "integer"),
        Column("d", "boolean"),
    ]
    content = _lines(map(_fields, columns, zip(*rows, strict=True)))
    truth = {"true": True, "false": False, "": None}
    found = [
        (a or None, float(b) if b else None, int(c) if c else None, truth[d])
        for a, b, c, d in csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    ]
    assert found == rows
