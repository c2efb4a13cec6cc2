"""Actions on a plan and their descriptions, for routes and commands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench_client.models import PlanAction

__all__ = ["PLAN_ACTIONS"]

PLAN_ACTIONS: Final[Mapping[PlanAction, str]] = MappingProxyType(
    {
        "start": "Start a plan that is ready: submit its cells to workers.",
        "pause": "Pause a plan: queued cells are taken back, running cells finish.",
        "resume": "Resume a paused plan and reset its failure count.",
        "stop": "End a plan permanently; its results stay.",
        "retry": "Retry the failed cells of a plan.",
        "seal": "Seal a plan: the next version of its table is the last one.",
        "version": "Publish a version of the table now instead of within a quarter of an hour.",
    }
)
