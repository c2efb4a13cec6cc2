"""Studies: a problem, a strategy, and trials that survive.

    with Study("runs/evolution-0.study", problem, RegularizedEvolution(seed=0)) as study:
        study.run(Budget(trials=200))
        print(study.best)

What is told is in the file before the next proposal is made. Opening the file again replays it: a
new strategy is asked and told as it was, and has to propose the same; so it goes on as if it had
never been interrupted, and no state of it is ever stored.
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
    """A search: proposes trials, takes results, and keeps both.

    Args:
        path: The file, which is made, or replayed if it is there; None: nothing is kept.
        problem: What is searched for.
        strategy: What chooses; new, and of the settings that the file was begun with.
        reference: Worst values of interest, by objective: events of the front then have the volume
            between it and this point.
        specification: How problem and strategy were written down, as JSON: a new file keeps it for
            programs that go on with the study. It is compared with nothing.

    Raises:
        StudyInUseError: Another process writes to the file.
        StudyFileError: The file holds no study, a damaged one, or one of a newer version.
        OtherStudyError: It was begun with another problem or strategy.
        ReplayError: The strategy proposes something else than it did.
        ProblemError: The strategy evaluates at fidelities that the problem does not have, or
            changes architectures that have no choices; or the reference lacks an objective.
        OSError: The file cannot be written.

    Attributes:
        waiting: Whether the last `ask` returned None because a trial under way has to be told
            first.
        watch: What is asked after epochs of this run whether a trial ends; None: nothing.
        ended: Why the last run ended: `trials`, `seconds`, `cost`, `until` or `exhausted`; None
            before.
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
        dear = not problem.looks_up
        self._journal = (
            None if path is None else Journal(path, self.spec, safe_from_power_loss=dear)
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
        """What all trials cost together, in seconds."""
        return self._charges.total

    @property
    def clock(self) -> float:
        """When the last result was told, in simulated seconds: see `run` on `workers`."""
        return self._charges.now

    @property
    def best(self) -> Trial | None:
        """The best trial; None before the first with a result."""
        return self._leaders.best

    @property
    def num_asked(self) -> int:
        """How many trials were proposed."""
        return len(self._trials)

    @property
    def given_out(self) -> bool:
        """Whether trials wait that were given out by an earlier run and never told."""
        return bool(self._given_out)

    @property
    def space_size(self) -> int:
        """How many architectures there are, or an upper bound; 0 where that is not known yet."""
        return self._domain.size

    @property
    def refused(self) -> Mapping[str, int]:
        """How many draws were refused before they were trials, by reason."""
        return dict(getattr(self._domain, "refused", {}))

    def ask(self) -> Trial | None:
        """Return the next trial: one that was given out before and never told, or a new one.

        Returns:
            None when the strategy has finished, or has to be told of a trial under way first
            (`waiting`).

        Raises:
            NoFeasibleError: Nothing that is drawn is within the bounds.
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
                # Worth a commit of its own: others see what is under way, for hours perhaps.
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
        """Take the result of a trial, and return the trial with it.

        Args:
            trial: As `ask` returned it.
            values: The metrics by name, or the value of the one objective. What is not finite, or
                lacks one, has failed.
            cost: Seconds that it took.
            error: Why it failed, instead of values.

        Raises:
            StudyError: The trial is not of this study, or was told before.
        """
        if values is None and error is None:
            raise StudyError("a trial is told values, or an error")
        if not isinstance(values, Mapping | int | float | None):
            raise StudyError(f"a trial is told figures by name or a number, not {values!r:.80}")
        if isinstance(values, int | float):
            values = {self.goals.objectives[0].metric: float(values)}
        try:
            metrics = {name: float(value) for name, value in (values or {}).items()}
        except (TypeError, ValueError) as unread:
            raise StudyError(f"a trial is told figures that are numbers: {unread}") from unread
        error = error or self.goals.lacking(metrics)
        return self.conclude(trial, Outcome(metrics=metrics, cost=cost, error=error))

    def conclude(self, trial: Trial, outcome: Outcome) -> Trial:
        """Take the outcome of a trial, as `Problem.evaluate` returns it.

        Raises:
            StudyError: The trial is not of this study, or was told before.
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
        self._tell_of(trial)
        if self._journal is not None:
            self._journal.commit()
        return trial

    def end(self, trial: Trial, outcome: Outcome) -> float:
        """Return when a trial under way would end, in simulated seconds."""
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
        """Ask, evaluate and tell until a limit of the budget is reached or the strategy finishes.

        A limit is looked at before a proposal. Trials under way are waited for where the limit is
        `trials`, else ended, and given out again by the next run. An interrupt (Ctrl-C) proposes no
        more and waits for those under way, a second one ends them; the study can go on later.

        Args:
            budget: The limits.
            workers: How many trials are under way at a time. More than one, or a timeout, and each
                is evaluated in a process of its own. The problem is pickled for them, and a script
                has to guard its main part (`if __name__ == "__main__"`). Where evaluations only
                look up, so many machines are simulated instead: a trial begins when its machine is
                free, and a budget of `cost` is about the clock that all of them share. `service`:
                each is a job of the service that the evaluator, a `ServiceTraining`, names, which
                also says how many are under way.
            order: `numbered`: results are told in the order of their trials, each proposal but the
                first being made when exactly `workers` - 1 are under way, so that a run depends on
                `workers` but not on how long evaluations take; `arrival`: as they come. None: that
                of the problem.
            timeout: Seconds after which an evaluation is ended and has failed; of a job, what each
                of its attempts may take.
            stop: Is asked after each epoch that a training reports; a trial that it ends is
                `stopped`, with the figures of its last epoch.

        Raises:
            ValueError: An argument means nothing, or the budget is so small that a strategy that
                learns would only draw at random.
            ProblemError: A service is to evaluate and the problem is not for one, or vice versa; or
                a rule is to stop what has no epochs, or compares them by what they do not report.
            BenchError: The service is away, or refuses to be asked; its jobs go on, and the next
                run waits for them.
            NoFeasibleError: Nothing that is drawn is within the bounds.
            FailingStudyError: 20 trials in a row failed.
            KeyboardInterrupt: It was interrupted.
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
        """Run as `run` does, in an event loop that goes on meanwhile.

        Args:
            budget: The limits.
            evaluate: Is awaited for each trial and returns its metrics by name, or the value of the
                one objective; what it raises makes a failed trial. None: what is recorded is looked
                up, and any other problem evaluates in threads.
            workers: How many trials are under way at a time.
            order: As for `run`.

        Raises:
            ValueError: As for `run`, and so on.
            CancelledError: It was cancelled, and so were the evaluations; the study can go on.
        """
        await running.run_async(self, budget, evaluate, workers=workers, order=order)

    def subscribe(self, sink: Sink) -> None:
        """Tell a sink of every event from now on; one that fails is dropped with a warning."""
        self._sinks.add(sink)

    def events(self, after: int = 0) -> Iterator[Event]:
        """Yield the events behind one, so far."""
        if self._journal is None:
            yield from self._events[after:]
        else:
            self._journal.commit()
            yield from list(read_events(self._journal.database, after))

    def report(self, kind: str, figures: Mapping[str, Any]) -> bool:
        """Take an event of an evaluation under way, and tell whether it is to end here.

        Raises:
            UnreportedError: A rule is to compare epochs by a figure that they do not have.
        """
        self._emit(kind, figures)
        if self._journal is not None:
            self._journal.commit()
        return kind == "epoch" and self.watch is not None and self.watch.stops(figures)

    def assign(self, trial: Trial, job: str | None) -> None:
        """Note which job of a service evaluates a trial, for whoever goes on; None: none."""
        trial.job = job
        if self._journal is not None:
            self._journal.assigned(trial)
            self._journal.commit()

    def finish(self, reason: str) -> None:
        """Note why a run ended."""
        self.ended = reason
        self.report("finished", {"reason": reason, "trials": len(self.trials)})

    def give_back(self, trials: Sequence[Trial]) -> None:
        """Take back trials that were not evaluated, to be given out again."""
        self._given_out = sorted([*trials, *self._given_out], key=lambda one: one.number)

    def close(self) -> None:
        """Commit what was told and let others write to the file."""
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
        """Let the strategy, and everything that follows from trials, know of a result."""
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

    def _tell_of(self, trial: Trial) -> None:
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
                f"proposes {now}: the code is not that which the study was begun with"
            )
        self._begin(trial)
