"""Plans: your own benchmarks, measured by the workers of a service.

plan = bench.plan("digits.toml")         # submit; the pilot trains eight networks
plan = bench.wait_plan(plan)             # the estimate is ready
bench.start_plan(plan)
bench.wait_plan(plan, fraction=0.1)
bench.query("digits", 0, num_epochs=6)   # results so far
"""

from __future__ import annotations

import math
import os
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from bench_client.errors import InvalidRequestError, PlanWaitError
from bench_client.models.plans import (
    Plan,
    PlanAction,
    PlanCell,
    PlanCellPage,
    PlanCellState,
    PlanCheck,
    PlanList,
    PlanMap,
)
from bench_client.operations import LongPoll, Question, Steps, ask, sleep
from bench_client.pages import listed_items

__all__ = [
    "PlanFile",
    "change_plan",
    "check_plan",
    "keep_version",
    "measure_cells",
    "pause_plan",
    "plan",
    "plan_cells",
    "plan_map",
    "plan_named",
    "plans",
    "resume_plan",
    "retry_plan",
    "seal_plan",
    "start_plan",
    "stop_plan",
    "version_plan",
    "wait_plan",
    "withdraw_cell",
]

PlanFile: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
"""A plan: the path of its TOML file, or a mapping with the file's content."""

_MAX_BYTES: Final = 2**20
_LONG_POLL_SECONDS: Final = 10.0
_PAUSE: Final = 0.5
_ENDED: Final = frozenset({"paused", "finished", "stopped", "sealed"})


def check_plan(file: PlanFile, *, large: bool = False) -> Steps[PlanCheck]:
    """Check a plan without submitting it, and return its size and selection.

    Args:
        file: The plan: the path of its TOML file, or a mapping with the file's content.
        large: Whether to allow more than a million cells.

    Raises:
        InvalidRequestError: The plan is malformed or not feasible; the message names the field.
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have several of the name.
    """
    asked = urlencode({"dry_run": "true", "large": str(large).lower()})
    return (yield from ask(Question("check_plan", PlanCheck, options=_content(file), action=asked)))


def plan(file: PlanFile, *, pilot: bool = True, large: bool = False) -> Steps[Plan]:
    """Submit a plan and return it; submitting the same plan again returns the existing one.

    Until the plan is started, only its pilot is trained: eight networks for two epochs each.

    Args:
        file: The plan: the path of its TOML file, or a mapping with the file's content.
        pilot: Whether to estimate its cost with a pilot.
        large: Whether to allow more than a million cells.

    Raises:
        InvalidRequestError: The plan is malformed or cannot be carried out, or its name is taken.
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have several of the name.
    """
    asked = urlencode({"pilot": str(pilot).lower(), "large": str(large).lower()})
    return (yield from ask(Question("submit_plan", Plan, options=_content(file), action=asked)))


def plans() -> Steps[list[Plan]]:
    """Return all plans, latest first."""
    return (yield from ask(Question("plans", PlanList))).items


def plan_named(name: Plan | str) -> Steps[Plan]:
    """Return a plan with its state, counts, estimate and versions.

    Raises:
        InvalidRequestError: There is no plan of this name.
    """
    return (yield from ask(Question("plan", Plan, plan=_name(name))))


def change_plan(name: Plan | str, action: PlanAction) -> Steps[Plan]:
    """Perform an action on a plan, and return the plan.

    Args:
        name: The plan, or its name.
        action: `start`, `pause`, `resume`, `stop`, `retry`, `seal` or `version`.

    Raises:
        InvalidRequestError: There is no such plan, or its state does not allow the action.
    """
    return (yield from ask(Question("change_plan", Plan, plan=_name(name), action=action)))


def start_plan(name: Plan | str) -> Steps[Plan]:
    """Start a plan that is ready.

    Raises:
        InvalidRequestError: The pilot still runs, or the estimate exceeds the limit of hours.
    """
    return (yield from change_plan(name, "start"))


def pause_plan(name: Plan | str) -> Steps[Plan]:
    """Pause a plan: queued cells are withdrawn, running ones finish."""
    return (yield from change_plan(name, "pause"))


def resume_plan(name: Plan | str) -> Steps[Plan]:
    """Resume a paused plan."""
    return (yield from change_plan(name, "resume"))


def stop_plan(name: Plan | str) -> Steps[Plan]:
    """Stop a plan for good; its results are kept."""
    return (yield from change_plan(name, "stop"))


def retry_plan(name: Plan | str) -> Steps[Plan]:
    """Retry the failed cells of a plan."""
    return (yield from change_plan(name, "retry"))


def seal_plan(name: Plan | str) -> Steps[Plan]:
    """Seal a plan: the next version of its table is the last."""
    return (yield from change_plan(name, "seal"))


def version_plan(name: Plan | str) -> Steps[Plan]:
    """Request a new version of a plan's table now, instead of within a quarter of an hour."""
    return (yield from change_plan(name, "version"))


