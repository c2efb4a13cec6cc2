"""Studies: a problem, a strategy, and the trials of one search, kept in a file.

    with Study("runs/evolution-0.study", problem, RegularizedEvolution(seed=0)) as study:
        study.run(Budget(trials=200))
        print(study.best)

Each result is written to the file before the next proposal is made. Opening the file again replays
it: a new strategy object receives the same calls in the same order and has to make the same
proposals. The search then continues as if never interrupted. No state of a strategy is stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from bench_client.operations import drive
from nas_search.contract import Candidate, Result, Status, Strategy, Wait
from nas_search.errors import ReplayError, StudyError
from nas_search.problems.problem import Order, Outcome, Problem
from nas_search.study import running
from nas_search.study.budget import Budget
from nas_search.study.charges import Charges
from nas_search.study.events import Event, Sink, Sinks
from nas_search.study.fitting import check_choices, check_strategy, checked_proposal, spec_of
from nas_search.study.history import History
from nas_search.study.journal import Journal, read_events, read_notes
from nas_search.study.leaders import Leaders
from nas_search.study.running import Evaluate
from nas_search.study.stopping import StoppingRule, Watch
from nas_search.study.trials import State, Trial, in_order

__all__ = ["Study"]


class Study(History):
    """One search: asks a strategy for trials, takes their results, and stores both in a file.

    Args:
        path: The file. It is created, or replayed if it exists; None keeps everything in memory.
        problem: The objectives, the bounds, and the evaluation.
        strategy: A new strategy object, with the settings that the file was begun with.
        reference: Worst value of interest for each objective. With it, events of the front include
            the hypervolume between the front and this point.
        specification: The problem and strategy as they were written down, as JSON. A new file
            stores it for programs that resume the study; it is never compared.

    Raises:
        StudyInUseError: Another process writes to the file.
        StudyFileError: The file is no study, is damaged, or has a newer version.
        OtherStudyError: The file was begun with another problem or strategy.
        ReplayError: The strategy does not repeat the proposals in the file.
        ProblemError: The strategy evaluates at fidelities that the problem does not have, or
            changes architectures that have no choices; or the reference lacks an objective.
        OSError: The file cannot be written.

    Attributes:
        waiting: Whether the last `ask` returned None because a running trial has to be told first.
        watch: Decides after each epoch of this run whether a trial is stopped; None: no rule.
        ended: Why the last run ended: `trials`, `seconds`, `cost`, `until` or `exhausted`; None
            before the first run has ended.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        problem: Problem,
        strategy: Strategy,
        *,
        reference: Mapping[str, float] | None = None,
        specification: Mapping[str, Any] | None = None,
    ) -> None:
        check_strategy(problem, strategy)
        super().__init__(spec_of(problem, strategy, specification))
        self.problem = problem
        self.strategy = strategy
        self.waiting = False
        self.ended: str | None = None
        self.watch: Watch | None = None
        self._domain = problem.domain()
        check_choices(self._domain, strategy)
        self._sinks = Sinks()
        self._events: list[Event] = []
        self._last_event = 0
        self._order = 0
        self._num_running = 0
        self._charges = Charges(problem)
        self._leaders = Leaders(self.goals, self._whole, reference)
        self._given_out: list[Trial] = []
        evaluates = not problem.looks_up
        self._journal = (
            None if path is None else Journal(path, self.spec, safe_from_power_loss=evaluates)
        )
        if self._journal is not None:
            try:
                self._replay(self._journal)
            except BaseException:
                self._journal.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Study of {self.strategy.name}: {len(self._trials)} trials>"

    @property
    def cost(self) -> float:
        """The cost of all trials together, in seconds."""
        return self._charges.total

    @property
    def clock(self) -> float:
        """Simulated time of the last result, in seconds: see `workers` of `run`."""
        return self._charges.now

    @property
    def best(self) -> Trial | None:
        """The best trial; None before the first with a result."""
        return self._leaders.best

    @property
    def num_asked(self) -> int:
        """The number of trials proposed."""
        return len(self._trials)

    @property
    def given_out(self) -> bool:
        """Whether unfinished trials of an earlier run wait to be asked again."""
        return bool(self._given_out)

    @property
    def space_size(self) -> int:
        """The number of architectures, or an upper bound; 0 while it is not known."""
        return self._domain.size

    @property
    def refused(self) -> Mapping[str, int]:
        """The number of draws rejected before they became trials, by reason."""
        return dict(getattr(self._domain, "refused", {}))

    def ask(self) -> Trial | None:
        """Return the next trial: an unfinished one of an earlier run first, then new ones.

        Returns:
            The trial; None when the strategy has finished, or needs the result of a running trial
            first (`waiting`).

        Raises:
            NoFeasibleError: No drawn architecture is within the bounds.
        """
        if self._given_out:
            return self._given_out.pop(0)
        candidate = self._proposed()
        if candidate is None:
            return None
        trial = self._asked(candidate, time.time())
        self._emit("trial.asked", {"trial": trial.number, "arch": trial.arch})
        if self._journal is not None:
            self._journal.asked(trial)
            if not self.problem.looks_up:
                # An evaluation may take hours; other processes see it only after a commit.
                self._journal.commit()
        return trial

    def tell(
        self,
        trial: Trial,
        values: Mapping[str, float] | float | None = None,
        *,
        cost: float = 0.0,
        error: str | None = None,
    ) -> Trial:
        """Record the result of a trial and return the updated trial.

        Args:
            trial: The trial, as `ask` returned it.
            values: The metrics by name, or the value of the only objective. A trial fails if a
                metric of an objective or bound is missing or not finite.
            cost: Seconds that the evaluation took.
            error: Why the evaluation failed, instead of values.

        Raises:
            StudyError: The trial is not a running trial of this study, or neither values nor an
                error are given.
        """
        if values is None and error is None:
            raise StudyError("tell needs the values of a trial, or its error")
        if not isinstance(values, Mapping | int | float | None):
            raise StudyError(f"tell takes metrics by name or one number, not {values!r:.80}")
        if isinstance(values, int | float):
            values = {self.goals.objectives[0].metric: float(values)}
        try:
            metrics = {name: float(value) for name, value in (values or {}).items()}
        except (TypeError, ValueError) as unread:
            raise StudyError(f"tell takes metrics that are numbers: {unread}") from unread
        error = error or self.goals.lacking(metrics)
        return self.conclude(trial, Outcome(metrics=metrics, cost=cost, error=error))

    def conclude(self, trial: Trial, outcome: Outcome) -> Trial:
        """Record the outcome of a trial, as `Problem.evaluate` returns it.

        Raises:
            StudyError: The trial is not a running trial of this study.
        """
        known = trial.number < len(self._trials) and self._trials[trial.number] is trial
        if not known or trial.state is not State.RUNNING:
            raise StudyError(f"trial {trial.number} is not under way in this study")
        self._order += 1
        trial.told_order = self._order
        trial.told = time.time()
        trial.cost = self._charges.of(trial, outcome)
        trial.metrics = outcome.metrics
        if outcome.error is not None:
            trial.metrics, trial.state, trial.error = {}, State.FAILED, outcome.error
        elif outcome.stopped:
            trial.state = State.STOPPED
        else:
            trial.violation = self.goals.violation(outcome.metrics)
            trial.state = State.INFEASIBLE if trial.violation else State.OK
        self._observe(trial)
        if self._journal is not None:
            self._journal.told(trial)
        self._emit_result(trial)
        if self._journal is not None:
            self._journal.commit()
        return trial

    def end(self, trial: Trial, outcome: Outcome) -> float:
        """Return the simulated time at which a running trial would end, in seconds."""
        return self._charges.end(trial, outcome)

    def run(
        self,
        budget: Budget,
        *,
        workers: int | Literal["service"] = 1,
        order: Order | None = None,
        timeout: float | None = None,
        stop: StoppingRule | None = None,
    ) -> None:
        """Evaluate trials until a limit of the budget is reached or the strategy finishes.

        Limits are checked before each proposal. When the limit is `trials`, the run waits for
        running trials; at any other limit it ends them, and the next run repeats them. After the
        first interrupt (Ctrl-C) the run proposes nothing more and waits for running trials; a
        second interrupt ends them. The study can be resumed later.

        Args:
            budget: The limits.
            workers: The number of trials evaluated at a time. With more than one, or with a
                timeout, each evaluation has its own process; the problem is pickled for it, and a
                script has to guard its main part (`if __name__ == "__main__"`). For a problem that
                only looks up recorded results, this is the number of simulated machines: a trial
                begins when a machine is free, and a budget of `cost` limits their common clock.
                `service`: each trial is a job of the service of the evaluator, a
                `ServiceTraining`, which also sets the number of jobs at a time.
            order: `numbered`: results are told in the order of trial numbers, and each proposal
                but the first is made with exactly `workers` - 1 trials running, so a run depends
                on `workers` but not on how long evaluations take. `arrival`: results are told as
                they arrive. None: the order of the problem.
            timeout: Seconds after which an evaluation is ended and counts as failed; for jobs, the
                limit of each attempt.
            stop: A rule called after each epoch that a training reports. A trial that it ends is
                `stopped` and has the metrics of its last epoch.

        Raises:
            ValueError: An argument is invalid, or the budget is so small that a learning strategy
                would only draw at random.
            ProblemError: `workers="service"` was given for a problem that no service evaluates, or
                is missing for one that a service does; or a stopping rule was given for a problem
                without epochs, or names a metric that epochs do not report.
            BenchError: The service is unavailable or refuses a request. Its jobs continue, and the
                next run waits for them.
            NoFeasibleError: No drawn architecture is within the bounds.
            FailingStudyError: 20 trials in a row failed.
            KeyboardInterrupt: The run was interrupted.
        """
        running.run(self, budget, workers=workers, order=order, timeout=timeout, stop=stop)

    async def run_async(
        self,
        budget: Budget,
        evaluate: Evaluate | None = None,
        *,
        workers: int = 1,
        order: Order | None = None,
    ) -> None:
        """Run as `run` does, without blocking the event loop.

        Args:
            budget: The limits.
            evaluate: A coroutine function that returns the metrics of a trial by name, or the
                value of the only objective. If it raises, the trial has failed. None: the problem
                evaluates, in threads unless it only looks up recorded results.
            workers: The number of trials evaluated at a time.
            order: As for `run`.

        Raises:
            ValueError: As for `run`; the other errors of `run` are raised as well.
            CancelledError: The task and its evaluations were cancelled. The study can be resumed.
        """
        await running.run_async(self, budget, evaluate, workers=workers, order=order)

    def subscribe(self, sink: Sink) -> None:
        """Send every event from now on to a sink; a sink that raises is dropped with a warning."""
        self._sinks.add(sink)

    def events(self, after: int = 0) -> Iterator[Event]:
        """Yield the events so far whose number is greater than `after`."""
        if self._journal is None:
            yield from self._events[after:]
        else:
            self._journal.commit()
            yield from list(read_events(self._journal.database, after))

    def report(self, kind: str, figures: Mapping[str, Any]) -> bool:
        """Record an event of a running evaluation and return whether the evaluation should stop.

        Raises:
            UnreportedError: The stopping rule needs a metric that epochs do not report.
        """
        self._emit(kind, figures)
        if self._journal is not None:
            self._journal.commit()
        return kind == "epoch" and self.watch is not None and self.watch.stops(figures)

    def assign(self, trial: Trial, job: str | None) -> None:
        """Store the id of the service job that evaluates a trial; None removes it."""
        trial.job = job
        if self._journal is not None:
            self._journal.assigned(trial)
            self._journal.commit()

    def finish(self, reason: str) -> None:
        """Record why a run ended."""
        self.ended = reason
        self.report("finished", {"reason": reason, "trials": len(self.trials)})

    def give_back(self, trials: Sequence[Trial]) -> None:
        """Take back trials that were not evaluated; `ask` returns them again."""
        self._given_out = sorted([*trials, *self._given_out], key=lambda one: one.number)

    def close(self) -> None:
        """Commit all results and release the lock of the file."""
        if self._journal is not None:
            self._journal.close()

    def _proposed(self) -> Candidate | None:
        answered = drive(self.strategy.propose(self._domain), self.problem.answer)
        proposed = checked_proposal(self.strategy, answered)
        notes: dict[str, Any] = getattr(self.strategy, "new_notes", dict)()
        if notes:
            self._emit("notes", notes)
        self.waiting = not isinstance(proposed, Candidate) and self._num_running > 0
        if isinstance(proposed, Wait):
            if not self.waiting:
                raise StudyError(f"{self.strategy.name} waits, but no trial is under way")
            return None
        return proposed

    def _asked(self, candidate: Candidate, moment: float) -> Trial:
        self._order += 1
        trial = Trial(
            number=len(self._trials), candidate=candidate, asked=moment, asked_order=self._order
        )
        self._begin(trial)
        return trial

    def _begin(self, trial: Trial) -> None:
        self._trials.append(trial)
        self._charges.begin(trial)
        self._num_running += 1

    def _observe(self, trial: Trial) -> None:
        """Pass a result to the strategy and update costs and scores."""
        trial.rate(self.goals)
        self._charges.take(trial)
        self._num_running -= 1
        self.strategy.observe(
            Result(
                number=trial.number,
                candidate=trial.candidate,
                status=Status(trial.state.value),
                values=trial.scores,
                violation=trial.violation,
                cost=trial.cost,
            )
        )

    def _emit_result(self, trial: Trial) -> None:
        if trial.state is State.FAILED:
            self._emit("trial.failed", {"trial": trial.number, "error": trial.error})
            return
        if trial.state is State.STOPPED:
            self._emit("trial.stopped", {"trial": trial.number, "metrics": dict(trial.metrics)})
            return
        values = {one.metric: trial.metrics[one.metric] for one in self.goals.objectives}
        self._emit(
            "trial.told",
            {
                "trial": trial.number,
                "state": trial.state.value,
                "values": values,
                "cost": trial.cost,
            },
        )
        lead = self._leaders.take(trial)
        if lead.best:
            self._emit("best", {"trial": trial.number, "values": values})
        if lead.front:
            self._emit("front", {"trial": trial.number, **self._leaders.front.payload})

    def _emit(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._last_event += 1
        event = Event(self._last_event, time.time(), kind, payload)
        if self._journal is None:
            self._events.append(event)
        else:
            self._journal.event(event)
        if self._sinks:
            self._sinks.tell(event)

    def _replay(self, journal: Journal) -> None:
        recorded = journal.trials()
        ((last,),) = journal.database.execute("SELECT max(seq) FROM event")
        self._last_event = last or 0
        for notes in read_notes(journal.database):
            self.strategy.recall(notes)  # type: ignore[attr-defined]  # it gave them
        for order, trial, is_told in in_order(recorded):
            self._order = order
            if is_told:
                self._observe(trial)
                self._leaders.take(trial)
            else:
                self._propose_again(trial)
        self._given_out = [one for one in self._trials if one.state is State.RUNNING]

    def _propose_again(self, trial: Trial) -> None:
        proposed = drive(self.strategy.propose(self._domain), self.problem.answer)
        if proposed != trial.candidate:
            was, now = trial.candidate, proposed if isinstance(proposed, Candidate) else "nothing"
            raise ReplayError(
                f"trial {trial.number} was proposed as {was}, and {self.strategy.name} now "
                f"proposes {now}: the code has changed since the study was begun"
            )
        self._begin(trial)
