"""How often one may ask, counted by real servers and a real Redis."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import pytest
from waiting import until

from service.access.keys import KeyFile, KeyScope, draw_token
from service.http.access import RateLimits, TrustedHosts
from service.secret_files import WrongSettingError
from service.settings import Settings

Serve: TypeAlias = Callable[..., str]

STATS: Final = "/v1/nasbench201/computed-stats?arch=3&num_epochs=200"
PROXY: Final = {"NASBENCH_TRUSTED_PROXIES": "127.0.0.0/8"}
REDIS: Final = shutil.which("redis-server")


@pytest.fixture
def folder(directory: Path, tmp_path: Path) -> Path:
    shutil.copy(directory / "nasbench201.db", tmp_path)
    return tmp_path


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    if REDIS is None:
        pytest.skip("no redis-server here: `apt-get install redis-server` makes this test run")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [REDIS, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:

        def answers() -> bool:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return False

        until(answers, what="Redis started")
        yield port, process
        process.send_signal(signal.SIGCONT)
        process.terminate()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def statuses(url: str, count: int, headers: dict[str, str] | None = None) -> list[int]:
    return [httpx.get(url + STATS, headers=headers).status_code for _ in range(count)]


class TestRates:
    def test_of_an_address_are_bounded_and_said(self, serve: Serve, folder: Path) -> None:
        url = serve(folder, NASBENCH_RATE_PER_ADDRESS="5/hour")
        assert statuses(url, 6) == [200] * 5 + [429]
        refused = httpx.get(url + STATS)
        assert refused.headers["content-type"] == "application/problem+json"
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["ratelimit-policy"] == '"address";q=5;w=3600'
        assert re.fullmatch(r'"address";r=0;t=\d+', refused.headers["ratelimit"])
        assert "5 requests in 3600 s" in refused.json()["detail"]
        assert {httpx.get(f"{url}/livez").status_code for _ in range(20)} == {200}
        assert {httpx.get(f"{url}/readyz").status_code for _ in range(20)} == {200}

    def test_of_keys_are_counted_apart(self, serve: Serve, folder: Path) -> None:
        file = KeyFile(folder / "keys.json")
        alice, bob = (file.create(name, KeyScope.READ) for name in ("alice", "bob"))
        url = serve(folder, NASBENCH_RATE_PER_KEY="4/hour", NASBENCH_RATE_PER_ADDRESS="2/hour")
        assert statuses(url, 5, bearer(alice)) == [200] * 4 + [429]
        assert statuses(url, 4, bearer(bob)) == [200] * 4
        assert statuses(url, 3) == [200, 200, 429]

    def test_wrong_keys_count_for_their_address(self, serve: Serve, folder: Path) -> None:
        KeyFile(folder / "keys.json").create("alice", KeyScope.READ)
        url = serve(folder, NASBENCH_RATE_PER_ADDRESS="3/hour")
        assert [statuses(url, 1, bearer(draw_token()))[0] for _ in range(4)] == [401] * 3 + [429]

    def test_let_one_ask_again_when_they_say(self, serve: Serve, folder: Path) -> None:
        url = serve(folder, NASBENCH_RATE_PER_ADDRESS="2/second")
        told = statuses(url, 200)
        assert 429 in told
        wait = httpx.get(url + STATS).headers.get("retry-after", "1")
        time.sleep(int(wait) + 1)
        assert statuses(url, 1) == [200]

    @pytest.mark.parametrize("rate", ["", "5", "0/second", "5/fortnight", "5/second;", "-1/hour"])
    def test_that_are_malformed_are_refused_at_the_start(self, rate: str) -> None:
        with pytest.raises(WrongSettingError):
            Settings(rate_per_key=rate)

    def test_neighbors_of_ipv6_count_together(self) -> None:
        async def ask() -> list[bool]:
            limits = RateLimits(per_key=None, per_address="2/hour", redis_url=None)
            addresses = ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:1::1")
            return [await limits.count(None, (each, 1)) is None for each in addresses]

        assert asyncio.run(ask()) == [True, True, False, True]


class TestRedis:
    def test_lets_replicas_count_together(
        self, serve: Serve, folder: Path, redis_port: tuple[int, Any]
    ) -> None:
        environment = {
            "NASBENCH_RATE_PER_ADDRESS": "6/hour",
            "NASBENCH_REDIS_URL": f"redis://127.0.0.1:{redis_port[0]}",
        }
        first, second = serve(folder, **environment), serve(folder, **environment)
        assert statuses(first, 3) + statuses(second, 4) == [200] * 6 + [429]
        assert statuses(first, 1) == [429]

    def test_that_stops_answering_leaves_each_counting_alone(
        self, serve: Serve, folder: Path, redis_port: tuple[int, subprocess.Popen[bytes]]
    ) -> None:
        port, process = redis_port
        secrets = folder / "secrets"
        secrets.mkdir()
        (secrets / "nasbench_redis_url").write_text(f"redis://127.0.0.1:{port}\n")
        url = serve(folder, NASBENCH_RATE_PER_ADDRESS="4/hour", NASBENCH_SECRETS_DIR=str(secrets))
        assert statuses(url, 4) == [200] * 4
        os.kill(process.pid, signal.SIGSTOP)
        started = time.monotonic()
        assert statuses(url, 5) == [200] * 4 + [429]
        assert time.monotonic() - started < 10
        logged = until(
            (folder / f"server-{url.rpartition(':')[2]}.log").read_text,
            lambda log: "Redis does not answer" in log,
            what="that Redis does not answer logged",
        )
        assert logged.count("Redis does not answer") in {1, 2}


class TestHosts:
    @pytest.mark.parametrize(
        ("names", "host", "trusted"),
        [
            ("bench.example", "bench.example", True),
            ("bench.example", "Bench.Example:8000", True),
            ("bench.example, other", "other", True),
            ("bench.example", "evil.example", False),
            ("bench.example", "bench.example.evil", False),
            ("*.lab.example", "a.lab.example", True),
            ("*.lab.example", "lab.example", False),
            ("*.lab.example", "evillab.example", False),
            ("::1", "[::1]:80", True),
            ("bench.example", "", False),
        ],
    )
    def test_are_trusted_by_name(self, names: str, host: str, *, trusted: bool) -> None:
        hosts = TrustedHosts(names)
        assert hosts.trusts([host.encode()], address="192.0.2.7", keyed=lambda: False) == trusted

    @pytest.mark.parametrize("keyed", [True, False])
    @pytest.mark.parametrize(
        ("names", "host", "with_keys", "without"),
        [
            (None, "bench.example", True, False),
            (None, "localhost:8000", True, True),
            (None, "", True, False),
            ("bench.example", "bench.example", True, True),
            ("bench.example", "localhost", False, True),
            ("bench.example", "evil.example", False, False),
            ("*", "evil.example", True, True),
        ],
    )
    def test_on_loopback_follow_the_keys(
        self, names: str | None, host: str, *, with_keys: bool, without: bool, keyed: bool
    ) -> None:
        called = [host.encode()] if host else []
        trusted = TrustedHosts(names).trusts(called, address="127.0.0.1", keyed=lambda: keyed)
        assert trusted == (with_keys if keyed else without)

    def test_that_are_unknown_get_a_problem(self, serve: Serve, folder: Path) -> None:
        KeyFile(folder / "keys.json").create("first", KeyScope.ADMIN)
        url = serve(folder, NASBENCH_TRUSTED_HOSTS="bench.example")
        refused = httpx.get(url + STATS)
        assert (refused.status_code, refused.json()["title"]) == (400, "Unknown host")
        assert httpx.get(url + STATS, headers={"Host": "bench.example"}).status_code == 200
        assert httpx.get(f"{url}/livez").status_code == 200


class TestProxies:
    def test_that_are_trusted_tell_the_callers_address_and_scheme(
        self, serve: Serve, folder: Path
    ) -> None:
        url = serve(folder, NASBENCH_RATE_PER_ADDRESS="2/hour", **PROXY)
        for caller in ("192.0.2.1", "192.0.2.2"):
            # What the caller itself put before its address is not believed.
            headers = {"X-Forwarded-For": f"10.9.9.9, {caller}", "X-Forwarded-Proto": "https"}
            assert statuses(url, 3, headers) == [200, 200, 429]
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.3"}
        assert "strict-transport-security" in httpx.get(url + STATS, headers=headers).headers

    def test_that_are_not_trusted_tell_nothing(self, serve: Serve, folder: Path) -> None:
        url = serve(folder, NASBENCH_RATE_PER_ADDRESS="3/hour")
        headers = [{"X-Forwarded-For": f"192.0.2.{rank}"} for rank in range(4)]
        assert [statuses(url, 1, each)[0] for each in headers] == [200, 200, 200, 429]
        answer = httpx.get(f"{url}/livez", headers={"X-Forwarded-Proto": "https"})
        assert "strict-transport-security" not in answer.headers

    @pytest.mark.parametrize("proxies", ["*", "proxy", "10.0.0.0/33", "10.0.0.1,*"])
    def test_are_addresses_and_networks(self, proxies: str) -> None:
        with pytest.raises(WrongSettingError, match="address or network"):
            Settings(trusted_proxies=proxies)


class TestHeaders:
    def test_of_every_answer_tell_browsers_to_do_nothing_with_it(self, server: str) -> None:
        for path in (STATS, "/v1/benchmarks", "/nothing", "/livez"):
            headers = httpx.get(server + path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            policy = headers.get_list("content-security-policy")
            assert policy == ["default-src 'none'; frame-ancestors 'none'; sandbox"]

    def test_of_the_documentation_name_its_one_script(self, server: str) -> None:
        page = httpx.get(f"{server}/docs")
        (policy,) = page.headers.get_list("content-security-policy")
        assert re.search(r"script-src 'self' 'sha256-[\w+/]{43}=';", policy)
        assert "frame-ancestors 'none'" in policy
        for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert httpx.get(f"{server}/{name}").status_code == 200
            assert not name.startswith("http")
        assert httpx.get(f"{server}/swagger/main.py").status_code == 404