def keep_version(name: Plan | str, version: int, *, kept: bool = True) -> Steps[Plan]:
    """Keep a version of a plan's table permanently, for queries of, say, `digits@3`.

    The last three versions and the sealed one are always kept.

    Args:
        name: The plan, or its name.
        version: Number of the version.
        kept: False: delete the version once there are three later ones.

    Raises:
        InvalidRequestError: There is no such plan, or the version was already deleted.
    """
    options = {"version": version, "kept": kept}
    return (yield from ask(Question("keep_version", Plan, plan=_name(name), options=options)))


def withdraw_cell(name: Plan | str, cell: int, reason: str) -> Steps[Plan]:
    """Withdraw the result of a cell, which then counts as failed until it is retried.

    Args:
        name: The plan, or its name.
        cell: Number of the cell.
        reason: What is wrong with the result.

    Raises:
        InvalidRequestError: There is no such plan or cell, or the cell has no result.
    """
    options = {"cell": cell, "reason": reason}
    return (yield from ask(Question("withdraw_cell", Plan, plan=_name(name), options=options)))


def plan_cells(
    name: Plan | str, *, state: PlanCellState | None = None, limit: int | None = None
) -> Steps[list[PlanCell]]:
    """Return cells of a plan in the order they are measured, with the provenance of their results.

    Args:
        name: The plan, or its name.
        state: Only cells in this state: done, diverged, failed or left.
        limit: Maximum number of cells; None: all.

    Raises:
        InvalidRequestError: There is no such plan.
    """
    question = Question("plan_cells", PlanCellPage, plan=_name(name), options={"state": state})
    return (yield from listed_items(question, limit))


def plan_map(name: Plan | str, *, bins: int = 256) -> Steps[PlanMap]:
    """Return the number of cells in each state, by round and by interval of architectures.

    Args:
        name: The plan, or its name.
        bins: Number of intervals that the architectures are divided into, 1 to 2,048.

    Raises:
        InvalidRequestError: There is no such plan.
    """
    options = {"bins": bins}
    return (yield from ask(Question("plan_map", PlanMap, plan=_name(name), options=options)))


def measure_cells(
    name: Plan | str, arch: Any, num_epochs: int, *, timeout: float | None = None
) -> Steps[list[PlanCell]]:
    """Have a plan measure an architecture with priority, and wait until it is in the table.

    Args:
        name: A running plan, or its name.
        arch: Architecture in any spelling of the table.
        num_epochs: Training budget, in epochs.
        timeout: Longest wait, in seconds; None: no limit.

    Returns:
        The cells of the architecture, one per seed: done, diverged or failed.

    Raises:
        PlanWaitError: The cells are not in the table after `timeout`.
        InvalidRequestError: The plan is not running, or lacks the architecture or budget.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    options = {"arch": arch, "num_epochs": num_epochs}
    question = Question("measure_cells", PlanCellPage, plan=_name(name), options=options)
    while True:
        cells = (yield from ask(question)).items
        if all(cell.state != "left" for cell in cells):
            break
        yield from _pause(name, until)
    told = yield from version_plan(name)
    last = told.versions[-1].version if told.versions else 0
    while not told.versions or told.versions[-1].version == last:
        yield from _pause(name, until)
        told = yield from plan_named(name)
    return cells


def _pause(name: Plan | str, until: float) -> Steps[None]:
    if time.monotonic() >= until:
        raise PlanWaitError(f"plan {_name(name)} is not done within the timeout: wait again")
    yield from sleep(min(_PAUSE, max(0.0, until - time.monotonic())))


def wait_plan(
    name: Plan | str, *, fraction: float | None = None, timeout: float | None = None
) -> Steps[Plan]:
    """Wait until a plan's pilot is over, or until the plan or a fraction of it is done; return it.

    The wait also ends if the plan is paused; the plan's `reason` says why.

    Args:
        name: The plan, or its name.
        fraction: Fraction of the cells that must have ended, 0 to 1; None: all.
        timeout: Longest wait, in seconds; None: no limit.

    Raises:
        PlanWaitError: The condition is not met after `timeout`.
        InvalidRequestError: There is no such plan.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    question = Question("plan", Plan, plan=_name(name))
    found = yield from ask(question)
    while not _is_reached(found, fraction):
        asked = time.monotonic()
        if asked >= until:
            raise PlanWaitError(f"plan {found.name} is still {found.state}: wait again")
        hold = min(_LONG_POLL_SECONDS, until - asked)
        options = {"revision": found.revision, "wait": hold}
        now = yield from ask(
            LongPoll(
                "plan", Plan, plan=found.name, options=options, seconds=hold, without_delay=question
            )
        )
        if now.revision == found.revision and time.monotonic() < asked + hold:
            yield from sleep(min(_PAUSE, max(0.0, until - time.monotonic())))
        found = now
    return found


def _is_reached(plan: Plan, fraction: float | None) -> bool:
    if plan.state in _ENDED or plan.state == "ready":
        return True
    return plan.state == "running" and fraction is not None and plan.fraction >= fraction


def _content(file: PlanFile) -> dict[str, Any]:
    if isinstance(file, Mapping):
        return dict(file)
    path = Path(file)
    try:
        with path.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise InvalidRequestError(f"plan: {path.name} is larger than {_MAX_BYTES} bytes")
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"plan: {path.name} is not valid TOML: {error}") from error


def _name(plan: Plan | str) -> str:
    return plan.name if isinstance(plan, Plan) else plan
