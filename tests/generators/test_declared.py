"""Declared tables: every format gives the same database; what is wrong has its place."""

from __future__ import annotations

import csv
import json
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from declared_tables import RAW, Row, rows, written_declaration

from benchmark_db.answers import computed_stats_answer, top_answer
from benchmark_db.catalog import Catalog
from benchmark_db.correlation import spearman
from benchmark_db.verify import verify_database
from benchmark_spec import SpecError
from benchmark_spec.declaration import read_declaration, shipped_declarations
from generators.declared import generate_table
from generators.sample.declared import write_table_sample
from safe_pickle import ArchiveError, load_pickle

READERS = {
    "csv": [],
    "zip": [],
    "json-lines": [('reader = "csv"', 'reader = "json-lines"')],
    "json": [('reader = "csv"', 'reader = "json"\neach = "a.runs"')],
    "pickle": [('reader = "csv"', 'reader = "pickle"\neach = "list"')],
    "parquet": [('reader = "csv"', 'reader = "parquet"')],
}


def generated(folder: Path, runs: list[Row], form: str = "csv") -> str:
    """Return the content digest of a database made of some runs."""
    name, write = RAW[form]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(write(runs))
    declaration = written_declaration(folder, *READERS[form])
    return generate_table(declaration, folder / name, folder).content_digest


@pytest.mark.parametrize("form", RAW)
def test_every_format_gives_the_same_database(tmp_path: Path, form: str) -> None:
    assert generated(tmp_path / form, rows(), form) == generated(tmp_path / "csv2", rows())
    verify_database(tmp_path / form / "tiny-table.db")


def test_the_order_of_rows_makes_no_difference(tmp_path: Path) -> None:
    shuffled = rows()
    random.Random(1).shuffle(shuffled)  # noqa: S311 - an order
    assert generated(tmp_path / "a", shuffled) == generated(tmp_path / "b", rows())


