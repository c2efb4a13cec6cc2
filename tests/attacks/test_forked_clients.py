"""Clients that are carried into other processes: forked, pickled, copied, while others ask.

A connection of the parent that a child uses too gives one the answers to the questions of the
other; a lock that was held at the fork stays held for ever.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import multiprocessing
import os
import pickle
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from bench_server import BenchServer
from forked_pools import FORK, forked_pool

from bench_client import AsyncBenchClient, BenchClient
from bench_client.compat import client_for
from bench_client.compat_nasbench import NASBench
from bench_client.compat_nats_bench import create
from bench_client.compat_optuna import objective

ARCHS: Final = [0, 5, 11] * 200


pytestmark = pytest.mark.filterwarnings(
    "ignore:the numbers of:UserWarning",
    # Threads that fork are what is tried here.
    "ignore:.*multi-threaded, use of fork:DeprecationWarning",
)


@pytest.fixture(scope="module")
def server(sample_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, in a process of its own, of twelve made-up architectures."""
    served = BenchServer(tmp_path_factory.mktemp("server"), sample_database.parent)
    served.start()
    yield served.url
    served.stop()


@pytest.fixture(params=["http", "local"])
def client(
    request: pytest.FixtureRequest, server: str, sample_database: Path
) -> Iterator[BenchClient]:
    """A client that has asked once: its connections are open."""
    if request.param == "local":
        bench = BenchClient.local(sample_database.parent)
    else:
        bench = BenchClient(server)
    with bench:
        bench.query_nb201(7, 200, "cifar100")
        yield bench


def asked_for(bench: BenchClient, arch: int) -> list[int]:
    """Return which architectures the answer about one is about."""
    return sorted({run.config.index for run in bench.query_nb201(arch, 200, "cifar100")})


def in_child(work: Callable[[], object]) -> None:
    """Do something in a child of `os.fork` that ends as a program does, and see that it did it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def check_all(bench: BenchClient, archs: list[int]) -> None:
    for arch in archs:
        assert asked_for(bench, arch) == [arch]


def test_the_workers_of_a_forked_pool_get_their_own_answers(client: BenchClient) -> None:
    with forked_pool(4) as pool:
        found = pool.map(partial(asked_for, client), ARCHS)
    assert found == [[arch] for arch in ARCHS]


def test_parent_and_children_ask_at_the_same_time(client: BenchClient) -> None:
    children = [FORK.Process(target=check_all, args=(client, [arch] * 200)) for arch in (0, 5, 11)]
    for child in children:
        child.start()
    check_all(client, [7, 3] * 200)
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    check_all(client, [7, 3])


def test_threads_that_ask_while_others_fork_leave_no_lock_held(client: BenchClient) -> None:
    stop = threading.Event()
    wrong: list[object] = []

    def ask_on(arch: int) -> None:
        while not stop.is_set():
            found = asked_for(client, arch)
            if found != [arch]:
                wrong.append(found)

    threads = [threading.Thread(target=ask_on, args=(arch,)) for arch in (1, 2, 3)]
    for thread in threads:
        thread.start()
    try:
        for arch in range(12):
            in_child(lambda arch=arch: check_all(client, [arch, 0]))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_grandchild_asks_for_itself(client: BenchClient) -> None:
    def child() -> None:
        check_all(client, [5])
        in_child(lambda: check_all(client, [0, 11]))
        check_all(client, [5, 7])

    in_child(child)
    check_all(client, [7])


def test_a_child_that_closes_its_client_leaves_that_of_the_parent_open(
    client: BenchClient,
) -> None:
    def child() -> None:
        check_all(client, [5])
        client.close()

    in_child(child)
    check_all(client, [7, 0])


def test_a_child_that_ends_as_any_program_does_harms_nobody(server: str) -> None:
    program = f"""
import os, sys
from bench_client import BenchClient
bench = BenchClient({server!r})
asked = lambda arch: {{run.config.index for run in bench.query_nb201(arch, 200, "cifar100")}}
asked(7)
if os.fork() == 0:
    assert asked(5) == {{5}}
    sys.exit(0)
assert os.wait()[1] == 0
assert asked(0) == {{0}} and asked(7) == {{7}} and asked(5) == {{5}}
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["http", "local"])
def test_an_awaited_client_may_be_used_in_the_loop_of_a_child(
    server: str, sample_database: Path, kind: str
) -> None:
    bench = (
        AsyncBenchClient(server)
        if kind == "http"
        else AsyncBenchClient.local(sample_database.parent)
    )

    async def check(archs: list[int]) -> None:
        answers = await asyncio.gather(
            *(bench.query_nb201(arch, 200, "cifar100") for arch in archs)
        )
        assert [{run.config.index for run in runs} for runs in answers] == [{a} for a in archs]

    def child(archs: list[int]) -> None:
        # The policy would give the child the loop of its parent.
        asyncio.run(check(archs))

    async def parent() -> None:
        await check([7] * 20)
        children = [FORK.Process(target=_unlooped, args=(child, [arch] * 50)) for arch in (0, 5)]
        for process in children:
            process.start()
        for _ in range(10):
            await check([7, 3] * 10)
        for process in children:
            await asyncio.to_thread(process.join, 60)
        assert [process.exitcode for process in children] == [0, 0]
        await check([11, 3] * 10)
        await bench.close()

    asyncio.run(parent())


