"""The life of a job, from its submission to its end, on a real database."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import (
    ForeignWorkerError,
    IdempotencyConflictError,
    LostLeaseError,
    QueueFullError,
    StoreUnavailableError,
    UnknownJobError,
    UnusableStoreError,
)
from service.jobs.kinds import spec_key
from service.jobs.lease_tokens import LAST_TOKEN, leases_of, text_of, token_of
from service.jobs.records import (
    Artifact,
    Capabilities,
    Failure,
    JobState,
    Lease,
    NewJob,
    Progress,
    WorkerState,
)
from service.jobs.settings import MAX_CRASHES, MAX_LOSSES
from service.jobs.tables import JobRow, SchemaRow

CPU = Capabilities(device="cpu")
FAILURE = Failure(kind="crash", message="it fell")


def new(number: int = 0) -> NewJob:
    spec = {"number": number}
    return NewJob(kind="model", spec=spec, key=spec_key("model", spec))


def claimed(jobs: Jobs, worker: str = "w") -> Lease:
    claim = jobs.leases.acquire(worker, CPU)
    assert claim is not None
    return claim


def test_the_same_request_is_the_same_job_until_it_fails(jobs: Jobs) -> None:
    first, made = jobs.store.submit(new())
    assert made
    assert jobs.store.submit(new()) == (first, False)
    jobs.leases.fail(claimed(jobs), FAILURE)
    again, made = jobs.store.submit(new())
    assert made
    assert again.id != first.id


def test_a_given_key_stands_for_its_request_even_after_failure(jobs: Jobs) -> None:
    first, _ = jobs.store.submit(new(), given_key="k")
    jobs.leases.fail(claimed(jobs), FAILURE)
    found, made = jobs.store.submit(new(), given_key="k")
    assert (found.id, found.state, made) == (first.id, JobState.FAILED, False)
    with pytest.raises(IdempotencyConflictError):
        jobs.store.submit(new(1), given_key="k")


def test_more_jobs_than_may_wait_are_refused_but_known_requests_are_answered(
    job_settings: JobSettings,
) -> None:
    with open_jobs(job_settings.model_copy(update={"queue_bound": 2})) as jobs:
        jobs.store.submit(new(0))
        jobs.store.submit(new(1))
        with pytest.raises(QueueFullError):
            jobs.store.submit(new(2))
        assert not jobs.store.submit(new(1))[1]
        claimed(jobs)
        assert jobs.store.submit(new(2))[1]


def test_the_tables_of_another_version_are_refused_and_left_alone(
    job_settings: JobSettings,
) -> None:
    with open_jobs(job_settings) as jobs:
        job, _ = jobs.store.submit(new())
        database = jobs.store._database
        ((known,),) = database.peewee.execute_sql("SELECT version FROM jobs_schema").fetchall()
        database.write(lambda: database.change(SchemaRow.update(version=99)))
        # It may have other columns, too.
        with database.peewee.connection_context():
            database.peewee.execute_sql("ALTER TABLE jobs_schema RENAME COLUMN identity TO other")
    with open_jobs(job_settings) as jobs:
        for ask in (lambda: jobs.store.get(job.id), lambda: jobs.store.submit(new())):
            with pytest.raises(UnusableStoreError, match="version 99"):
                ask()
        database = jobs.store._database.peewee
        with database.connection_context():
            database.execute_sql("ALTER TABLE jobs_schema RENAME COLUMN other TO identity")
            back = f"UPDATE jobs_schema SET version = {known} WHERE version = 99"  # noqa: S608
            assert database.execute_sql(back).rowcount == 1
        assert jobs.store.get(job.id) == job


@pytest.mark.parametrize("way", ["release", "crash", "lose"])
def test_a_job_that_has_had_every_token_is_parked(jobs: Jobs, way: str) -> None:
    job, _ = jobs.store.submit(new())
    last = JobRow.update(token=LAST_TOKEN - 1).where(JobRow.id == job.id)
    jobs.database.write(lambda: jobs.database.change(last))
    claim = claimed(jobs)
    assert LAST_TOKEN <= claim.token < 2**63
    assert jobs.leases.renew(claim) is False
    end = getattr(jobs.leases, way)
    end(claim, FAILURE) if way == "crash" else end(claim)
    assert jobs.store.get(job.id).state is JobState.PARKED
    assert jobs.leases.acquire("w", CPU) is None


@pytest.mark.parametrize(
    "changes",
    [{"spec": "{"}, {"kind": "nonesuch"}, {"created_at": 1e300}, {"progress": "[1]"}],
    ids=str,
)
def test_a_lease_of_a_row_that_nobody_wrote_is_told_as_damage(
    jobs: Jobs, changes: dict[str, Any]
) -> None:
    jobs.store.submit(new())
    jobs.workers.heartbeat(WorkerState(id="w", host="here", pid=1, version="0"), holder="key")
    claim = jobs.leases.acquire("w", CPU, holder="key")
    assert claim is not None
    jobs.database.write(lambda: jobs.database.change(JobRow.update(changes)))
    for ask in (jobs.leases.current, jobs.leases.ending):
        with pytest.raises(StoreUnavailableError, match="damaged"):
            ask(claim.job.id, claim.token, "key")


def test_tokens_of_a_job_only_grow_and_share_no_low_bits(jobs: Jobs) -> None:
    jobs.store.submit(new())
    found = []
    for _ in range(20):
        found.append(claimed(jobs))
        jobs.leases.release(found[-1])
    tokens = [claim.token for claim in found]
    assert tokens == sorted(tokens)
    assert [leases_of(token) for token in tokens] == list(range(1, 21))
    assert len({token % 2**40 for token in tokens}) == 20
    assert all(token_of(text_of(token)) == token for token in tokens)


def test_jobs_are_claimed_by_priority_then_by_age(jobs: Jobs) -> None:
    for number, priority in enumerate([0, 5, -1, 5, 0]):
        jobs.store.submit(replace(new(number), priority=priority))
    order = [claimed(jobs).job.spec["number"] for _ in range(5)]
    assert order == [1, 3, 0, 4, 2]
    assert jobs.leases.acquire("w", CPU) is None


def test_a_job_goes_only_to_whom_can_do_it(jobs: Jobs) -> None:
    jobs.store.submit(replace(new(0), needs_device="cuda"))
    jobs.store.submit(replace(new(1), needs_dataset="cifar10"))
    assert jobs.leases.acquire("w", CPU) is None
    can = Capabilities(device="cpu", datasets=frozenset({"cifar10", "svhn"}))
    found = jobs.leases.acquire("w", can)
    assert found is not None
    assert found.job.spec == {"number": 1}
    found = jobs.leases.acquire("w", Capabilities(device="cuda"))
    assert found is not None
    assert found.job.spec == {"number": 0}


def test_claims_share_statements_and_none_of_the_values_of_each(jobs: Jobs) -> None:
    # More sets of capabilities than statements are kept, each asked for twice.
    labels = [f"rack-{number}" for number in range(40)] * 2
    for number, label in enumerate(labels):
        jobs.store.submit(replace(new(number), needs_label=label))
    found = [
        jobs.leases.acquire(f"w{number}", Capabilities(device="cpu", labels=frozenset({label})))
        for number, label in enumerate(labels)
    ]
    leases = [lease for lease in found if lease is not None]
    assert [lease.job.spec["number"] for lease in leases] == list(range(80))
    assert [lease.job.worker for lease in leases] == [f"w{number}" for number in range(80)]
    assert len({lease.token for lease in leases}) == 80
    began = [lease.job.started_at for lease in leases if lease.job.started_at is not None]
    assert began == sorted(began)
    assert began[0] < began[-1]


def test_a_lease_is_given_again_to_the_worker_and_key_that_do_not_know_they_have_it(
    jobs: Jobs,
) -> None:
    for number in range(3):
        jobs.store.submit(new(number))
    for worker in ("w", "v"):
        jobs.workers.heartbeat(
            WorkerState(id=worker, host="here", pid=1, version="0"), holder="lab"
        )

    def take(worker: str, *held: str) -> Lease:
        lease = jobs.leases.acquire(worker, CPU, held=held, holder="lab")
        assert lease is not None
        return lease

    first = take("w")
    assert take("w").token == first.token
    second = take("w", first.job.id)
    assert second.job.id != first.job.id
    assert take("w", second.job.id).token == first.token
    other = take("v")
    assert other.job.spec == {"number": 2}
    with pytest.raises(ForeignWorkerError):
        jobs.leases.acquire("w", CPU, held=(), holder="another")


def test_a_lease_that_is_renewed_holds_and_one_that_is_not_is_lost(
    job_settings: JobSettings,
) -> None:
    with open_jobs(job_settings.model_copy(update={"lease_seconds": 0.5})) as jobs:
        jobs.store.submit(new())
        claim = claimed(jobs)
        for done in range(4):
            time.sleep(0.2)
            assert not jobs.leases.renew(claim, Progress(stage="building", done=done))
            assert jobs.leases.recover() == 0
        time.sleep(0.7)
        assert jobs.leases.recover() == 1
        with pytest.raises(LostLeaseError):
            jobs.leases.renew(claim)


def test_what_an_old_holder_says_changes_nothing(jobs: Jobs) -> None:
    job, _ = jobs.store.submit(new())
    old = claimed(jobs, "old")
    jobs.leases.recover(["old"])
    young = claimed(jobs, "young")
    before = jobs.store.get(job.id)
    for say in (
        lambda: jobs.leases.succeed(old, {"by": "old"}, ()),
        lambda: jobs.leases.fail(old, FAILURE),
        lambda: jobs.leases.crash(old, FAILURE),
        lambda: jobs.leases.release(old),
        lambda: jobs.leases.cancel(old),
        lambda: jobs.leases.renew(old),
    ):
        with pytest.raises(LostLeaseError):
            say()
    assert jobs.store.get(job.id) == before
    jobs.leases.succeed(young, {"by": "young"}, ())
    with pytest.raises(LostLeaseError):
        jobs.leases.succeed(old, {"by": "old"}, ())
    assert jobs.store.get(job.id).result == {"by": "young"}


def test_success_said_twice_is_said_once(jobs: Jobs) -> None:
    job, _ = jobs.store.submit(new())
    claim = claimed(jobs)
    artifact = Artifact(name="a", media_type="text/plain", size=1, sha256="0" * 64)
    jobs.leases.succeed(claim, {"x": 1}, [artifact])
    ended = jobs.store.get(job.id)
    jobs.leases.succeed(claim, {"x": 2}, [artifact])
    assert jobs.store.get(job.id) == ended
    assert ended.artifacts == (artifact,)


def test_a_job_that_crashes_waits_longer_each_time_and_is_parked(
    job_settings: JobSettings,
) -> None:
    with open_jobs(job_settings.model_copy(update={"retry_seconds": 0.2})) as jobs:
        job, _ = jobs.store.submit(new())
        for crash in range(1, MAX_CRASHES):
            told = time.time()
            assert jobs.leases.crash(claimed(jobs), FAILURE) is JobState.QUEUED
            not_before = jobs.store.get(job.id).not_before
            assert not_before is not None
            pause = not_before.timestamp() - told
            assert 0.2 * 2 ** (crash - 1) <= pause < 0.2 * 2 ** (crash - 1) + 5
            time.sleep(max(0.0, not_before.timestamp() - time.time()) + 0.01)
        assert jobs.leases.crash(claimed(jobs), FAILURE) is JobState.PARKED
        parked = jobs.store.get(job.id)
        assert (parked.state, parked.error, parked.attempts) == (JobState.PARKED, FAILURE, 3)


def test_a_job_whose_workers_fall_silent_is_parked_after_ten(jobs: Jobs) -> None:
    job, _ = jobs.store.submit(new())
    for loss in range(1, MAX_LOSSES + 1):
        claimed(jobs, f"w{loss}")
        assert jobs.leases.recover([f"w{loss}"]) == 1
        assert jobs.store.get(job.id).losses == loss
    assert jobs.store.get(job.id).state is JobState.PARKED


def test_handing_back_does_not_count(jobs: Jobs) -> None:
    job, _ = jobs.store.submit(new())
    for _ in range(2 * MAX_LOSSES):
        jobs.leases.release(claimed(jobs))
    found = jobs.store.get(job.id)
    assert (found.state, found.attempts, found.crashes, found.losses) == (
        JobState.QUEUED,
        0,
        0,
        0,
    )


def test_a_waiting_job_is_cancelled_at_once_and_an_ended_one_stays(jobs: Jobs) -> None:
    job, _ = jobs.store.submit(new())
    assert jobs.store.cancel(job.id).state is JobState.CANCELLED
    revision = jobs.store.get(job.id).revision
    assert jobs.store.cancel(job.id).revision == revision
    with pytest.raises(UnknownJobError):
        jobs.store.cancel("0" * 32)


@pytest.mark.parametrize("ending", ["give up", "hand back", "crash", "silence"])
def test_a_job_that_is_cancelled_while_it_runs_ends_so_however_its_try_ends(
    jobs: Jobs, ending: str
) -> None:
    job, _ = jobs.store.submit(new())
    claim = claimed(jobs)
    assert jobs.store.cancel(job.id).state is JobState.RUNNING
    assert jobs.leases.renew(claim)
    if ending == "give up":
        jobs.leases.cancel(claim)
    elif ending == "hand back":
        jobs.leases.release(claim)
    elif ending == "crash":
        assert jobs.leases.crash(claim, FAILURE) is JobState.CANCELLED
    else:
        assert jobs.leases.recover(["w"]) == 1
    ended = jobs.store.get(job.id)
    assert ended.state is JobState.CANCELLED
    assert ended.finished_at is not None


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        ("give up", JobState.STOPPED),
        ("hand back", JobState.STOPPED),
        ("crash", JobState.STOPPED),
        ("silence", JobState.CANCELLED),
        ("success", JobState.SUCCEEDED),
        ("no figures", JobState.CANCELLED),
    ],
)
def test_a_job_that_is_stopped_keeps_its_last_figures_and_answers_nothing(
    jobs: Jobs, ending: str, state: JobState
) -> None:
    job, _ = jobs.store.submit(new())
    claim = claimed(jobs)
    figures = None if ending == "no figures" else {"epoch": 3.0, "accuracy": 50.0}
    jobs.leases.renew(claim, Progress(stage="training", done=3, figures=figures))
    assert jobs.store.cancel(job.id, stop=True).cancel_requested
    assert jobs.leases.renew(claim)
    if ending in {"give up", "no figures"}:
        jobs.leases.cancel(claim)
    elif ending == "hand back":
        jobs.leases.release(claim)
    elif ending == "crash":
        assert jobs.leases.crash(claim, FAILURE) is JobState.STOPPED
    elif ending == "silence":
        jobs.leases.recover(["w"])
    else:
        jobs.leases.succeed(claim, {}, [])
    ended = jobs.store.get(job.id)
    assert ended.state is state
    assert ended.finished_at is not None
    if state is JobState.STOPPED:
        assert ended.progress is not None
        assert ended.progress.figures == figures
        assert ended.result is None
    again, made = jobs.store.submit(new())
    assert made is (state is not JobState.SUCCEEDED)
    assert jobs.store.cancel(again.id, stop=True).state is (
        JobState.SUCCEEDED if state is JobState.SUCCEEDED else JobState.CANCELLED
    )


def test_pages_hold_each_job_once_while_others_arrive(jobs: Jobs) -> None:
    there = [jobs.store.submit(new(number))[0].id for number in range(10)]
    seen: list[str] = []
    before: str | None = None
    while True:
        page, before = jobs.store.page(before=before, limit=3, state=JobState.QUEUED)
        seen += [job.id for job in page]
        jobs.store.submit(new(100 + len(seen)))
        if before is None:
            break
    assert seen == there[::-1]
    assert jobs.store.page(kind="latency") == ([], None)


def test_every_change_that_shows_is_a_new_revision(jobs: Jobs) -> None:
    job, _ = jobs.store.submit(new())
    seen = [jobs.store.revisions([job.id])[job.id]]
    claim = claimed(jobs)
    seen.append(jobs.store.revisions([job.id])[job.id])
    jobs.leases.renew(claim)
    assert jobs.store.revisions([job.id])[job.id] == seen[-1]
    jobs.leases.renew(claim, Progress(stage="building"))
    seen.append(jobs.store.revisions([job.id])[job.id])
    jobs.leases.succeed(claim, {}, ())
    seen.append(jobs.store.revisions([job.id])[job.id])
    assert seen == [1, 2, 3, 4]
