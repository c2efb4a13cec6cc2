"""Uploads that would fill the disk, break off or meet a deletion: a quota, and no remains."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer, ending_together
from forked_nbs import nbs
from waiting import until

from bench_client import AsyncBenchClient, BenchClient, InvalidRequestError
from service.jobs import Jobs, JobSettings, open_jobs

PATH: Final = "/v1/checkpoints"
OCTETS: Final = {"Content-Type": "application/octet-stream"}
PIECE: Final = 2**16
MIB: Final = 2**20
QUOTA: Final = 4 * MIB
Start = Callable[..., BenchServer]


@pytest.fixture
def start(directory: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts servers with one folder of jobs, which end with the test."""
    told = {"NASBENCH_CHECKPOINTS_BYTES": str(QUOTA), "NASBENCH_BODY_SECONDS": "300"}
    told["NASBENCH_JOBS_DIR"] = str(tmp_path / "jobs")
    with ending_together() as started:

        def make() -> BenchServer:
            return started(BenchServer(Path(mkdtemp(dir=tmp_path)), directory, **told))

        yield make


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with open_jobs(JobSettings(jobs_dir=tmp_path / "jobs")) as opened:
        yield opened


def content(size: int, fill: int = 0) -> bytes:
    """Return a checkpoint of that many bytes of tensors."""
    entry = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = json.dumps({"weight": entry}).encode()
    return len(header).to_bytes(8, "little") + header + bytes([fill]) * size


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


def upload(url: str, body: Any, name: str = "mine") -> httpx.Response:
    return httpx.post(
        f"{url}{PATH}", params={"name": name}, content=body, headers=OCTETS, timeout=60
    )


def delete(url: str, digest: str) -> httpx.Response:
    return httpx.delete(f"{url}{PATH}/{digest}", timeout=60)


def listed(url: str) -> list[str]:
    items = httpx.get(f"{url}{PATH}", timeout=60).json()["items"]
    return [item["sha256"] for item in items]


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def on_disk(jobs: Jobs) -> list[str]:
    return sorted(jobs.weights.digests())


