"""Errors of plans.

PlanServiceError
├── UnknownPlanError     no such plan, cell or version
├── PlanConflictError    the state of the plan does not allow this, or its name is taken
└── VersionError         a database of a plan cannot be made
"""

from __future__ import annotations

from service.jobs.errors import JobError

__all__ = ["PlanConflictError", "PlanServiceError", "UnknownPlanError", "VersionError"]


class PlanServiceError(JobError):
    """Base of all errors that `service.plans` raises on purpose."""


class UnknownPlanError(PlanServiceError):
    """A plan, cell or version does not exist."""


class PlanConflictError(PlanServiceError):
    """The state of a plan does not allow an operation, or its name is taken."""


class VersionError(PlanServiceError):
    """A database of a plan cannot be made."""
