"""Plans: benchmarks of one's own, measured by the workers of a service.

plan = bench.plan("digits.toml")         # submitted; its pilot trains eight networks
plan = bench.wait_plan(plan)             # its estimate is there
bench.start_plan(plan)
bench.wait_plan(plan, fraction=0.1)
bench.query("digits", 0, num_epochs=6)   # what is there so far
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
from bench_client.operations import Held, Question, Steps, ask, rest
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
"""A plan: its TOML file, or what that says."""

_MOST_BYTES: Final = 2**20
_HOLD: Final = 10.0
_PAUSE: Final = 0.5
_ENDED: Final = frozenset({"paused", "finished", "stopped", "sealed"})


def check_plan(file: PlanFile, *, large: bool = False) -> Steps[PlanCheck]:
    """Return what a plan would be; the service keeps nothing of it.

    Args:
        file: The plan: a TOML file, or what that says.
        large: Whether more than a million cells are meant.

    Raises:
        InvalidRequestError: It is no plan, or cannot be carried out; it names the member.
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have several of the name.
    """
    asked = urlencode({"dry_run": "true", "large": str(large).lower()})
    return (yield from ask(Question("check_plan", PlanCheck, options=_content(file), action=asked)))


def plan(file: PlanFile, *, pilot: bool = True, large: bool = False) -> Steps[Plan]:
    """Submit a plan and return it; the same again is the plan that is there.

    Nothing but a pilot is trained until it is started: eight networks for two epochs each.

    Args:
        file: The plan: a TOML file, or what that says.
        pilot: Whether to estimate its cost by a pilot.
        large: Whether more than a million cells are meant.

    Raises:
        InvalidRequestError: It is no plan, or cannot be carried out; or its name is taken.
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have several of the name.
    """
    asked = urlencode({"pilot": str(pilot).lower(), "large": str(large).lower()})
    return (yield from ask(Question("submit_plan", Plan, options=_content(file), action=asked)))


def plans() -> Steps[list[Plan]]:
    """Return all plans, the latest first."""
    return (yield from ask(Question("plans", PlanList))).items


def plan_named(name: Plan | str) -> Steps[Plan]:
    """Return a plan: its state, counts, estimate and versions.

    Raises:
        InvalidRequestError: There is none of this name.
    """
    return (yield from ask(Question("plan", Plan, plan=_name(name))))


def change_plan(name: Plan | str, action: PlanAction) -> Steps[Plan]:
    """Do something with a plan, and return it.

    Args:
        name: The plan.
        action: `start`, `pause`, `resume`, `stop`, `retry`, `seal` or `version`.

    Raises:
        InvalidRequestError: There is no such plan, or its state does not allow it.
    """
    return (yield from ask(Question("change_plan", Plan, plan=_name(name), action=action)))


def start_plan(name: Plan | str) -> Steps[Plan]:
    """Start a plan that is ready.

    Raises:
        InvalidRequestError: Its pilot is under way, or it is estimated to pass its limit of hours.
    """
    return (yield from change_plan(name, "start"))


def pause_plan(name: Plan | str) -> Steps[Plan]:
    """Take the cells back that wait; those that run end."""
    return (yield from change_plan(name, "pause"))


def resume_plan(name: Plan | str) -> Steps[Plan]:
    """Go on with a paused plan."""
    return (yield from change_plan(name, "resume"))


def stop_plan(name: Plan | str) -> Steps[Plan]:
    """End a plan for good; what is there stays."""
    return (yield from change_plan(name, "stop"))


def retry_plan(name: Plan | str) -> Steps[Plan]:
    """Try the cells again that failed."""
    return (yield from change_plan(name, "retry"))


def seal_plan(name: Plan | str) -> Steps[Plan]:
    """Say that nothing more comes: the next version of its table is the last."""
    return (yield from change_plan(name, "seal"))


def version_plan(name: Plan | str) -> Steps[Plan]:
    """Ask for a version of its table now, instead of within a quarter of an hour."""
    return (yield from change_plan(name, "version"))


def keep_version(name: Plan | str, version: int, *, kept: bool = True) -> Steps[Plan]:
    """Keep a version of its table for good, for questions about `digits@3`.

    The last three and the sealed one are kept anyway.

    Args:
        name: The plan.
        version: Its number.
        kept: False: it goes once three later ones are there.

    Raises:
        InvalidRequestError: There is no such plan, or the version is not kept any more.
    """
    options = {"version": version, "kept": kept}
    return (yield from ask(Question("keep_version", Plan, plan=_name(name), options=options)))


def withdraw_cell(name: Plan | str, cell: int, reason: str) -> Steps[Plan]:
    """Withdraw the result of a cell, which counts as failed until it is tried again.

    Args:
        name: The plan.
        cell: Its number.
        reason: What is wrong with the result.

    Raises:
        InvalidRequestError: There is no such plan or cell, or it has no result.
    """
    options = {"cell": cell, "reason": reason}
    return (yield from ask(Question("withdraw_cell", Plan, plan=_name(name), options=options)))


def plan_cells(
    name: Plan | str, *, state: PlanCellState | None = None, limit: int | None = None
) -> Steps[list[PlanCell]]:
    """Return cells of a plan in the order of work, each with the provenance of its figures.

    Args:
        name: The plan.
        state: Only those that are done, diverged, failed or left.
        limit: How many at most; None: all.

    Raises:
        InvalidRequestError: There is no such plan.
    """
    question = Question("plan_cells", PlanCellPage, plan=_name(name), options={"state": state})
    return (yield from listed_items(question, limit))


def plan_map(name: Plan | str, *, bins: int = 256) -> Steps[PlanMap]:
    """Return how many cells of each state there are, by round and by run of architectures.

    Args:
        name: The plan.
        bins: Into how many runs the architectures are divided, 1 to 2,048 at most.

    Raises:
        InvalidRequestError: There is no such plan.
    """
    options = {"bins": bins}
    return (yield from ask(Question("plan_map", PlanMap, plan=_name(name), options=options)))


def measure_cells(
    name: Plan | str, arch: Any, num_epochs: int, *, timeout: float | None = None
) -> Steps[list[PlanCell]]:
    """Have an architecture measured before all else, and wait until it is in the table.

    Args:
        name: A plan that runs.
        arch: The architecture, in any spelling of the table.
        num_epochs: The budget.
        timeout: Seconds; None: no end.

    Returns:
        Its cells, a seed each: done, diverged or failed.

    Raises:
        PlanWaitError: It takes longer than `timeout`.
        InvalidRequestError: The plan does not run, or selects no such architecture or budget.
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
        raise PlanWaitError(f"plan {_name(name)} takes longer: wait again")
    yield from rest(min(_PAUSE, max(0.0, until - time.monotonic())))


