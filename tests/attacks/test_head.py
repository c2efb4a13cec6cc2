"""HEAD tells of every address what GET would, without a body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer

from service.access.keys import KeyFile, KeyScope
from service.jobs import JobSettings, open_jobs
from service.jobs.records import Artifact, Capabilities

STATS: Final = "/v1/nasbench201/computed-stats"
ADDRESSES: Final = (
    *(
        "/livez",
        "/readyz",
        "/",
        "/docs",
        "/openapi.json",
        "/explore",
        "/swagger/swagger-ui.css",
        "/metrics",
    ),
    *(f"{STATS}?arch=0&num_epochs=200&dataset=cifar100", STATS, f"{STATS}?arch=nonsense"),
    *("/v1/benchmarks", "/v1/benchmarks/nasbench201", "/v1/benchmarks/none"),
    *("/v1/nasbench201/export?format=csv", "/v1/nasbench201/export?format=parquet"),
    *("/v1/hw-nas-bench/export", "/v1/hw-nas-bench/export?metric=nonsense"),
    *("/v1/jobs", "/v1/jobs/none", "/v1/workers", "/v1/datasets", "/v1/checkpoints"),
    *("/nowhere", f"{STATS}/query", "/v1/nasbench101/export"),
)
OF_THE_MOMENT: Final = {"date", "transfer-encoding"}


@pytest.fixture(scope="module")
def server(attacked: Any) -> BenchServer:
    started: BenchServer = attacked()
    return started


def head_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}


def asked(
    server: BenchServer, address: str, **headers: str
) -> tuple[httpx.Response, httpx.Response]:
    headers["X-Request-ID"] = "named-in-problems"
    with httpx.Client(base_url=server.url, timeout=30, headers=headers) as http:
        return http.get(address), http.head(address)


@pytest.mark.parametrize("packing", ["identity", "gzip"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_status_and_headers_are_those_of_get(
    server: BenchServer, address: str, packing: str
) -> None:
    get, head = asked(server, address, **{"Accept-Encoding": packing})
    assert (head.status_code, head.content) == (get.status_code, b"")
    if address == "/metrics":  # has changed meanwhile
        get.headers.pop("content-length", None)
        head.headers.pop("content-length", None)
    assert head_of(head) == head_of(get)


def test_a_copy_that_is_current_is_confirmed(server: BenchServer) -> None:
    tag = httpx.head(server.url + STATS).headers["etag"]
    get, head = asked(server, STATS, **{"If-None-Match": tag})
    assert (get.status_code, head.status_code) == (304, 304)
    assert head_of(head) == head_of(get)


def test_nothing_follows_the_headers_and_the_connection_goes_on(server: BenchServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for address in (STATS, "/v1/hw-nas-bench/export", "/nowhere", "/livez"):
            connection.sendall(f"HEAD {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                received += connection.recv(65536)
            assert received.count(b"\r\n\r\n") == 1
            assert received.startswith(b"HTTP/1.1 ")


def test_what_has_no_get_is_refused_alike_and_get_brings_head(server: BenchServer) -> None:
    refused = httpx.delete(server.url + STATS)
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, HEAD"
    head = httpx.head(f"{server.url}{STATS}/query")
    assert (head.status_code, head.headers["allow"]) == (405, "POST")


def test_an_export_is_not_made_whole(server: BenchServer) -> None:
    for _ in range(20):
        assert httpx.head(f"{server.url}/v1/hw-nas-bench/export").status_code == 200


def test_head_is_counted_as_what_it_is(server: BenchServer) -> None:
    httpx.head(server.url + STATS)
    httpx.head(f"{server.url}/v1/jobs/none")
    counted = httpx.get(f"{server.url}/metrics").text
    for route in (STATS, "/v1/jobs/{job_id}"):
        assert re.search(rf'method="HEAD",route="{re.escape(route)}"', counted), counted


@pytest.fixture(scope="module")
def artifact(server: BenchServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an artifact of a job."""
    network = {"benchmark": "nasbench201", "arch": 7, "dataset": "cifar10"}
    answer = httpx.post(f"{server.url}/v1/models", json={"network": network})
    assert answer.status_code == 202, answer.text
    file = tmp_path_factory.mktemp("made") / "file"
    file.write_bytes(bytes(range(256)) * 4096)
    return server.url + finish(server.jobs_folder, answer.json()["id"], file)


class TestFilesOfJobs:
    @pytest.mark.parametrize("asked_range", [None, "bytes=5-9", "bytes=9999999-"])
    def test_are_told_of_whole_and_in_part(self, artifact: str, asked_range: str | None) -> None:
        headers = {"Range": asked_range} if asked_range else {}
        headers["X-Request-ID"] = "named-in-problems"
        get, head = httpx.get(artifact, headers=headers), httpx.head(artifact, headers=headers)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head_of(head) == head_of(get)

    def test_are_followed_no_further_than_the_headers(self, artifact: str) -> None:
        events = artifact.partition("/artifacts/")[0] + "/events"
        head = httpx.head(events)
        assert head.status_code == 200
        assert head.headers["content-type"] == "text/event-stream; charset=utf-8"


def finish(folder: Path, job_id: str, file: Path) -> str:
    """Do a job as a worker would; return the path of its artifact."""
    with open_jobs(JobSettings(jobs_dir=folder)) as jobs:
        claimed = jobs.leases.acquire("hand", Capabilities(device="cpu", datasets=frozenset()))
        assert claimed is not None
        assert claimed.job.id == job_id
        sha256, size = jobs.artifacts.add(file)
        artifact = Artifact(name="a.bin", media_type="x/y", size=size, sha256=sha256)
        jobs.leases.succeed(claimed, {"parameters": 1}, [artifact])
    return f"/v1/jobs/{job_id}/artifacts/a.bin"


def test_reading_by_head_needs_the_key_that_reading_needs(
    attacked: Any, directory: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    token = KeyFile(file).create("reader", KeyScope.READ)
    keyed = attacked(NASBENCH_KEYS_FILE=str(file), NASBENCH_READ_ACCESS="keyed")
    assert directory
    assert httpx.head(keyed.url + STATS).status_code == 401
    shown = {"Authorization": f"Bearer {token}"}
    assert httpx.head(keyed.url + STATS, headers=shown).status_code == 200
    assert httpx.head(f"{keyed.url}/livez").status_code == 200