def test_another_meaning_is_another_digest(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_bytes(RAW["csv"][1](rows()))
    digests = {
        generate_table(
            written_declaration(tmp_path, change), tmp_path / "runs.csv", tmp_path
        ).content_digest
        for change in (('better = "smaller"', 'better = "larger"'), ("Tiny table", "Tiny table"))
    }
    assert len(digests) == 2


def test_numbers_are_what_the_file_says(tmp_path: Path) -> None:
    generated(tmp_path, rows())
    catalog = Catalog(tmp_path)
    benchmark = catalog["tiny-table"]
    found = computed_stats_answer(benchmark, {"dataset": "TWO"}, limit=1000)["items"]
    wanted = [row for row in rows() if row["data"] == "two"]
    assert [item["test_acc"] for item in found] == [row["acc"] for row in wanted]
    assert [item["loss"] for item in found][:3] == [None, None, 0.25]
    assert [item["parameters"] for item in found] == [row["params"] / 1e6 for row in wanted]
    assert benchmark.provenance.contents["different_networks"] == 21
    assert benchmark.provenance.contents["ranges"]["test_acc"] == [15.0, 72.0]
    (best,) = top_answer(catalog, "tiny-table", {"dataset": "one"}, metric="loss", n=1)["items"]
    assert best["config"]["arch_str"] == "skip|skip|conv"
    catalog.close()


def test_npy_has_columns_by_number(tmp_path: Path) -> None:
    folder = tmp_path / "npy"
    folder.mkdir()
    numbers = [[n, row["seed"], row["acc"]] for n, row in enumerate(rows()[:27])]
    np.save(folder / "one.npy", np.array(numbers, dtype=np.float64))
    declaration = written_declaration(
        tmp_path,
        ('reader = "csv"', 'reader = "npy"'),
        ('dataset = ["one", "two"]', 'dataset = ["one"]'),
        ('arch = "cell"', 'arch = "[0]"'),
        ('{ dataset = "data" }', '{ dataset = "$file" }'),
        ('[label]\nname = "seed"\npath = "seed"\n', ""),
        ('path = "acc"', 'path = "[2]"'),
        ('path = "loss"', 'path = "[1]"'),
        ('path = "params"', 'path = "[1]"'),
        ("test_acc_mean = 20.5", "test_acc = 17.0"),
    )
    provenance = generate_table(declaration, folder, tmp_path)
    assert provenance.contents["runs"] == 27
    catalog = Catalog(tmp_path)
    (item,) = computed_stats_answer(catalog["tiny-table"], {"arch": 26})["items"]
    assert item.keys() == {"config", "test_acc", "loss", "parameters"}
    catalog.close()


def changed(**values: Any) -> Callable[[list[Row]], list[Row]]:
    """Return what changes the sixth row."""
    return lambda runs: [*runs[:5], {**runs[5], **values}, *runs[6:]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed(cell="skip|conv"), r"runs.csv, line 7: 2 choices"),
        (changed(cell="__proto__"), r"line 7: '__proto__' is not an architecture"),
        (changed(cell="<script>"), r"line 7: '<script>' is not an architecture"),
        (changed(cell="'; DROP TABLE run;--"), r"line 7: .*not an architecture"),
        (changed(data="three"), r"line 7: dataset 'three' is not one of one, two"),
        (changed(acc="nan"), r"line 7: test_acc is 'nan', no number"),
        (changed(acc="inf"), r"line 7: test_acc is 'inf', no number"),
        (changed(acc="1e999"), r"line 7: test_acc is '1e999', no finite number"),
        (changed(acc=101), r"line 7: test_acc 101.0 is not in 0 to 100"),
        (changed(acc="9" * 400), r"line 7: test_acc is .*no number"),
        (changed(seed=-1), r"line 7: '?-1'? at seed is not the label"),
        (changed(seed="x"), r"line 7: 'x' at seed is not the label"),
        (lambda runs: [*runs, runs[3]], r"line 110: .* is a duplicate of runs.csv, line 5"),
        (lambda runs: runs[4:], r"1 of 27 architectures are missing .*skip\|skip\|skip"),
        (lambda runs: runs[:0] + [{**r, "acc": 50} for r in runs], r"is 50.0, published is 20.5"),
    ],
)
def test_a_wrong_row_is_told_with_its_place(
    tmp_path: Path, change: Callable[[list[Row]], list[Row]], told: str
) -> None:
    with pytest.raises(ArchiveError, match=told):
        generated(tmp_path, change(rows()))
    assert not (tmp_path / "tiny-table.db").exists()


class Hostile:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("form", "content", "told"),
    [
        ("csv", b"cell,data\n\xff\xfe,x\n", "is not csv"),
        ("csv", b"", "not name each column once"),
        ("csv", b"cell,cell\n", "not name each column once"),
        ("csv", b"cell\n" + b"x" * 70_000, "is not CSV"),
        ("csv", b"cell,data\nx\n", "1 fields for 2 columns"),
        ("json", b"[" * 100_000, "is not json"),
        ("json", b'{"a": {"runs": [{"cell": 1, "cell": 2}]}}', "occurs twice, as members 1 and 2"),
        ("json", b'{"a": {"runs": 5}}', "not an object or list"),
        ("json", b'{"a": 1}', "there is no a.runs"),
        ("json", b'{"a": {"runs": [' + b"1" * 5_000 + b"]}}", "is not JSON"),
        ("json-lines", b" " * 7_000_000, "bytes in one line"),
        ("pickle", pickle.dumps(Hostile()), "posix.system|system"),
        ("pickle", b"\x80\x04", "runs.pkl"),
        ("parquet", b"PAR1" + b"\x00" * 64 + b"PAR1", "is not Parquet"),
    ],
)
def test_a_hostile_file_is_refused(tmp_path: Path, form: str, content: bytes, told: str) -> None:
    raw = tmp_path / RAW[form][0]
    raw.write_bytes(content)
    with pytest.raises(ArchiveError, match=told):
        generate_table(written_declaration(tmp_path, *READERS[form]), raw, tmp_path)


