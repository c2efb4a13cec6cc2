"""What may be done with a plan, in a sentence each: for its routes and its commands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench_client.models import PlanAction

__all__ = ["PLAN_ACTIONS"]

PLAN_ACTIONS: Final[Mapping[PlanAction, str]] = MappingProxyType(
    {
        "start": "Start a plan that is ready: its cells are fed to workers.",
        "pause": "Take the cells back that wait; those that run end.",
        "resume": "Go on with a paused plan, and count failures anew.",
        "stop": "End a plan for good; what is there stays.",
        "retry": "Try the cells again that failed.",
        "seal": "Say that nothing more comes: the next version of the table is the last.",
        "version": "Ask for a version of the table now, instead of within a quarter of an hour.",
    }
)
