"""A real service on a real socket, whose answers a test may script, and small real databases."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import pytest
from measuring import unmeasured
from one_question import asked_awaited, asked_blocking

from bench_client import BenchClient, Simulation
from bench_client.models import fields_of
from bench_client.models.run_columns import RUN_COLUMNS
from benchmark_db import answers
from benchmark_db.catalog import Catalog
from benchmark_db.curves import Curve, encode_curves
from benchmark_db.errors import InvalidQuestionError, UnknownBenchmarkError
from benchmark_db.nasbench201.architecture import (
    arch_str,
    isomorphism_classes,
    published_order,
)
from benchmark_db.nasbench201.benchmark import (
    CURVES,
    DATASETS,
    TABLES,
    VIEWS,
    Architecture,
    Dataset,
    NasBench201,
    Run,
    describe_architecture,
)
from benchmark_spec.published import PUBLISHED
from generators.build import DatabaseBuild
from generators.nasbench201 import generate as generate_nasbench201
from generators.natssss import generate as generate_natssss
from generators.source import Source

NUM_ARCHITECTURES: Final = 60
SEEDS: Final = {12: (111, 777), 200: (777, 888, 999)}
GOLDEN: Final = {777: 51.98, 888: 53.68, 999: 53.08}
"""Test accuracy of architecture 0 on cifar100 after 200 epochs (raw-formats.md, section 2)."""


def build_database(folder: Path, *, synthetic: bool) -> Path:
    """Make a database of 60 architectures and 1,200 runs; architecture 0 has curves."""
    target = folder / "nasbench201.db"
    with DatabaseBuild(target, NasBench201, TABLES, VIEWS) as build:
        build.insert(Dataset, enumerate(DATASETS))
        for index in range(NUM_ARCHITECTURES):
            name = arch_str(published_order()[index])
            build.insert(Architecture, [(index, name, isomorphism_classes()[index])])
            build.insert(Run, _runs(index))
        curves = [[float(epoch) for epoch in range(200)]] * len(CURVES)
        build.insert(Curve, [(1, encode_curves(curves, 200))])
        source = Source(name="tests", size=1, sha256="0" * 64)
        build.complete(source, {"architectures": NUM_ARCHITECTURES}, synthetic=synthetic)
    return folder


def _runs(index: int) -> Iterator[tuple[Any, ...]]:
    for num_epochs, seeds in SEEDS.items():
        for dataset, name in enumerate(DATASETS):
            for seed in seeds:
                golden = GOLDEN.get(seed, 50.0) if num_epochs == 200 else 40.0
                valid = None if name == "cifar10" else 41.0
                stats = (60.0, valid, golden, 42.0, 1.0, None, 1.2, 1.3, 0.135156, 15.65, 0.013)
                curve = 1 if index == 0 and num_epochs == 200 else None
                key = (index, num_epochs, dataset, seed)
                yield (curve, *key, *stats, 100.0, None, 1.0, 2.0, 16, 5)


@dataclass
class Reply:
    """A scripted answer.

    Attributes:
        cut: How many bytes of the body are sent before the connection closes; None: all.
        delay: Seconds of silence before it.
    """

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    delay: float = 0.0

    @classmethod
    def problem(cls, status: int, detail: str = "", **members: Any) -> Reply:
        headers = members.pop("headers", {})
        body = {"type": "about:blank", "title": "x", "status": status, "detail": detail, **members}
        return cls(status, json.dumps(body).encode(), "application/problem+json", headers)


class MakeReply(Protocol):
    """Makes scripted answers, as the class `Reply` does."""

    def __call__(self, status: int, *args: Any, **kwargs: Any) -> Reply: ...

    def problem(self, status: int, detail: str = "", **members: Any) -> Reply: ...


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class BenchmarkServer(ThreadingHTTPServer):
    """Answers from a catalog, or with the scripted replies as long as there are some."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.catalog = Catalog(directory)
        self.script: deque[Reply] = deque()
        self.received: list[Received] = []
        self.connections: list[socket.socket] = []
        self.stop_waiting = threading.Event()

    def will_answer(self, *replies: Reply | bytes) -> None:
        """Script the next answers; bytes are JSON answered with 200."""
        self.script += [
            Reply(200, reply) if isinstance(reply, bytes) else reply for reply in replies
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address


class _Handler(BaseHTTPRequestHandler):
    server: BenchmarkServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, *_: Any) -> None:
        """Say nothing: tests look at `received`."""

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.command, parts.path, query, headers, body))
        reply = self.server.script.popleft() if self.server.script else None
        wants_columns = RUN_COLUMNS in headers.get("accept", "")
        answer = partial(self._answer, parts.path, query, body or {}, wants_columns=wants_columns)
        self._send(reply or answer())

    def _send(self, reply: Reply) -> None:
        self.server.stop_waiting.wait(reply.delay)
        self.send_response(reply.status)
        headers = {"Content-Type": reply.media_type, "Content-Length": str(len(reply.body))}
        for name, value in {**headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut])
        self.close_connection = reply.cut is not None

    def _answer(
        self, path: str, query: dict[str, str], body: dict[str, Any], *, wants_columns: bool
    ) -> Reply:
        try:
            answer = self._found(path, query, body, wants_columns=wants_columns)
        except InvalidQuestionError as error:
            errors = [{"loc": ["query", error.field], "msg": error.message}]
            return Reply.problem(422, error.message, errors=errors)
        except UnknownBenchmarkError as error:
            return Reply.problem(404, str(error))
        if "data" in answer:
            data = answer.pop("data")
            return Reply(200, json.dumps(answer).encode() + b"\n" + data, RUN_COLUMNS)
        return Reply(200, json.dumps(answer).encode())

    def _found(
        self, path: str, query: dict[str, str], body: dict[str, Any], *, wants_columns: bool
    ) -> Any:
        catalog = self.server.catalog
        _, _, scope, topic, *_ = f"{path}/".split("/")
        if scope == "benchmarks":
            names = [topic] if topic else list(catalog.benchmarks)
            infos = [
                {
                    **answers.benchmark_answer(catalog, name),
                    "fields": [described.model_dump() for described in fields_of(PUBLISHED[name])],
                }
                for name in names
            ]
            return infos[0] if topic else {"items": infos}
        benchmark = catalog[scope]
        if topic == "architecture":
            return describe_architecture(body["arch"])
        whole = {"num_epochs", "seed", "limit"}
        asked: dict[str, Any] = {
            name: int(text) if name in whole else text for name, text in query.items()
        }
        asked.update(body)
        options = {
            name: asked.pop(name)
            for name in ("reduction", "include_intermediates", "limit", "cursor")
            if name in asked
        }
        if "include_intermediates" in options:
            options["include_intermediates"] = options["include_intermediates"] in {"true", True}
        if topic == "intermediate-stats":
            return answers.intermediate_stats_answer(benchmark, asked, **options)
        if "archs" in asked:
            archs = asked.pop("archs")
            if wants_columns:
                return answers.run_columns_answer(benchmark, archs, asked, **options)
            return answers.many_computed_stats_answer(benchmark, archs, asked, **options)
        return answers.computed_stats_answer(benchmark, asked, **options)


