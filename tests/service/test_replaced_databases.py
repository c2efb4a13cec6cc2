"""Databases that are replaced, added and removed while they are served: no restart, no failure."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice
from operator import not_
from pathlib import Path
from typing import IO, Any, Final

import httpx
import pytest
from bench_server import BenchServer, ending_together
from declared_tables import DECLARATION, RAW, rows
from fastapi import FastAPI
from real_servers import RealServer
from starlette.datastructures import State
from waiting import until

from bench_client import BenchClient, TableReplacedError
from benchmark_db.catalog import Catalog
from benchmark_db.digests import seal
from generators.declared import generate_table
from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample
from service import served_databases
from service.http.fast_path import ServedRoutes
from service.served_databases import FolderWatch

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

SECONDS: Final = 60.0
THREADS: Final = 64
NAME: Final = "nasbench201"
TINY: Final = "tiny-table"
ASKED: Final = tuple(
    f"/v1/nasbench201/{question}"
    for question in (
        *(f"computed-stats?arch={index}" for index in range(8)),
        "intermediate-stats?arch=1&limit=2",
        "computed-stats?limit=50&reduction=mean",
        "top?metric=test_acc&dataset=cifar100&num_epochs=200&n=9",
        # Of two tables at a time.
        "top?metric=edgegpu_latency&dataset=cifar100&num_epochs=200&n=9",
    )
)


class Workers(BenchServer):
    """A server of two processes."""

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        return [*super().command(), "--workers", "2"]

    def launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a process of its own: the workers are made by it."""
        return RealServer.launch(self, output)