def network(digest: str) -> dict[str, Any]:
    named = {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10", "checkpoint": digest}
    return {"network": named}


@contextmanager
def half_sent(server: BenchServer, body: bytes, jobs: Jobs) -> Iterator[socket.socket]:
    """Send half of an upload, within the context."""
    before = len(list(jobs.weights.incomplete()))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        head = (
            f"POST {PATH}?name=half HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: {OCTETS['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[: len(body) // 2])
        until(
            lambda: list(jobs.weights.incomplete()),
            lambda begun: len(begun) == before + 1,
            what="half an upload begun",
        )
        yield connection


@pytest.mark.parametrize("declared", [True, False])
def test_uploads_at_once_to_two_servers_never_exceed_the_quota(
    start: Start, jobs: Jobs, *, declared: bool
) -> None:
    urls = [start().url, start().url]
    bodies = [content(MIB, fill) for fill in range(8)]

    def send(number: int) -> httpx.Response:
        body = bodies[number]
        return upload(urls[number % 2], body if declared else pieces(body))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {201, 507}, statuses
    kept = sorted(
        digest_of(body) for body, status in zip(bodies, statuses, strict=True) if status == 201
    )
    # Each is a header more than a MiB.
    assert 1 <= len(kept) <= 3
    assert on_disk(jobs) == sorted(listed(urls[0])) == kept
    refused = next(answer for answer in answers if answer.status_code == 507).json()
    assert refused["type"].endswith(":checkpoints-full")
    assert str(QUOTA) in refused["detail"]
    assert "DELETE" in refused["detail"]
    assert not list(jobs.weights.incomplete())


@pytest.mark.parametrize("declared", [True, False])
def test_the_same_file_costs_nothing_even_where_no_room_is_left(
    start: Start, jobs: Jobs, *, declared: bool
) -> None:
    url = start().url
    first, second = content(3 * MIB), content(3 * MIB, 1)
    assert upload(url, first).status_code == 201
    for _ in range(3):
        assert upload(url, first if declared else pieces(first)).status_code == 200
    # Of the same size, and another.
    assert upload(url, second if declared else pieces(second)).status_code == 507
    assert on_disk(jobs) == listed(url) == [digest_of(first)]
    assert delete(url, digest_of(first)).status_code == 204
    assert upload(url, second if declared else pieces(second)).status_code == 201
    assert on_disk(jobs) == listed(url) == [digest_of(second)]
    assert jobs.weights.path(digest_of(second)).read_bytes() == second


def test_an_upload_on_its_way_counts_as_a_whole_for_another_server(
    start: Start, jobs: Jobs
) -> None:
    one, other = start(), start()
    body = content(3 * MIB)
    with half_sent(one, body, jobs) as connection:
        assert upload(other.url, content(2 * MIB, 1)).status_code == 507
        connection.sendall(body[len(body) // 2 :])
        assert connection.recv(PIECE).startswith(b"HTTP/1.1 201")
    assert jobs.weights.path(digest_of(body)).read_bytes() == body


def test_what_a_killed_server_left_goes_and_what_a_living_one_receives_stays(
    start: Start, jobs: Jobs
) -> None:
    dying, living = start(), start()
    lost, kept = content(MIB), content(MIB, 1)
    with half_sent(dying, lost, jobs), half_sent(living, kept, jobs) as connection:
        dying.kill()
        assert len(list(jobs.weights.incomplete())) == 2
        start()
        until(
            lambda: list(jobs.weights.incomplete()),
            lambda begun: len(begun) == 1,
            what="what a killed server had begun cleared away",
        )
        connection.sendall(kept[len(kept) // 2 :])
        assert connection.recv(PIECE).startswith(b"HTTP/1.1 201")
    assert not list(jobs.weights.incomplete())
    assert on_disk(jobs) == [digest_of(kept)]
    assert jobs.weights.path(digest_of(kept)).read_bytes() == kept


def test_a_checkpoint_is_deleted_unless_a_job_waits_for_it_or_uses_it(
    start: Start, jobs: Jobs
) -> None:
    url = start().url
    body = content(1000)
    digest = digest_of(body)
    assert delete(url, digest).status_code == 404
    upload(url, body)
    job = httpx.post(f"{url}/v1/models", json=network(digest)).json()
    refused = delete(url, digest)
    assert refused.status_code == 409
    assert job["id"] in refused.json()["detail"]
    assert on_disk(jobs) == listed(url) == [digest]
    httpx.post(f"{url}/v1/jobs/{job['id']}/cancel")
    assert delete(url, digest).status_code == 204
    assert on_disk(jobs) == listed(url) == []
    assert httpx.post(f"{url}/v1/models", json=network(digest)).status_code == 404


@pytest.mark.parametrize(
    "digest",
    ["x", "A" * 64, "0" * 63, "0" * 65, "..%2F..%2Fjobs.db", "%2e%2e", f"{'0' * 64}%0A", "lock"],
)
def test_what_is_no_digest_deletes_nothing(start: Start, jobs: Jobs, digest: str) -> None:
    url = start().url
    upload(url, content(10))
    assert delete(url, digest).status_code in {404, 405, 422}
    assert len(on_disk(jobs)) == 1
    assert jobs.settings.folder.joinpath("jobs.db").exists()


def test_a_submission_and_a_deletion_at_once_never_leave_a_job_without_its_checkpoint(
    start: Start, jobs: Jobs
) -> None:
    url = start().url
    with ThreadPoolExecutor(2) as threads:
        for number in range(12):
            body = content(100 + number)
            digest = digest_of(body)
            assert upload(url, body).status_code == 201
            submitted = threads.submit(httpx.post, f"{url}/v1/models", json=network(digest))
            deleted = threads.submit(delete, url, digest)
            met = (submitted.result().status_code, deleted.result().status_code)
            assert met in {(202, 409), (404, 204)}
            assert (digest in on_disk(jobs)) == (digest in listed(url)) == (met[1] == 409)


def test_the_list_has_pages(start: Start) -> None:
    url = start().url
    sent = [upload(url, content(10 + number)).json()["sha256"] for number in range(5)]
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(f"{url}{PATH}", params=params).json()
        found += [item["sha256"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sent[::-1]
    for bad in ({"limit": 1001}, {"cursor": "x"}, {"cursor": "0" * 64}):
        assert httpx.get(f"{url}{PATH}", params=bad).status_code == 422


def test_clients_and_the_command_line_list_and_delete(start: Start) -> None:
    url = start().url
    bodies = [content(10 + number) for number in range(3)]
    first, second, third = (upload(url, body).json()["sha256"] for body in bodies)
    with BenchClient(url) as bench:
        assert [found.sha256 for found in bench.checkpoints()] == [third, second, first]
        (latest,) = bench.checkpoints(limit=1)
        bench.delete_checkpoint(latest)
        with pytest.raises(InvalidRequestError, match="no uploaded checkpoint"):
            bench.delete_checkpoint(latest)
        for digest in ("x", "../jobs", "A" * 64, ""):
            with pytest.raises(InvalidRequestError, match="not a SHA-256"):
                bench.delete_checkpoint(digest)
        job = httpx.post(f"{url}/v1/models", json=network(second)).json()
        with pytest.raises(InvalidRequestError, match=job["id"]):
            bench.delete_checkpoint(second)

    async def delete_awaiting() -> list[str]:
        async with AsyncBenchClient(url) as bench:
            await bench.delete_checkpoint(first)
            return [found.sha256 for found in await bench.checkpoints()]

    assert asyncio.run(delete_awaiting()) == [second]
    assert [item["sha256"] for item in json.loads(nbs_jobs("checkpoints", url).stdout)] == [second]
    httpx.post(f"{url}/v1/jobs/{job['id']}/cancel")
    assert second in nbs_jobs("delete-checkpoint", url, second).stdout
    assert json.loads(nbs_jobs("checkpoints", url).stdout) == []
    assert nbs_jobs("delete-checkpoint", url, second).returncode == 1


def nbs_jobs(command: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return nbs("jobs", command, *arguments, "--url", url)