def wait_plan(
    name: Plan | str, *, fraction: float | None = None, timeout: float | None = None
) -> Steps[Plan]:
    """Wait for a plan, and return it: until its pilot is over, it has ended, or a part is there.

    A plan that pauses ends the waiting, whatever its fraction; its `reason` says why.

    Args:
        name: The plan.
        fraction: Of the cells that must have ended, 0 to 1; None: all.
        timeout: Seconds; None: no end.

    Raises:
        PlanWaitError: It goes on longer than `timeout`.
        InvalidRequestError: There is no such plan.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    question = Question("plan", Plan, plan=_name(name))
    found = yield from ask(question)
    while not _is_reached(found, fraction):
        asked = time.monotonic()
        if asked >= until:
            raise PlanWaitError(f"plan {found.name} is still {found.state}: wait again")
        hold = min(_HOLD, until - asked)
        options = {"revision": found.revision, "wait": hold}
        now = yield from ask(
            Held("plan", Plan, plan=found.name, options=options, seconds=hold, at_once=question)
        )
        if now.revision == found.revision and time.monotonic() < asked + hold:
            yield from rest(min(_PAUSE, max(0.0, until - time.monotonic())))
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
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InvalidRequestError(f"plan: {path.name} is larger than {_MOST_BYTES} bytes")
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"plan: {path.name} is no TOML: {error}") from error


def _name(plan: Plan | str) -> str:
    return plan.name if isinstance(plan, Plan) else plan
