"""Trials: proposed architectures with their results."""

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
    """The state of a trial."""

    RUNNING = "running"
    """Not finished. If its search has ended, the next run repeats it."""
    OK = Status.OK.value
    FAILED = Status.FAILED.value
    INFEASIBLE = Status.INFEASIBLE.value
    STOPPED = Status.STOPPED.value


@dataclass(slots=True, kw_only=True, repr=False)
class Trial:
    """One evaluation of a search. Its metrics are attributes as well: `trial.valid_acc`.

    Attributes:
        number: The number of the trial, from 0 in the order of proposals.
        candidate: The proposal.
        state: The state of the trial.
        metrics: Metrics by name; of the last epoch if stopped; empty if failed.
        scores: One value per objective, larger being better; empty unless `ok` or `infeasible`.
        violation: The sum of the relative amounts by which bounds are exceeded.
        cost: Seconds charged.
        error: Why the trial failed.
        asked: Unix time of the proposal.
        told: Unix time of the result; None before.
        asked_order: Position of the proposal among all proposals and results of the study.
        told_order: Position of the result in the same order.
        job: Id of the service's job, if a service evaluates the trial.
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
        """The architecture as text, in its canonical spelling."""
        return self.candidate.arch

    @property
    def fidelity(self) -> int | None:
        """Epochs (or steps) of the evaluation; None: all."""
        return self.candidate.fidelity

    @property
    def sample(self) -> dict[str, Any]:
        """The value of each choice by label, for problems whose architectures are JSON.

        Raises:
            ValueError: The architecture is a benchmark's architecture string.
        """
        try:
            sample: dict[str, Any] = json.loads(self.arch)
        except ValueError:
            raise ValueError(
                f"{self.arch!r:.120} is a benchmark's architecture, not JSON: use trial.arch"
            ) from None
        return sample

    def rate(self, goals: Goals) -> None:
        """Set the scores from the metrics, unless the trial failed or was stopped."""
        if self.metrics and self.state is not State.STOPPED:
            self.scores = goals.scores(self.metrics)

    def __repr__(self) -> str:
        """Return number, fidelity, state, architecture, error and metrics."""
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
    """Return the proposals and results of trials in the order of their occurrence.

    Returns:
        Triples of the position, the trial, and whether the entry is its result.
    """
    known = list(trials)
    steps = [(one.asked_order, one, False) for one in known]
    steps += [(one.told_order, one, True) for one in known if one.told_order is not None]
    return sorted(steps, key=lambda step: step[0])
