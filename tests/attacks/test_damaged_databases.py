"""Databases that are damaged, written to, replaced or removed while a server answers from them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import IO, Any, Final, TypeAlias

import httpx
import pytest
from bench_server import BenchServer, ending_together
from real_servers import RealServer
from waiting import until

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.registry import INSTALLABLE
from generators.registry import GENERATORS, SAMPLES

SECONDS: Final = 60.0
"""How long anything may take that takes a moment."""
FIRST: Final = "/v1/nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100"
JOINED: Final = "/v1/nasbench201/top?metric=edgegpu_latency&num_epochs=200&dataset=cifar100"
ASKED: Final = {
    name: (
        f"/v1/{name}/computed-stats?limit=3",
        f"/v1/{name}/computed-stats?limit=3&reduction=mean",
        f"/v1/{name}/export?format=csv",
        f"/v1/benchmarks/{name}",
    )
    for name in INSTALLABLE
} | {
    "hw-nas-bench": (
        "/v1/nasbench201/hardware?arch=0",
        "/v1/nasbench201/hardware?limit=3",
        "/v1/hw-nas-bench/export?format=csv",
        "/v1/benchmarks/hw-nas-bench",
        JOINED,
    )
}
"""Questions that a database answers, by its name."""


class Workers(BenchServer):
    """A server of two processes."""

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        return [*super().command(), "--workers", "2"]

    def launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a process of its own: the workers are made by it."""
        return RealServer.launch(self, output)


Started: TypeAlias = Callable[..., BenchServer]


@pytest.fixture
def folder(every_sample: Path, tmp_path: Path) -> Path:
    """Databases that a test may damage."""
    copy = tmp_path / "databases"
    copy.mkdir()
    for path in every_sample.glob("*.db"):
        shutil.copy(path, copy)
    return copy


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Started]:
    """Starts a server of the copy that checks it all the time unless told otherwise."""
    with ending_together() as started:

        def start(workers: int = 1, **environment: str) -> BenchServer:
            told = {"NASBENCH_VERIFY_SECONDS": "0.2", **environment}
            return started((Workers if workers > 1 else BenchServer)(tmp_path, folder, **told))

        yield start


def repeatable(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - repeatable, not secret


def flip_served(server: BenchServer, path: Path, rng: Random, count: int = 1) -> None:
    """Flip bits of a file while the server that has it open cannot look at it.

    For a moment its time is another one, which no failing disk would cause.
    """
    with server.paused():
        flip(path, rng, count)


def flip(path: Path, rng: Random, count: int = 1) -> None:
    """Flip bits of a file as a failing disk would: its time and size stay what they were."""
    before = path.stat()
    with path.open("r+b") as file:
        for place in rng.sample(range(before.st_size), count):
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 1 << rng.randrange(8)]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def states(server: BenchServer) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/readyz", timeout=SECONDS).json()
    return dict(answer["benchmarks"])


def until_verified(server: BenchServer) -> None:
    until(
        lambda: states(server),
        lambda told: all(state.get("verified_at") for state in told.values()),
        what="all databases checked",
    )


def until_unusable(server: BenchServer, *names: str) -> None:
    until(
        lambda: states(server),
        lambda told: all(told[name]["status"] == "unusable" for name in names),
        what=f"{', '.join(names)} found unusable",
    )


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"].endswith(":database-unusable")
    assert "/" not in answer.json()["detail"]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", INSTALLABLE)
def test_each_of_100_flipped_bits_is_found_when_the_open_file_is_checked(
    folder: Path, name: str
) -> None:
    path = folder / f"{name}.db"
    for other in folder.glob("*.db"):
        if other != path:  # which would be opened a hundred times, too
            other.unlink()
    whole = path.read_bytes()
    before = path.stat()
    rng = repeatable(100)
    for _ in range(100):
        catalog = Catalog(folder)
        flip(path, rng)
        with pytest.raises(UnusableDatabaseError):
            catalog.entry(name).database.verify()
        with pytest.raises(UnusableDatabaseError, match=f"{name} failed a check and is not used"):
            catalog.entry(name)
        assert name not in catalog.installed
        catalog.close()
        path.write_bytes(whole)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_served_database_whose_bits_flip_is_not_asked_after_the_check(
    start: Started, folder: Path
) -> None:
    server = start()
    until_verified(server)
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        paths = {path for paths in ASKED.values() for path in paths}
        held = {path: client.get(path) for path in paths}
        assert {answer.status_code for answer in held.values()} == {200}
        rng = repeatable(7)
        flipped: list[str] = []
        for name, count in zip(INSTALLABLE, (1, 100, 1, 3, 1), strict=True):
            flip_served(server, folder / f"{name}.db", rng, count)
            flipped.append(name)
            until_unusable(server, *flipped)
            for other, asked in ASKED.items():
                for path in asked:
                    answer = client.get(path)
                    joined = path == JOINED and "nasbench201" in flipped
                    if other in flipped or joined:
                        assert_refused(answer)
                        # Neither kept answers nor those that callers hold are given out again.
                        held_tag = {"If-None-Match": held[path].headers["ETag"]}
                        assert_refused(client.get(path, headers=held_tag))
                    else:
                        assert answer.content == held[path].content
            listed = {info["name"] for info in client.get("/v1/benchmarks").json()["items"]}
            assert listed == set(INSTALLABLE) - set(flipped)
            ready = client.get("/readyz")
            if len(flipped) < len(INSTALLABLE):
                assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            else:
                assert ready.status_code == 503
            for benchmark, state in ready.json()["benchmarks"].items():
                assert (state["status"] == "unusable") == (benchmark in flipped)
                assert ("checksum" in state.get("reason", "")) == (benchmark in flipped)
            metrics = client.get("/metrics").text
            for benchmark in INSTALLABLE:
                usable = int(benchmark not in flipped)
                assert f'nasbench_database_usable{{benchmark="{benchmark}"}} {usable}.0' in metrics
                verified = f'nasbench_database_verified_seconds{{benchmark="{benchmark}"}} '
                assert (verified in metrics) == bool(usable)
        assert client.get("/livez").status_code == 200


