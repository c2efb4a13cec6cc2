"""Replaces a database under load: no request may fail or mix two versions.

64 clients send 10,000 requests to a server of synthetic NAS-Bench-201 tables: single architectures,
curves, reductions and rankings, also joined with the table of hardware costs, while the database is
replaced every two seconds. Prints failures, responses of neither version, and latencies, beside
those of the same server undisturbed.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Final

from processes import service

from generators.registry import GENERATORS, SAMPLES

_CLIENTS: Final = 64
_SECONDS: Final = 2.0
_NAME: Final = "nasbench201"
_ASKED: Final = tuple(
    f"/v1/{_NAME}/{question}"
    for question in (
        *(f"computed-stats?arch={index}" for index in range(40)),
        *(f"intermediate-stats?arch={index}&limit=2" for index in range(4)),
        *(f"computed-stats?limit={limit}&reduction=mean" for limit in (20, 50)),
        "top?metric=test_acc&dataset=cifar100&num_epochs=200&n=9",
        "top?metric=edgegpu_latency&dataset=cifar100&num_epochs=200&n=9",
    )
)

_Answers = dict[str, bytes]


def main() -> None:
    """Send the requests with and without replacements, and print the outcomes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("requests", nargs="?", type=int, default=10_000)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as name:
        versions, served = _made(Path(name)), Path(name) / "served"
        with service(served) as server:
            first = _answers(server.port)
            _put(versions[1], served)
            while _answers(server.port).items() & first.items():
                time.sleep(0.1)
            expected = first, _answers(server.port)
            _load(server.port, requests, expected, "undisturbed")
            stopped = threading.Event()
            with ThreadPoolExecutor(1) as pool:
                replacing = pool.submit(_keep_replacing, versions, served, stopped)
                _load(server.port, requests, expected, "while files are replaced")
                stopped.set()
            print(f"files moved into place: {replacing.result()}")


def _made(folder: Path) -> list[Path]:
    """Create two versions of the database; serve the first, beside hardware costs."""
    versions = []
    for seed in (0, 1):
        out = folder / str(seed)
        raw = SAMPLES[_NAME](out / "raw", architectures=60, seed=seed)
        GENERATORS[_NAME](raw, out, progress=lambda *_: None)
        versions.append(out / f"{_NAME}.db")
    raw = SAMPLES["hw-nas-bench"](folder / "raw", architectures=60, seed=0)
    GENERATORS["hw-nas-bench"](raw, folder / "served", progress=lambda *_: None)
    _put(versions[0], folder / "served")
    return versions


def _put(new: Path, served: Path) -> None:
    part = served / "part"
    shutil.copyfile(new, part)
    part.replace(served / new.name)


def _keep_replacing(versions: list[Path], served: Path, stopped: threading.Event) -> int:
    """Replace the database until `stopped` is set; return the number of replacements."""
    times = 0
    for new in cycle(versions):
        if stopped.wait(_SECONDS):
            return times
        _put(new, served)
        times += 1
    return times


def _answers(port: int) -> _Answers:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = {}
    for path in _ASKED:
        connection.request("GET", path)
        found[path] = connection.getresponse().read()
    connection.close()
    return found


def _load(port: int, requests: int, expected: tuple[_Answers, _Answers], when: str) -> None:
    """Send requests in a closed loop from `_CLIENTS` connections, and print the outcome."""
    outcome: Counter[str] = Counter()
    times: list[float] = []

    def ask(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for at in range(client, requests, _CLIENTS):
            path = _ASKED[at % len(_ASKED)]
            started = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            times.append(time.perf_counter() - started)
            met = [version for version in (0, 1) if body == expected[version][path]]
            outcome["failed" if answer.status != 200 else f"of {met or 'neither'}"] += 1  # noqa: PLR2004 - OK
        connection.close()

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(ask, range(_CLIENTS)))
    cuts = quantiles(times, n=1000)
    print(
        f"{when}: {sum(outcome.values())} answers, {outcome['failed']} failed, "
        f"{outcome['of neither']} of neither version, {dict(outcome)}; median "
        f"{1e3 * cuts[499]:.1f} ms, 99 % {1e3 * cuts[989]:.1f} ms, "
        f"longest {1e3 * max(times):.0f} ms"
    )


if __name__ == "__main__":
    main()