class Served:
    """A folder that a server serves, and a client of the server."""

    def __init__(self, server: BenchServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        plain = {"Accept-Encoding": "identity"}
        self.http = httpx.Client(base_url=server.url, timeout=SECONDS, headers=plain)

    def put(self, new: Path, name: str = NAME) -> None:
        """Move a copy of a file into place, as a build does."""
        part = self.folder / "part"
        shutil.copyfile(new, part)
        part.replace(self.folder / f"{name}.db")

    def state(self, name: str = NAME) -> dict[str, Any]:
        """Return what the server says of a database."""
        return dict(self.http.get("/readyz").json()["benchmarks"].get(name, {}))

    def go_over(self, new: Path, name: str = NAME) -> str:
        """Put another version into place, wait until it is served, and return its digest."""
        before = self.state(name).get("content_digest")
        self.put(new, name)
        digest = until(
            lambda: self.state(name).get("content_digest"),
            lambda digest: digest not in {before, None},
            what=f"another version of {name}",
        )
        return str(digest)

    def answers(self) -> dict[str, bytes]:
        """Return what is answered now."""
        return {path: self.http.get(path).content for path in ASKED}


@pytest.fixture(scope="module")
def first(every_sample: Path) -> Path:
    return every_sample / "nasbench201.db"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version: other numbers, other architectures."""
    folder = tmp_path_factory.mktemp("other")
    generate(write_sample(folder, architectures=14, seed=1), folder)
    return folder / "nasbench201.db"


@pytest.fixture(scope="module")
def module_served(every_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    for name in (NAME, "hw-nas-bench"):
        shutil.copy(every_sample / f"{name}.db", folder)
    with ending_together() as start:
        served = Served(start(BenchServer(tmp_path_factory.mktemp("server"), folder)), folder)
        yield served
        served.http.close()


@pytest.fixture
def served(module_served: Served, first: Path) -> Served:
    """The server, with the first version in place."""
    digest = BenchClient.local(first.parent)
    right = digest.benchmark(NAME).provenance.content_digest
    digest.close()
    if module_served.state().get("content_digest") != right:
        module_served.go_over(first)
    return module_served


def asked_until(served: Served, done: Callable[[int], bool]) -> list[tuple[str, int, bytes]]:
    """Ask from many connections at once until it is said to be enough; return what came."""
    found: list[tuple[str, int, bytes]] = []

    def ask(offset: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.server.port, timeout=SECONDS)
        at = offset
        while not done(len(found)):
            path = ASKED[at % len(ASKED)]
            connection.request("GET", path)
            answer = connection.getresponse()
            found.append((path, answer.status, answer.read()))
            at += 1
        connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(THREADS)))
    return found


def open_files(process: object) -> list[str]:
    """Return the databases that a process has open, replaced ones as `… (deleted)`."""
    found = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    return [path for path in found if ".db" in path]


def test_a_database_replaced_under_64_clients_fails_none_and_mixes_no_answer(
    served: Served, first: Path, other: Path
) -> None:
    expected = [served.answers()]
    served.go_over(other)
    expected.append(served.answers())
    assert not expected[0].items() & expected[1].items()
    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(lambda: [served.go_over(new) for new in (first, other, first)])
        found = asked_until(served, lambda count: replacing.done() and count > 500)
        assert len(set(replacing.result())) == 2
    assert {status for _, status, _ in found} == {200}
    met = [{path for path, _, body in found if body == answers[path]} for answers in expected]
    assert met == [set(ASKED)] * 2  # both versions were met by every question
    assert all(body in (expected[0][path], expected[1][path]) for path, _, body in found)
    until(
        lambda: open_files(served.server.pid),
        lambda paths: not any("deleted" in path for path in paths),
        what="the version before closed",
    )


def test_what_is_being_read_is_answered_from_the_version_it_began_with(
    served: Served, every_sample: Path
) -> None:
    path = "/v1/hw-nas-bench/export?format=ndjson"
    whole = served.http.get(path).content
    with served.http.stream("GET", path) as answer:
        pieces = answer.iter_raw(1000)
        begun = b"".join(islice(pieces, 1))
        (served.folder / "hw-nas-bench.db").unlink()
        until(lambda: served.state("hw-nas-bench"), not_, what="the removed table gone")
        assert begun + b"".join(pieces) == whole
    assert served.http.get(path).status_code == 404
    shutil.copy(every_sample / "hw-nas-bench.db", served.folder)
    until(lambda: served.state("hw-nas-bench"), what="the table back")
    assert served.http.get(path).content == whole


def test_a_page_of_an_earlier_version_is_refused_and_a_pinned_client_keeps_to_its_version(
    served: Served, other: Path
) -> None:
    path = "/v1/nasbench201/computed-stats?limit=2"
    cursor = served.http.get(path).json()["next_cursor"]
    etag = served.http.get(path).headers["ETag"]
    url = served.server.url
    with BenchClient(url, pin=True) as pinned, BenchClient(url) as bench:
        assert [run.seed for run in pinned.query_nb201(0)] == [
            run.seed for run in bench.query_nb201(0)
        ]
        served.go_over(other)
        assert bench.query_nb201(0)
        with pytest.raises(TableReplacedError, match=r"nasbench201 was replaced.* start"):
            pinned.query_nb201(0)
        with pytest.raises(TableReplacedError):
            pinned.benchmark(NAME)
    refused = served.http.get(f"{path}&cursor={cursor}")
    assert refused.status_code == 409
    assert refused.json()["type"].endswith(":table-replaced")
    assert "was replaced since the cursor" in refused.json()["detail"]
    assert "start again" in refused.json()["detail"]
    again = served.http.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert again.headers["ETag"] != etag


def damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\x55\xaa")


def of_another_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(60)  # PRAGMA user_version
        file.write(b"\x00\x00\x03\xe7")


def no_database(path: Path) -> None:
    path.write_text("a page of a proxy")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (damaged, "its checksum is not that of its bytes"),
        (of_another_schema, "has schema 999"),
        (no_database, "is not an SQLite database"),
    ],
)
def test_a_file_that_cannot_be_served_is_told_and_the_one_before_it_served_on(
    served: Served, first: Path, other: Path, tmp_path: Path, spoil: Any, told: str
) -> None:
    expected = served.answers()
    spoil(Path(shutil.copy(other, tmp_path / "bad")))
    served.put(tmp_path / "bad")
    until(
        served.state,
        lambda state: told in (state.get("replacement") or ""),
        what=f"{told!r} of the replacement",
    )
    state = served.http.get("/readyz").json()
    assert state["status"] == "degraded"
    assert state["benchmarks"][NAME]["status"] == "ready"
    assert str(served.folder) not in json.dumps(state)
    assert served.answers() == expected
    until(served.server.log.read_text, lambda log: told in log, what=f"{told!r} in the log")
    served.put(first)
    until(
        lambda: served.http.get("/readyz").json(),
        lambda state: state["status"] == "ready",
        what="a server that is ready",
    )
    assert served.answers() == expected


def made(folder: Path, declaration: str, *, more: float = 0.0) -> Path:
    """Return the database of a declared table, its accuracies higher by some number."""
    folder.mkdir()
    runs = [{**row, "acc": row["acc"] + more} for row in rows()]
    (folder / "runs.csv").write_bytes(RAW["csv"][1](runs))
    (folder / "table.toml").write_text(declaration)
    generate_table(folder / "table.toml", folder / "runs.csv", folder)
    return folder / f"{TINY}.db"


def test_declared_tables_come_change_and_go_with_their_routes(
    served: Served, tmp_path: Path
) -> None:
    ask = f"/v1/{TINY}/computed-stats?arch=3&dataset=one"
    paths = {*served.http.get("/openapi.json").json()["paths"]}
    assert served.http.get(ask).status_code == 404
    served.go_over(made(tmp_path / "1", DECLARATION), TINY)
    (item, _) = served.http.get(ask).json()["items"]
    document = served.http.get("/openapi.json").json()
    assert {path for path in document["paths"] if TINY in path}
    assert {*document["paths"]} - paths == {path for path in document["paths"] if TINY in path}
    batch = {"archs": [3], "dataset": "one"}
    with BenchClient(served.server.url) as bench:
        assert len(bench.query_many(TINY, **batch)[0]) == 2
        # Another description: the statistic has another name, and so have models and routes.
        renamed = DECLARATION.replace("test_acc", "best_acc").replace("mean = 20.5", "mean = 21.5")
        served.go_over(made(tmp_path / "2", renamed, more=1.0), TINY)
        (changed, _) = served.http.get(ask).json()["items"]
        assert changed["best_acc"] == item["test_acc"] + 1
        assert served.http.get(f"/v1/{TINY}/top?metric=best_acc&dataset=one").is_success
        assert "best_acc" in served.http.get("/openapi.json").text
    lying = tmp_path / "3" / f"{TINY}.db"
    shutil.copytree(tmp_path / "2", lying.parent)
    lying.write_bytes(lying.read_bytes().replace(b"best_acc", b"last_acc"))
    with lying.open("r+b") as file:
        seal(file.fileno())
    served.put(lying, TINY)
    why = until(lambda: served.state(TINY).get("replacement"), what="a refused replacement")
    assert "do not belong together" in why
    assert served.http.get(ask).json()["items"][0] == changed
    (served.folder / f"{TINY}.db").unlink()
    until(lambda: served.state(TINY), not_, what="the removed table gone")
    assert served.http.get(ask).status_code == 404
    assert {*served.http.get("/openapi.json").json()["paths"]} == paths


class Replacing(State):
    """The state of an application; each time it has gone over, a file is replaced again."""

    def __init__(self, folder: Path, versions: list[Path], times: int) -> None:
        super().__init__({"catalog": Catalog(folder)})
        self.done = asyncio.Event()
        self._replace = (
            Path(shutil.copyfile(new, folder / "part")).replace(folder / f"{NAME}.db")
            for new in islice(cycle(versions), times)
        )
        next(self._replace)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "catalog" and next(self._replace, None) is None:
            self.done.set()


def test_a_file_replaced_before_every_look_leaves_no_more_than_two_versions_open(
    first: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_databases, "_CHECK_SECONDS", 0.05)
    shutil.copy(first, tmp_path)

    async def replaced() -> int:
        state = Replacing(tmp_path, [other, first], times=8)
        with FolderWatch(state, ServedRoutes(FastAPI(), lambda _: [], ())) as watch:
            await asyncio.wait_for(state.done.wait(), SECONDS)
            links = open_files("self")
        watch.close()
        state.catalog.close()
        return sum(str(tmp_path) in link for link in links)

    each = 5  # a descriptor and four connections
    assert asyncio.run(replaced()) <= 2 * each


def test_each_of_several_processes_goes_over(first: Path, other: Path, tmp_path: Path) -> None:
    folder = tmp_path / "databases"
    folder.mkdir()
    shutil.copy(first, folder)
    with ending_together() as start:
        served = Served(start(Workers(tmp_path, folder)), folder)
        ask = "/v1/nasbench201/computed-stats?arch=2"
        digests = {httpx.get(served.server.url + ask).json()["provenance"]["content_digest"]}
        served.put(other)

        def met() -> int:
            # A connection each, so that both processes are met.
            answer = httpx.get(served.server.url + ask)
            assert answer.is_success
            digest = answer.json()["provenance"]["content_digest"]
            new = digest not in digests or len(digests) == 2
            digests.add(digest)
            return new and all(
                httpx.get(served.server.url + ask).json()["provenance"]["content_digest"] == digest
                for _ in range(30)
            )

        until(met, what="both processes gone over")
        assert len(digests) == 2
        served.http.close()
