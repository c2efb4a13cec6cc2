"""The plans of a server: access for its routes, and the background task that feeds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
from fastapi import Request

from benchmark_db.catalog import Catalog
from service.http.job_service import JobService
from service.jobs import Jobs
from service.jobs.errors import JobError
from service.jobs.tables import PlanRow
from service.plans.errors import PlanServiceError

if TYPE_CHECKING:
    from service.plans.opened import OpenPlans
    from service.plans.store import PlanStore

__all__ = ["PlanService", "plan_service_of"]

R = TypeVar("R")

_POLL_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 600.0
"""Time limit of a step; the first one for a large plan counts its architectures."""
_RETRY_SECONDS: Final = 10.0
"""Pause after a failure of the database."""
_VERSION_ROUNDS: Final = 5
"""Rounds between two checks whether a version is due."""


class PlanService:
    """The plans of a server; their modules are imported at first use.

    Args:
        jobs: Accesses the jobs.
        catalog: The installed benchmarks.
        folder: The folder of the databases.
    """

    def __init__(self, jobs: JobService, catalog: Catalog, folder: Path) -> None:
        self._jobs = jobs
        self._catalog = catalog
        self.folder = folder
        self._woken = asyncio.Event()
        self._version_wanted = False
        self._told: dict[tuple[str, str], str] = {}

    @cached_property
    def opened(self) -> OpenPlans:
        """The cache of loaded plans."""
        from service.plans.opened import OpenPlans  # noqa: PLC0415 - not before there are plans

        return OpenPlans(self._catalog, job_seconds=self._jobs.settings.job_seconds)

    def store(self, jobs: Jobs) -> PlanStore:
        """Return the store of plans in the database of the jobs."""
        from service.plans.store import PlanStore  # noqa: PLC0415 - as above

        return PlanStore(jobs, self.opened)

    async def ask(self, operation: Callable[[PlanStore, Jobs], R]) -> R:
        """Run an operation on plans that only reads, and return its result.

        Raises:
            StoreUnavailableError: The database of the jobs does not answer.
        """
        return await self._jobs.ask(lambda jobs: operation(self.store(jobs), jobs))

    async def change(self, operation: Callable[[PlanStore, Jobs], R]) -> R:
        """Run an operation on plans that writes, return its result, and soon feed the plans.

        Raises:
            DiskFullError: The disk is full.
            StoreUnavailableError: As for `ask`.
        """
        found = await self._jobs.change(lambda jobs: operation(self.store(jobs), jobs))
        self._version_wanted = True
        self._woken.set()
        return found

    async def run_forever(self) -> None:
        """Feed plans and make versions of them, forever."""
        looks, told = 0, ""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _POLL_SECONDS)
            self._woken.clear()
            if not self._jobs.is_used():
                continue
            looks += 1
            try:
                if await self._jobs.ask(_there_are_plans) and await self._look(looks):
                    self._woken.set()
                told = ""
            except JobError as error:
                if str(error) != told:
                    told = str(error)
                    structlog.get_logger().warning("plans cannot be fed", reason=told)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _look(self, looks: int) -> bool:
        """Feed plans and make due versions; tell whether there is more to do at once."""
        more = await self._jobs.change(self._feed, seconds=_STEP_SECONDS)
        if self._version_wanted or looks % _VERSION_ROUNDS == 0:
            self._version_wanted = False
            await self._jobs.change(self._make_versions, seconds=_STEP_SECONDS)
        return more

    def _feed(self, jobs: Jobs) -> bool:
        """Do a step of each plan; tell whether there is more to do at once."""
        from service.plans.feeder import Feeder  # noqa: PLC0415 - as above

        feeder = Feeder(jobs, self.store(jobs))
        return any(self._for_each_plan(feeder.names(), feeder.step, "a plan cannot be fed"))

    def _make_versions(self, jobs: Jobs) -> None:
        from service.plans.versions import VersionMaker  # noqa: PLC0415 - as above

        maker = VersionMaker(jobs, self.store(jobs), self.folder)

        def make(name: str) -> None:
            version = maker.make(name)
            if version is not None:
                structlog.get_logger().info(
                    "version of a plan", plan=name, version=version["version"]
                )

        self._for_each_plan(maker.due(), make, "no version of a plan")

    def _for_each_plan(self, names: list[str], act: Callable[[str], R], failed: str) -> list[R]:
        """Call a function for each plan; an error of one plan is logged once and skips the plan.

        Raises:
            JobError: The database of the jobs does not answer, or its disk is full.
        """
        found = []
        for name in names:
            try:
                found.append(act(name))
            except Exception as error:  # a damaged plan may raise anything; the others continue
                if isinstance(error, JobError) and not isinstance(error, PlanServiceError):
                    raise
                reason = str(error) or type(error).__name__
                if self._told.get((failed, name)) != reason:
                    self._told[failed, name] = reason
                    structlog.get_logger().warning(failed, plan=name, reason=reason)
            else:
                self._told.pop((failed, name), None)
        return found


def _there_are_plans(jobs: Jobs) -> bool:
    query = PlanRow.select(PlanRow.name).limit(1)
    return bool(jobs.database.read(lambda: jobs.database.rows(query)))


def plan_service_of(request: Request) -> PlanService:
    """Return the plan service of the server of a request."""
    service: PlanService = request.app.state.plan_service
    return service
