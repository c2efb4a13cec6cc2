"""Wire models of plans, which are benchmarks under construction, and of their cells."""

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
"""`pilot`: the pilot runs; `ready`: waits to be started; `stopped` and `sealed` are final."""

PlanAction: TypeAlias = Literal["start", "pause", "resume", "stop", "retry", "seal", "version"]
"""Action on a plan."""

PlanCellState: TypeAlias = Literal["done", "diverged", "failed", "left"]
"""`left`: not ended, whether queued, running or not yet submitted."""

_Object: TypeAlias = Annotated[dict[str, Any], AfterValidator(finite)]


class PlanRequest(BaseModel):
    """A plan, with the keys of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=100, description="Name of the table in URLs.", examples=["digits"])
    title: str = Field(
        max_length=1000,
        description="Title of the table for people.",
        examples=["NAS-Bench-201's cells on handwritten digits"],
    )
    licence: str = Field(max_length=1000, description="Licence of the table.", examples=["CC0-1.0"])
    citation: str | None = Field(None, max_length=1000, description="How to cite the table.")
    order: str = Field(
        "breadth",
        max_length=20,
        description="`breadth`: one seed and the smallest budget of every architecture first; "
        "`depth`: all seeds and budgets of one architecture first.",
    )
    space: dict[str, Any] = Field(
        description="`name` of a model space, its `arguments`, and in `restrict` the allowed "
        "candidates of some choices.",
        examples=[{"name": "NasBench201", "arguments": {"num_labels": 10, "image_size": 8}}],
    )
    select: dict[str, Any] = Field(
        default={},
        description="`kind`: `all`, `sample` (of `n` with `seed`) or `list` (of `archs`); "
        "`unique`: train only one of several equivalent architectures.",
        examples=[{"kind": "sample", "n": 100, "seed": 0}],
    )
    data: dict[str, Any] = Field(
        description="`name` of a data set of the workers, its `sha256`, and the sizes of its "
        "`split` in images.",
        examples=[{"name": "digits", "split": {"train": 1000, "valid": 400, "test": 397}}],
    )
    protocol: str | dict[str, Any] = Field(
        description="`epochs`, `seeds` and the fields of a training recipe; or the name of a "
        "published recipe.",
        examples=[{"epochs": [6, 2], "seeds": [0, 1, 2], "batch_size": 64}],
    )
    limits: dict[str, Any] = Field(
        default={},
        description="`hours`: worker hours in total; `cell_seconds`: time limit of an attempt; "
        "`running`: most cells at a time; `label`: label of the workers; `timing`: "
        '"alone" if cells of the first seed must not share a device; `daily`: hours (UTC) in which '
        "cells are started.",
        examples=[{"hours": 40}],
    )


class PlanCellRequest(BaseModel):
    """Cells of a plan to measure with priority."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Any = Field(description="Architecture in any spelling.", examples=[0, "none|none"])
    num_epochs: int = Field(ge=1, le=10_000, description="Budget, in epochs.", examples=[6])


class PlanWithdrawal(BaseModel):
    """Withdrawal of a result of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: int = Field(ge=0, le=2**53, description="Number of the cell.", examples=[3])
    reason: str = Field(
        min_length=1,
        max_length=500,
        description="What is wrong with the result.",
        examples=["the machine was faulty"],
    )


class PlanVersionKeeping(BaseModel):
    """Whether to keep a version of a plan's table permanently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, le=10**9 - 1, description="Number of the version.", examples=[1])
    kept: bool = Field(
        default=True, description="False: delete it once there are three later ones."
    )


class PlanCounts(WireModel):
    """Numbers of a plan's cells by state."""

    done: int = Field(description="Cells with a result.")
    diverged: int = Field(description="Cells whose loss became NaN or infinite.")
    failed: int = Field(description="Cells that failed and are not retried by themselves.")
    withdrawn: int = Field(description="Results that were withdrawn.")
    outstanding: int = Field(description="Cells with a queued or running job.")
    left: int = Field(description="Cells that have not ended.")


class PlanEstimate(WireModel):
    """Estimated cost of a plan."""

    cells: int = Field(description="Number of cells.")
    hours: float | None = Field(description="Median of the worker hours; null: no timings yet.")
    low: float | None = Field(description="Lower end of the 80 % interval of the hours.")
    high: float | None = Field(description="Upper end of the 80 % interval of the hours.")
    days: float | None = Field(description="Days with the current number of workers.")
    days_with_twice: float | None = Field(description="Days with twice as many workers.")
    workers: int = Field(description="Current number of workers.")
    disk_bytes: int = Field(description="Disk space of ledger, curves and weights, in bytes.")
    parameters: int | None = Field(description="Most parameters of a network; null: not counted.")
    macs: int | None = Field(description="Most multiply-adds of a network; null: not counted.")
    timings: int = Field(description="Number of trainings that the estimate is based on.")
    error: float | None = Field(
        description="Relative error of predicting one training by the others."
    )


