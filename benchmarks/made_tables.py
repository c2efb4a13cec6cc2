"""Creates declared tables of synthetic runs for measurements."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from generators.declared import generate_table

__all__ = ["make_table"]

_TABLE: Final = """
name = "{name}"
title = "A table"
citation = "Nobody. Nothing. 2026."
licence = "MIT"
notes = []

[space]
kind = "product"
length = 6
choices = {choices}

[parts]
dataset = {datasets}
num_epochs = {budgets}

[label]
name = "seed"
path = "seed"

[rows]
reader = "json-lines"
arch = "arch"
parts = {{ dataset = "dataset", num_epochs = "num_epochs" }}
{metrics}
[check]
range = {{ {ranges} }}
golden = [{{ arch = "{arch}", dataset = "{dataset}", num_epochs = {budget}, {figure} }}]
"""
_METRIC: Final = """
[metrics.{name}]
path = "{name}"
unit = "{unit}"
better = "{better}"
example = 50.0
"""


def make_table(
    data: Path,
    name: str,
    *,
    choices: str,
    stats: Mapping[str, tuple[str, str]],
    runs: Iterable[Mapping[str, Any]],
) -> None:
    """Create the database of a declared table whose architectures are six choices.

    Args:
        data: Folder of the database.
        name: Name of the table.
        choices: Candidates of each choice, one letter each.
        stats: Unit and direction by name of a metric.
        runs: Runs with `arch`, `dataset`, `num_epochs`, `seed` and every metric (0 to 1,000).
    """
    every = list(runs)
    first, stat = every[0], next(iter(stats))
    text = _TABLE.format(
        name=name,
        choices=list(choices),
        datasets=list(dict.fromkeys(run["dataset"] for run in every)),
        budgets=list(dict.fromkeys(run["num_epochs"] for run in every)),
        metrics="".join(
            _METRIC.format(name=one, unit=unit, better=better)
            for one, (unit, better) in stats.items()
        ),
        ranges=", ".join(f"{one} = [0, 1000]" for one in stats),
        arch=first["arch"],
        dataset=first["dataset"],
        budget=first["num_epochs"],
        figure=f"{stat}_mean = {_mean(every, first, stat)}",
    )
    with tempfile.TemporaryDirectory() as folder:
        table, raw = Path(folder, "table.toml"), Path(folder, "runs.jsonl")
        table.write_text(text)
        raw.write_text("".join(json.dumps(run) + "\n" for run in every))
        generate_table(table, raw, data)


def _mean(runs: Iterable[Mapping[str, Any]], like: Mapping[str, Any], stat: str) -> float:
    """Return the mean of a metric over the runs with the configuration of `like`."""
    told = ("arch", "dataset", "num_epochs")
    found = [run[stat] for run in runs if all(run[name] == like[name] for name in told)]
    return float(sum(found) / len(found))
