"""Declarations of tables for tests, and raw files that follow them in each format."""

from __future__ import annotations

import csv
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final

__all__ = ["DECLARATION", "RAW", "Row", "archs", "rows", "written_declaration"]

Row = dict[str, Any]

DECLARATION: Final = """
name = "tiny-table"
title = "Tiny table"
citation = "Nobody. Nothing. 2026."
licence = "MIT"
notes = ["Made for tests."]

[space]
kind = "product"
length = 3
choices = ["skip", "conv", "pool"]
equal = { within = [[0, 1]], drop = "skip" }

[parts]
dataset = ["one", "two"]
num_epochs = 12

[label]
name = "seed"
path = "seed"

[rows]
reader = "csv"
arch = "cell"
parts = { dataset = "data" }
null = ["", -1]

[metrics.test_acc]
path = "acc"
unit = "percent"
better = "larger"
example = 50.0

[metrics.loss]
path = "loss"
unit = "cross-entropy"
better = "smaller"

[metrics.parameters]
path = "params"
unit = "millions"
scale = 1e-6
better = "smaller"

[check]
complete = true
range = { test_acc = [0, 100], loss = [0, 10], parameters = [0, 10] }
golden = [{ arch = "skip|conv|pool", dataset = "one", test_acc_mean = 20.5 }]
"""
"""27 architectures on two data sets, two runs each."""


def archs() -> list[str]:
    """Return the architectures, in order."""
    return ["|".join(arch) for arch in product(("skip", "conv", "pool"), repeat=3)]


def rows() -> list[Row]:
    """Return the runs: accuracies 15 + index + seed, on the second data set 30 more."""
    return [
        {
            "cell": arch,
            "data": data,
            "seed": seed,
            "acc": 15.0 + index + seed + 30 * at,
            "loss": -1 if index == 0 else index / 4,
            "params": 1_000 * (index + 1) + 1,
        }
        for index, arch in enumerate(archs())
        for at, data in enumerate(("one", "two"))
        for seed in (0, 1)
    ]


def written_declaration(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the declaration with some changes, each of which must be one."""
    text = DECLARATION
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


def _csv(runs: list[Row]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(runs[0]))
    writer.writeheader()
    writer.writerows(runs)
    return file.getvalue().encode()


def _zip(runs: list[Row]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("folder/first.csv", _csv(runs[::2]))
        container.writestr("folder/second.csv", _csv(runs[1::2]))
    return file.getvalue()


def _parquet(runs: list[Row]) -> bytes:
    # `make client` runs tests with these rows where no pyarrow is installed.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    file = io.BytesIO()
    table = pa.table({name: [run[name] for run in runs] for name in runs[0]})
    pq.write_table(table, file)
    return file.getvalue()


RAW: Final[dict[str, tuple[str, Callable[[list[Row]], bytes]]]] = {
    "csv": ("runs.csv", _csv),
    "zip": ("runs.zip", _zip),
    "json-lines": (
        "runs.jsonl",
        lambda runs: "\n".join(json.dumps(run) for run in runs).encode() + b"\n\n",
    ),
    "json": ("runs.json", lambda runs: json.dumps({"a": {"runs": runs}}).encode()),
    "pickle": ("runs.pkl", pickle.dumps),
    "parquet": ("runs.parquet", _parquet),
}
"""By format: name of the raw file, and what writes it."""