@pytest.fixture(scope="session")
@unmeasured()
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_database(tmp_path_factory.mktemp("databases"), synthetic=False)


@pytest.fixture(scope="session")
@unmeasured()
def synthetic_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_database(tmp_path_factory.mktemp("synthetic"), synthetic=True)


@pytest.fixture(scope="session")
@unmeasured()
def nats_bench_folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of the published records of architectures 0 and 11 of both spaces."""
    out = tmp_path_factory.mktemp("nats-bench")
    generate_nasbench201(shared / "data/nasbench201/NATS-tss-v1_0-3ffb9-simple", out)
    generate_natssss(shared / "data/natssss/NATS-sss-v1_0-50262-simple", out)
    return out


def _served(directory: Path) -> Iterator[BenchmarkServer]:
    with BenchmarkServer(directory) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stop_waiting.set()
        server.shutdown()
        thread.join()
        server.catalog.close()


@pytest.fixture
def server(databases: Path) -> Iterator[BenchmarkServer]:
    yield from _served(databases)


@pytest.fixture
def synthetic_server(synthetic_databases: Path) -> Iterator[BenchmarkServer]:
    yield from _served(synthetic_databases)


@pytest.fixture
def reply() -> MakeReply:
    return Reply


@pytest.fixture(params=[asked_blocking, asked_awaited], ids=["blocking", "awaited"])
def asked(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Open a client of either kind on an address, ask it one thing and return the answer."""
    chosen: Callable[..., Any] = request.param
    return chosen


@pytest.fixture(scope="module")
def sample_bench(sample_database: Path) -> Iterator[BenchClient]:
    """Made-up runs of twelve architectures of NAS-Bench-201, which differ in times and values."""
    with BenchClient.local(sample_database.parent) as bench:
        yield bench


@pytest.fixture(scope="module")
def cells(nasbench101_folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(nasbench101_folder) as bench:
        yield bench


@pytest.fixture(scope="module")
def uniform(databases: Path) -> Iterator[BenchClient]:
    """Sixty architectures every training of which took 100 seconds, whatever its budget."""
    with BenchClient.local(databases) as bench:
        yield bench


@pytest.fixture
def simulate(sample_bench: BenchClient) -> Callable[..., Simulation]:
    def simulate(**options: Any) -> Simulation:
        return sample_bench.simulate(
            "nasbench201", "cifar10-valid", 200, **{"budget": 1e9} | options
        )

    return simulate
