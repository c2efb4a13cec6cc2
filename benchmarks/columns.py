"""Measures how long columns take, uncached and cached, their size, and how long a density takes.

    python benchmarks/columns.py http://127.0.0.1:8000 nasbench201 dataset=cifar10 num_epochs=200

Requires a server that has answered nothing yet: its first response for a column is uncached, later
ones are cached. Densities are counted in this process, over `_CELLS` random points.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import httpx
import numpy as np

from benchmark_db.density import GridSide, counted

_CELLS = 423_624
_REPEATS = 20


def milliseconds(ask: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000


def main(url: str, benchmark: str, *part: str) -> None:
    """Request every column of a benchmark and print medians and maxima."""
    filters = dict(pair.split("=", 1) for pair in part)
    with httpx.Client(base_url=f"{url}/v1/{benchmark}/", timeout=60) as http:
        described = http.get("columns", params=filters).raise_for_status().json()
        print(f"{benchmark}: {described['rows']} rows; milliseconds, and bytes with gzip")
        cold, kept, packed = [], [], []
        for column in described["items"]:
            query = {**filters, "metric": column["name"]}

            def ask(query: dict[str, str] = query) -> int:
                with http.stream("GET", "column", params=query) as answer:
                    return len(b"".join(answer.iter_raw()))

            cold.append(milliseconds(ask))
            kept.append(statistics.median(milliseconds(ask) for _ in range(_REPEATS)))
            packed.append(ask())
        for name, values in (("cold", cold), ("kept", kept), ("packed", packed)):
            print(f"{name:8}{statistics.median(values):12.1f} median{max(values):12.1f} most")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, _CELLS))
    sides = {"of_x": GridSide(name="x"), "of_y": GridSide(name="y")}
    everything = np.ones(_CELLS, np.bool_)
    counting = [
        milliseconds(lambda: counted(x, y, everything, **sides, bins=256)) for _ in range(_REPEATS)
    ]
    print(f"density of {_CELLS} in 256 x 256 cells: {statistics.median(counting):.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
