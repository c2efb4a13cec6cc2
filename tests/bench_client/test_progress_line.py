"""The line that people see while a job runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from bench_client.jobs import progress_line
from bench_client.models import Job, JobProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def job(state: str, progress: JobProgress | None = None) -> Job:
    values: dict[str, Any] = {
        **dict.fromkeys(("started_at", "finished_at", "result", "error", "worker", "request_id")),
        "id": "0123456789abcdef",
        "key": "k",
        "kind": "evaluation",
        "request": {},
        "state": state,
        "priority": 0,
        "attempts": 1,
        "time_limit": 3600.0,
        "revision": 1,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "progress": progress,
        "artifacts": [],
        "cancel_requested": False,
    }
    return Job.model_validate(values)


def test_nothing_is_drawn_where_nobody_watches() -> None:
    out = io.StringIO()
    progress_line(out)(job("queued"))
    assert out.getvalue() == ""


def test_a_line_is_drawn_over_the_one_before_and_ends_with_the_job() -> None:
    out = Terminal()
    draw = progress_line(out)
    draw(job("queued"))
    draw(job("running", JobProgress(stage="evaluating", done=50, total=100)))
    draw(job("succeeded"))
    queued, running, succeeded = out.getvalue().split("\r")[1:]
    assert "evaluation 01234567 queued" in queued
    assert f"evaluating {'█' * 12}{'·' * 12} 50/100" in running
    assert succeeded.endswith("\n")


def test_a_stage_of_unknown_length_has_no_bar() -> None:
    out = Terminal()
    progress_line(out)(job("running", JobProgress(stage="building", done=0, total=None)))
    assert "building" in out.getvalue()
    assert "█" not in out.getvalue()


def test_a_line_is_drawn_in_a_notebook_without_codes_of_terminals() -> None:
    # What ipykernel has as standard error is told by its module, and is no terminal.
    shown = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    draw = progress_line(shown)
    draw(job("running", JobProgress(stage="evaluating", done=50, total=100)))
    draw(job("succeeded"))
    running, succeeded = shown.getvalue().split("\r")[1:]
    assert "50/100" in running
    assert "\x1b" not in shown.getvalue()
    assert succeeded.endswith("\n")
    assert len(succeeded) == len(running) + 1  # blanks over the rest of the longer line