def test_an_array_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "a.npy"
    np.save(raw, np.zeros((2, 2)))
    raw.write_bytes(raw.read_bytes().replace(b"(2, 2)", b"(2, 9)"))
    declaration = written_declaration(tmp_path, ('reader = "csv"', 'reader = "npy"'))
    with pytest.raises(ArchiveError, match="size is not that"):
        generate_table(declaration, raw, tmp_path)
    np.save(raw, np.array([Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(ArchiveError, match="no table of numbers"):
        generate_table(declaration, raw, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("../out.csv", b"x", "leads out"),
        ("/out.csv", b"x", "leads out"),
        ("bomb.csv", b"0" * 50_000_000, "would unpack to"),
    ],
)
def test_a_zip_file_that_data_never_is_is_refused(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    raw = tmp_path / "raw.zip"
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr(name, content)
    with pytest.raises(ArchiveError, match=told):
        generate_table(written_declaration(tmp_path), raw, tmp_path)


def test_a_name_of_the_program_is_refused(tmp_path: Path) -> None:
    declaration = written_declaration(tmp_path, ('"tiny-table"', '"nasbench201"'))
    with pytest.raises(SpecError, match="a built-in benchmark"):
        generate_table(declaration, declaration, tmp_path)


def test_a_sample_is_made_without_a_line_of_code(tmp_path: Path) -> None:
    path = written_declaration(tmp_path)
    declared = read_declaration(path)
    sample = write_table_sample(declared, tmp_path / "raw", architectures=12, seed=3)
    again = write_table_sample(declared, tmp_path / "raw2", architectures=12, seed=3)
    assert sample.read_bytes() == again.read_bytes()
    provenance = generate_table(path, sample, tmp_path)
    assert provenance.synthetic
    assert provenance.contents["architectures"] == 12
    verify_database(tmp_path / f"{declared.spec.name}.db")


def test_a_sample_of_another_table_is_refused(tmp_path: Path) -> None:
    declared = read_declaration(shipped_declarations()["nasbenchmacro"])
    sample = write_table_sample(declared, tmp_path / "raw", architectures=2, seed=3)
    with pytest.raises(ArchiveError, match="sample of nasbenchmacro"):
        generate_table(written_declaration(tmp_path), sample, tmp_path)


def test_macro_is_what_its_authors_published(shared: Path, tmp_path: Path) -> None:
    raw = shared / "data/tables/nas-bench-macro/nas-bench-macro_cifar10.json"
    if not raw.is_file():
        pytest.skip("the real records are in ../shared, which is not there")
    provenance = generate_table(shipped_declarations()["nasbenchmacro"], raw, tmp_path)
    assert provenance.contents["architectures"] == 6_561
    assert provenance.contents["runs"] == 19_683
    assert provenance.contents["different_networks"] == 3_969
    published = json.loads(raw.read_text())
    catalog = Catalog(tmp_path)
    benchmark = catalog["nasbenchmacro"]
    networks: dict[int, set[tuple[float, ...]]] = {}
    for start in range(0, 6_561, 2_000):
        keys = sorted(published)[start : start + 2_000]
        for key, items in zip(keys, benchmark.computed_stats_many(keys, {}), strict=True):
            record = published[key]
            runs: Any = items
            assert [run["test_acc"] for run in runs] == record["test_acc"]
            assert {run["parameters"] for run in runs} == {record["params"] / 1e6}
            assert {run["flops"] for run in runs} == {record["flops"] / 1e6}
            number = runs[0]["config"]["index"]
            same = networks.setdefault(benchmark.arch_space.equals(number), set())
            same.add(tuple(record["test_acc"]))
    assert len(networks) == 3_969
    assert {len(figures) for figures in networks.values()} == {1}
    means = benchmark.aggregates.means(benchmark.parts({})[0], "test_acc")
    right = [published[key]["mean_acc"] for key in sorted(published)]
    assert np.allclose(means, right, rtol=0, atol=1e-9)
    assert round(means.max(), 3) == 93.127
    catalog.close()


@pytest.mark.parametrize(
    ("name", "file", "arch"),
    [
        ("zero-cost-201", "zero-cost/nb201_zc_proxies.csv", "net_str"),
        ("robustness-201", "robustness/robustness_targets.csv", "net"),
    ],
)
def test_joined_tables_are_what_was_published(
    shared: Path, tmp_path: Path, name: str, file: str, arch: str
) -> None:
    raw = shared / "data/tables" / file
    if not raw.is_file():
        pytest.skip("the real records are in ../shared, which is not there")
    declaration = shipped_declarations()[name]
    provenance = generate_table(declaration, raw, tmp_path)
    figures = read_declaration(declaration).figures
    operations = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
    with raw.open(newline="") as opened:
        published = list(csv.DictReader(opened))
    assert provenance.contents["runs"] == len(published)
    catalog = Catalog(tmp_path)
    benchmark = catalog[name]
    for start in range(0, len(published), 10_000):
        records = published[start : start + 10_000]
        spelled = [
            record[arch]
            if arch == "net_str"
            else "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(
                *(
                    operations[int(record[arch].strip("()").split(", ")[edge])]
                    for edge in (0, 1, 3, 2, 4, 5)
                )
            )
            for record in records
        ]
        found = benchmark.computed_stats_many(spelled, {})
        for record, items in zip(records, found, strict=True):
            (item,) = items
            for stat, figure in figures.items():
                right = float(record[figure.path])
                assert item[stat] == (None if right == -100_000_000 else right)
    catalog.close()


def test_latencies_are_those_of_each_device(shared: Path, tmp_path: Path) -> None:
    raw = shared / "data/tables/help-latency"
    if not raw.is_dir():
        pytest.skip("the real records are in ../shared, which is not there")
    provenance = generate_table(shipped_declarations()["help-latency-201"], raw, tmp_path)
    assert provenance.contents["runs"] == 9 * 15_625
    catalog = Catalog(tmp_path)
    metrics = catalog["help-latency-201"].joined_metrics()
    assert len(metrics) == 9
    # HW-NAS-Bench measured a Raspberry Pi 4, too: the order of the architectures is the same.
    hardware = shared / "data/hw-nas-bench/HW-NAS-Bench-v1_0.pickle"
    with hardware.open("rb") as file:
        costs = load_pickle(file)["nasbench201"]["cifar10"]["raspi4_latency"]
    table = catalog["help-latency-201"]
    latency = table.aggregates.means(table.parts({"device": "raspi4"})[0], "latency")
    agreement = spearman(latency, np.array(costs))
    assert agreement == pytest.approx(1.0)
    catalog.close()


def of_files(tmp_path: Path, *names: str) -> Path:
    """Write the runs of each data set into a file of a name, and what reads them."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, data in zip(names, ("one", "two"), strict=False):
        (folder / name).write_bytes(RAW["csv"][1]([row for row in rows() if row["data"] == data]))
    return written_declaration(tmp_path, ('{ dataset = "data" }', '{ dataset = "$file" }'))


def test_a_part_may_be_a_word_of_the_name_of_a_file(tmp_path: Path) -> None:
    declaration = of_files(tmp_path, "runs--one--0.csv", "Two.csv")
    provenance = generate_table(declaration, tmp_path / "raw", tmp_path)
    assert provenance.contents["runs"] == len(rows())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("one_two.csv", "contains one and two"),
        ("someone.csv", "dataset 'someone' is not one of one, two"),
    ],
)
def test_a_name_of_a_file_that_says_no_part_is_told(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(ArchiveError, match=told):
        generate_table(of_files(tmp_path, name), tmp_path / "raw", tmp_path)


def test_published_figures_of_other_parts_are_no_proof(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_bytes(
        RAW["csv"][1]([row for row in rows() if row["data"] == "two"])
    )
    with pytest.raises(ArchiveError, match="no published figure belongs to the parts"):
        generate_table(written_declaration(tmp_path), tmp_path / "runs.csv", tmp_path)