def test_batches_and_hardware_costs_of_a_damaged_database_are_refused(
    start: Started, folder: Path
) -> None:
    server = start()
    until_verified(server)
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        path = "/v1/nasbench201/computed-stats/query"
        batch = {"archs": [0, 1, 2], "num_epochs": 200, "dataset": "cifar100"}
        plain = JOINED.replace("edgegpu_latency", "test_acc")
        assert client.post(path, json=batch).status_code == 200
        flip_served(server, folder / "hw-nas-bench.db", repeatable(1))
        until_unusable(server, "hw-nas-bench")
        assert_refused(client.get(JOINED))
        assert client.get(plain).status_code == 200
        assert client.post(path, json=batch).status_code == 200
        flip_served(server, folder / "nasbench201.db", repeatable(2))
        until_unusable(server, "nasbench201")
        assert_refused(client.post(path, json=batch))
        assert_refused(client.get(plain))


def test_a_database_that_was_damaged_before_the_start_is_found_by_the_first_check(
    start: Started, folder: Path
) -> None:
    path = folder / "nasbench201.db"
    with path.open("r+b") as file:  # in a page of numbers, which opening does not look at
        file.seek(path.stat().st_size // 2)
        file.write(b"\x55")
    server = start(NASBENCH_VERIFY_SECONDS="100000")
    until_unusable(server, "nasbench201")
    assert_refused(httpx.get(server.url + FIRST))
    until(
        lambda: states(server), lambda told: told["natssss"]["verified_at"], what="natssss checked"
    )


def test_the_way_back_is_a_sound_file(start: Started, folder: Path, every_sample: Path) -> None:
    server = start()
    answer = httpx.get(server.url + FIRST).content
    flip_served(server, folder / "nasbench201.db", repeatable(5))
    until_unusable(server, "nasbench201")
    moved_into_place(every_sample / "nasbench201.db", folder / "nasbench201.db")
    until(
        lambda: states(server),
        lambda told: told["nasbench201"]["status"] == "ready",
        what="nasbench201 served again",
    )
    until_verified(server)
    assert httpx.get(server.url + FIRST).content == answer


def test_an_export_under_way_breaks_off_when_its_database_fails(
    start: Started, folder: Path
) -> None:
    server = start()
    until_verified(server)
    path = "/v1/hw-nas-bench/export?format=ndjson"
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        whole = len(client.get(path).content)
        with client.stream("GET", path) as answer:
            pieces = answer.iter_raw(1000)
            received = len(next(pieces))
            flip_served(server, folder / "hw-nas-bench.db", repeatable(3))
            until_unusable(server, "hw-nas-bench")
            with pytest.raises(httpx.RemoteProtocolError):
                received += sum(map(len, pieces))
        assert received < whole


def test_no_checks_are_made_where_none_are_wanted(start: Started, folder: Path) -> None:
    server = start(NASBENCH_VERIFY_SECONDS="0")
    flip_served(server, folder / "nds.db", repeatable(4))
    time.sleep(0.5)
    assert {state["verified_at"] for state in states(server).values()} == {None}
    assert "nasbench_database_verified_seconds{" not in httpx.get(f"{server.url}/metrics").text


def moved_into_place(new: Path, path: Path) -> None:
    shutil.copy(new, path.with_name("new"))
    path.with_name("new").replace(path)


def copied_over(new: Path, path: Path) -> None:
    shutil.copyfile(new, path)


def cut_off(_: Path, path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("change", [copied_over, cut_off])
def test_a_database_that_is_written_to_while_it_is_served_gives_no_answer_of_two_files(
    start: Started, folder: Path, tmp_path: Path, change: Callable[[Path, Path], None]
) -> None:
    raw = SAMPLES["nasbench201"](tmp_path / "raw", architectures=12, seed=1)
    GENERATORS["nasbench201"](raw, tmp_path / "other", progress=lambda *_: None)
    server = start(NASBENCH_VERIFY_SECONDS="0")
    paths = [f"/v1/nasbench201/computed-stats?arch={index}&limit=1000" for index in range(12)]
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        expected = {path: client.get(path).content for path in paths}

        def ask(number: int) -> bool:
            answer = client.get(paths[number % len(paths)])
            if answer.is_success:
                return answer.content == expected[paths[number % len(paths)]]
            assert_refused(answer)
            return True

        with ThreadPoolExecutor(4) as pool:
            asking = pool.map(ask, range(200))
            change(tmp_path / "other/nasbench201.db", folder / "nasbench201.db")
            assert all(asking)
        for path in paths:
            assert_refused(client.get(path))
        assert states(server)["nasbench201"]["status"] == "unusable"
