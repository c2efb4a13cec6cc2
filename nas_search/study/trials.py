"""Trials: what was proposed, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nas_search.contract import Candidate, Status
from nas_search.problems.goals import Goals

__all__ = ["State", "Trial", "in_order"]


class State(StrEnum):
    """Where a trial is."""

    RUNNING = "running"
    """It is under way, or was when its search ended; it is then given out again."""
    OK = Status.OK.value
    FAILED = Status.FAILED.value
    INFEASIBLE = Status.INFEASIBLE.value
    STOPPED = Status.STOPPED.value


@dataclass(slots=True, kw_only=True, repr=False)
class Trial:
    """An evaluation of a search. Its metrics are attributes, too: `trial.valid_acc`.

    Attributes:
        number: From 0, in the order of proposals.
        candidate: What was proposed.
        state: Where it is.
        metrics: Figures by name, as they were measured; of a stopped one, those of its last epoch;
            empty where it failed.
        scores: One for each objective, larger being better; empty unless `ok` or `infeasible`.
        violation: By how much bounds are exceeded, relative to them and summed.
        cost: Seconds that were charged.
        error: Why it failed.
        asked: When it was proposed, in seconds since 1970.
        told: When its result was told; None before.
        asked_order: Its place among all proposals and results of the study.
        told_order: That of its result.
        job: Of the service, where one evaluates it.
    """

    number: int
    candidate: Candidate
    state: State = State.RUNNING
    metrics: Mapping[str, float] = field(default_factory=dict)
    scores: tuple[float, ...] = ()
    violation: float = 0.0
    cost: float = 0.0
    error: str | None = None
    asked: float = 0.0
    told: float | None = None
    asked_order: int = 0
    told_order: int | None = None
    job: str | None = None

    @property
    def arch(self) -> str:
        """The architecture, in its canonical spelling."""
        return self.candidate.arch

    @property
    def fidelity(self) -> int | None:
        """Epochs (or steps); None for all there are."""
        return self.candidate.fidelity

    @property
    def sample(self) -> dict[str, Any]:
        """Label and value of each choice, where architectures are JSON.

        Raises:
            ValueError: They are not: a benchmark has spellings of its own.
        """
        try:
            sample: dict[str, Any] = json.loads(self.arch)
        except ValueError:
            raise ValueError(
                f"{self.arch!r:.120} is no sample of choices but a benchmark's spelling: trial.arch"
            ) from None
        return sample

    def rate(self, goals: Goals) -> None:
        """Set the scores where the figures are those of a whole evaluation."""
        if self.metrics and self.state is not State.STOPPED:
            self.scores = goals.scores(self.metrics)

    def __repr__(self) -> str:
        """Return what there is to say of it, without the study's own accounts."""
        figures = ", ".join(f"{name}={value:.6g}" for name, value in self.metrics.items())
        at = "" if self.fidelity is None else f" at {self.fidelity}"
        told = "; ".join(filter(None, (self.arch, self.error, figures)))
        return f"<Trial {self.number}{at}, {self.state.value}: {told}>"

    def __getattr__(self, name: str) -> float:
        if name not in Trial.__slots__ and name in self.metrics:
            return self.metrics[name]
        has = f"; it has {', '.join(self.metrics)}" if self.metrics else ""
        raise AttributeError(f"trial {self.number} has no {name}{has}")


def in_order(trials: Iterable[Trial]) -> list[tuple[int, Trial, bool]]:
    """Return the proposals and results of trials in the order in which they came.

    Returns:
        The place in that order, the trial, and whether it is its result.
    """
    known = list(trials)
    steps = [(one.asked_order, one, False) for one in known]
    steps += [(one.told_order, one, True) for one in known if one.told_order is not None]
    return sorted(steps, key=lambda step: step[0])
