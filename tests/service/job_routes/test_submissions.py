from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.jobs import Jobs
from service.jobs.records import Failure, Lease, WorkerState


def test_a_submission_is_answered_by_the_job_that_was_made_for_it(
    asking: httpx.Client, submission: dict[str, Any]
) -> None:
    headers = {"X-Request-ID": "mine-1"}
    answer = asking.post("/v1/models", json=submission, headers=headers)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["priority"]) == ("model", "queued", 10)
    assert job["request_id"] == answer.headers["X-Request-ID"] == "mine-1"
    assert job["request"]["formats"] == ["safetensors", "report"]
    assert job["request"]["network"]["space"] == "NasBench201"
    assert job["time_limit"] == 3600
    assert asking.get(answer.headers["Location"]).json() == job


def test_the_same_request_in_another_spelling_is_the_same_job(
    asking: httpx.Client, submission: dict[str, Any], submitted: dict[str, Any]
) -> None:
    name = asking.post("/v1/nasbench201/architecture", json={"arch": 7}).json()["arch_str"]
    other = {**submission, "network": {**submission["network"], "arch": name}, "priority": 0}
    again = asking.post("/v1/models", json=other)
    assert (again.status_code, again.json()["id"]) == (200, submitted["id"])
    spelled_out = asking.post("/v1/models", json=submitted["request"])
    assert (spelled_out.status_code, spelled_out.json()["id"]) == (200, submitted["id"])