class PlanNoise(WireModel):
    """Differences between cells that were trained twice."""

    cells: int = Field(description="Number of cells that were trained twice.")
    other_worker: int = Field(description="Number of these that another worker trained again.")
    largest: float = Field(description="Largest difference of valid_acc, in percentage points.")
    std: float = Field(
        description="Standard deviation of one training: the root of half the mean squared "
        "difference, in percentage points."
    )


class PlanVersion(WireModel):
    """A version of a plan's table."""

    version: int = Field(description="Number of the version.")
    content_digest: str = Field(description="SHA-256 of the database's content.")
    created_at: str = Field(description="Time of creation, ISO 8601.")
    complete: bool = Field(description="Whether the plan was sealed.")
    kept: bool = Field(description="Whether the version is kept permanently.")
    noise: PlanNoise | None = Field(
        None, description="Noise floor; null: no cell was trained twice."
    )
    expected: int = Field(description="Cells of the plan.")
    there: int = Field(description="Cells in this version.")
    diverged: int = Field(description="Cells in this version that diverged.")
    failed: int = Field(description="Cells that had failed.")
    withdrawn: int = Field(description="Results that were withdrawn.")


class Plan(WireModel):
    """A plan and its progress."""

    name: str = Field(description="Name of the plan and of its table.")
    digest: str = Field(description="SHA-256 of the plan.")
    state: PlanState = Field(description="State of the plan.")
    reason: str | None = Field(description="Reason of the state, if it has one.")
    created_at: AwareDatetime = Field(description="Time of submission.")
    revision: int = Field(description="Number of changes of the plan.")
    cells: int = Field(description="Number of cells.")
    counts: PlanCounts = Field(description="Cells by state.")
    fraction: float = Field(description="Fraction of the cells that have ended.")
    worker_hours: float = Field(description="Worker hours so far.")
    hours_left: float | None = Field(
        description="Estimated remaining worker hours; null: no estimate."
    )
    estimate: PlanEstimate | None = Field(description="Current estimate.")
    first_estimate: PlanEstimate | None = Field(description="Estimate after the pilot.")
    data_sha256: str | None = Field(description="SHA-256 of the data set of all cells.")
    versions: Listed[PlanVersion] = Field(description="Versions of the table, latest last.")
    plan: _Object | None = Field(None, description="The plan with all defaults filled in.")


class PlanList(WireModel):
    """All plans, latest first."""

    items: Listed[Plan] = Field(description="The plans, without their files.")


class PlanCheck(WireModel):
    """Result of checking a plan without submitting it."""

    name: str = Field(description="Name of the plan.")
    digest: str = Field(description="SHA-256 of the plan.")
    protocol: str = Field(description="SHA-256 of the training and evaluation protocol.")
    architectures: int = Field(description="Number of selected architectures.")
    trained: int = Field(description="Number of these that are trained.")
    estimate: PlanEstimate = Field(description="Cells, sizes and disk space; no hours yet.")
    plan: _Object = Field(description="The plan with all defaults filled in.")


class PlanCell(WireModel):
    """A cell of a plan and the provenance of its result."""

    cell: int = Field(description="Number of the cell, in the order of measurement.")
    arch_str: str = Field(description="Architecture string of the table.")
    seed: int = Field(description="Training seed.")
    num_epochs: int = Field(description="Training budget, in epochs.")
    state: PlanCellState = Field(description="State of the cell.")
    figures: _Object | None = Field(None, description="Metrics of its last epoch; null: none.")
    provenance: _Object | None = Field(
        None, description="Worker, device, versions, digests, memory, attempts; null: no result."
    )
    reason: str | None = Field(None, description="Why the cell failed.")


class PlanCellPage(WireModel):
    """A page of a plan's cells."""

    items: Listed[PlanCell] = Field(description="The cells, in the order of measurement.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null: last page."
    )


class PlanRound(WireModel):
    """A seed and a training budget with which every trained architecture is measured."""

    seed: int = Field(description="Training seed.")
    num_epochs: int = Field(description="Training budget, in epochs.")


class PlanMap(WireModel):
    """Progress of a plan: counts of cells by round and by interval of architectures.

    Each count field is a list of rounds, each a list of intervals. Cells in none of the counts are
    not yet submitted.
    """

    revision: int = Field(description="Revision of the plan.")
    order: str = Field(
        description="`breadth`: a round covers all architectures before the next one starts; "
        "`depth`: all rounds of an architecture come first."
    )
    architectures: int = Field(description="Number of trained architectures.")
    size: int = Field(ge=1, description="Architectures per interval; the last may have fewer.")
    rounds: Listed[PlanRound] = Field(description="Rounds, in the order of measurement.")
    done: Listed[Listed[int]] = Field(description="Cells with a result.")
    diverged: Listed[Listed[int]] = Field(description="Cells whose loss became NaN or infinite.")
    failed: Listed[Listed[int]] = Field(description="Cells that failed for good.")
    outstanding: Listed[Listed[int]] = Field(description="Cells with a queued or running job.")
