from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from service.jobs import Jobs
from service.jobs.records import Artifact, Lease, to_json
from service.jobs.tables import ContentRow

CONTENT: Final = bytes(range(256)) * 4096
"""A MiB: more pieces than one."""


@pytest.fixture
def made(
    submitted: dict[str, Any], claim: Callable[[str], Lease], jobs: Jobs, tmp_path: Path
) -> dict[str, Any]:
    """A job that has made a file."""
    file = tmp_path / "made"
    file.write_bytes(CONTENT)
    claimed = claim(submitted["id"])
    sha256, size = jobs.artifacts.add(file)
    artifact = Artifact(
        name="network.safetensors", media_type="application/json", size=size, sha256=sha256
    )
    jobs.leases.succeed(claimed, {"parameters": 1}, [artifact])
    job: dict[str, Any] = to_json(jobs.store.get(submitted["id"]))
    return job


@pytest.fixture
def path(made: dict[str, Any]) -> str:
    """The address of the file."""
    return f"/v1/jobs/{made['id']}/artifacts/network.safetensors"


def test_an_artifact_is_sent_with_its_digest(asking: httpx.Client, path: str) -> None:
    answer = asking.get(path, headers={"Accept-Encoding": "gzip"})
    digest = hashlib.sha256(CONTENT)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["ETag"] == f'"{digest.hexdigest()}"'
    encoded = base64.b64encode(digest.digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{encoded}:"
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert "Content-Encoding" not in answer.headers
    assert "network.safetensors" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=300000-700000", 300_000, 700_000),
        ("bytes=1048000-", 1_048_000, 1_048_575),
        ("bytes=-10", 1_048_566, 1_048_575),
        ("bytes=5-99999999", 5, 1_048_575),
    ],
)
def test_a_range_of_an_artifact_is_sent_alone(
    asking: httpx.Client, path: str, asked: str, first: int, last: int
) -> None:
    answer = asking.get(path, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=5-1", "lines=1-2", "bytes=1-2,5-6", "bytes=-", "x"])
def test_a_range_that_means_nothing_is_ignored(asking: httpx.Client, path: str, asked: str) -> None:
    answer = asking.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=1048576-", "bytes=-0"])
def test_a_range_behind_the_end_is_416(asking: httpx.Client, path: str, asked: str) -> None:
    answer = asking.get(path, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_the_caller_has_is_not_sent_again(asking: httpx.Client, path: str) -> None:
    tag = asking.get(path).headers["ETag"]
    assert asking.get(path, headers={"If-None-Match": f'"x", {tag}'}).status_code == 304
    assert asking.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    part = {"Range": "bytes=0-9"}
    assert asking.get(path, headers={**part, "If-Range": tag}).status_code == 206
    assert asking.get(path, headers={**part, "If-Range": '"x"'}).content == CONTENT


@pytest.mark.parametrize("name", ["nonesuch", "%2e%2e", "%2e%2e%2f%2e%2e%2fjobs.db", "a%2fb"])
def test_an_artifact_that_the_job_has_not_is_404(
    asking: httpx.Client, made: dict[str, Any], name: str
) -> None:
    answer = asking.get(f"/v1/jobs/{made['id']}/artifacts/{name}")
    assert answer.status_code == 404


def test_a_download_counts_as_use(asking: httpx.Client, path: str, jobs: Jobs) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    mine = ContentRow.sha256 == digest
    database = jobs.store._database
    database.write(lambda: database.change(ContentRow.update(used_at=0.0).where(mine)))
    asking.get(path)
    (row,) = database.read(lambda: database.rows(ContentRow.select().where(mine)))
    assert row["used_at"] > 1e9


def test_a_job_whose_artifact_was_thrown_away_is_expired(
    asking: httpx.Client, made: dict[str, Any], path: str, jobs: Jobs
) -> None:
    database = jobs.store._database
    database.write(lambda: database.change(ContentRow.update(used_at=0.0)))
    assert jobs.artifact_cache.evict() >= 1
    assert asking.get(path).status_code == 404
    found = asking.get(f"/v1/jobs/{made['id']}").json()
    assert (found["state"], found["artifacts"]) == ("expired", [])
