"""What a page of another site may make a browser send here: nothing that changes anything."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer

from service.access.keys import KeyFile, KeyScope
from service.http.access import TrustedHosts, is_own_origin

SUBMISSION: Final = {"network": {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}}
STATS: Final = "/v1/nasbench201/computed-stats"
CHANGES: Final = (
    *(("POST", "/v1/models"), ("POST", "/v1/evaluations"), ("POST", "/v1/latency")),
    *(("POST", "/v1/jobs/x/cancel"), ("POST", "/v1/checkpoints?name=x")),
    *(("DELETE", f"/v1/checkpoints/{'0' * 64}"), ("PUT", "/v1/anything")),
)
REDIRECTS: Final = {301, 302, 303, 307, 308}


@pytest.fixture(scope="module")
def server(attacked: Any) -> BenchServer:
    """A server without keys, which a proxy on this machine may speak for."""
    started: BenchServer = attacked(NASBENCH_TRUSTED_PROXIES="127.0.0.1")
    return started


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def token(keys_file: Path) -> str:
    return KeyFile(keys_file).create("first", KeyScope.ADMIN)


@pytest.fixture(scope="module")
def keyed(attacked: Any, keys_file: Path, token: str) -> Iterator[httpx.Client]:
    """Asks a server that has keys, showing one of an administrator."""
    started = attacked(NASBENCH_KEYS_FILE=str(keys_file))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=started.url, headers=headers) as http:
        yield http


@pytest.fixture
def http(server: BenchServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


def foreign(port: int) -> list[str]:
    """Return origins that are not those of a server on a port of 127.0.0.1."""
    return [
        *("http://evil.example", "https://evil.example", "null", "", "*", "file://", "about:blank"),
        *(f"http://evil.example:{port}", f"http://127.0.0.1.evil.example:{port}"),
        *(f"https://127.0.0.1:{port}", f"ftp://127.0.0.1:{port}", f"127.0.0.1:{port}"),
        *(f"http://localhost:{port}", f"http://[::1]:{port}", "http://127.0.0.1"),
        *(f"http://127.0.0.1:{port + 1}", f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}0"),
        *(f"http://x@127.0.0.1:{port}", f"http://127.0.0.1:{port}@evil.example"),
        *(f"http://127.0.0.1:{port} http://evil.example", f"http://127.0.0.1:{port}, null"),
        "chrome-extension://abcdefghijklmnop",
    ]


class TestAnotherOrigin:
    def test_may_change_nothing(self, http: httpx.Client, server: BenchServer) -> None:
        for origin in foreign(server.port):
            for method, path in CHANGES:
                answer = http.request(method, path, json=SUBMISSION, headers={"Origin": origin})
                assert answer.status_code == 403, (method, path, origin)
                assert answer.json()["type"].endswith(":cross-site")
        assert http.get("/v1/jobs").json()["items"] == []

    def test_may_change_nothing_with_a_key(self, keyed: httpx.Client) -> None:
        for origin in foreign(keyed.base_url.port or 0):
            for method, path in CHANGES:
                answer = keyed.request(method, path, json=SUBMISSION, headers={"Origin": origin})
                assert answer.status_code == 403, (method, path, origin)
        headers = {"Sec-Fetch-Site": "cross-site"}
        assert keyed.post("/v1/models", json=SUBMISSION, headers=headers).status_code == 403
        assert keyed.get("/v1/jobs").json()["items"] == []

    def test_is_found_among_several(self, http: httpx.Client, server: BenchServer) -> None:
        for origins in ((server.url, "http://evil.example"), ("http://evil.example", server.url)):
            headers = [("Origin", origin) for origin in origins]
            answer = http.post("/v1/models", json=SUBMISSION, headers=headers)
            assert answer.status_code == 403

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "anything", ""])
    def test_is_known_by_sec_fetch_site_too(self, http: httpx.Client, site: str) -> None:
        headers = {"Sec-Fetch-Site": site}
        assert http.post("/v1/models", json=SUBMISSION, headers=headers).status_code == 403

    def test_may_read_what_everybody_may(self, http: httpx.Client) -> None:
        answer = http.get(STATS, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


class TestTheOwnOrigin:
    def test_may_submit(self, http: httpx.Client, server: BenchServer) -> None:
        for headers in (
            {"Origin": server.url, "Sec-Fetch-Site": "same-origin"},
            {"Origin": f"http://localhost:{server.port}", "Host": f"localhost:{server.port}"},
            {"Origin": "http://localhost", "Host": "LOCALHOST:80"},
            {},
        ):
            answer = http.post("/v1/models", json=SUBMISSION, headers=headers)
            assert answer.status_code in {200, 202}, headers

    def test_is_of_https_where_a_trusted_proxy_says_so(self, http: httpx.Client) -> None:
        headers = {"Host": "localhost", "Origin": "https://localhost"}
        told = headers | {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        assert http.post("/v1/models", json=SUBMISSION, headers=told).status_code in {200, 202}
        assert http.post("/v1/models", json=SUBMISSION, headers=headers).status_code == 403
        headers["Origin"] = "http://localhost"
        answer = http.post("/v1/models", json=SUBMISSION, headers=told | headers)
        assert answer.status_code == 403

    @pytest.mark.parametrize(
        ("origin", "scheme", "host", "own"),
        [
            ("https://bench.example", "https", "bench.example", True),
            ("https://Bench.Example:443", "https", "bench.example", True),
            ("https://bench.example", "https", "bench.example:443", True),
            ("https://bench.example", "https", "bench.example:80", False),
            ("http://[::1]:8000", "http", "[::1]:8000", True),
            ("http://[::1]:8000", "http", "::1:8000", False),
            ("null", "http", "null", False),
            ("http://", "http", "", False),
        ],
    )
    def test_is_scheme_host_and_port(
        self, origin: str, scheme: str, host: str, *, own: bool
    ) -> None:
        assert is_own_origin(origin.encode(), scheme=scheme, host=host.encode()) == own


LOCAL: Final = (
    *("localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:99", "127.5.6.7", "[::1]", "[::1]:8000"),
    "[::ffff:127.0.0.1]:8000",
)
REBOUND: Final = (
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("localhost@evil.example", "localhost:80@evil.example", "evil.example#localhost"),
    *("192.168.0.1", "[::2]", "::1", "[::1", "localhost:port", "local host", "0.0.0.0", "", ":80"),
    *("xlocalhost", "notlocalhost:80", "2130706433", "127.1", "localhost,evil.example"),
)


class TestOnALoopbackAddressWithoutKeys:
    @pytest.mark.parametrize("host", REBOUND)
    def test_another_name_is_refused_whatever_is_asked(self, http: httpx.Client, host: str) -> None:
        headers = {"Host": host}
        assert http.get(STATS, headers=headers).status_code == 400
        assert http.get("/v1/jobs", headers=headers).status_code == 400
        assert http.post("/v1/models", json=SUBMISSION, headers=headers).status_code == 400
        headers["Origin"] = f"http://{host}"
        assert http.post("/v1/models", json=SUBMISSION, headers=headers).status_code == 400

    @pytest.mark.parametrize("host", LOCAL)
    def test_local_names_are_trusted(self, http: httpx.Client, host: str) -> None:
        assert http.get(STATS, headers={"Host": host}).status_code == 200

    def test_no_name_and_two_names_are_refused(self, server: BenchServer) -> None:
        for hosts in ((), ("localhost", "localhost"), ("localhost", "evil.example")):
            lines = "".join(f"Host: {host}\r\n" for host in hosts)
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                request = f"GET {STATS} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
                connection.sendall(request.encode())
                assert connection.makefile("rb").read().startswith(b"HTTP/1.1 400 "), hosts

    def test_names_may_be_added(self, attacked: Any) -> None:
        url = attacked(NASBENCH_TRUSTED_HOSTS="bench.example").url
        for host, status in (("bench.example", 200), ("localhost", 200), ("evil.example", 400)):
            assert httpx.get(url + STATS, headers={"Host": host}).status_code == status

    def test_all_names_may_be_trusted(self, attacked: Any) -> None:
        url = attacked(NASBENCH_TRUSTED_HOSTS="*").url
        assert httpx.get(url + STATS, headers={"Host": "evil.example"}).status_code == 200

    def test_health_is_told_by_any_name(self, http: httpx.Client) -> None:
        assert http.get("/livez", headers={"Host": "10.0.0.7"}).status_code == 200


def test_with_keys_any_name_is_taken_that_nobody_restricts(keyed: httpx.Client) -> None:
    assert keyed.get(STATS, headers={"Host": "bench.example"}).status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", None, "/run/nbs.sock"])
def test_away_from_loopback_any_name_is_taken_that_nobody_restricts(address: str | None) -> None:
    assert TrustedHosts(None).trusts([b"bench.example"], address=address, keyed=lambda: False)


def test_no_answer_names_the_host_that_was_called(keyed: httpx.Client) -> None:
    """Redirects, the OpenAPI document, problems and places of jobs: none is made from Host."""
    document = keyed.get("/openapi.json").json()
    paths = [re.sub(r"\{\w+\}", "x", path) for path in document["paths"]]
    asked = [*paths, *(f"{path}/" for path in paths), "//", "//evil.example", "/docs/", "/"]
    headers = {"Host": "called.example", "Accept-Encoding": "identity"}
    for path in asked:
        for method in ("GET", "POST"):
            if path == "/v1/checkpoints" or path.endswith(("/events", "/export")):
                continue
            request = keyed.build_request(method, "/", headers=headers, json=SUBMISSION)
            request.url = request.url.copy_with(raw_path=path.encode())
            answer = keyed.send(request)
            assert "called.example" not in str(answer.headers) + answer.text, path
            if path != "/":
                assert answer.status_code not in REDIRECTS, path
    assert keyed.get("/", headers=headers).headers["location"] == "explore"
    made = keyed.post("/v1/models", json=SUBMISSION, headers=headers)
    assert made.headers["location"].startswith("/v1/jobs/")


@pytest.mark.parametrize("host", ["[", "a/b?c", "a]", "a b", "[::g]", "é", "%", "a" * 300])
def test_a_host_that_is_none_breaks_nothing(keyed: httpx.Client, host: str) -> None:
    for path, status in ((STATS, 200), ("/v1/nowhere", 404), ("/docs", 200), ("/v1/jobs", 200)):
        answer = keyed.get(path, headers={"Host": host.encode()})
        assert answer.status_code == status
        if status == 404:
            assert answer.json()["instance"] == path
