"""Measures how much start-up time and memory each declared table adds to a server.

Starts servers of one process with the sample of NAS-Bench-201 and 0, 1 and 30 small declared tables
in turn. Prints medians of the time until the first answer, of the processor time until then, and of
the resident memory: after the start, and after requesting the OpenAPI document and every table,
which creates all pydantic models.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Final
from urllib.request import urlopen

from made_tables import make_table
from processes import cpu_seconds, service

from generators.registry import GENERATORS, SAMPLES

_NUMBERS: Final = (0, 1, 30)
_STATS: Final = {
    **dict.fromkeys(("train_acc", "valid_acc", "test_acc"), ("percent", "larger")),
    **dict.fromkeys(("train_loss", "valid_loss", "test_loss"), ("cross-entropy", "smaller")),
    **dict.fromkeys(("training_time", "latency"), ("seconds", "smaller")),
    **dict.fromkeys(("parameters", "flops"), ("millions", "smaller")),
}
"""As many metrics as NAS-Bench-201 has: unit and direction by name."""


def main() -> None:
    """Measure servers with each number of tables and print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folders = {number: _made(Path(name), number) for number in _NUMBERS}
        found: dict[int, list[tuple[float, ...]]] = {number: [] for number in _NUMBERS}
        for _ in range(rounds):
            for number, folder in folders.items():
                found[number].append(_measured(folder))
    none = _medians(found[0])
    for number in _NUMBERS:
        seconds, processor, resident, asked = _medians(found[number])
        print(
            f"{number:3} tables: first answer after {seconds:.2f} s, {processor:.2f} s of "
            f"processor time, {resident:.0f} MB; everything asked once, {asked:.0f} MB"
        )
        if number:
            later, work, more, most = (
                now - then for now, then in zip(_medians(found[number]), none, strict=True)
            )
            print(
                f"     a table {1e3 * later / number:.1f} ms later, {1e3 * work / number:.1f} ms "
                f"of processor time; in all {more:.0f} MB more, {most:.0f} MB when asked"
            )


def _medians(rounds: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(map(median, zip(*rounds, strict=True)))


def _made(folder: Path, number: int) -> Path:
    """Create and return a folder of databases with a number of declared tables."""
    data = folder / f"{number}-tables"
    raw = SAMPLES["nasbench201"](folder / f"{number}-raw", architectures=20, seed=0)
    GENERATORS["nasbench201"](raw, data, progress=lambda *_: None)
    runs = [
        {"arch": "a|a|a|a|a|a", "dataset": dataset, "num_epochs": budget, "seed": 0}
        | dict.fromkeys(_STATS, 50.0)
        for dataset in ("cifar10", "cifar100")
        for budget in (12, 200)
    ]
    for at in range(number):
        make_table(data, f"table-{at}", choices="abc", stats=_STATS, runs=runs)
    return data


def _measured(data: Path) -> tuple[float, ...]:
    """Return wall and processor seconds to the first answer, and resident MB before and after."""
    with service(data) as server:
        processor, resident = cpu_seconds(server.pid), server.resident_mb
        address = f"http://127.0.0.1:{server.port}"
        _ask(f"{address}/openapi.json")
        for path in sorted(data.glob("table-*.db")):
            where = f"{address}/v1/{path.stem}"
            _ask(f"{where}/computed-stats?arch=0")
            for question in ("top?n=3&metric=test_acc", "pareto?x=test_acc&y=parameters"):
                _ask(f"{where}/{question}&dataset=cifar10&num_epochs=12")
            _ask(f"{where}/density?x=test_acc&y=parameters&dataset=cifar10&num_epochs=12")
            _ask(f"{where}/columns?dataset=cifar10&num_epochs=12")
        return server.start_seconds, processor, resident, server.resident_mb


def _ask(address: str) -> None:
    with urlopen(address) as answer:  # noqa: S310 - our own server
        answer.read()


if __name__ == "__main__":
    main()
