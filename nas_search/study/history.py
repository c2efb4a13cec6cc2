"""Queries on the trials of a study, while it runs or from its file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from missing_extra import needs
from nas_search.errors import IncomparableRunsError, StudyError
from nas_search.problems.goals import Goals
from nas_search.strategies.pareto import dominates, hypervolume
from nas_search.study.clock import times_told
from nas_search.study.events import Event
from nas_search.study.export import write_trials
from nas_search.study.front import Front, reference_scores
from nas_search.study.journal import read_events, read_spec, read_trials, reading
from nas_search.study.runs import RecordedPoint, RecordedRun, RunClock
from nas_search.study.trials import State, Trial

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["History", "StudyFile"]


class History:
    """The trials of a study, its best trials, its front, and exports.

    Trials are ranked by Deb's rules: trials within the bounds come first, then those that exceed
    the bounds by less, then those with the better first objective, then the earlier ones. Only
    evaluations at the full fidelity are ranked.

    Args:
        spec: The problem and the strategy, as JSON.
        trials: The trials, by ascending number.
    """

    def __init__(self, spec: Mapping[str, Any], trials: Iterable[Trial] = ()) -> None:
        self.spec = spec
        self.goals = Goals.of_spec(spec["problem"])
        longest = spec["problem"]["fidelities"]
        self._whole = {None, longest[-1] if longest else None}
        self._whole |= {spec["problem"].get("num_epochs")}
        self._trials = list(trials)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The finished trials, by ascending number."""
        return tuple(one for one in self._trials if one.state is not State.RUNNING)

    @property
    def running(self) -> tuple[Trial, ...]:
        """The trials without a result: those running, or unfinished when the search ended."""
        return tuple(one for one in self._trials if one.state is State.RUNNING)

    @property
    def cost(self) -> float:
        """The cost of all trials together, in seconds."""
        return sum(one.cost for one in self._trials)

    @property
    def clock(self) -> float:
        """Simulated time of the last result, in seconds: see `workers` of `Study.run`."""
        return max(times_told(self._trials).values(), default=0.0)

    @property
    def best(self) -> Trial | None:
        """The best trial; None before the first with a result."""
        return next(iter(self.top(1)), None)

    def top(self, count: int) -> list[Trial]:
        """Return the best trials of different architectures, the best first.

        Raises:
            StudyError: The count is not an integer of at least 0.
        """
        if type(count) is not int or count < 0:
            raise StudyError(f"top returns a whole number of trials, not {count!r:.80}")
        ranked = sorted(self._comparable(), key=_rank)
        chosen: dict[str, Trial] = {}
        for trial in ranked:
            if len(chosen) == count:
                break
            chosen.setdefault(trial.arch, trial)
        return list(chosen.values())

    @property
    def front(self) -> list[Trial]:
        """The Pareto front: the trials within the bounds that no other trial dominates.

        The best first objective comes first. Of trials with equal values the earliest is kept.
        """
        # In descending order no trial is dominated by a later one.
        ordered = sorted(self._feasible(), key=_rank)
        kept: list[Trial] = []
        for trial in ordered:
            if not any(
                one.scores == trial.scores or dominates(one.scores, trial.scores) for one in kept
            ):
                kept.append(trial)
        return kept

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Return the hypervolume between the front and a reference point.

        Args:
            reference: The worst value of interest for each objective, in the unit of the metric:
                `{"valid_acc": 0, "parameters": 1.5}`.

        Raises:
            ProblemError: The reference lacks an objective or has an unknown one.
        """
        worst = reference_scores(self.goals, reference)
        return hypervolume([one.scores for one in self.front], worst)

    def to_pandas(self) -> DataFrame:
        """Return the trials as a data frame: one row per trial, one column per metric.

        Raises:
            ImportError: pandas is not installed.
        """
        with needs("pandas", "a data frame"):
            # Imported here: loading it takes longer than everything else.
            from pandas import DataFrame  # noqa: PLC0415
        return DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Return the trials as dicts with the same keys; None where a trial lacks a metric."""
        metrics = dict.fromkeys(name for one in self.trials for name in one.metrics)
        return [
            {
                "number": one.number,
                "arch": one.arch,
                "fidelity": one.fidelity,
                "parent": one.candidate.parent,
                "note": one.candidate.note,
                "state": one.state.value,
                "violation": one.violation,
                "cost": one.cost,
                "error": one.error,
                "asked": one.asked,
                "told": one.told,
                **{name: one.metrics.get(name) for name in metrics},
            }
            for one in self.trials
        ]

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the trials to a file: NDJSON, CSV or Parquet, by its suffix.

        Raises:
            ProblemError: The suffix is unknown.
            OSError: The file cannot be written.
            ImportError: For Parquet, the `export` extra is not installed.
        """
        write_trials(self.rows(), path)

    def to_run(
        self,
        *,
        budget: float | None = None,
        oracle: float | None = None,
        name: str | None = None,
        clock: RunClock = "seconds",
        reference: Mapping[str, float] | None = None,
    ) -> RecordedRun:
        """Return the search as a recorded run, to compute its regret over time or over trials.

        The value of a trial is that of the first objective. With a reference point it is the
        hypervolume of the front of all trials so far.

        Args:
            budget: Where the clock stopped; None: at the end of the last trial. Trials that end
                later are left out.
            oracle: The best possible value.
            name: The name of the strategy in the run, to tell variants of it apart.
            clock: `seconds`: the cost of trials, simulated on a table; `trials`: each trial counts
                as one, for problems without times.
            reference: Worst value of interest for each objective; its oracle is `front_volume`.

        Raises:
            IncomparableRunsError: No trial ended within the budget, or none took any time.
            ProblemError: The reference lacks an objective or has an unknown one.
            ValueError: The clock is neither of the two.
        """
        if clock not in get_args(RunClock):
            raise ValueError(f"the clock is {clock!r:.80}; it is {' or '.join(get_args(RunClock))}")
        problem, strategy = self.spec["problem"], self.spec["strategy"]
        benchmark, num_epochs = _name_and_epochs(problem)
        if reference is None:
            points = list(self._points(num_epochs, clock))
        else:
            points = list(self._volumes(num_epochs, clock, reference))
        end = points[-1].time if budget is None and points else (budget or 0.0)
        if end <= 0:
            instead = ": clock='trials' counts trials instead" if points else ""
            raise IncomparableRunsError(f"nothing was evaluated that took any time{instead}")
        goal = self.goals.objectives[0]
        return RecordedRun(
            strategy=strategy["name"] if name is None else name,
            seed=strategy["settings"]["seed"],
            benchmark=benchmark,
            dataset=problem.get("dataset"),
            num_epochs=num_epochs,
            metric=goal.metric if reference is None else _volume_name(self.goals, reference),
            larger_is_better=goal.maximise or reference is not None,
            clock=clock,
            budget=end,
            run_seed=problem.get("run_seed"),
            continue_training=problem.get("continue_training", False),
            free_repeats=problem.get("free_repeats", False),
            evaluation_time=problem.get("evaluation_time", False),
            oracle=oracle,
            trajectory=tuple(point for point in points if point.time <= end),
        )

    def _points(self, num_epochs: int, clock: RunClock) -> Iterator[RecordedPoint]:
        goal = self.goals.objectives[0]
        best = None
        for told, (number, time) in enumerate(times_told(self._trials).items(), start=1):
            trial = self._trials[number]
            if trial.state is not State.OK:
                continue
            value = trial.metrics[goal.metric]
            if trial.fidelity in self._whole:
                better = max if goal.maximise else min
                best = value if best is None else better(best, value)
            yield RecordedPoint(
                arch=trial.arch,
                num_epochs=num_epochs,
                epoch=trial.fidelity or num_epochs,
                time=time if clock == "seconds" else float(told),
                value=value,
                best=best,
            )

    def _volumes(
        self, num_epochs: int, clock: RunClock, reference: Mapping[str, float]
    ) -> Iterator[RecordedPoint]:
        front, volume = Front(self.goals, reference), 0.0
        for told, (number, time) in enumerate(times_told(self._trials).items(), start=1):
            trial = self._trials[number]
            if trial.state is not State.OK or trial.fidelity not in self._whole:
                continue
            if front.add(trial):
                # The volume never shrinks with more points, except by rounding.
                volume = max(volume, front.volume)
            yield RecordedPoint(
                arch=trial.arch,
                num_epochs=num_epochs,
                epoch=num_epochs,
                time=time if clock == "seconds" else float(told),
                value=volume,
                best=volume,
            )

    def _comparable(self) -> Iterator[Trial]:
        return (one for one in self._trials if one.scores and one.fidelity in self._whole)

    def _feasible(self) -> Iterator[Trial]:
        return (one for one in self._comparable() if one.state is State.OK)


class StudyFile(History):
    """A read-only view of a study from its file; it needs neither the problem nor the strategy.

    Args:
        path: The file, which another process may be writing.

    Raises:
        StudyFileError: The file is missing, is no study, or has a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        with reading(path) as database:
            super().__init__(read_spec(database), read_trials(database))
        for trial in self._trials:
            trial.rate(self.goals)

    def events(self, after: int = 0) -> list[Event]:
        """Return the events in the file now whose number is greater than `after`."""
        with reading(self.path) as database:
            return list(read_events(database, after))


def _rank(trial: Trial) -> tuple[float, Sequence[float], int]:
    return (trial.violation, tuple(-score for score in trial.scores), trial.number)


def _volume_name(goals: Goals, reference: Mapping[str, float]) -> str:
    """Return a metric name with the reference point in it: only equal points are comparable."""
    sides = (
        f"{one.metric} {'>' if one.maximise else '<'} {reference[one.metric]:g}"
        for one in goals.objectives
    )
    return f"hypervolume ({', '.join(sides)})"


def _name_and_epochs(problem: Mapping[str, Any]) -> tuple[str, int]:
    """Return a name, equal for comparable searches, and the epochs of a full evaluation."""
    if problem["kind"] == "table":
        return problem["benchmark"], problem["num_epochs"]
    sought = {"objectives", "bounds", "free_repeats"}
    rest = {name: value for name, value in problem.items() if name not in sought}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    named = problem.get("benchmark") or problem.get("space") or problem["kind"]
    return f"{named} {digest[:12]}", max(problem["fidelities"], default=1)
