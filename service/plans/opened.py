"""Loaded plans, which convert their cells into jobs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Final

from bench_client.models import SpaceNetwork, TrainingRequest
from benchmark_db.catalog import Catalog
from benchmark_spec import BenchmarkSpec
from nas_search.plans import (
    Cell,
    Cells,
    Estimate,
    Plan,
    Selection,
    estimate,
    pilot_positions,
    plan_of,
    table_of,
)
from service.jobs.kinds import new_job, spec_key
from service.jobs.networks import plain_json
from service.jobs.records import NewJob
from service.plans.repeats import FIRST_REPEAT, is_repeated

__all__ = ["PRIORITY", "OpenPlan", "OpenPlans"]

PRIORITY: Final = -5
"""Priority of cells, below the default of jobs that people submit."""
_PILOT_EPOCHS: Final = 2
"""Epochs of a pilot training; the first one is not timed."""
_KEPT: Final = 8
_MOST_DRAWN: Final = 1_000_000
"""Cells among which those to repeat are drawn, which takes seconds."""


class OpenPlan:
    """A plan, its cells, and the jobs of the cells.

    One cell's request is validated like any submission; the other cells differ from it only in
    architecture, seed and budget.

    Args:
        job_seconds: The largest allowed time limit.
        large: Whether the plan may have more than a million cells.

    Raises:
        PlanError: The plan selects networks that cannot be trained, or has too many cells.
        InvalidQuestionError: No worker could train one of its cells.
    """

    def __init__(self, plan: Plan, *, catalog: Catalog, job_seconds: float, large: bool) -> None:
        self.plan = plan
        self.selection = Selection(plan)
        self.cells = Cells(self.selection, large=large)
        self._specs = {
            epochs: self._checked(epochs, catalog, job_seconds)
            for epochs in {*plan.epochs, _PILOT_EPOCHS}
        }

    @cached_property
    def table(self) -> BenchmarkSpec:
        """The description of the plan's table."""
        return table_of(self.selection)

    @property
    def trainer(self) -> dict[str, Any]:
        """The member `trainer` of requests and provenance; empty without a custom trainer."""
        trainer = self.plan.trainer
        return {} if trainer is None else {"trainer": trainer.as_dict()}

    @cached_property
    def first_estimate(self) -> Estimate:
        """The estimate of the cost before any timing."""
        return estimate(self.cells, None)

    def job(self, cell: Cell, *, data_sha256: str | None = None) -> NewJob:
        """Return the job of a cell.

        Args:
            cell: The cell.
            data_sha256: The required digest of the data set; None: not known yet.
        """
        template = self._specs[cell.epochs]
        sample = self.plan.model_space.canonical(self.selection.sample(cell.position))
        network = {
            **template.spec["network"],
            "arch": plain_json("network.arch", sample),
            "seed": cell.seed,
        }
        spec = {**template.spec, "network": network, "seed": cell.seed}
        return NewJob(
            kind="training",
            spec=spec,
            key=spec_key("training", spec),
            needs_device=template.needs_device,
            needs_dataset=template.needs_dataset,
            needs_sha256=data_sha256,
            needs_trainer=template.needs_trainer,
            needs_label=template.needs_label,
            # The first seed of each architecture is enough for timing.
            needs_own_device=self.plan.timing == "alone" and cell.seed == self.plan.seeds[0],
            priority=PRIORITY,
            time_limit=template.time_limit,
        )

    @cached_property
    def repeated(self) -> frozenset[int]:
        """The numbers of the cells that are trained twice, among the first million cells."""
        protocol, numbers = self.plan.protocol_digest, self.selection.numbers
        return frozenset(
            cell.number
            for cell in islice(self.cells, _MOST_DRAWN)
            if is_repeated(protocol, numbers[cell.position], cell)
        )

    def pilot(self) -> list[Cell]:
        """Return the trainings of the pilot, which have negative numbers."""
        return [
            Cell(-1 - place, position, self.plan.seeds[0], _PILOT_EPOCHS)
            for place, position in enumerate(pilot_positions(self.cells))
        ]

    def cell(self, number: int) -> Cell:
        """Return the cell with a number, also of a repeat or of the pilot."""
        if number <= FIRST_REPEAT:
            return self.cells[FIRST_REPEAT - number]
        return self.cells[number] if number >= 0 else self.pilot()[-1 - number]

    def _checked(self, epochs: int, catalog: Catalog, job_seconds: float) -> NewJob:
        plan = self.plan
        recipe: Mapping[str, Any] = plan.recipe.as_dict()
        if epochs in plan.epochs:
            recipe = plan.recipe_for(epochs).as_dict()
        else:  # pilot trainings may be shorter than the warm-up
            recipe = {**recipe, "epochs": epochs, "warmup_epochs": 0}
        request = TrainingRequest(
            network=SpaceNetwork(
                space=plan.space,
                arguments=dict(plan.arguments),
                arch=self.selection.sample(0),
                seed=plan.seeds[0],
            ),
            dataset=plan.data,
            recipe=dict(recipe),
            **self.trainer,
            fractions=plan.fractions,
            split_seed=plan.split_seed,
            seed=plan.seeds[0],
            weights=plan.keep_weights == "all",
            time_limit=plan.cell_seconds,
            label=plan.label,
        )
        return new_job(request, catalog=catalog, job_seconds=job_seconds)


class OpenPlans:
    """A cache of the most recently used plans, by digest.

    Args:
        job_seconds: The largest allowed time limit.
    """

    def __init__(self, catalog: Catalog, *, job_seconds: float) -> None:
        self._catalog = catalog
        self._job_seconds = job_seconds
        self._lock = threading.Lock()
        self._opened: OrderedDict[tuple[str, bool], OpenPlan] = OrderedDict()

    def of(self, plan: Plan, *, large: bool = False) -> OpenPlan:
        """Return a loaded plan.

        Raises:
            PlanError: As for `OpenPlan`, which also lists InvalidQuestionError.
        """
        key = (plan.digest, large)
        # Loaded outside the lock, as a large plan takes long.
        found = self._kept(key) or OpenPlan(
            plan, catalog=self._catalog, job_seconds=self._job_seconds, large=large
        )
        with self._lock:
            found = self._opened.setdefault(key, found)
            self._opened.move_to_end(key)
            if len(self._opened) > _KEPT:
                self._opened.popitem(last=False)
            return found

    def of_content(self, content: Mapping[str, Any], *, digest: str, large: bool) -> OpenPlan:
        """Return the loaded plan for its JSON, which is parsed only if the plan is not cached.

        Raises:
            PlanError: As for `of`.
        """
        return self._kept((digest, large)) or self.of(plan_of(content), large=large)

    def _kept(self, key: tuple[str, bool]) -> OpenPlan | None:
        with self._lock:
            return self._opened.get(key)
