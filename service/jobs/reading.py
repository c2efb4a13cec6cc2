"""From rows of the tables to records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from service.jobs.records import Artifact, Failure, Job, Progress
from service.jobs.states import JobKind, JobState

__all__ = ["moment", "read_job"]


def read_job(row: Mapping[str, Any], artifacts: Iterable[Mapping[str, Any]]) -> Job:
    """Return the job that a row and those of its artifacts state."""
    return Job(
        id=row["id"],
        key=row["key"],
        kind=JobKind(row["kind"]),
        spec=json.loads(row["spec"]),
        state=JobState(row["state"]),
        priority=row["priority"],
        attempts=row["attempts"],
        crashes=row["crashes"],
        losses=row["losses"],
        revision=row["revision"],
        created_at=moment(row["created_at"]),
        started_at=_moment_or_none(row["started_at"]),
        finished_at=_moment_or_none(row["finished_at"]),
        not_before=moment(row["not_before"]) if row["state"] == JobState.QUEUED else None,
        cancel_requested=bool(row["cancel_requested"]),
        progress=Progress(**json.loads(row["progress"])) if row["progress"] else None,
        result=json.loads(row["result"]) if row["result"] else None,
        artifacts=tuple(
            Artifact(
                name=artifact["name"],
                media_type=artifact["media_type"],
                size=artifact["size"],
                sha256=artifact["sha256"],
            )
            for artifact in artifacts
        ),
        error=Failure(**json.loads(row["error"])) if row["error"] else None,
        worker=row["worker"],
        request_id=row["request_id"],
        time_limit=row["time_limit"],
    )


def moment(seconds: float) -> datetime:
    """Return a moment of the database's clock."""
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
