"""Compares requesting runs of 10,000 architectures as columns, as `query_many` does, with JSON.

One server process serves a declared table of 10,000 architectures with three runs each, and the
synthetic NAS-Bench-201 of all architectures, which has 1.75. Prints medians of the seconds until a
table or all items are complete, and of the processor time of client and server, and the size of the
response. Frames and items of both ways are checked for equality first.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.request import Request, urlopen

from made_tables import make_table
from pandas.testing import assert_frame_equal
from polars import DataFrame
from processes import Server, cpu_seconds, service

from bench_client import Batch, BenchClient
from bench_client.models.run_columns import RUN_COLUMNS
from bench_client.operations import Question, Steps, drive
from bench_client.pages import batch_of, every_batch
from bench_client.tables import known_table
from generators.registry import WHOLE_SAMPLES

_ARCHITECTURES: Final = 10_000
_STATS: Final = dict.fromkeys(
    ("train_acc", "valid_acc", "test_acc", "train_loss", "valid_loss", "test_loss"),
    ("percent", "larger"),
)


def main() -> None:
    """Measure both tables and print a line for each way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        archs = _make_table(data)
        WHOLE_SAMPLES["nasbench201"](data, seed=0)
        with service(data) as server:
            _compare(server, "three-runs", archs, {}, rounds)
            part = {"num_epochs": 200, "dataset": "cifar100"}
            _compare(server, "nasbench201", list(range(_ARCHITECTURES)), part, rounds)


def _make_table(data: Path) -> list[str]:
    draw = random.Random(0)  # noqa: S311 - synthetic figures
    archs = ["|".join(arch) for arch in islice(product("abcde", repeat=6), _ARCHITECTURES)]
    runs = (
        {"arch": arch, "dataset": "cifar10", "num_epochs": 200, "seed": seed}
        | {stat: round(draw.uniform(10, 95), 3) for stat in _STATS}
        for arch in archs
        for seed in range(3)
    )
    make_table(data, "three-runs", choices="abcde", stats=_STATS, runs=runs)
    return archs


def _compare(
    server: Server, name: str, archs: list[Any], part: dict[str, Any], rounds: int
) -> None:
    address = f"http://127.0.0.1:{server.port}"
    with BenchClient(address) as bench:
        ways: dict[str, Callable[[], Any]] = {
            "JSON, frame": lambda: _by_json(bench, name, archs, part).to_pandas(),
            "columns, frame": lambda: bench.query_many(name, archs, **part).to_pandas(),
            "columns, polars": lambda: bench.query_many(name, archs, **part).to_polars(),
            "columns, Arrow": lambda: bench.query_many(name, archs, **part).to_arrow(),
            "JSON, items": lambda: list(_by_json(bench, name, archs, part)),
            "columns, items": lambda: list(bench.query_many(name, archs, **part)),
        }
        items, columns, polars, arrow, listed, made = (way() for way in ways.values())
        assert_frame_equal(items, columns)
        if listed != made or not polars.equals(DataFrame(arrow)):
            raise SystemExit("items differ")
        print(
            f"{name}: {len(archs):,} architectures, {len(items):,} rows, {items.shape[1]} columns"
        )
        del (
            items,
            columns,
            polars,
            arrow,
            listed,
            made,
        )  # each collection of garbage would walk through them
        found: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, make in ways.items():
                gc.collect()
                began = time.perf_counter(), time.process_time(), cpu_seconds(server.pid)
                make()
                ended = time.perf_counter(), time.process_time(), cpu_seconds(server.pid)
                found[way].append(tuple(now - then for now, then in zip(ended, began, strict=True)))
    sizes = {
        way: _bytes(address, name, archs, part, media)
        for way, media in (("JSON", "*/*"), ("columns", RUN_COLUMNS))
    }
    for way, times in found.items():
        size = sizes[way.partition(",")[0]]
        seconds, client, served = map(median, zip(*times, strict=True))
        print(
            f"  {way:15} {seconds:6.3f} s; cpu: client {client:.3f} s, server {served:.3f} s"
            f"; {size / 1e6:.1f} MB"
        )


def _by_json(bench: BenchClient, name: str, archs: list[Any], part: dict[str, Any]) -> Batch[Any]:
    """Request runs as JSON objects, as the client does for learning curves."""

    def steps() -> Steps[Batch[Any]]:
        models = yield from known_table(name)
        answer = batch_of(models.stats)
        question = Question("computed_stats_many", answer, name, part, {"reduction": None})
        return (yield from every_batch(question, archs, with_curves=False))

    return drive(steps(), bench._ask)  # noqa: SLF001 - no public method requests JSON


def _bytes(address: str, name: str, archs: list[Any], part: dict[str, Any], media: str) -> int:
    request = Request(  # noqa: S310 - our own server
        f"{address}/v1/{name}/computed-stats/query",
        data=json.dumps({"archs": archs, **part}).encode(),
        headers={"Content-Type": "application/json", "Accept": media},
    )
    with urlopen(request) as answer:  # noqa: S310 - our own server
        return len(answer.read())


if __name__ == "__main__":
    main()