def test_identical_submissions_at_once_are_one_job(
    asking: httpx.Client, submission: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: asking.post("/v1/models", json=submission), range(32)))
    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_job_that_failed_answers_no_further_submission(
    asking: httpx.Client,
    submission: dict[str, Any],
    submitted: dict[str, Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
) -> None:
    jobs.leases.fail(claim(submitted["id"]), Failure(kind="x", message="it cannot be done"))
    again = asking.post("/v1/models", json=submission)
    assert again.status_code == 202
    assert again.json()["id"] != submitted["id"]


def test_an_idempotency_key_stands_for_one_request_even_after_it_failed(
    asking: httpx.Client,
    submission: dict[str, Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
) -> None:
    headers = {"Idempotency-Key": f"key {submission['network']['seed']}"}
    first = asking.post("/v1/models", json=submission, headers=headers)
    assert first.status_code == 202
    jobs.leases.fail(claim(first.json()["id"]), Failure(kind="x", message="it cannot be done"))
    again = asking.post("/v1/models", json=submission, headers=headers)
    assert (again.status_code, again.json()["state"]) == (200, "failed")
    other = asking.post("/v1/latency", json=submission, headers=headers)
    assert other.status_code == 409
    assert other.json()["type"].endswith(":idempotency-conflict")
    assert other.json()["job_id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 129, "tab\there"])
def test_a_malformed_idempotency_key_is_refused(
    asking: httpx.Client, submission: dict[str, Any], key: str
) -> None:
    answer = asking.post("/v1/models", json=submission, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        (
            "models",
            {"network": {"benchmark": "nasbench201", "arch": -1, "dataset": "cifar10"}},
            "network.arch",
        ),
        ("models", {"network": {"model": "nonesuch"}}, "network.model"),
        ("models", {"network": {"space": "Nonesuch", "arch": {}}}, "network.space"),
        ("models", {"network": {"model": "proxyless-mobile"}, "formats": []}, "formats"),
        ("models", {"network": {"model": "proxyless-mobile"}, "path": "/etc"}, "path"),
        ("models", {"network": {"model": "proxyless-mobile"}, "priority": 11}, "priority"),
        ("latency", {"network": {"model": "proxyless-mobile"}, "time_limit": 1e9}, "time_limit"),
        (
            "evaluations",
            {
                "network": {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10"},
                "dataset": "tiny",
            },
            "network",
        ),
        (
            "evaluations",
            {"network": {"model": "proxyless-mobile"}, "dataset": "../../etc/passwd"},
            "dataset",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_at_once_with_its_place(
    asking: httpx.Client, path: str, body: dict[str, Any], place: str
) -> None:
    answer = asking.post(f"/v1/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["loc"][: 1 + len(place.split("."))] == [
        "body",
        *place.split("."),
    ]


def test_an_unknown_data_set_is_404_with_the_known_ones(
    asking: httpx.Client, worker: WorkerState
) -> None:
    body = {"network": {"model": "proxyless-mobile"}, "dataset": "imagenet-nonesuch"}
    answer = asking.post("/v1/evaluations", json=body)
    assert answer.status_code == 404
    assert answer.json()["known"] == list(worker.datasets)
    assert "tiny" in answer.json()["detail"]
    known = asking.post("/v1/evaluations", json={**body, "dataset": "tiny"})
    assert known.status_code == 202


def test_weights_that_were_never_uploaded_are_404(asking: httpx.Client) -> None:
    network = {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10", "checkpoint": "0" * 64}
    answer = asking.post("/v1/models", json={"network": network})
    assert answer.status_code == 404
    assert answer.json()["type"].endswith(":unknown-checkpoint")


def test_a_full_queue_is_429_and_says_when_to_come_again(
    serve: Callable[..., str], directory: Path, tmp_path: Path
) -> None:
    url = serve(directory, NASBENCH_JOBS_DIR=str(tmp_path / "full"), NASBENCH_QUEUE_BOUND="2")
    answers = [
        httpx.post(
            f"{url}/v1/models",
            json={"network": {"benchmark": "nasbench201", "arch": arch, "dataset": "cifar10"}},
        )
        for arch in (1, 2, 3)
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].json()["type"].endswith(":queue-full")
    known = {"network": {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10"}}
    assert httpx.post(f"{url}/v1/models", json=known).status_code == 200


def test_a_database_that_does_not_answer_is_503_and_queries_go_on(
    serve: Callable[..., str], directory: Path, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg")
    url = serve(
        directory,
        NASBENCH_JOBS_DIR=str(tmp_path / "dead"),
        NASBENCH_JOBS_URL="postgresql://nobody@127.0.0.1:9/jobs",
    )
    for path in ("jobs", "workers", "datasets", "checkpoints", "jobs/x", "jobs/x/events"):
        answer = httpx.get(f"{url}/v1/{path}", timeout=30)
        assert answer.status_code == 503, path
        assert answer.json()["type"].endswith(":jobs-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1:9" not in answer.text
    assert httpx.get(f"{url}/v1/nasbench201/computed-stats?arch=0").status_code == 200


def test_nothing_of_the_jobs_is_made_before_the_first_request_for_them(
    serve: Callable[..., str], directory: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    url = serve(directory, NASBENCH_JOBS_DIR=str(folder))
    assert httpx.get(f"{url}/v1/nasbench201/computed-stats?arch=0").status_code == 200
    assert not folder.exists()
    assert httpx.get(f"{url}/v1/jobs").json() == {"items": [], "next_cursor": None}
    assert folder.is_dir()


@pytest.mark.usefixtures("unmeasured")
def test_all_workers_and_servers_of_a_folder_see_the_same_jobs(
    directory: Path, tmp_path: Path, serve: Callable[..., str]
) -> None:
    folder = tmp_path / "shared"
    settings = {"NASBENCH_JOBS_DIR": str(folder)}
    url = serve(directory, 2, **settings)
    body = {"network": {"benchmark": "nasbench201", "arch": 5, "dataset": "cifar10"}}
    job = httpx.post(f"{url}/v1/models", json=body).json()
    # Two workers of one server, and another server: all see the same table.
    for _ in range(6):
        assert httpx.get(f"{url}/v1/jobs/{job['id']}").json() == job
    other = serve(directory, **settings)
    assert httpx.get(f"{other}/v1/jobs/{job['id']}").json() == job
    assert httpx.post(f"{other}/v1/models", json=body).status_code == 200
