from __future__ import annotations

import asyncio
import inspect
import pydoc
import re
import typing
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench_client import AsyncBenchClient, BenchClient, Items, Nb201Stats, SyntheticDataWarning

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer

METHODS = (
    "benchmark",
    "benchmarks",
    "curves_nb201",
    "describe_nb201",
    "query",
    "query_nb201",
    "query_nb201_many",
)


def test_the_address_comes_from_the_environment_when_none_is_given(
    server: BenchmarkServer, asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCH_URL", server.url + "/")
    assert len(asked(None, lambda bench: bench.query_nb201(0, 200, "cifar100"))) == 3


@pytest.mark.parametrize("kind", [BenchClient, AsyncBenchClient])
def test_without_any_address_it_is_the_local_service(
    kind: type[BenchClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NASBENCH_URL", raising=False)
    assert repr(kind()) == f"{kind.__name__}('http://127.0.0.1:8000')"


@pytest.mark.parametrize("kind", [BenchClient, AsyncBenchClient])
def test_secrets_are_not_in_the_repr(kind: type[BenchClient]) -> None:
    bench = kind("https://me:hidden@lab.example/nas/?token=hidden", api_key="hidden")
    assert repr(bench) == f"{kind.__name__}('https://lab.example/nas')"


@pytest.mark.parametrize("kind", [BenchClient, AsyncBenchClient])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "lab:8000"}, "'lab:8000' is not the address"),
        ({"url": "http://"}, "is not the address"),
        ({"url": "http://lab:port"}, "is not an address"),
        ({"url": "http://lab", "retries": -1}, "retries is -1"),
        ({"url": 8000}, "8000 is not the address of a service: .* as text"),
        ({"url": "http://lab", "timeout": 0}, "timeout is 0"),
        ({"url": "http://lab", "timeout": "9"}, "timeout is '9', not a number of seconds"),
        ({"url": "http://lab", "timeout": float("nan")}, "timeout is nan"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(
    kind: type[BenchClient], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        kind(**options)


def test_answers_come_uncompressed_unless_asked_for(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    asked(server.url, lambda bench: bench.query_nb201(0))
    asked(server.url, lambda bench: bench.query_nb201(0), compress=True)
    assert [request.headers["accept-encoding"] for request in server.received] == [
        "identity",
        "gzip",
    ]


def test_the_api_key_is_sent_as_a_bearer_token(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    asked(server.url, lambda bench: bench.query_nb201(0), api_key="secret")
    asked(server.url, lambda bench: bench.query_nb201(0))
    assert server.received[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in server.received[1].headers


def test_a_proxy_of_the_environment_is_not_asked_for_a_local_service(
    server: BenchmarkServer, asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert asked(server.url, lambda bench: bench.query_nb201(0), retries=0)


def test_arguments_that_say_nothing_are_not_sent(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    asked(server.url, lambda bench: bench.query_nb201(0))
    asked(server.url, lambda bench: bench.query_nb201_many([0], seed=777))
    assert server.received[0].query == {"arch": "0", "limit": "1000"}
    assert server.received[1].body == {"archs": [0], "seed": 777}


def test_a_closed_client_says_so(server: BenchmarkServer, databases: Path) -> None:
    for bench in (BenchClient(server.url), BenchClient.local(databases)):
        with bench:
            bench.query_nb201(0)
        with pytest.raises(RuntimeError, match=r"BenchClient.* is closed"):
            bench.query_nb201(0)
        bench.close()


def test_a_closed_awaited_client_says_so(server: BenchmarkServer, databases: Path) -> None:
    async def closed(bench: AsyncBenchClient) -> None:
        async with bench:
            await bench.query_nb201(0)
        with pytest.raises(RuntimeError, match=r"AsyncBenchClient.* is closed"):
            await bench.query_nb201(0)
        await bench.close()

    asyncio.run(closed(AsyncBenchClient(server.url)))
    asyncio.run(closed(AsyncBenchClient.local(databases)))


def test_threads_may_share_a_client(server: BenchmarkServer, databases: Path) -> None:
    for bench in (BenchClient(server.url), BenchClient.local(databases)):
        with bench, ThreadPoolExecutor(16) as pool:
            found = list(pool.map(bench.query_nb201, [index % 60 for index in range(400)]))
        assert [runs[0].config.index for runs in found] == [index % 60 for index in range(400)]
    assert len(server.connections) <= 16


def test_tasks_may_share_a_client(server: BenchmarkServer, databases: Path) -> None:
    async def together(bench: AsyncBenchClient) -> list[Items[Nb201Stats]]:
        async with bench:
            questions = [bench.query_nb201(index % 60, 200, "cifar100") for index in range(400)]
            return await asyncio.gather(*questions)

    for bench in (AsyncBenchClient(server.url), AsyncBenchClient.local(databases)):
        found = asyncio.run(together(bench))
        assert [runs[0].config.index for runs in found] == [index % 60 for index in range(400)]
    assert len(server.connections) <= 8


def test_synthetic_numbers_are_warned_of_once_where_they_are_asked_for(
    synthetic_server: BenchmarkServer, synthetic_databases: Path
) -> None:
    for bench in (BenchClient(synthetic_server.url), BenchClient.local(synthetic_databases)):
        with bench, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bench.query_nb201(0)
            bench.query_nb201_many([0])
            bench.query("nasbench201", 0)
        (warning,) = caught
        assert warning.category is SyntheticDataWarning
        assert "the numbers of nasbench201 are made up" in str(warning.message)
        assert warning.filename == __file__


def test_synthetic_numbers_are_warned_of_when_awaited(
    synthetic_server: BenchmarkServer, synthetic_databases: Path
) -> None:
    async def warned(bench: AsyncBenchClient) -> list[warnings.WarningMessage]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            async with bench:
                await bench.query_nb201(0)
                await bench.query_nb201(0)
            return caught

    for bench in (
        AsyncBenchClient(synthetic_server.url),
        AsyncBenchClient.local(synthetic_databases),
    ):
        (warning,) = asyncio.run(warned(bench))
        assert warning.category is SyntheticDataWarning
        assert warning.filename == __file__


def test_real_numbers_are_not_warned_of(server: BenchmarkServer, asked: Callable[..., Any]) -> None:
    asked(server.url, lambda bench: bench.query_nb201(0))


@pytest.mark.parametrize("method", METHODS)
def test_both_clients_have_the_same_documented_methods(method: str) -> None:
    blocking, awaited = getattr(BenchClient, method), getattr(AsyncBenchClient, method)
    assert inspect.signature(blocking) == inspect.signature(awaited)
    assert inspect.getdoc(blocking) == inspect.getdoc(awaited)
    assert (inspect.getdoc(blocking) or "").startswith("Return ")
    assert not inspect.iscoroutinefunction(blocking)
    assert inspect.iscoroutinefunction(awaited)
    assert blocking.__name__ == blocking.__qualname__.partition(".")[2] == method


def test_methods_explain_themselves() -> None:
    with BenchClient() as bench:
        signature = inspect.signature(bench.query_nb201)
    assert [*signature.parameters] == [
        *("arch", "num_epochs", "dataset", "seed", "reduction", "include_intermediates")
    ]
    assert signature.return_annotation == Items[Nb201Stats]
    assert typing.get_type_hints(BenchClient.query_nb201)["return"] == Items[Nb201Stats]
    page = pydoc.plain(pydoc.render_doc(AsyncBenchClient))
    for method in METHODS:
        # From Python 3.13 on, long signatures have a line for each parameter.
        assert re.search(rf" {method}\(\s*(\|\s*)?self", page)


def test_wrong_arguments_are_named_like_those_of_any_function() -> None:
    bench: Any = BenchClient()
    with bench, pytest.raises(TypeError, match=r"query_nb201\(\) .*'epochs'"):
        bench.query_nb201(0, epochs=200)
    with pytest.raises(
        TypeError, match=r"query_natssss\(\) .*'colour'; it takes arch, num_epochs,"
    ):
        bench.query("natssss", 0, colour="red")
    with pytest.raises(TypeError, match="query_nb201"):
        bench.query("nasbench201", 0, epochs=200)
    with pytest.raises(TypeError, match=r"query_nb201_many\(\) .*did you mean dataset, seed\?"):
        bench.query_many("nasbench201", [0], datset="cifar10", sed=777)
    with pytest.raises(TypeError, match=r"query_nb101\(\) .*did you mean num_epochs\?"):
        bench.query_nb101(num_epoch=108)


def test_the_package_lists_what_it_offers_and_no_module_behind_it() -> None:
    import bench_client.simulation_settings  # noqa: PLC0415 - a module that is no public name

    listed = {name for name in dir(bench_client) if not name.startswith("__")}
    assert listed == set(bench_client.__all__)
    assert all(hasattr(bench_client, name) for name in dir(bench_client))
    assert bench_client.__version__ == version("nas-bench-service")
    with pytest.raises(AttributeError, match="has no attribute 'Simulations'"):
        bench_client.Simulations  # noqa: B018 - the very question
