"""Whatever callers and workers do, in whatever order: the store does what a simple model does."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import IdempotencyConflictError, LostLeaseError, QueueFullError
from service.jobs.kinds import spec_key
from service.jobs.lease_tokens import leases_of
from service.jobs.records import ANSWERING, Capabilities, Failure, JobState, Lease, NewJob
from service.jobs.settings import MAX_CRASHES, MAX_LOSSES

BOUND = 3
CPU = Capabilities(device="cpu")
FAILURE = Failure(kind="crash", message="it fell")


@dataclass
class Model:
    """What a job should be."""

    id: str
    key: str
    priority: int
    age: int
    state: JobState = JobState.QUEUED
    attempts: int = 0
    crashes: int = 0
    losses: int = 0
    leases: int = 0
    token: int = 0
    cancel: bool = False
    result: dict[str, Any] | None = field(default=None)


class Life(RuleBasedStateMachine):
    """Jobs of a few requests, workers that hold claims, old and new."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.jobs: Jobs
        self.models: dict[str, Model] = {}
        self.given: dict[str, tuple[str, str]] = {}
        self.claims: list[Lease] = []

    @initialize()
    def open(self) -> None:
        """Begin with no job."""
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        options = JobSettings(jobs_dir=folder, retry_seconds=0, queue_bound=BOUND)
        self.jobs = self.stack.enter_context(open_jobs(options))

    def teardown(self) -> None:
        """Close the store."""
        self.stack.close()

    @rule(
        number=st.integers(0, 4),
        priority=st.integers(-1, 1),
        given=st.none() | st.sampled_from(["a", "b"]),
    )
    def submit(self, number: int, priority: int, given: str | None) -> None:
        """Ask for one of five things."""
        key = spec_key("model", {"number": number})
        new = NewJob(kind="model", spec={"number": number}, key=key, priority=priority)
        stands = self.given.get(given) if given is not None else None
        answers = [m for m in self.models.values() if m.key == key and m.state in ANSWERING]
        if stands is not None and stands[0] != key:
            with pytest.raises(IdempotencyConflictError):
                self.jobs.store.submit(new, given_key=given)
            return
        if stands is None and not answers and self.waiting() >= BOUND:
            with pytest.raises(QueueFullError):
                self.jobs.store.submit(new, given_key=given)
            return
        job, made = self.jobs.store.submit(new, given_key=given)
        assert made == (stands is None and not answers)
        if made:
            self.models[job.id] = Model(job.id, key, priority, len(self.models))
        else:
            assert job.id == (stands[1] if stands is not None else answers[0].id)
        if given is not None:
            self.given[given] = (key, job.id)

    @rule(worker=st.sampled_from(["v", "w"]))
    def claim(self, worker: str) -> None:
        """Take the first job."""
        waiting = [m for m in self.models.values() if m.state is JobState.QUEUED]
        claim = self.jobs.leases.acquire(worker, CPU)
        if claim is None:
            assert not waiting
            return
        first = min(waiting, key=lambda m: (-m.priority, m.age))
        assert claim.job.id == first.id
        first.state = JobState.RUNNING
        first.attempts += 1
        first.leases += 1
        assert leases_of(claim.token) == first.leases
        assert claim.token > first.token
        first.token = claim.token
        self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), what=st.sampled_from(["succeed", "fail", "crash", "back", "up", "renew"]))
    def say(self, data: st.DataObject, what: str) -> None:
        """Say something of a claim, which may be an old one."""
        claim = data.draw(st.sampled_from(self.claims))
        model = self.models[claim.job.id]
        leases = self.jobs.leases
        result = {"token": claim.token}
        say = {
            "succeed": lambda: leases.succeed(claim, result, ()),
            "fail": lambda: leases.fail(claim, FAILURE),
            "crash": lambda: leases.crash(claim, FAILURE),
            "back": lambda: leases.release(claim),
            "up": lambda: leases.cancel(claim),
            "renew": lambda: leases.renew(claim),
        }[what]
        last = model.token == claim.token
        if not (last and model.state is JobState.RUNNING):
            if what == "succeed" and last and model.state is JobState.SUCCEEDED:
                say()
                return
            with pytest.raises(LostLeaseError):
                say()
            return
        said = say()
        if what == "renew":
            assert said == model.cancel
        elif what == "succeed":
            model.state, model.result = JobState.SUCCEEDED, result
        elif what == "fail":
            model.state = JobState.FAILED
        elif what == "up":
            model.state = JobState.CANCELLED
        else:
            model.crashes += what == "crash"
            model.attempts -= what == "back"
            model.state = JobState.CANCELLED if model.cancel else JobState.QUEUED
            if model.crashes >= MAX_CRASHES:
                model.state = JobState.PARKED

    @precondition(lambda self: self.models)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a job, whatever its state."""
        model = self.models[data.draw(st.sampled_from(list(self.models)))]
        self.jobs.store.cancel(model.id)
        if model.state is JobState.QUEUED:
            model.state = JobState.CANCELLED
        elif model.state is JobState.RUNNING:
            model.cancel = True

    @rule(worker=st.sampled_from(["v", "w"]))
    def die(self, worker: str) -> None:
        """Find a worker dead."""
        lost = [
            self.models[claim.job.id]
            for claim in self.claims
            if claim.job.worker == worker
            and self.models[claim.job.id].state is JobState.RUNNING
            and self.models[claim.job.id].token == claim.token
        ]
        assert self.jobs.leases.recover([worker]) == len(lost)
        for model in lost:
            model.losses += 1
            model.state = JobState.PARKED if model.losses >= MAX_LOSSES else JobState.QUEUED
            model.state = JobState.CANCELLED if model.cancel else model.state

    @invariant()
    def agrees(self) -> None:
        """Every job is what it should be, and none is there twice."""
        if not self.models:
            return
        found, following = self.jobs.store.page(limit=1000)
        assert following is None
        assert [job.id for job in found] == list(self.models)[::-1]
        for job in found:
            m = self.models[job.id]
            is_so = (job.state, job.attempts, job.crashes, job.losses, job.result)
            assert is_so == (m.state, m.attempts, m.crashes, m.losses, m.result)
        answering = [job.key for job in found if job.state in ANSWERING]
        assert len(answering) == len(set(answering))

    def waiting(self) -> int:
        """Return how many jobs wait."""
        return sum(m.state is JobState.QUEUED for m in self.models.values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
