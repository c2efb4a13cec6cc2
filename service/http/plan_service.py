"""Plans of one server: asked by routes, and fed and made into databases beside the requests."""

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

_LOOK_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 600.0
"""The first look at a large plan counts its architectures."""
_AWAY_SECONDS: Final = 10.0
"""Between two looks at a database that does not answer."""
_VERSION_LOOKS: Final = 5
"""Looks at the plans between two looks whether a version is due."""


class PlanService:
    """The plans of one server. What reads plans is loaded when there is one.

    Args:
        jobs: Where their jobs are.
        catalog: The installed benchmarks.
        folder: Of the databases.
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
        """The plans that were opened last."""
        from service.plans.opened import OpenPlans  # noqa: PLC0415 - not before there are plans

        return OpenPlans(self._catalog, job_seconds=self._jobs.settings.job_seconds)

    def store(self, jobs: Jobs) -> PlanStore:
        """Return the plans in the database of the jobs."""
        from service.plans.store import PlanStore  # noqa: PLC0415 - as above

        return PlanStore(jobs, self.opened)

    async def ask(self, operation: Callable[[PlanStore, Jobs], R]) -> R:
        """Return what an operation on the plans returns that only reads.

        Raises:
            StoreUnavailableError: The database of the jobs does not answer.
        """
        return await self._jobs.ask(lambda jobs: operation(self.store(jobs), jobs))

    async def change(self, operation: Callable[[PlanStore, Jobs], R]) -> R:
        """Return what an operation on the plans returns that writes, and look at them soon.

        Raises:
            DiskFullError: There is no room for it.
            StoreUnavailableError: As for `ask`.
        """
        found = await self._jobs.change(lambda jobs: operation(self.store(jobs), jobs))
        self._version_wanted = True
        self._woken.set()
        return found

    async def go_on(self) -> None:
        """Feed plans and make versions of them, without end."""
        looks, told = 0, ""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_SECONDS)
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
                await asyncio.sleep(_AWAY_SECONDS)

    async def _look(self, looks: int) -> bool:
        """Feed plans, make versions that are due, and tell whether there is more to do at once."""
        more = await self._jobs.change(self._feed, seconds=_STEP_SECONDS)
        if self._version_wanted or looks % _VERSION_LOOKS == 0:
            self._version_wanted = False
            await self._jobs.change(self._make_versions, seconds=_STEP_SECONDS)
        return more

    def _feed(self, jobs: Jobs) -> bool:
        """Do a step of each plan, and tell whether there is more to do at once."""
        from service.plans.feeder import Feeder  # noqa: PLC0415 - as above

        feeder = Feeder(jobs, self.store(jobs))
        return any(self._of_each(feeder.names(), feeder.step, "a plan cannot be fed"))

    def _make_versions(self, jobs: Jobs) -> None:
        from service.plans.versions import VersionMaker  # noqa: PLC0415 - as above

        maker = VersionMaker(jobs, self.store(jobs), self.folder)

        def make(name: str) -> None:
            version = maker.make(name)
            if version is not None:
                structlog.get_logger().info(
                    "version of a plan", plan=name, version=version["version"]
                )

        self._of_each(maker.due(), make, "no version of a plan")

    def _of_each(self, names: list[str], act: Callable[[str], R], failed: str) -> list[R]:
        """Do something with each plan; what is wrong with one is logged once, and ends no other.

        Raises:
            JobError: The database of the jobs has no room or does not answer.
        """
        found = []
        for name in names:
            try:
                found.append(act(name))
            except Exception as error:  # whatever a plan is damaged by: the others go on
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
    """Return the plans of the server that a request came to."""
    service: PlanService = request.app.state.plan_service
    return service
