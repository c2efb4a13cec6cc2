"""Plans as stored in their table, and as JSON.

pilot → ready → running ⇄ paused
                   ├───→ finished → sealed
                   └───→ stopped ──→ sealed
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from nas_search.plans import CellMap
from service.jobs.records import to_json, utc_time

__all__ = ["PlanRecord", "PlanState"]


class PlanState(StrEnum):
    """The states of a plan."""

    PILOT = "pilot"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    SEALED = "sealed"


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """A plan and the progress of its cells.

    Attributes:
        name: Name of the plan and of its table.
        digest: Digest of the plan.
        content: The plan as JSON.
        large: Whether it may have more than a million cells.
        state: The current state.
        reason: The reason for the state, if it is not obvious.
        created_at: When it was submitted.
        revision: Number of its changes.
        cells: Number of its cells.
        cursor: The first cell that may have to be submitted.
        done: Cells with a result.
        diverged: Cells whose loss became infinite or NaN.
        failed: Cells that failed for good, until they are retried.
        withdrawn: Number of withdrawn results.
        recent: A digit for each of the last ended cells: 1 if it failed.
        timings: Times of some cells, as arguments of `Timing`.
        seconds: Seconds that workers have spent so far.
        estimate: The current estimate of its cost; None: not estimated yet.
        first_estimate: The estimate after the pilot.
        data_sha256: The digest of the data set of all cells.
        versions: The databases made of it, oldest first.
        version_wanted: Whether a version is to be made now.
    """

    name: str
    digest: str
    content: dict[str, Any]
    large: bool
    state: PlanState
    reason: str | None
    created_at: datetime
    revision: int
    cells: int
    cursor: int
    done: CellMap
    diverged: CellMap
    failed: CellMap
    withdrawn: int
    recent: str
    timings: list[list[float]]
    seconds: float
    estimate: dict[str, Any] | None
    first_estimate: dict[str, Any] | None
    data_sha256: str | None
    versions: list[dict[str, Any]]
    version_wanted: bool

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> PlanRecord:
        """Return the plan from a row.

        Raises:
            ValueError: A column is damaged; KeyError and TypeError mean the same.
        """
        cells = row["cells"]
        texts: dict[str, Any] = {
            name: None if row[name] is None else json.loads(row[name])
            for name in ("content", "timings", "estimate", "first_estimate", "versions")
        }
        maps: dict[str, Any] = {
            name: CellMap(cells, bytes(row[name])) for name in ("done", "diverged", "failed")
        }
        told = {
            "large": bool(row["large"]),
            "state": PlanState(row["state"]),
            "created_at": utc_time(row["created_at"]),
            "version_wanted": bool(row["version_wanted"]),
            **texts,
            **maps,
        }
        return cls(**{one.name: told.get(one.name, row[one.name]) for one in fields(cls)})

    @property
    def settled(self) -> int:
        """The number of cells that have ended."""
        return len(self.done) + len(self.diverged) + len(self.failed)

    @property
    def there(self) -> int:
        """The number of cells with a row in the table."""
        return len(self.done) + len(self.diverged)

    def answer(self, *, outstanding: int = 0, whole: bool = True) -> dict[str, Any]:
        """Return the plan as JSON for the wire.

        Args:
            outstanding: Number of queued and running cells.
            whole: Whether to include the plan file.
        """
        settled = self.settled
        left = self.cells - settled
        hours = (self.estimate or {}).get("hours")
        return {
            "name": self.name,
            "digest": self.digest,
            "state": self.state.value,
            "reason": self.reason,
            "created_at": to_json(self.created_at),
            "revision": self.revision,
            "cells": self.cells,
            "counts": {
                "done": len(self.done),
                "diverged": len(self.diverged),
                "failed": len(self.failed),
                "withdrawn": self.withdrawn,
                "outstanding": outstanding,
                "left": left,
            },
            "fraction": settled / self.cells,
            "worker_hours": self.seconds / 3600,
            "hours_left": None if hours is None else hours * left / self.cells,
            "estimate": self.estimate,
            "first_estimate": self.first_estimate,
            "data_sha256": self.data_sha256,
            "versions": self.versions,
            **({"plan": self.content} if whole else {}),
        }
