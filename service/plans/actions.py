"""Descriptions of the actions on a plan, for its routes and commands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench_client.models import PlanAction

__all__ = ["PLAN_ACTIONS"]

PLAN_ACTIONS: Final[Mapping[PlanAction, str]] = MappingProxyType(
    {
        "start": "Start a plan that is ready: workers get its cells.",
        "pause": "Withdraw the queued cells; running cells end normally.",
        "resume": "Continue a paused plan, and count failures anew.",
        "stop": "End a plan for good; its results are kept.",
        "retry": "Retry the failed cells.",
        "seal": "Declare a plan complete: the next version of its table is the last one.",
        "version": "Make a version of the table now, instead of within a quarter of an hour.",
    }
)
