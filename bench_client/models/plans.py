"""The wire of plans: benchmarks that are being made, and what became of their cells."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from bench_client.models.answers import Listed, WireModel
from bench_client.untrusted import finite

__all__ = [
    "Plan",
    "PlanAction",
    "PlanCell",
    "PlanCellPage",
    "PlanCellRequest",
    "PlanCellState",
    "PlanCheck",
    "PlanCounts",
    "PlanEstimate",
    "PlanList",
    "PlanMap",
    "PlanNoise",
    "PlanRequest",
    "PlanRound",
    "PlanState",
    "PlanVersion",
    "PlanVersionKeeping",
    "PlanWithdrawal",
]

PlanState: TypeAlias = Literal[
    "pilot", "ready", "running", "paused", "finished", "stopped", "sealed"
]
"""`pilot` is under way to an estimate; `ready` waits to be started; the last two are final."""

PlanAction: TypeAlias = Literal["start", "pause", "resume", "stop", "retry", "seal", "version"]
"""What may be done with a plan."""

PlanCellState: TypeAlias = Literal["done", "diverged", "failed", "left"]
"""`left`: it is to come, waits or runs."""

_Object: TypeAlias = Annotated[dict[str, Any], AfterValidator(finite)]


class PlanRequest(BaseModel):
    """A plan, by the keys of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        max_length=100, description="Of the table, in addresses.", examples=["digits"]
    )
    title: str = Field(
        max_length=1000,
        description="Of the table, in prose.",
        examples=["NAS-Bench-201's cells on handwritten digits"],
    )
    licence: str = Field(max_length=1000, description="Of the table.", examples=["CC0-1.0"])
    citation: str | None = Field(None, max_length=1000, description="How to cite the table.")
    order: str = Field(
        "breadth",
        max_length=20,
        description="`breadth`: a seed and the least budget of every architecture first; `depth`: "
        "an architecture with all seeds and budgets first.",
    )
    space: dict[str, Any] = Field(
        description="`name` of a model space, its `arguments`, and the candidates that `restrict` "
        "leaves of some choices.",
        examples=[{"name": "NasBench201", "arguments": {"num_labels": 10, "image_size": 8}}],
    )
    select: dict[str, Any] = Field(
        default={},
        description="`kind`: `all`, `sample` of `n` by `seed`, or `list` of `archs`; `unique`: one "
        "of those that compute the same is trained.",
        examples=[{"kind": "sample", "n": 100, "seed": 0}],
    )
    data: dict[str, Any] = Field(
        description="`name` of a data set of the workers, its `sha256`, and its `split` in images.",
        examples=[{"name": "digits", "split": {"train": 1000, "valid": 400, "test": 397}}],
    )
    protocol: str | dict[str, Any] = Field(
        description="`epochs`, `seeds` and how networks are trained; or the name of a published "
        "recipe.",
        examples=[{"epochs": [6, 2], "seeds": [0, 1, 2], "batch_size": 64}],
    )
    limits: dict[str, Any] = Field(
        default={},
        description="`hours` of workers in all, `cell_seconds` of an attempt, cells `running`, "
        'the `label` that workers must have, `timing` "alone" where the first seed may share no '
        "device, `daily` hours (UTC) in which cells are begun.",
        examples=[{"hours": 40}],
    )


class PlanCellRequest(BaseModel):
    """Which cells of a plan somebody waits for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Any = Field(
        description="The architecture, in any spelling of the table.", examples=[0, "none|none"]
    )
    num_epochs: int = Field(ge=1, le=10_000, description="The budget.", examples=[6])


class PlanWithdrawal(BaseModel):
    """Which result of a plan is withdrawn, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: int = Field(ge=0, le=2**53, description="Number of the cell.", examples=[3])
    reason: str = Field(
        min_length=1,
        max_length=500,
        description="What is wrong with it.",
        examples=["the machine was faulty"],
    )


