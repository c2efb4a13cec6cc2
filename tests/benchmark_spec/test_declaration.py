"""A declaration is data that is read strictly; what is wrong has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_spec import SpecError
from benchmark_spec.declaration import read_declaration, shipped_declarations

DECLARATION = """
name = "tiny"
title = "Tiny"
citation = "Nobody 2026"
licence = "MIT"

[space]
kind = "product"
length = 2
choices = ["a", "b"]

[parts]
dataset = ["one", "two"]

[rows]
reader = "csv"
arch = "cell"
parts = { dataset = "data" }

[metrics.test_acc]
path = "acc"
unit = "percent"
better = "larger"

[check]
range = { test_acc = [0, 100] }
golden = [{ arch = "a|b", dataset = "one", test_acc = 50.5 }]
"""


def written(folder: Path, old: str = "", new: str = "") -> Path:
    path = folder / "tiny.toml"
    assert old in DECLARATION
    path.write_text(DECLARATION.replace(old, new, 1) if old else DECLARATION)
    return path


def test_a_declaration_is_read(tmp_path: Path) -> None:
    found = read_declaration(written(tmp_path))
    assert found.spec.datasets == ("one", "two")
    assert found.spec.label is None
    assert found.rows.parts == {"dataset": "data"}
    assert found.checks.golden[0].value == 50.5


@pytest.mark.parametrize("name", shipped_declarations())
def test_what_is_shipped_is_named_after_what_it_declares(name: str) -> None:
    assert read_declaration(shipped_declarations()[name]).spec.name == name


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("licence =", "licenze =", "`licence` is missing"),
        ('title = "Tiny"', 'title = "Tiny"\ntitel = "x"', r"line 4: unknown key `titel`; did you"),
        ("length = 2", "length = 2\nlenght = 3", r"line 10 \[space\]: .*did you mean `length`"),
        ('unit = "percent"', 'unit = "percent"\nscalle = 2', r"line 23 .*did you mean `scale`"),
        ('unit = "percent"', 'unit = "parsec"', "unknown unit"),
        ('better = "larger"', 'better = "more"', "neither larger nor smaller"),
        ('reader = "csv"', 'reader = "exec"', "unknown reader"),
        ('reader = "csv"', 'reader = "json"', "needs `each`"),
        ('parts = { dataset = "data" }', "", "has several values"),
        ("range = { test_acc = [0, 100] }", "", "no range for test_acc"),
        ("[0, 100]", "[100, 0]", "not the range"),
        ('golden = [{ arch = "a|b", dataset = "one", test_acc = 50.5 }]', "", "no `golden`"),
        ("length = 2", 'length = "2"', "not a whole number"),
        ('name = "tiny"', 'name = "../tiny"', "lower-case letters"),
        ("[space]", '[[file]]\nname = "../../etc/passwd"\n[space]', "plain file name"),
        ('path = "acc"', 'path = "acc[*]"', "`runs` is missing"),
        ("[space]", "[space", "not valid TOML"),
        ('kind = "product"', 'kind = "cube"', "not one of product, listed, like"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        read_declaration(written(tmp_path, old, new))


def test_a_declaration_of_a_megabyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(SpecError, match="larger"):
        read_declaration(path)


def test_what_is_deeply_nested_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 50_000)
    with pytest.raises(SpecError, match="not valid TOML"):
        read_declaration(path)
