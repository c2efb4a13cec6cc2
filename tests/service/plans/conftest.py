"""Plans in the table of jobs or behind a server, and workers that make results up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from planned import CAN, WORKER, a_plan, result_of

from bench_client import BenchClient
from benchmark_db.catalog import Catalog
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import Failure, Lease, Progress
from service.plans.feeder import Feeder
from service.plans.opened import OpenPlans
from service.plans.records import PlanRecord
from service.plans.store import PlanStore


@dataclass
class Lab:
    """Plans, what feeds them, and what does their cells without training anything.

    Attributes:
        jobs: The open jobs.
        opened: Plans ready to be fed.
    """

    jobs: Jobs
    opened: OpenPlans
    trained: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plans = PlanStore(self.jobs, self.opened)
        self.feeder = Feeder(self.jobs, self.plans)

    def submit(self, *, pilot: bool = False, **changes: Any) -> str:
        """Submit a plan and return its name."""
        plan = self.opened.of(a_plan(**changes))
        record, _ = self.plans.submit(plan, pilot=pilot, large=False)
        return record.name

    def started(self, **changes: Any) -> str:
        """Submit a plan, start it, and return its name."""
        name = self.submit(**changes)
        self.plans.act(name, "start")
        return name

    def feed(self, name: str) -> PlanRecord:
        """Feed a plan as far as it goes, and return it."""
        while self.feeder.step(name, lease_seconds=0):
            pass
        return self.record(name)

    def record(self, name: str) -> PlanRecord:
        """Return a plan."""
        return self.plans.get(name)[0]

    def outstanding(self, name: str) -> int:
        """Return how many cells of a plan wait or run."""
        return self.plans.get(name)[1]

    def lease(self) -> Lease | None:
        """Lease a job as a worker."""
        return self.jobs.leases.acquire("w", CAN)

    def work(self, count: int = 10**9, **changes: Any) -> int:
        """Do jobs until there are no more or so many are done, and return how many were done."""
        done = 0
        while done < count and (lease := self.lease()):
            self.trained.append(lease.job.spec)
            self.jobs.leases.succeed(lease, result_of(lease.job.spec, **changes), [])
            done += 1
        return done

    def fail(self, lease: Lease, kind: str = "too-few-outputs", epoch: int | None = None) -> None:
        """End a job that cannot be done, or that diverged after an epoch."""
        if epoch is not None:
            figures = {"epoch": float(epoch), "train_loss": 1.0}
            self.jobs.leases.renew(lease, Progress(stage="training", figures=figures))
        self.jobs.leases.fail(lease, Failure(kind=kind, message="it cannot be done"))

    def until_finished(self, name: str) -> PlanRecord:
        """Feed and work until nothing is left."""
        while True:
            record = self.feed(name)
            if not self.work():
                return self.feed(name) if record.settled == record.cells else record


@pytest.fixture(params=["sqlite", "postgresql"])
def jobs_url(request: pytest.FixtureRequest) -> str | None:
    """The address of an empty database; None for SQLite in the folder of the jobs."""
    if request.param == "sqlite":
        return None
    return str(request.getfixturevalue("postgres_server").url)


@pytest.fixture(scope="session")
def new_lab(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Jobs], Lab]:
    """Makes a lab of open jobs."""
    catalog = Catalog(tmp_path_factory.mktemp("empty"))
    return lambda jobs: Lab(jobs, OpenPlans(catalog, job_seconds=3600.0))


@pytest.fixture
def lab(tmp_path: Path, jobs_url: str | None, new_lab: Callable[[Jobs], Lab]) -> Iterator[Lab]:
    """A lab with an empty table of jobs."""
    settings = JobSettings(
        jobs_dir=tmp_path / "jobs", jobs_url=jobs_url, retry_seconds=0, queue_bound=100
    )
    with open_jobs(settings) as opened:
        yield new_lab(opened)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the databases, empty."""
    return tmp_path_factory.mktemp("planned")


@pytest.fixture(scope="module")
def url(folder: Path, serving: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a server whose jobs the tests do."""
    with serving(folder, NASBENCH_JOBS_DIR=str(folder / "jobs")) as address:
        yield address


@pytest.fixture
def jobs(url: str, folder: Path) -> Iterator[Jobs]:
    """The jobs of that server, with a worker that has a data set."""
    assert url
    with open_jobs(JobSettings(jobs_dir=folder / "jobs")) as opened:
        opened.workers.heartbeat(WORKER)
        yield opened


@pytest.fixture
def bench(url: str) -> Iterator[BenchClient]:
    with BenchClient(url) as client:
        yield client
