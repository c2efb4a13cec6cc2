"""Plans for tests: small ones of NAS-Bench-201's cells on a few images."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from waiting import until

from bench_client import BenchClient, PlanWaitError
from bench_client import Plan as ServedPlan
from nas_search.plans import Cells, Plan, Selection, plan_of
from service.jobs import Jobs
from service.jobs.records import Capabilities, DeviceState, Failure, WorkerState
from service.plans.repeats import is_repeated

__all__ = [
    "ANY_DATA",
    "CAN",
    "CONTENT",
    "DATA",
    "TRAINER",
    "WORKER",
    "a_plan",
    "content",
    "do_cells",
    "result_of",
    "seeds_that_repeat",
    "work",
]

DATA: Final = "d" * 64
"""The digest of the data set of `result_of`."""

TRAINER: Final = {"name": "quick", "package": "lab", "version": "1", "sha256": "c" * 64}
"""A trainer that a plan may state."""

CAN: Final = Capabilities(device="cpu", datasets=frozenset({"patterns"}))
"""What a worker can do that trains the cells of these plans."""

WORKER: Final = WorkerState(
    id="w",
    host="here",
    pid=1,
    version="0",
    devices=(DeviceState(name="cpu", kind="cpu", model="a processor", memory=2**30),),
    datasets=("patterns",),
)
"""Such a worker."""

ANY_DATA: Final = {"name": "patterns", "split": {"train": 24, "valid": 12}}
"""The data of a plan that states no digest."""

CONTENT: Final[dict[str, Any]] = {
    "name": "tiny",
    "title": "Small cells on patterns",
    "licence": "CC0-1.0",
    "space": {
        "name": "NasBench201",
        "arguments": {
            "stem_out_channels": 2,
            "num_modules_per_stack": 1,
            "num_labels": 3,
            "image_size": 8,
        },
        "restrict": {
            "cell/0_2": ["none", "conv_1x1"],
            "cell/1_2": ["none"],
            "cell/0_3": ["none", "skip_connect"],
            "cell/1_3": ["conv_1x1"],
            "cell/2_3": ["none", "skip_connect"],
        },
    },
    "select": {"kind": "sample", "n": 5, "seed": 1},
    "data": {"name": "patterns", "sha256": DATA, "split": {"train": 24, "valid": 12}},
    "protocol": {"epochs": [2, 1], "seeds": [0, 1], "batch_size": 8},
}
"""Forty architectures, of which five are drawn: twenty cells."""


def content(**changes: Any) -> dict[str, Any]:
    """Return the plan as JSON with some members changed, `space__name` being one inside."""
    found = copy.deepcopy(CONTENT)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = found
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return found


def a_plan(**changes: Any) -> Plan:
    """Return the plan with some members changed."""
    return plan_of(content(**changes))


def result_of(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a worker would find of a training: figures that follow from the request."""
    text = json.dumps([spec["network"], spec["epochs"], spec["seed"]], sort_keys=True)
    share = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
    curve = [
        {
            "epoch": epoch,
            "lr": 0.1,
            "train_loss": 1 / epoch,
            "train_accuracy": 50 + 40 * share,
            "loss": 2 / epoch,
            "accuracy": 40 + 50 * share,
            "top5": 100.0,
            "seconds": 0.25 + share / 10,
        }
        for epoch in range(1, spec["epochs"] + 1)
    ]
    last = {name: value for name, value in curve[-1].items() if name not in {"epoch", "lr"}}
    names = ("dataset", "recipe", "protocol", "fractions", "split_seed", "seed")
    result: dict[str, Any] = {
        "metrics": {**last, "epochs": spec["epochs"]},
        "seconds": sum(one["seconds"] for one in curve),
        "processor_seconds": 0.2 * spec["epochs"],
        "resumed": 0,
        "resumed_after": None,
        "peak_memory": 10**8,
        "curve": curve,
        "parameters": 1_000,
        "macs": 50_000 + int(1e5 * share),
        "notes": [],
        "provenance": {
            "network": spec["network"],
            **{name: spec[name] for name in (*names, "trainer") if name in spec},
            "device": "cpu",
            "python": "3.11",
            "versions": {"torch": "2.10"},
            "dataset_sha256": DATA,
            "train_images": 24,
            "valid_images": 12,
            "weights_sha256": "b" * 64,
        },
    }
    for path, value in changes.items():
        *outer, key = path.split("__")
        place = result
        for name in outer:
            place = place[name]
        place[key] = value
    return result


def seeds_that_repeat(
    count: int, wanted: Callable[[frozenset[int]], bool], **changes: Any
) -> list[int]:
    """Return seeds of the plan with which the wanted cells are drawn to be trained twice.

    Which are drawn follows from the protocol: a protocol that changes needs other seeds.

    Args:
        count: How many seeds.
        wanted: Whether the cells that are drawn, by number, are those that a test needs.
        changes: Of the plan, as `a_plan` takes them.
    """
    plan = a_plan(**changes)
    for first in range(0, 1_000 * count, count):
        seeds = range(first, first + count)
        selection = Selection(replace(plan, seeds=tuple(seeds)))
        again = frozenset(
            cell.number
            for cell in Cells(selection)
            if is_repeated(plan.protocol_digest, selection.numbers[cell.position], cell)
        )
        if wanted(again):
            return list(seeds)
    raise AssertionError("no seeds draw such cells")


def do_cells(jobs: Jobs, number: int, *, failure: Failure | None = None, lower: float = 0) -> None:
    """Do so many cells in the order in which workers get them.

    Args:
        jobs: The open jobs.
        number: How many.
        failure: How they fail, if they do.
        lower: Points by which the accuracy of each is lower than that of another training.
    """
    for _ in range(number):
        lease = until(lambda: jobs.leases.acquire("w", CAN), what="a cell to do")
        assert lease is not None
        if failure is None:
            accuracy = result_of(lease.job.spec)["metrics"]["accuracy"] - lower
            result = result_of(lease.job.spec, metrics__accuracy=accuracy)
            jobs.leases.succeed(lease, result, [])
        else:
            jobs.leases.fail(lease, failure)


def make_version(bench: BenchClient, name: str, number: int) -> None:
    """Have a version of a plan made and wait for it; the first comes by itself.

    Asked for as well, it would be one or two, as it happens.
    """
    if number > 1:
        bench.version_plan(name)
    until(
        lambda: [one.version for one in bench.plan_named(name).versions],
        lambda versions: versions[-1:] == [number],
        what=f"version {number} of {name}",
    )


def work(jobs: Jobs, bench: BenchClient, name: str, fraction: float | None = None) -> Any:
    """Do jobs until a part of a plan is done, or it has ended; return the plan."""

    def done() -> ServedPlan | PlanWaitError:
        while (lease := jobs.leases.acquire("w", CAN)) is not None:
            jobs.leases.succeed(lease, result_of(lease.job.spec), [])
        try:
            return bench.wait_plan(name, fraction=fraction, timeout=0.1)
        except PlanWaitError as waits:
            return waits

    return until(
        done,
        lambda plan: not isinstance(plan, PlanWaitError),
        what=f"the cells of {name} done",
    )
