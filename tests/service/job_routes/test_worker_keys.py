"""Two keys of scope `worker`: neither is a worker of the other, whatever it knows or guesses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import until

import model_hub
from service.access.keys import KeyFile, KeyScope
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.lease_tokens import leases_of, text_of, token_of
from service.jobs.records import Capabilities, JobState, WorkerState

RESULT: Final = {"parameters": 1, "macs": 2, "input_shape": [3, 8, 8], "input_dtype": "float32"}
OCTETS: Final = {"Content-Type": "application/octet-stream"}
FAILURE: Final = {"kind": "test", "message": "it fell"}
DATABASE: Final = "beside-1"
ARCH: Final = dict(model_hub.space("NasBench201").choices.default)
_numbers = count(1)


class Lab(NamedTuple):
    """A server with keys, its jobs, and what speaks to it by each key."""

    jobs: Jobs
    keys: KeyFile
    mine: httpx.Client
    other: httpx.Client
    admin: httpx.Client
    url: str


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("worker-keys")
    keys = KeyFile(folder / "keys.json")
    scopes = {"mine": KeyScope.WORKER, "other": KeyScope.WORKER, "admin": KeyScope.ADMIN}
    made = {name: keys.create(name, scope) for name, scope in scopes.items()}
    with ExitStack() as stack:
        jobs_dir = folder / "jobs"
        url = stack.enter_context(serving(folder, NASBENCH_JOBS_DIR=str(jobs_dir)))
        jobs = stack.enter_context(open_jobs(JobSettings(jobs_dir=jobs_dir)))
        jobs.workers.heartbeat(WorkerState(id=DATABASE, host="here", pid=1, version="0"))
        clients = {
            name: stack.enter_context(
                httpx.Client(base_url=url, timeout=30, headers={"Authorization": f"Bearer {key}"})
            )
            for name, key in made.items()
        }
        yield Lab(jobs, keys, **clients, url=url)


def beat(client: httpx.Client, worker: str) -> httpx.Response:
    told = {"host": "far", "pid": 1, "version": "0"}
    told |= {name: [] for name in ("devices", "datasets", "models", "running")}
    return client.post("/v1/worker/heartbeat", json={"id": worker, **told})


def claim(client: httpx.Client, worker: str, *held: str) -> httpx.Response:
    asked = {"worker": worker, "device": "cpu", "held": list(held)}
    return client.post("/v1/worker/claim", json=asked)


def submit(lab: Lab) -> str:
    network = {"space": "NasBench201", "arch": ARCH, "seed": next(_numbers)}
    answer = lab.admin.post("/v1/models", json={"network": network})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def lease(lab: Lab) -> dict[str, Any]:
    """A lease of a worker of the first key: the only job that waits or runs."""
    while (old := lab.jobs.leases.acquire(DATABASE, Capabilities(device="cpu"))) is not None:
        lab.jobs.leases.release(old)
        lab.jobs.store.cancel(old.job.id)
    lab.jobs.leases.recover(["far-1"])
    for job in lab.jobs.store.page(state=JobState.QUEUED)[0]:
        lab.jobs.store.cancel(job.id)
    submit(lab)
    assert beat(lab.mine, "far-1").status_code == 200
    found = claim(lab.mine, "far-1")
    assert found.status_code == 200, found.text
    return dict(found.json())


def by_lease(client: httpx.Client, job_id: str, token: str) -> list[httpx.Response]:
    """Ask for all that a lease allows; what would end it comes last."""
    path, content = f"/v1/worker/jobs/{job_id}", b"what was made"
    asked = {"job_id": job_id, "token": token}
    file = {**asked, "sha256": hashlib.sha256(content).hexdigest()}
    progress = {"stage": "stolen", "done": 1, "total": 2, "message": "", "figures": None}
    endings = [
        *({"outcome": outcome} for outcome in ("released", "lost")),
        *({"outcome": outcome, "failure": FAILURE} for outcome in ("failed", "crashed")),
        {"outcome": "cancelled"},
    ]
    return [
        client.post(f"{path}/renew", json={"token": token, "progress": progress}),
        client.post("/v1/worker/artifacts", params=file, content=content, headers=OCTETS),
        client.post("/v1/worker/saved", params=file, content=content, headers=OCTETS),
        client.get("/v1/worker/saved", params=asked),
        *(client.post(f"{path}/end", json={"token": token, **ending}) for ending in endings),
        client.post(
            f"{path}/finish",
            json={"token": token, "kind": "model", "result": RESULT, "artifacts": []},
        ),
    ]


def told(answers: list[httpx.Response]) -> set[tuple[int, str, str]]:
    return {
        (answer.status_code, answer.json()["type"], answer.json()["detail"]) for answer in answers
    }


def test_a_key_is_no_worker_of_another(lab: Lab, lease: dict[str, Any]) -> None:
    job_id, token = lease["job"]["id"], lease["token"]
    for thief in (lab.other, lab.admin):
        assert beat(thief, "far-1").status_code == 403
        assert claim(thief, "far-1").status_code == 403
        assert thief.post("/v1/worker/leave", json={"id": "far-1"}).status_code == 403
        refused = by_lease(thief, job_id, token)
        assert [answer.status_code for answer in refused] == [409] * len(refused)
        # The same is said of a wrong token and, but for its id, of a job that there is not.
        assert told(refused) == told(by_lease(thief, job_id, text_of(token_of(token) ^ 1)))
        unknown = {
            one.replace("0" * 32, job_id) for *_, one in told(by_lease(thief, "0" * 32, token))
        }
        assert unknown == {detail for *_, detail in told(refused)}
    found = lab.jobs.store.get(job_id)
    assert (found.state, found.worker, found.progress) == (JobState.RUNNING, "far-1", None)
    assert [one.id for one in lab.jobs.workers.all()].count("far-1") == 1
    assert claim(lab.mine, "far-1").json() == lease
    done = {"token": token, "kind": "model", "result": RESULT, "artifacts": []}
    for _ in range(2):
        answer = lab.mine.post(f"/v1/worker/jobs/{job_id}/finish", json=done)
        assert answer.status_code == 204, answer.text
    again = lab.other.post(f"/v1/worker/jobs/{job_id}/finish", json=done)
    assert again.status_code == 409


def test_names_that_are_taken_and_names_that_are_none_are_refused_alike(
    lab: Lab, lease: dict[str, Any]
) -> None:
    assert lease
    refused = [
        answer
        for worker in ("far-1", "nobody", DATABASE)
        for answer in (
            claim(lab.other, worker),
            lab.other.post("/v1/worker/leave", json={"id": worker}),
        )
    ]
    assert {(one.status_code, one.json()["type"][-14:]) for one in refused} == {
        (403, "foreign-worker")
    }
    details = {one.json()["detail"].split("'", 2)[2] for one in refused}
    assert len(details) == 1
    assert beat(lab.other, DATABASE).status_code == 403
    assert beat(lab.other, "far-2").status_code == 200
    assert lab.other.post("/v1/worker/leave", json={"id": "far-2"}).status_code == 204


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_guessed_token_does_anything(
    lab: Lab, lease: dict[str, Any], data: st.DataObject
) -> None:
    right = token_of(lease["token"])
    guessed = data.draw(
        st.one_of(
            st.integers(0, 2**63 - 1),
            st.integers(0, 62).map(lambda bit: right ^ (1 << bit)),
            st.integers(1, 2**20).flatmap(lambda d: st.sampled_from([right + d, right - d])),
            st.integers(0, 2**40 - 1).map(lambda low: (right >> 40 << 40) | low),
        ).filter(lambda token: token != right)
    )
    for client in (lab.mine, lab.other):
        answers = by_lease(client, lease["job"]["id"], text_of(guessed))
        assert [answer.status_code for answer in answers] == [409] * len(answers)
    assert lab.jobs.store.get(lease["job"]["id"]).state is JobState.RUNNING


def test_a_token_that_is_no_text_of_one_is_malformed(lab: Lab, lease: dict[str, Any]) -> None:
    for token in (
        1,
        True,
        None,
        "1",
        lease["token"].upper() + "0",
        "8" + "0" * 15,
        "0x" + "0" * 14,
    ):
        path = f"/v1/worker/jobs/{lease['job']['id']}/renew"
        assert lab.mine.post(path, json={"token": token}).status_code == 422, token


def test_a_token_is_old_once_the_job_is_another_lease(lab: Lab, lease: dict[str, Any]) -> None:
    job_id = lease["job"]["id"]
    released = {"token": lease["token"], "outcome": "released"}
    assert lab.mine.post(f"/v1/worker/jobs/{job_id}/end", json=released).status_code == 204
    beat(lab.other, "far-2")
    newer = claim(lab.other, "far-2").json()
    assert newer["job"]["id"] == job_id
    old, new = token_of(lease["token"]), token_of(newer["token"])
    assert leases_of(new) == leases_of(old) + 1
    assert new > old
    refused = by_lease(lab.mine, job_id, lease["token"])
    refused += by_lease(lab.mine, job_id, newer["token"])
    assert {answer.status_code for answer in refused} == {409}
    assert lab.jobs.store.get(job_id).worker == "far-2"
    ended = {"token": newer["token"], "outcome": "failed", "failure": FAILURE}
    assert lab.other.post(f"/v1/worker/jobs/{job_id}/end", json=ended).status_code == 204


def test_what_a_revoked_key_registered_is_free_but_not_what_it_had_leased(
    lab: Lab, lease: dict[str, Any]
) -> None:
    assert lease
    token = lab.keys.create(f"leaves-{next(_numbers)}", KeyScope.WORKER)
    submit(lab)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=lab.url, timeout=30, headers=headers) as leaving:
        until(lambda: beat(leaving, "far-3"), is_200, what="the new key taken")
        had = claim(leaving, "far-3").json()
        assert beat(lab.other, "far-3").status_code == 403
        lab.keys.revoke(lab.keys.read()[-1].name)  # type: ignore[index]  # it is there
        until(lambda: beat(lab.other, "far-3"), is_200, what="the revoked key's worker free")
        assert beat(leaving, "far-3").status_code == 401
    assert claim(lab.other, "far-3").status_code == 204
    refused = by_lease(lab.other, had["job"]["id"], had["token"])
    assert {answer.status_code for answer in refused} == {409}


def is_200(answer: httpx.Response) -> bool:
    """Whether a server has looked at its keys again."""
    return answer.status_code == 200
