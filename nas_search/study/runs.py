"""Recorded runs: one JSON file for each, validated when read."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bench_client import AsyncSimulation, Simulation
from nas_search.contract import Strategy
from nas_search.errors import DamagedRunError

__all__ = ["RecordedPoint", "RecordedRun", "RunClock"]

RunClock: TypeAlias = Literal["seconds", "trials"]
"""The unit of the times of a run: seconds of cost, or finished trials."""

_VERSION: Final = 1


class _Recorded(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class RecordedPoint(_Recorded):
    """One evaluation of a run, with the fields of `Evaluation` and `TrajectoryPoint`."""

    arch: str
    num_epochs: int
    epoch: int
    time: float
    value: float
    best: float | None


class RecordedRun(_Recorded):
    """The evaluations of one search, with their times by a clock, simulated by default.

    Attributes:
        version: The version of the file format.
        strategy: The name of the strategy; runs of the same name count as repetitions.
        seed: The seed of the strategy.
        benchmark: The benchmark. It and the fields up to `larger_is_better` are as for
            `BenchClient.simulate`.
        clock: The unit of times and of the budget.
        run_seed: The seed of the simulation; None: values are means over training runs.
        continue_training: An option of the simulation, as are the next two fields.
        oracle: The best possible value, as a mean over training runs; None: not known.
        trajectory: The evaluations, in order.
    """

    version: Literal[1] = 1
    strategy: str
    seed: int
    benchmark: str
    dataset: str | None
    num_epochs: int
    metric: str
    larger_is_better: bool
    clock: RunClock = "seconds"
    budget: float
    run_seed: int | None
    continue_training: bool
    free_repeats: bool
    evaluation_time: bool
    oracle: float | None
    trajectory: tuple[RecordedPoint, ...]

    @classmethod
    def of(
        cls,
        simulation: Simulation | AsyncSimulation,
        strategy: Strategy,
        *,
        oracle: float | None = None,
        name: str | None = None,
    ) -> Self:
        """Return the run of a finished search on a simulation.

        Args:
            simulation: The simulation, at the end of the search.
            strategy: The strategy that searched.
            oracle: The best possible value, as `oracle_value` returns it.
            name: The name of the strategy in the run, to tell variants of it apart.
        """
        asked = simulation.settings
        pairs = zip(simulation.evaluations, simulation.trajectory, strict=True)
        return cls(
            strategy=strategy.name if name is None else name,
            seed=strategy.seed,
            benchmark=asked.benchmark,
            dataset=asked.dataset,
            num_epochs=asked.num_epochs,
            metric=asked.metric,
            larger_is_better=asked.larger_is_better,
            budget=asked.budget,
            run_seed=asked.seed,
            continue_training=asked.continue_training,
            free_repeats=asked.free_repeats,
            evaluation_time=asked.evaluation_time,
            oracle=oracle,
            trajectory=tuple(
                RecordedPoint(
                    arch=found.arch,
                    num_epochs=found.num_epochs,
                    epoch=found.epoch,
                    time=found.time,
                    value=found.value,
                    best=point.best,
                )
                for found, point in pairs
            ),
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a run from a file.

        Raises:
            DamagedRunError: The file is no recorded run, or contradicts itself.
            OSError: The file cannot be read.
        """
        content = Path(path).read_bytes()
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise DamagedRunError(
                f"{os.fspath(path)} is no recorded run of version {_VERSION}: {place}: "
                f"{first['msg']}"
            ) from error

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the run to a file, which is replaced once the new one is complete.

        Raises:
            OSError: The file cannot be written.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_text(self.model_dump_json(indent=1) + "\n")
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.budget <= 0:
            raise ValueError(f"the budget is {self.budget} {self.clock}; it must be above 0")
        times = [point.time for point in self.trajectory]
        if any(later < sooner for sooner, later in pairwise([0.0, *times])):
            raise ValueError("the clock runs backwards")
        if times and times[-1] > self.budget:
            raise ValueError(f"the clock shows {times[-1]} s, past the budget of {self.budget} s")
        self._check_best()
        return self

    def _check_best(self) -> None:
        better = max if self.larger_is_better else min
        best: float | None = None
        for position, point in enumerate(self.trajectory):
            if point.num_epochs == point.epoch == self.num_epochs:
                best = point.value if best is None else better(best, point.value)
            if point.best != best:
                raise ValueError(
                    f"the best of the first {position + 1} evaluations is {best}, not {point.best}"
                )