class PlanVersionKeeping(BaseModel):
    """Which version of a plan's table is kept for good, or no longer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, le=10**9 - 1, description="Its number.", examples=[1])
    kept: bool = Field(default=True, description="False: it goes when three later ones are there.")


class PlanCounts(WireModel):
    """Cells by what became of them."""

    done: int = Field(description="With figures.")
    diverged: int = Field(description="Whose loss was no finite number any more.")
    failed: int = Field(description="That failed for good, until they are tried again.")
    withdrawn: int = Field(description="Results that were withdrawn.")
    outstanding: int = Field(description="Whose jobs wait or run.")
    left: int = Field(description="That have not ended.")


class PlanEstimate(WireModel):
    """What a plan costs, as far as it is known."""

    cells: int = Field(description="How many cells.")
    hours: float | None = Field(description="Worker hours, the median; null: nothing was timed.")
    low: float | None = Field(description="Where the 80 % interval begins.")
    high: float | None = Field(description="Where it ends.")
    days: float | None = Field(description="With the workers that there are.")
    days_with_twice: float | None = Field(description="With twice as many.")
    workers: int = Field(description="How many there are.")
    disk_bytes: int = Field(description="Of ledger, curves and weights.")
    parameters: int | None = Field(description="Of the largest network; null: not counted.")
    macs: int | None = Field(description="Most multiply-adds; null: not counted.")
    timings: int = Field(description="Trainings that it rests on.")
    error: float | None = Field(
        description="Relative error of predicting a training from the others."
    )


class PlanNoise(WireModel):
    """How far cells that were trained twice are apart."""

    cells: int = Field(description="How many cells were trained twice.")
    other_worker: int = Field(description="Of them, those that another worker trained again.")
    largest: float = Field(
        description="The largest difference of validation accuracy, in percentage points."
    )
    std: float = Field(
        description="Standard deviation of one training: the root of half the mean squared "
        "difference, in percentage points."
    )


class PlanVersion(WireModel):
    """A database that was made of a plan."""

    version: int = Field(description="Its number.")
    content_digest: str = Field(description="SHA-256 of what it answers.")
    created_at: str = Field(description="When, ISO 8601.")
    complete: bool = Field(description="Whether it was sealed.")
    kept: bool = Field(description="Whether somebody asked to keep it.")
    noise: PlanNoise | None = Field(
        None, description="The noise floor; null: no cell was trained twice yet."
    )
    expected: int = Field(description="Cells of the plan.")
    there: int = Field(description="Cells in it.")
    diverged: int = Field(description="Of them, those that diverged.")
    failed: int = Field(description="Cells that had failed.")
    withdrawn: int = Field(description="Results that were withdrawn.")


class Plan(WireModel):
    """A plan, and how far it is."""

    name: str = Field(description="Its name and that of its table.")
    digest: str = Field(description="SHA-256 of the plan.")
    state: PlanState = Field(description="Where it is.")
    reason: str | None = Field(description="Why, where that is not plain.")
    created_at: AwareDatetime = Field(description="When it was submitted.")
    revision: int = Field(description="Counts its changes.")
    cells: int = Field(description="How many it has.")
    counts: PlanCounts = Field(description="What became of them.")
    fraction: float = Field(description="Of the cells, those that have ended.")
    worker_hours: float = Field(description="So far.")
    hours_left: float | None = Field(description="By the estimate; null: there is none.")
    estimate: PlanEstimate | None = Field(description="By what is known now.")
    first_estimate: PlanEstimate | None = Field(description="After the pilot.")
    data_sha256: str | None = Field(description="Of the data set that all cells are trained on.")
    versions: Listed[PlanVersion] = Field(description="Databases, the last one last.")
    plan: _Object | None = Field(None, description="The plan, with nothing left to a default.")


class PlanList(WireModel):
    """All plans, the latest first."""

    items: Listed[Plan] = Field(description="The plans, without their files.")


class PlanCheck(WireModel):
    """What a plan would be."""

    name: str = Field(description="Its name.")
    digest: str = Field(description="SHA-256 of the plan.")
    protocol: str = Field(description="SHA-256 of how networks are trained and judged.")
    architectures: int = Field(description="How many are selected.")
    trained: int = Field(description="Of them, those that are trained.")
    estimate: PlanEstimate = Field(description="Cells, sizes and disk; no hours yet.")
    plan: _Object = Field(description="The plan, with nothing left to a default.")


class PlanCell(WireModel):
    """A cell of a plan, and where its figures come from."""

    cell: int = Field(description="Its number, in the order of work.")
    arch_str: str = Field(description="The architecture, as the table spells it.")
    seed: int = Field(description="Its seed.")
    num_epochs: int = Field(description="Its budget.")
    state: PlanCellState = Field(description="What became of it.")
    figures: _Object | None = Field(None, description="Of its last epoch; null: none.")
    provenance: _Object | None = Field(
        None, description="Worker, device, versions, digests, memory, attempts; null: no result."
    )
    reason: str | None = Field(None, description="Why it failed.")


class PlanCellPage(WireModel):
    """Some cells of a plan."""

    items: Listed[PlanCell] = Field(description="The cells, in the order of work.")
    next_cursor: str | None = Field(description="For those that follow; null: no more.")


class PlanRound(WireModel):
    """A seed and a budget, by which every trained architecture is measured."""

    seed: int = Field(description="The seed.")
    num_epochs: int = Field(description="The budget.")


class PlanMap(WireModel):
    """Where a plan stands, as counts of cells: a list a round, a count a run of architectures.

    What is in none of the counts is to come.
    """

    revision: int = Field(description="Of the plan.")
    order: str = Field(
        description="`breadth`: a round has all architectures before the next begins; `depth`: an "
        "architecture has all rounds."
    )
    architectures: int = Field(description="How many are trained.")
    size: int = Field(ge=1, description="Architectures in a run; the last one may have fewer.")
    rounds: Listed[PlanRound] = Field(description="The rounds, in the order of work.")
    done: Listed[Listed[int]] = Field(description="Cells with figures.")
    diverged: Listed[Listed[int]] = Field(description="Cells whose loss was no finite number.")
    failed: Listed[Listed[int]] = Field(description="Cells that failed for good.")
    outstanding: Listed[Listed[int]] = Field(description="Cells whose jobs wait or run.")
