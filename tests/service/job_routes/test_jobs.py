from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.jobs import Jobs
from service.jobs.records import DeviceState, Lease, Progress, WorkerState


def test_jobs_are_listed_latest_first_in_pages(asking: httpx.Client) -> None:
    made = [
        asking.post(
            "/v1/latency",
            json={
                "network": {"benchmark": "nasbench201", "arch": arch, "dataset": "cifar10"},
                "warmup": 3,
            },
        ).json()["id"]
        for arch in range(20, 25)
    ]
    question: dict[str, Any] = {"kind": "latency", "state": "queued", "limit": 2}
    seen: list[str] = []
    while True:
        page = asking.get("/v1/jobs", params=question).json()
        seen += [job["id"] for job in page["items"]]
        if page["next_cursor"] is None:
            break
        question["cursor"] = page["next_cursor"]
    assert seen[:5] == made[::-1]
    assert len(set(seen)) == len(seen)


def test_jobs_are_found_by_the_network_that_they_are_about(asking: httpx.Client) -> None:
    about = {"benchmark": "nasbench201", "arch": 31, "dataset": "cifar100"}
    spelled = asking.post("/v1/nasbench201/architecture", json={"arch": 31}).json()["arch_str"]
    same = {**about, "arch": spelled}
    other = {**about, "dataset": "cifar10"}  # of ten classes, and so of another last layer

    def submitted(path: str, network: dict[str, Any], **more: Any) -> str:
        answer = asking.post(f"/v1/{path}", json={"network": network, **more})
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def found(**question: Any) -> list[str]:
        answer = asking.get("/v1/jobs", params=question)
        assert answer.is_success, answer.text
        return [job["id"] for job in answer.json()["items"]]

    before = found(**other)  # of other tests beside the same server
    built = submitted("models", about, priority=1)
    timed = submitted("latency", {**same, "seed": 5})
    elsewhere = submitted("latency", other)
    assert found(**about) == found(**same) == [timed, built]
    assert found(**about, kind="model") == [built]
    assert found(**other) == [elsewhere, *before]
    assert found(**about, limit=1) == [timed]


@pytest.mark.parametrize(
    "query",
    [
        *["cursor=nonesuch", "state=done", "kind=x", "limit=0", "limit=1001", "path=x"],
        *["arch=odd&benchmark=nasbench201&dataset=cifar10", "benchmark=x&arch=1"],
        *["dataset=odd&benchmark=nasbench201&arch=1", "arch={&benchmark=nasbench201"],
    ],
)
def test_a_malformed_question_about_jobs_is_422(asking: httpx.Client, query: str) -> None:
    answer = asking.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize("job_id", ["nonesuch", "%2e%2e", "%2e%2e%2fjobs.db", "a%00b"])
@pytest.mark.parametrize("rest", ["", "/events", "/artifacts/report.json"])
def test_a_job_that_is_none_is_404(asking: httpx.Client, job_id: str, rest: str) -> None:
    answer = asking.get(f"/v1/jobs/{job_id}{rest}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_waiting_job_is_cancelled_at_once_and_stays_so(
    asking: httpx.Client, submission: dict[str, Any], submitted: dict[str, Any]
) -> None:
    path = f"/v1/jobs/{submitted['id']}/cancel"
    cancelled = asking.post(path)
    assert cancelled.status_code == 200
    assert cancelled.json()["state"] == "cancelled"
    assert cancelled.json()["finished_at"] is not None
    assert asking.post(path).json() == cancelled.json()
    assert asking.post("/v1/models", json=submission).json()["id"] != submitted["id"]
    assert asking.post("/v1/jobs/nonesuch/cancel").status_code == 404


def test_a_running_job_is_cancelled_by_its_worker(
    asking: httpx.Client,
    submitted: dict[str, Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
) -> None:
    claimed = claim(submitted["id"])
    asked = asking.post(f"/v1/jobs/{submitted['id']}/cancel").json()
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    assert jobs.leases.renew(claimed, Progress(stage="building"))
    jobs.leases.cancel(claimed)
    assert asking.get(f"/v1/jobs/{submitted['id']}").json()["state"] == "cancelled"


def test_a_job_tells_how_far_it_is(
    asking: httpx.Client,
    submitted: dict[str, Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
) -> None:
    jobs.leases.renew(claim(submitted["id"]), Progress(stage="building", done=3, total=9))
    answer = asking.get(f"/v1/jobs/{submitted['id']}")
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json()
    assert (found["state"], found["worker"], found["attempts"]) == ("running", "hand", 1)
    progress = {"stage": "building", "done": 3, "total": 9, "message": "", "figures": None}
    assert found["progress"] == progress
    assert found["revision"] > submitted["revision"]


def test_workers_and_their_data_sets_are_listed(asking: httpx.Client, jobs: Jobs) -> None:
    device = DeviceState(name="cpu", kind="cpu", model="some processor", memory=2**30)
    jobs.workers.heartbeat(
        WorkerState(
            id="listed", host="h", pid=7, version="1", devices=(device,), datasets=("b", "a")
        )
    )
    listed = {worker["id"]: worker for worker in asking.get("/v1/workers").json()["items"]}
    assert listed["listed"]["alive"] is True
    assert listed["listed"]["devices"] == [
        {"name": "cpu", "kind": "cpu", "model": "some processor", "memory": 2**30}
    ]
    names = {
        found["name"]: found["workers"] for found in asking.get("/v1/datasets").json()["items"]
    }
    assert names["a"] == names["b"] == ["listed"]
    jobs.workers.deregister("listed")
    assert "a" not in [found["name"] for found in asking.get("/v1/datasets").json()["items"]]
