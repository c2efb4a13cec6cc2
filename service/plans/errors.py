"""What can go wrong with plans.

PlanServiceError
├── UnknownPlanError     no such plan, or no such cell of it
├── PlanConflictError    the plan is in a state in which this cannot be done, or its name is taken
└── VersionError         a database of a plan cannot be made
"""

from __future__ import annotations

from service.jobs.errors import JobError

__all__ = ["PlanConflictError", "PlanServiceError", "UnknownPlanError", "VersionError"]


class PlanServiceError(JobError):
    """Base of every error that `service.plans` raises on purpose."""


class UnknownPlanError(PlanServiceError):
    """There is no plan of a name, or no cell of a number."""


class PlanConflictError(PlanServiceError):
    """A plan is in a state in which something cannot be done, or its name is taken."""


class VersionError(PlanServiceError):
    """A database of a plan cannot be made."""