def _unlooped(work: Callable[..., None], *args: Any) -> None:
    """Do something in a child that was forked while a loop of its parent ran."""
    asyncio.events._set_running_loop(None)
    work(*args)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[Any]]]:
    """A server with TLS, and the addresses of the connections that were made to it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "2", "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.2"]
    subprocess.run(
        [*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "*")
    connections: list[Any] = []

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.append(client_address)
            super().process_request(request, client_address)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server(("127.0.0.2", 0), _Echo) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.2:{server.server_address[1]}", connections
        server.shutdown()
        thread.join()


def test_a_child_leaves_the_tls_connection_of_its_parent_as_it_is(
    tls_server: tuple[str, list[Any]],
) -> None:
    url, connections = tls_server
    with BenchClient(url, retries=0) as bench:
        assert bench.benchmarks() == []

        def child() -> None:
            assert bench.benchmarks() == []
            bench.close()

        in_child(child)
        for _ in range(3):
            assert bench.benchmarks() == []
    # One of the parent, which outlived the child, and one of the child.
    assert len(connections) == 2


def copies(bench: BenchClient) -> list[BenchClient]:
    return [pickle.loads(pickle.dumps(bench)), copy.deepcopy(bench), copy.copy(bench)]


def test_a_copy_of_a_client_asks_for_itself(client: BenchClient) -> None:
    for one in copies(client):
        assert repr(one) == repr(client)
        with one:
            check_all(one, [0, 5])
    check_all(client, [7])


def test_spawned_workers_get_a_client_of_their_own(client: BenchClient) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        found = list(pool.map(client.query_nb201, [0, 5, 11], [200] * 3, ["cifar100"] * 3))
    assert [{run.config.index for run in runs} for runs in found] == [{0}, {5}, {11}]


def test_a_pickle_has_the_key_that_a_worker_needs_and_no_text_shows_it(server: str) -> None:
    bench = BenchClient(server, api_key="secret-of-mine", compress=True, timeout=7, max_answer=9999)
    moved = pickle.loads(pickle.dumps(bench))
    assert moved._transport._settings == bench._transport._settings
    assert moved._transport._settings.api_key == "secret-of-mine"
    assert "secret" not in repr(moved) + repr(moved._transport) + repr(moved._transport._settings)
    bench.close()
    moved.close()
    with pytest.raises(RuntimeError, match="is closed"):
        pickle.loads(pickle.dumps(bench)).benchmarks()


def test_an_awaited_client_can_be_pickled(server: str) -> None:
    async def ask() -> set[int]:
        async with AsyncBenchClient(server) as bench:
            await bench.query_nb201(7, 200, "cifar100")
            async with pickle.loads(pickle.dumps(bench)) as moved:
                runs = await moved.query_nb201(5, 200, "cifar100")
        return {run.config.index for run in runs}

    assert asyncio.run(ask()) == {5}


def simulated(bench: BenchClient) -> Callable[[], object]:
    simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=1e9)
    simulation.evaluate(3)
    return simulation


ADAPTERS: Final[dict[str, tuple[Callable[[BenchClient], Any], Callable[[Any], Any]]]] = {
    "nats_bench": (
        lambda bench: create(bench, "tss"),
        lambda api: api.get_more_info(5, "cifar100", hp="200", is_random=False),
    ),
    "optuna": (
        lambda bench: objective(bench, "nasbench201", "cifar100", 200),
        lambda search: search.space_size if hasattr(search, "space_size") else repr(search),
    ),
    "simulation": (simulated, lambda clock: clock.evaluate(5)),
}


# Nobody can close the connections of the copy of an adapter; they go with it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapters_are_carried_like_clients(client: BenchClient, adapter: str) -> None:
    make, use = ADAPTERS[adapter]
    made = make(client)
    expected = use(make(client))

    def check() -> None:
        assert use(made) == expected

    moved = [pickle.loads(pickle.dumps(made)), copy.deepcopy(made)]
    in_child(check)
    assert [use(one) for one in moved] == [expected] * 2
    assert use(made) == expected
    # Now, where the warning of their connections is expected, and not in some later test.
    del moved
    gc.collect()


def test_the_adapter_for_nasbench_is_carried_like_a_client(nasbench101_folder: Path) -> None:
    made = NASBench(str(nasbench101_folder), seed=0)
    first = next(iter(made.hash_iterator()))
    _, expected = made.get_metrics_from_hash(first)

    def check() -> None:
        assert made.get_metrics_from_hash(first)[1] == expected

    in_child(check)
    assert pickle.loads(pickle.dumps(made)).get_metrics_from_hash(first)[1] == expected
    assert copy.deepcopy(made).get_metrics_from_hash(first)[1] == expected


def test_a_client_that_an_adapter_opened_outlives_its_copy(server: str) -> None:
    bench = client_for(server)
    moved = copy.deepcopy(bench)
    check_all(moved, [5])
    moved.close()
    check_all(bench, [7])
