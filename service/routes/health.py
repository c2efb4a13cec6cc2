"""Whether the server lives, and whether it can answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.installed_dataset import InstalledDataset
from service.access.shares import Shares
from service.http.openapi import problems
from service.http.problems import problem
from service.http.respond import answer_now

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class DatabaseState(BaseModel):
    """Whether one database can be asked."""

    status: Literal["ready", "unusable"]
    content_digest: str | None = None
    reason: str | None = None
    verified_at: datetime | None = Field(
        default=None, description="When all bytes of its file were last found to be right."
    )
    verifying: bool = Field(
        default=False, description="Whether they are being compared with its checksum now."
    )


class Readiness(BaseModel):
    """Whether questions can be answered: `degraded` when some databases cannot be asked."""

    status: Literal["ready", "degraded"]
    benchmarks: dict[str, DatabaseState]


@router.get("/livez", operation_id="livez", response_model=Liveness)
async def livez() -> Response:
    """Tell that the process answers."""
    return answer_now({"status": "alive"})


@router.get("/readyz", operation_id="readyz", response_model=Readiness, responses=problems(503))
async def readyz(request: Request) -> Response:
    """Tell which databases can be asked, and why the others cannot.

    200 as long as one can; `status` is `degraded` when another cannot, such as one whose file was
    written to or has failed the check of its checksum. 503 when none can,
    while the server has no place for a question, and when it was told to stop and still answers
    what is under way to it.
    """
    if request.app.state.shutdown.begun:
        return problem(
            request,
            503,
            kind="not-ready",
            title="Not ready",
            detail="the server is about to stop: send further requests elsewhere",
        )
    places: Shares = request.app.state.requests
    if places.taken >= places.most:
        return problem(
            request,
            503,
            kind="not-ready",
            title="Not ready",
            detail="as many requests are in progress as may be: send further ones elsewhere",
        )
    catalog: Catalog = request.app.state.catalog
    states = {name: _state(installed) for name, installed in catalog.installed.items()}
    # Asked afterwards: what has just been found to be changed is among them.
    for name, reason in catalog.unusable.items():
        states[name] = {"status": "unusable", "reason": reason}
    ready = [state["status"] == "ready" for state in states.values()]
    if not any(ready):
        return problem(
            request,
            503,
            kind="not-ready",
            title="Not ready",
            detail="no benchmark can be served: make a database with `nbs generate`, then restart",
            extensions={"benchmarks": states},
        )
    return answer_now({"status": "ready" if all(ready) else "degraded", "benchmarks": states})


def _state(installed: InstalledDataset) -> dict[str, Any]:
    try:
        installed.database.check()
    except UnusableDatabaseError as error:
        return {"status": "unusable", "reason": str(error)}
    verified = installed.database.verified_at
    return {
        "status": "ready",
        "content_digest": installed.provenance.content_digest,
        "verified_at": None if verified is None else datetime.fromtimestamp(verified, UTC),
        "verifying": installed.database.verifying,
    }
