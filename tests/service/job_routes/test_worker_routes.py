"""What a server believes of a worker over HTTP: nothing that it can check."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from waiting import until

from service.jobs import Jobs, JobSettings
from service.jobs.lease_tokens import leases_of, token_of
from service.jobs.worker_wire import WorkerSettings
from service.secret_files import WrongSettingError
from service.settings import Settings

CONTENT = b"what the job made"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
RESULT = {"parameters": 1, "macs": 2, "input_shape": [3, 32, 32], "input_dtype": "float32"}
MADE = {"name": "report.json", "media_type": "application/json", "size": len(CONTENT)}
WORKER = {
    "id": "far-1",
    "host": "far",
    "pid": 1,
    "version": "0",
    "devices": [
        {"name": "cpu", "kind": "cpu", "model": "x", "memory": 1},
        {"name": "cuda:0", "kind": "cuda", "model": "NVIDIA H200", "memory": 1},
    ],
    "datasets": ["tiny"],
    "models": [],
    "running": [],
}


def claimed(asking: httpx.Client, job_id: str, **more: Any) -> dict[str, Any]:
    """Register, and claim jobs until it is this one; the others are handed back as failed."""
    register(asking, "far-1")
    while True:
        answer = asking.post("/v1/worker/claim", json={"worker": "far-1", "device": "cpu", **more})
        assert answer.status_code == 200, answer.text
        lease: dict[str, Any] = answer.json()
        if lease["job"]["id"] == job_id:
            return lease
        failure = {"kind": "test", "message": "another test's"}
        told = {"token": lease["token"], "outcome": "failed", "failure": failure}
        ended = asking.post(f"/v1/worker/jobs/{lease['job']['id']}/end", json=told)
        assert ended.status_code == 204, ended.text


def register(asking: httpx.Client, worker: str) -> None:
    """Register a worker."""
    answer = asking.post("/v1/worker/heartbeat", json={**WORKER, "id": worker})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def lease(asking: httpx.Client, submitted: dict[str, Any]) -> dict[str, Any]:
    return claimed(asking, submitted["id"])


def upload(
    asking: httpx.Client,
    lease: dict[str, Any],
    content: bytes,
    what: str = "artifacts",
    **more: Any,
) -> httpx.Response:
    told = {
        "job_id": lease["job"]["id"],
        "token": lease["token"],
        "sha256": hashlib.sha256(content).hexdigest(),
        **more,
    }
    headers = {"Content-Type": "application/octet-stream"}
    return asking.post(f"/v1/worker/{what}", params=told, content=content, headers=headers)


def finish(asking: httpx.Client, lease: dict[str, Any], **members: Any) -> httpx.Response:
    body = {"token": lease["token"], "kind": "model", "result": RESULT, "artifacts": []} | members
    return asking.post(f"/v1/worker/jobs/{lease['job']['id']}/finish", json=body)


def bundle(*members: tuple[str, bytes], link: bool = False, comment: str = "") -> bytes:
    file = io.BytesIO()
    extended = {"comment": comment} if comment else {}
    with tarfile.open(fileobj=file, mode="w", pax_headers=extended) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if link:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


STEP = "step-000000000004"
CHECKPOINT = bundle((f"{STEP}/state.json", b"{}"), (f"{STEP}/weights.safetensors", b"w"))


def test_a_job_is_claimed_renewed_and_finished(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any]
) -> None:
    told = asking.post("/v1/worker/heartbeat", json=WORKER).json()
    assert told["lease_seconds"] == jobs.settings.lease_seconds
    job_id, token = lease["job"]["id"], lease["token"]
    progress = {"stage": "writing", "done": 1, "total": 2, "message": "", "figures": None}
    renewed = asking.post(
        f"/v1/worker/jobs/{job_id}/renew", json={"token": token, "progress": progress}
    )
    assert renewed.json() == {"cancel": False}
    assert asking.get(f"/v1/jobs/{job_id}").json()["progress"]["done"] == 1
    assert upload(asking, lease, CONTENT).status_code == 204
    made = [{**MADE, "sha256": DIGEST}]
    for _ in range(2):  # the second one is the repetition of an answer that was lost
        assert finish(asking, lease, artifacts=made).status_code == 204
    found = asking.get(f"/v1/jobs/{job_id}").json()
    assert (found["state"], found["result"], found["worker"]) == ("succeeded", RESULT, "far-1")
    assert asking.get(f"/v1/jobs/{job_id}/artifacts/report.json").content == CONTENT
    assert asking.post("/v1/worker/leave", json={"id": "far-1"}).status_code == 204


def test_a_claim_whose_answer_was_lost_is_answered_by_the_same_lease(
    asking: httpx.Client, lease: dict[str, Any]
) -> None:
    again = asking.post("/v1/worker/claim", json={"worker": "far-1", "device": "cpu"}).json()
    assert again == lease
    known = {"worker": "far-1", "device": "cpu", "held": [lease["job"]["id"]]}
    other = asking.post("/v1/worker/claim", json=known)
    assert other.status_code == 204 or other.json() != lease


def test_a_claim_waits_for_a_job(asking: httpx.Client, submission: dict[str, Any]) -> None:
    register(asking, "empties")
    register(asking, "waits")
    while (found := asking.post("/v1/worker/claim", json=_claim("empties"))).status_code == 200:
        _fail(asking, found.json())
    begun = time.monotonic()
    assert asking.post("/v1/worker/claim", json=_claim("waits", wait=0.3)).status_code == 204
    assert time.monotonic() - begun > 0.25
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(asking.post, "/v1/worker/claim", json=_claim("waits", wait=10.0))
        time.sleep(0.2)
        job = asking.post("/v1/models", json=submission).json()
        begun = time.monotonic()
        assert waiting.result().json()["job"]["id"] == job["id"]
        assert time.monotonic() - begun < 2


def _claim(worker: str, **more: Any) -> dict[str, Any]:
    return {"worker": worker, "device": "cpu", "datasets": ["tiny", "other"], **more}


def _fail(asking: httpx.Client, lease: dict[str, Any]) -> None:
    failure = {"kind": "test", "message": "another test's"}
    told = {"token": lease["token"], "outcome": "failed", "failure": failure}
    asking.post(f"/v1/worker/jobs/{lease['job']['id']}/end", json=told)


@pytest.mark.parametrize(
    "lie",
    [
        {"kind": "latency"},
        {"result": {**RESULT, "macs": "many"}},
        {"result": {**RESULT, "input_shape": [3, -1]}},
        {"result": {}},
        {"artifacts": [{**MADE, "sha256": "1" * 64}]},
        {"artifacts": [{**MADE, "sha256": DIGEST, "name": "../report.json"}]},
        {"artifacts": [{**MADE, "sha256": "x"}]},
        {"artifacts": [{**MADE, "sha256": "0" * 64, "media_type": "text/html"}]},
        {"more": 1},
        {"token": "0"},
        {"token": 1},
        {"token": "8" + "0" * 15},
    ],
    ids=str,
)
def test_a_result_that_is_none_is_refused(
    asking: httpx.Client, lease: dict[str, Any], lie: dict[str, Any]
) -> None:
    answer = finish(asking, lease, **lie)
    assert answer.status_code == 422, answer.text
    assert asking.get(f"/v1/jobs/{lease['job']['id']}").json()["state"] == "running"


def test_the_result_of_the_longest_training_is_taken_and_no_longer_one(
    asking: httpx.Client, lease: dict[str, Any]
) -> None:
    epoch = dict.fromkeys(("epoch", "lr", "loss", "accuracy", "top5", "seconds"), 1.5)
    epoch |= dict.fromkeys(("train_loss", "train_accuracy", "other"), 2.5)
    curve = [epoch] * 10_000
    longer = finish(asking, lease, result={**RESULT, "curve": [*curve, *curve]})
    assert longer.status_code == 422, longer.text
    assert finish(asking, lease, result={**RESULT, "curve": curve}).status_code == 204


def test_no_figure_is_nan(asking: httpx.Client, lease: dict[str, Any]) -> None:
    path = f"/v1/worker/jobs/{lease['job']['id']}"
    for value in ("NaN", "1e999", "Infinity"):
        figures = (
            f'{{"stage": "x", "done": 0, "total": 1, "message": "", "figures": {{"a": {value}}}}}'
        )
        token = f'"token": "{lease["token"]}"'
        for what, body in (
            ("renew", f'{{{token}, "progress": {figures}}}'),
            ("finish", f'{{{token}, "kind": "model", "artifacts": [], "result": {figures}}}'),
        ):
            headers = {"Content-Type": "application/json"}
            answer = asking.post(f"{path}/{what}", content=body, headers=headers)
            assert answer.status_code == 422, (what, value)


def test_an_old_token_changes_nothing(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any]
) -> None:
    job_id = lease["job"]["id"]
    released = {"token": lease["token"], "outcome": "released"}
    assert asking.post(f"/v1/worker/jobs/{job_id}/end", json=released).status_code == 204
    newer = claimed(asking, job_id)
    counts = [leases_of(token_of(one["token"])) for one in (lease, newer)]
    assert counts[1] == counts[0] + 1
    assert len(newer["token"]) == len(lease["token"]) == 16
    told = {"token": lease["token"], "outcome": "failed", "failure": {"kind": "x", "message": ""}}
    refused = [
        finish(asking, lease),
        asking.post(f"/v1/worker/jobs/{job_id}/end", json=told),
        asking.post(f"/v1/worker/jobs/{job_id}/renew", json={"token": lease["token"]}),
        upload(asking, lease, CONTENT),
        upload(asking, lease, CHECKPOINT, "saved"),
        asking.get("/v1/worker/saved", params={"job_id": job_id, "token": lease["token"]}),
    ]
    assert {answer.status_code for answer in refused} == {409}
    assert {answer.json()["type"].rpartition(":")[2] for answer in refused} == {"lease-lost"}
    assert jobs.store.get(job_id).attempts == 1
    assert finish(asking, newer).status_code == 204


def test_a_file_with_another_digest_leaves_nothing(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any]
) -> None:
    other = uuid4().bytes
    assert upload(asking, lease, other, sha256="0" * 64).status_code == 422
    assert not jobs.artifacts.holds(hashlib.sha256(other).hexdigest(), len(other))
    assert list(jobs.artifact_folder.incomplete()) == []


def test_a_checkpoint_is_kept_for_the_next_attempt(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any]
) -> None:
    asked = {"job_id": lease["job"]["id"], "token": lease["token"]}
    assert asking.get("/v1/worker/saved", params=asked).status_code == 404
    assert upload(asking, lease, CHECKPOINT, "saved").status_code == 204
    kept = asking.get("/v1/worker/saved", params=asked)
    with tarfile.open(fileobj=io.BytesIO(kept.content)) as tar:
        assert sorted(tar.getnames()) == [f"{STEP}/state.json", f"{STEP}/weights.safetensors"]
    assert kept.headers["etag"] == f'"{hashlib.sha256(kept.content).hexdigest()}"'
    folder = jobs.settings.trainings_dir / lease["job"]["id"]
    assert (folder / str(token_of(lease["token"])) / STEP / "state.json").read_bytes() == b"{}"
    assert finish(asking, lease).status_code == 204
    assert not folder.exists()


def test_a_checkpoint_whose_files_are_lost_is_none(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any]
) -> None:
    assert upload(asking, lease, CHECKPOINT, "saved").status_code == 204
    folder = jobs.settings.trainings_dir / lease["job"]["id"] / str(token_of(lease["token"]))
    (folder / STEP / "weights.safetensors").unlink()
    asked = {"job_id": lease["job"]["id"], "token": lease["token"]}
    assert asking.get("/v1/worker/saved", params=asked).status_code == 404
    assert list(jobs.artifact_folder.incomplete()) == []


def test_a_checkpoint_on_its_way_lies_where_the_clean_up_looks(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any]
) -> None:
    seen: list[int] = []

    def pieces() -> Iterator[bytes]:
        yield CHECKPOINT[:512]
        begun = until(lambda: list(jobs.artifact_folder.incomplete()), what="a file begun")
        seen.append(len(begun))
        yield CHECKPOINT[512:]

    told = {
        "job_id": lease["job"]["id"],
        "token": lease["token"],
        "sha256": hashlib.sha256(CHECKPOINT).hexdigest(),
    }
    headers = {"Content-Type": "application/octet-stream"}
    answer = asking.post("/v1/worker/saved", params=told, content=pieces(), headers=headers)
    assert (answer.status_code, seen) == (204, [1])
    assert list(jobs.artifact_folder.incomplete()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"no tar file",
        CHECKPOINT[:700],
        bundle((f"{STEP}/state.json", b"{}")),
        bundle((f"../{STEP}/state.json", b"{}"), (f"{STEP}/weights.safetensors", b"w")),
        bundle(("/etc/passwd", b"{}"), (f"{STEP}/weights.safetensors", b"w")),
        bundle((f"{STEP}/state.json", b""), (f"{STEP}/weights.safetensors", b""), link=True),
        bundle((f"{STEP}/state.json", b"{}"), ("step-000000000005/weights.safetensors", b"w")),
        bundle(*[(f"{STEP}/state.json", b"{}")] * 3),
        bundle(*[(f"{STEP}/{name}", b"{}") for name in ("state.json", "weights.safetensors")] * 2),
        bundle((f"{STEP}/state.json", b"{}"), comment="x" * 1000),
        CHECKPOINT[:1024] + b"x" * 512 + CHECKPOINT[1536:],
    ],
    ids=[
        *("none", "cut", "half", "above", "absolute", "links", "two", "thrice", "twice"),
        *("extended", "damaged"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(
    asking: httpx.Client, jobs: Jobs, lease: dict[str, Any], content: bytes
) -> None:
    answer = upload(asking, lease, content, "saved")
    assert answer.status_code == 422, answer.text
    folder = jobs.settings.trainings_dir / lease["job"]["id"]
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_worker_cancels_only_what_somebody_cancelled(
    asking: httpx.Client, lease: dict[str, Any]
) -> None:
    path = f"/v1/worker/jobs/{lease['job']['id']}/end"
    cancelled = {"token": lease["token"], "outcome": "cancelled"}
    assert asking.post(path, json=cancelled).status_code == 422
    asking.post(f"/v1/jobs/{lease['job']['id']}/cancel")
    renewed = asking.post(path.replace("end", "renew"), json={"token": lease["token"]})
    assert renewed.json() == {"cancel": True}
    assert asking.post(path, json=cancelled).status_code == 204
    assert asking.get(f"/v1/jobs/{lease['job']['id']}").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("name", "most", "more"),
    [
        ("lease_seconds", 86_400, 86_401),
        ("job_seconds", 1e9, float("inf")),
        ("retry_seconds", 86_400, 1e300),
        ("checkpoint_bytes", 2**53, 2**53 + 1),
    ],
)
def test_no_setting_is_taken_that_no_worker_believes_or_no_time_has(
    monkeypatch: pytest.MonkeyPatch, name: str, most: float, more: float
) -> None:
    monkeypatch.setenv(f"NASBENCH_{name.upper()}", str(more))
    with pytest.raises(WrongSettingError, match=f"NASBENCH_{name.upper()}: .* less than or equal"):
        _ = JobSettings(), Settings()
    monkeypatch.setenv(f"NASBENCH_{name.upper()}", str(most))
    jobs, server = JobSettings(), Settings()
    told = WorkerSettings(
        lease_seconds=jobs.lease_seconds,
        job_seconds=jobs.job_seconds,
        upload_bytes=server.checkpoint_bytes,
    )
    assert most in {*told.model_dump().values(), jobs.retry_seconds}
