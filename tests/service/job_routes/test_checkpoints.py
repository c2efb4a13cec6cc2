from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from service.jobs import Jobs

PATH: Final = "/v1/checkpoints"
OCTETS: Final = "application/octet-stream"


def upload(asking: httpx.Client, name: str, content: Any, media_type: str = OCTETS) -> Any:
    headers = {"Content-Type": media_type}
    return asking.post(PATH, params={"name": name}, content=content, headers=headers)


def safetensors(values: int = 1000, **odd: Any) -> bytes:
    """Return a file with one tensor; `odd` replaces parts of what its header says of it."""
    entry = {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values], **odd}
    header = json.dumps({"weight": entry}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * values)


def test_an_uploaded_file_is_known_by_its_digest_and_kept_once(
    asking: httpx.Client, jobs: Jobs
) -> None:
    content = safetensors(300_001)
    first = upload(asking, "mine.safetensors", content)
    assert first.status_code == 201, first.text
    sha256 = hashlib.sha256(content).hexdigest()
    stored = first.json()
    assert (stored["sha256"], stored["size"], stored["tensors"]) == (sha256, len(content), 1)
    assert jobs.weights.path(sha256).read_bytes() == content
    again = upload(asking, "other", content)
    assert (again.status_code, again.json()) == (200, stored)
    assert stored in asking.get(PATH).json()["items"]
    network = {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10", "checkpoint": sha256}
    assert asking.post("/v1/models", json={"network": network}).status_code == 202


def unfinished(jobs: Jobs) -> list[str]:
    """Return the names of the files that are being received, or were left behind."""
    folder = jobs.settings.checkpoints_dir / "incoming"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends within its header"),
        (b"PK\x03\x04" + bytes(1000), "header length"),
        (safetensors()[:-1], "ends at"),
        (safetensors() + b"x", "continues after"),
        (safetensors(shape=[999]), "invalid"),
        (safetensors(dtype="OBJECT"), "unknown variant"),
        (b"\x05" + bytes(7) + b"hello", "not JSON"),
    ],
)
def test_what_is_no_safetensors_file_is_refused_and_not_kept(
    asking: httpx.Client, jobs: Jobs, content: bytes, reason: str
) -> None:
    answer = upload(asking, "bad", content)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert not jobs.weights.path(hashlib.sha256(content).hexdigest()).exists()
    assert unfinished(jobs) == []


def test_a_large_file_that_is_none_is_answered_although_it_is_still_being_sent(
    asking: httpx.Client,
) -> None:
    answer = upload(asking, "bad", b"\xff" * (7 * 2**20))
    assert answer.status_code == 422


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_over_the_bound_is_413_declared_or_not(
    asking: httpx.Client, jobs: Jobs, *, declared: bool
) -> None:
    content = safetensors(3 * 2**20)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 2**16):
            yield content[start : start + 2**16]

    answer = upload(asking, "large", content if declared else pieces())
    assert answer.status_code == 413
    assert unfinished(jobs) == []


def test_other_bodies_have_the_bound_that_they_had(asking: httpx.Client) -> None:
    body = json.dumps({"network": {"model": "x" * (5 * 2**20)}}).encode()
    headers = {"Content-Type": "application/json"}
    assert asking.post("/v1/models", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize(
    "media_type", ["text/plain", "multipart/form-data; boundary=x", "application/json", ""]
)
def test_another_media_type_is_415(asking: httpx.Client, media_type: str) -> None:
    assert upload(asking, "typed", safetensors(7), media_type).status_code == 415
    answer = asking.post(PATH, params={"name": "untyped"}, content=safetensors(7))
    assert answer.status_code == 415
    assert "typed" not in asking.get(PATH).text


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x" * 129, "\x00"])
def test_a_name_is_a_label_and_nothing_else(asking: httpx.Client, name: str) -> None:
    answer = upload(asking, name, safetensors())
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "name"]


def test_an_upload_that_breaks_off_leaves_nothing(
    asking: httpx.Client, jobs: Jobs, job_server: Any
) -> None:
    content = safetensors(500_000)
    parts = urlsplit(job_server.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        head = (
            f"POST {PATH}?name=cut HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: {OCTETS}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        connection.sendall(head.encode() + content[:1_500_000])
    assert asking.get(PATH).status_code == 200
    for _ in range(200):
        if not unfinished(jobs):
            break
        asking.get("/livez")
    assert unfinished(jobs) == []
    assert not jobs.weights.path(hashlib.sha256(content).hexdigest()).exists()
