"""Studies: asking, telling, running, and what there is to know of trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from small_studies import CHOICES, study_of, total

from bench_client import BenchClient
from nas_search.contract import WAIT, Candidate
from nas_search.problems import FiguresProblem, FunctionProblem, TableProblem
from nas_search.strategies import GridSearch, LocalSearch, RandomSearch, RegularizedEvolution
from nas_search.study import (
    Budget,
    Event,
    FailingStudyError,
    IncomparableRunsError,
    NothingLearnedWarning,
    ProblemError,
    RecordedRun,
    State,
    Study,
    StudyError,
    Trial,
    compare_runs,
    front_volume,
    plot_regret,
    regret_bands,
)


def figures(sample: Mapping[str, Any]) -> dict[str, float]:
    return {"gain": float(sample["x"]), "loss": float(sample["x"] ** 2 - sample["y"])}


def evolution(seed: int = 0) -> RegularizedEvolution:
    return RegularizedEvolution(population_size=6, sample_size=3, seed=seed)


def test_a_loop_of_one_s_own_asks_and_tells() -> None:
    study = Study(None, FunctionProblem(CHOICES, objectives=["score"]), LocalSearch(seed=0))
    while trial := study.ask():
        study.tell(trial, {"score": total(trial.sample)}, cost=2.0)
    assert len(study.trials) == 36
    assert study.best is not None
    assert study.best.score == 10.0
    assert study.best.sample == {"x": 5, "y": 5}
    assert study.cost == 72.0


def test_a_value_can_be_told_without_its_name_and_a_failure_with_its_reason() -> None:
    study = study_of(None)
    first, second = study.ask(), study.ask()
    assert first is not None
    assert second is not None
    study.tell(first, 3.5)
    study.tell(second, error="no memory")
    assert (first.value, first.state) == (3.5, State.OK)
    assert (second.error, second.state) == ("no memory", State.FAILED)
    assert repr(first) == f"<Trial 0, ok: {first.arch}; value=3.5>"
    assert repr(second) == f"<Trial 1, failed: {second.arch}; no memory>"
    with pytest.raises(AttributeError, match=r"trial 1 has no value$"):
        _ = second.value
    with pytest.raises(AttributeError, match=r"trial 0 has no test_acc; it has value$"):
        _ = first.test_acc


def test_what_was_told_is_not_told_again() -> None:
    study = study_of(None)
    trial = study.ask()
    assert trial is not None
    study.tell(trial, 1.0)
    with pytest.raises(StudyError, match="trial 0 is not under way"):
        study.tell(trial, 1.0)
    with pytest.raises(StudyError, match="trial 9 is not under way"):
        study.tell(Trial(number=9, candidate=Candidate(arch="x")), 1.0)
    other = study.ask()
    assert other is not None
    with pytest.raises(StudyError, match="the values of a trial, or its error"):
        study.tell(other)
    for wrong in ({"value": "high"}, {"value": None}, {"value": [1]}):
        with pytest.raises(StudyError, match="metrics that are numbers"):
            study.tell(other, wrong)  # type: ignore[arg-type]
    assert other.state is State.RUNNING


def test_a_run_goes_on_to_the_trials_of_its_budget_and_no_further() -> None:
    study = study_of()
    study.run(Budget(trials=5))
    study.run(Budget(trials=5))
    assert len(study.trials) == 5
    study.run(Budget(trials=8))
    assert [trial.number for trial in study.trials] == list(range(8))
    assert study.ended == "trials"


def test_a_run_ends_with_the_space() -> None:
    study = study_of()
    study.run(Budget(trials=1_000))
    assert len(study.trials) == 36
    assert study.ended == "exhausted"


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("strategy", [evolution, lambda: LocalSearch(num_init=3)])
def test_a_search_goes_where_the_objective_says(strategy: Callable[[], Any], sign: str) -> None:
    study = study_of(strategy=strategy(), objectives=[f"{sign}value"])
    study.run(Budget(trials=30))
    assert study.best is not None
    assert study.best.value == (0.0 if sign else 10.0)


def test_a_seed_repeats_a_search_and_another_seed_does_not() -> None:
    def found(seed: int) -> list[str]:
        study = study_of(strategy=evolution(seed))
        study.run(Budget(trials=30))
        return [trial.arch for trial in study.trials]

    assert found(1) == found(1) != found(2)


class TestBudgets:
    """When a run ends."""

    @pytest.mark.parametrize(
        "limits",
        [{}, {"trials": 0}, {"trials": 1.5}, {"seconds": -1}, {"cost": math.nan}, {"cost": True}],
    )
    def test_a_budget_that_means_nothing_is_refused(self, limits: dict[str, Any]) -> None:
        with pytest.raises(ProblemError, match="budget"):
            Budget(**limits)

    def test_a_value_that_is_reached_ends_a_run(self) -> None:
        study = study_of(strategy=GridSearch())
        study.run(Budget(until={"value": 7.0}))
        assert [trial.value for trial in study.trials if trial.value >= 7] == [7.0]
        assert study.ended == "until"
        small = study_of(strategy=GridSearch(shuffled=True), objectives=["-value"])
        small.run(Budget(until={"value": 1.0}))
        assert small.trials[-1].value <= 1.0
        assert all(trial.value > 1.0 for trial in small.trials[:-1])

    def test_seconds_end_a_run(self) -> None:
        study = study_of()
        study.run(Budget(seconds=1e-9))
        assert (study.trials, study.ended) == ((), "seconds")

    def test_the_clock_of_a_table_never_passes_the_cost(self, cells: BenchClient) -> None:
        problem = TableProblem(cells, "nasbench101", num_epochs=12)
        study = Study(None, problem, RandomSearch())
        study.run(Budget(cost=192.0 * 40 + 1.0))
        assert len(study.trials) == 40
        assert study.cost == pytest.approx(192.0 * 40)
        assert study.ended == "cost"
        study.run(Budget(cost=192.0 * 41 + 1.0))
        longer = Study(None, problem, RandomSearch())
        longer.run(Budget(cost=192.0 * 41 + 1.0))
        assert [one.arch for one in study.trials] == [one.arch for one in longer.trials]

    def test_a_budget_without_room_for_learning_is_refused_or_warned_of(self) -> None:
        with pytest.raises(ValueError, match=r"first 6 .* with 5 trials it is random search"):
            study_of(strategy=evolution()).run(Budget(trials=5))
        told = "after 6 trials, all of them random: RegularizedEvolution learns from its first 6"
        with pytest.warns(NothingLearnedWarning, match=told) as caught:
            study_of(strategy=evolution()).run(Budget(trials=6))
        assert [Path(one.filename).name for one in caught] == [Path(__file__).name]
        study_of(strategy=evolution()).run(Budget(trials=7))

    def test_a_population_larger_than_a_space_needs_no_more_trials_than_the_space(self) -> None:
        strategy = RegularizedEvolution(population_size=100, sample_size=10)
        study = study_of(strategy=strategy)
        study.run(Budget(trials=50))
        assert len({trial.arch for trial in study.trials[:36]}) == 36
        assert len(study.trials) == 50

    @pytest.mark.parametrize(
        "options", [{"workers": 0}, {"order": "random"}, {"timeout": 0}, {"timeout": -1.0}]
    )
    def test_arguments_that_mean_nothing_are_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            study_of().run(Budget(trials=1), **options)


class TestFailures:
    """Evaluations that bring nothing."""

    def test_what_raises_is_a_failed_trial_and_the_search_goes_on(self) -> None:
        def picky(sample: Mapping[str, Any]) -> float:
            if sample["x"] == 0:
                raise RuntimeError("x is 0")
            return total(sample)

        study = study_of(picky)
        study.run(Budget(trials=36))
        failed = [trial for trial in study.trials if trial.state is State.FAILED]
        assert len(failed) == 6
        assert {trial.error for trial in failed} == {"RuntimeError: x is 0"}

    def test_twenty_in_a_row_end_a_study(self) -> None:
        study = study_of(lambda _: math.nan)
        with pytest.raises(FailingStudyError, match=r"20 trials in a row .* value = nan"):
            study.run(Budget(trials=36))
        assert len(study.trials) == 20
        assert study.best is None

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (lambda _: math.nan, r"3 of 3 trials failed, 3 by: .*value = nan"),
            (
                lambda sample: {}[f"y{sample['y'] // 2}"],
                r"3 of 3 trials failed, 2 by: KeyError: 'y0'$",
            ),
        ],
    )
    def test_a_study_whose_trials_all_failed_says_why(self, wrong: Any, told: str) -> None:
        study = Study(None, FunctionProblem({"x": [0], "y": [0, 1, 2]}, wrong), GridSearch())
        with pytest.warns(NothingLearnedWarning, match=told) as caught:
            study.run(Budget(trials=3))
        assert caught[0].filename == __file__
        assert study.best is None

    def test_an_interrupt_ends_a_run_and_the_next_one_goes_on(self) -> None:
        calls = 0

        def interrupted(sample: Mapping[str, Any]) -> float:
            nonlocal calls
            calls += 1
            if calls == 4:
                raise KeyboardInterrupt
            return total(sample)

        study = study_of(interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.run(Budget(trials=10))
        assert len(study.trials) == 3
        study.run(Budget(trials=10))
        undisturbed = study_of()
        undisturbed.run(Budget(trials=10))
        assert [one.arch for one in study.trials] == [one.arch for one in undisturbed.trials]

    def test_a_strategy_that_waits_for_nothing_is_refused(self) -> None:
        class Waiting(RandomSearch):
            def propose(self, domain: Any) -> Any:  # noqa: ARG002
                yield from ()
                return WAIT

        with pytest.raises(StudyError, match="waits, but no trial is under way"):
            study_of(strategy=Waiting()).ask()

    def test_a_strategy_that_asks_a_benchmark_is_refused_where_there_is_none(self) -> None:
        class Asking(RandomSearch):
            def propose(self, domain: Any) -> Any:  # noqa: ARG002
                yield lambda bench: bench

        with pytest.raises(ProblemError, match="the strategy asks a benchmark"):
            study_of(strategy=Asking()).ask()


class TestResults:
    """Bounds, fronts, and what is best."""

    def test_what_is_within_the_bounds_is_before_what_is_better(self) -> None:
        study = study_of(figures, GridSearch(), objectives=["gain"], bounds={"loss": (None, 2)})
        study.run(Budget(trials=36))
        assert study.best is not None
        assert (study.best.gain, study.best.state) == (2.0, State.OK)
        beyond = [trial for trial in study.trials if trial.state is State.INFEASIBLE]
        assert beyond
        assert all(trial.loss > 2 and trial.violation > 0 for trial in beyond)
        assert len(study.top(36)) == 36
        assert study.top(0) == []
        for wrong in (-1, 1.5, True, "3"):
            with pytest.raises(StudyError, match="a whole number of trials"):
                study.top(wrong)  # type: ignore[arg-type]
        ranked = study.top(36)
        assert [one.violation for one in ranked] == sorted(one.violation for one in ranked)

    def test_a_front_is_what_nothing_dominates(self) -> None:
        study = study_of(figures, GridSearch(), objectives=["gain", "-loss"])
        study.run(Budget(trials=36))
        points = [(one.gain, one.loss) for one in study.front]
        assert points == [(float(x), float(x**2 - 5)) for x in reversed(range(6))]
        # Against (0, 21) the points add columns of 1 up to losses of -4, -1, 4, 11 and 20.
        assert study.hypervolume({"gain": 0, "loss": 21}) == 25 + 22 + 17 + 10 + 1
        for of in (study.hypervolume, lambda to: study.to_run(reference=to, clock="trials")):
            with pytest.raises(ProblemError, match="one value for each of gain, loss"):
                of({"gain": 0})
            for wrong in ("21", math.nan, math.inf, None, True):
                with pytest.raises(ProblemError, match=r"has loss = .*, no finite number"):
                    of({"gain": 0, "loss": wrong})  # type: ignore[dict-item]

    def test_searches_of_several_objectives_are_compared_by_the_volume_of_their_fronts(
        self,
    ) -> None:
        table = {(x, y): figures({"x": x, "y": y}) for x in range(6) for y in range(6)}
        choices = {"x": range(6), "y": range(6)}
        problem = FiguresProblem(choices, table, objectives=["gain", "-loss"])
        reference = {"gain": 0, "loss": 21}
        best = front_volume(problem, reference)
        assert best == 25 + 22 + 17 + 10 + 1
        runs = []
        for name, strategy in (("random", RandomSearch(seed=1)), ("grid", GridSearch())):
            study = Study(None, problem, strategy, reference=reference)
            study.run(Budget(trials=36))
            run = study.to_run(name=name, oracle=best, clock="trials", reference=reference)
            told = {
                one.payload["trial"]: one.payload["hypervolume"]
                for one in study.events()
                if one.kind == "front"
            }
            assert {n: run.trajectory[n].value for n in told} == pytest.approx(told)
            values = [point.value for point in run.trajectory]
            assert values == sorted(values)
            assert values[-1] == pytest.approx(best)
            runs.append(run)
        assert {run.metric for run in runs} == {"hypervolume (gain > 0, loss < 21)"}
        assert {row.strategy for row in compare_runs(runs, at=10).rows} == {"random", "grid"}
        elsewhere = study.to_run(
            name="other", oracle=best, clock="trials", reference={"gain": 0, "loss": 30}
        )
        with pytest.raises(IncomparableRunsError, match="metric is"):
            compare_runs([*runs, elsewhere])

    def test_shorter_evaluations_are_not_compared_with_whole_ones(self) -> None:
        study = Study(
            None, FunctionProblem(CHOICES, objectives=["value"], fidelities=[1, 3]), RandomSearch()
        )
        trial = study.ask()
        assert trial is not None
        trial.candidate = Candidate(arch=trial.arch, fidelity=1)
        study.tell(trial, 99.0)
        assert study.best is None
        assert study.front == study.top(3) == []

    def test_the_front_of_nas_bench_201_is_the_published_one(self, published: BenchClient) -> None:
        problem = TableProblem(
            published,
            "nasbench201",
            "cifar10-valid",
            objectives=["valid_acc", "parameters"],
        )
        problem.load()
        study = Study(None, problem, GridSearch())
        study.run(Budget(trials=15_625))
        found = [(round(1e6 * one.parameters), round(one.valid_acc, 4)) for one in study.front]
        assert found == [
            *((1_073_466, 91.6067), (587_386, 91.568), (559_386, 91.344), (400_346, 90.834)),
            *((344_346, 90.724), (316_346, 89.512), (157_306, 88.654), (129_306, 88.228)),
            *((101_306, 87.292), (73_306, 84.664)),
        ]
        reference = {"valid_acc": 0, "parameters": 1.531546}
        assert study.hypervolume(reference) == pytest.approx(132.44799, abs=5e-5)
        assert front_volume(problem, reference) == study.hypervolume(reference)


class TestTables:
    """Studies on benchmarks."""

    def test_random_search_evaluates_everything_once(self, cells: BenchClient) -> None:
        study = Study(None, TableProblem(cells, "nasbench101", num_epochs=12), RandomSearch())
        study.run(Budget(cost=1e9))
        archs = [trial.arch for trial in study.trials]
        assert len(archs) == len(set(archs)) == 92

    def test_the_best_knows_every_figure_of_its_row(self, published: BenchClient) -> None:
        problem = TableProblem(published, "nasbench201", "cifar10-valid")
        study = Study(None, problem, RegularizedEvolution(population_size=10, sample_size=3))
        study.run(Budget(trials=60))
        assert study.best is not None
        (item,) = published.query_nb201(study.best.arch, 200, "cifar10-valid")
        assert study.best.valid_acc == item.valid_acc
        assert study.best.ori_test_acc == item.ori_test_acc

    @pytest.mark.parametrize("workers", [1, 4])
    def test_trials_under_way_are_proposed_ahead(self, cells: BenchClient, workers: int) -> None:
        problem = TableProblem(cells, "nasbench101", num_epochs=12)
        asked: list[int] = []
        study = Study(None, problem, RegularizedEvolution(population_size=6, sample_size=3))
        under_way = 0

        def watch(event: Event) -> None:
            nonlocal under_way
            if event.kind == "trial.asked":
                asked.append(under_way)
                under_way += 1
            elif event.kind == "trial.told":
                under_way -= 1

        study.subscribe(watch)
        study.run(Budget(trials=20), workers=workers)
        assert asked[workers:] == [workers - 1] * (20 - workers)
        assert [
            one.number for one in sorted(study.trials, key=lambda one: one.told_order or 0)
        ] == [*range(20)]

    @pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
    def test_a_longer_training_costs_what_lies_beyond_a_shorter_one(
        self, sample_database: Path
    ) -> None:
        with BenchClient.local(sample_database.parent) as bench:
            problem = TableProblem(
                bench, "nasbench201", "cifar10-valid", num_epochs=12, fidelities=[1, 3, 12]
            )
            study = Study(None, problem, RandomSearch())
            trial = study.ask()
            assert trial is not None
            costs = []
            for fidelity in (1, 3, None):
                if trial.told is not None:
                    again = study.ask()
                    assert again is not None
                    trial = again
                trial.candidate = Candidate(arch=study._trials[0].arch, fidelity=fidelity)
                study.conclude(trial, problem.evaluate(trial.candidate))
                costs.append(trial.cost)
            whole = problem.evaluate(trial.candidate).cost
            assert costs == pytest.approx([whole / 12, whole * 2 / 12, whole * 9 / 12])

    def test_a_repeat_is_free_where_it_may_be(self, cells: BenchClient) -> None:
        for free in (True, False):
            problem = TableProblem(cells, "nasbench101", num_epochs=12, free_repeats=free)
            study = Study(None, problem, RandomSearch())
            first, second = study.ask(), study.ask()
            assert first is not None
            assert second is not None
            second.candidate = first.candidate
            for trial in (first, second):
                study.conclude(trial, problem.evaluate(trial.candidate))
            assert second.cost == (0.0 if free else first.cost)

    def test_a_study_is_a_run_on_a_simulated_clock(self, cells: BenchClient) -> None:
        problem = TableProblem(cells, "nasbench101", num_epochs=12)
        study = Study(None, problem, RandomSearch(seed=4))
        study.run(Budget(cost=192.0 * 20))
        run = study.to_run(budget=192.0 * 20, oracle=problem.optimum(), name="random")
        clock = cells.simulate("nasbench101", None, 12, budget=192.0 * 20)
        for trial in study.trials:
            clock.evaluate(trial.arch)
        assert [point.time for point in run.trajectory] == [one.time for one in clock.trajectory]
        assert [point.best for point in run.trajectory] == [one.best for one in clock.trajectory]
        assert (run.strategy, run.seed, run.metric) == ("random", 4, "valid_acc")

    def test_trials_are_a_clock_where_there_is_no_other(self, tmp_path: Path) -> None:
        figures = {(x, y): {"value": 10.0 * x + y} for x in range(4) for y in range(4)}
        problem = FiguresProblem({"x": range(4), "y": range(4)}, figures)
        runs = []
        for name, strategy in (("random", RandomSearch(seed=1)), ("grid", GridSearch())):
            study = Study(None, problem, strategy)
            with pytest.raises(IncomparableRunsError, match=r"took any time$"):
                study.to_run()
            study.run(Budget(trials=9))
            with pytest.raises(IncomparableRunsError, match="clock='trials' counts trials"):
                study.to_run()
            with pytest.raises(ValueError, match="is 'trial'; it is seconds or trials"):
                study.to_run(clock="trial")  # type: ignore[arg-type]
            runs.append(study.to_run(oracle=problem.optimum(), name=name, clock="trials"))
            best = [max(one.value for one in study.trials[: n + 1]) for n in range(9)]
            assert [point.best for point in runs[-1].trajectory] == best
        assert [point.time for point in runs[0].trajectory] == list(range(1, 10))
        random, grid = regret_bands(runs, times=[1, 9])
        assert (random.clock, grid.median) == ("trials", [33.0, 13.0])
        runs[0].write(tmp_path / "run.json")
        assert RecordedRun.read(tmp_path / "run.json") == runs[0]
        axes = plot_regret([random, grid], tmp_path / "regret.svg")
        assert axes.get_xlabel() == "trials"
        other = FiguresProblem({"x": range(4), "y": range(4)}, {**figures, (0, 0): {"value": 9.0}})
        elsewhere = Study(None, other, RandomSearch(seed=2))
        elsewhere.run(Budget(trials=9))
        with pytest.raises(IncomparableRunsError, match="benchmark is"):
            regret_bands([runs[0], elsewhere.to_run(oracle=33.0, clock="trials")])
