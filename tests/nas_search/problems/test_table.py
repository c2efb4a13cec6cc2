"""Problems on tables: what is looked up, refused and expected."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from measuring import unmeasured

from bench_client import AsyncBenchClient, BenchClient, BenchmarkNotInstalledError
from bench_client.operations import drive
from nas_search.contract import Candidate, Proposal
from nas_search.domains import served_domain, walk
from nas_search.errors import NoFeasibleError, ProblemError
from nas_search.problems import (
    DeclaredProblem,
    FiguresProblem,
    ServiceTraining,
    TableProblem,
    nds_problem,
    random_expectation,
)
from nas_search.strategies.draws import generator_of

OPTIMUM = 91.6067


@pytest.fixture(scope="module")
def problem(problem_of: Callable[..., TableProblem]) -> TableProblem:
    return problem_of()


@pytest.fixture
def small(sample_database: Path) -> TableProblem:
    """Twelve architectures of NAS-Bench-201 alone are recorded."""
    bench = BenchClient.local(sample_database.parent)
    return TableProblem(bench, "nasbench201", "cifar10-valid")


@pytest.fixture(scope="module")
def problem_of(published: BenchClient) -> Callable[..., TableProblem]:
    """Makes problems on the published table: for equal arguments one, with what it looked up."""

    @cache
    def made(
        num_epochs: int = 200, dataset: str = "cifar10-valid", metric: str = "valid_acc"
    ) -> TableProblem:
        return TableProblem(
            published, "nasbench201", dataset, num_epochs=num_epochs, objectives=[metric]
        )

    return made


@pytest.fixture(scope="module")
@unmeasured()
def neighbors() -> dict[str, tuple[str, ...]]:
    """Those of every architecture of NAS-Bench-201."""
    domain = served_domain("nasbench201")
    return {arch: drive(domain.neighbors(arch), _nobody) for arch in walk(domain)}


def _nobody(ask: Callable[[Any], Any]) -> Any:
    pytest.fail(f"asked {ask}")


def run(problem: TableProblem, proposal: Proposal[Any]) -> Any:
    return drive(proposal, problem.answer)


def test_a_row_is_what_the_benchmark_answers(published: BenchClient, problem: TableProblem) -> None:
    arch = next(walk(problem.domain(), problem.answer))
    (item,) = published.query_nb201(arch, 200, "cifar10-valid", reduction="mean")
    outcome = problem.evaluate(Candidate(arch=arch))
    assert outcome.metrics["valid_acc"] == item.valid_acc
    assert outcome.metrics["ori_test_acc"] == item.ori_test_acc
    assert outcome.cost == item.training_time == 2000.0
    assert outcome.error is None


def test_the_longest_budget_is_the_default(problem: TableProblem) -> None:
    assert problem.num_epochs == 200


def test_everything_is_loaded_as_it_is_looked_up(
    published: BenchClient, problem_of: Callable[..., TableProblem]
) -> None:
    one = TableProblem(published, "nasbench201", "cifar100", num_epochs=12)
    all_at_once = problem_of(12, "cifar100")
    arch = next(walk(one.domain(), one.answer))
    all_at_once.load()
    assert all_at_once.evaluate(Candidate(arch=arch)) == one.evaluate(Candidate(arch=arch))
    assert len(all_at_once.table()) == 15_625


@pytest.mark.parametrize(
    ("objective", "maximise"),
    [("valid_acc", True), ("parameters", False), ("-valid_acc", False), ("-parameters", False)],
)
def test_directions_come_from_the_units(
    published: BenchClient,
    objective: str,
    maximise: bool,  # noqa: FBT001
) -> None:
    problem = TableProblem(published, "nasbench201", "cifar10-valid", objectives=[objective])
    assert problem.goals.objectives[0].maximise is maximise


def test_an_unknown_metric_is_refused_with_the_nearest(published: BenchClient) -> None:
    with pytest.raises(ProblemError, match="unknown metric 'valid_accuracy'; is it valid_acc"):
        TableProblem(published, "nasbench201", "cifar100", objectives=["valid_accuracy"])
    with pytest.raises(ProblemError, match="unknown metric 'flop'"):
        TableProblem(published, "nasbench201", "cifar100", bounds={"flop": (None, 1)})


def test_a_metric_that_the_table_lacks_there_is_refused(published: BenchClient) -> None:
    with pytest.raises(ProblemError, match="has no valid_acc on cifar100 at 200 epochs"):
        TableProblem(published, "nasbench201", "cifar100")
    with pytest.raises(ProblemError, match="has no flops on cifar10-valid"):
        TableProblem(published, "nasbench201", "cifar10-valid", bounds={"flops": (None, 1)})


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (None, "say which dataset of nasbench201: cifar10-valid, cifar10, cifar100, imagenet16"),
        ("cifar", "unknown data set 'cifar'"),
        (10, "unknown data set '10'"),
    ],
)
def test_a_data_set_that_is_none_is_refused(
    published: BenchClient, dataset: Any, said: str
) -> None:
    with pytest.raises(ProblemError, match=said):
        TableProblem(published, "nasbench201", dataset)


@pytest.mark.parametrize("bench", [None, "http://localhost", BenchClient, AsyncBenchClient])
def test_what_is_no_client_is_refused(bench: Any) -> None:
    for make in (
        lambda: TableProblem(bench, "nasbench201", "cifar100"),
        lambda: DeclaredProblem(bench, "nasbenchmacro"),
        lambda: nds_problem(bench, "darts"),
        lambda: ServiceTraining(bench, "tiny", {"epochs": 1}),
    ):
        with pytest.raises(ProblemError, match=r"give a BenchClient, such as .* BenchClient\(url"):
            make()


def test_a_benchmark_that_is_not_there_is_refused(published: BenchClient) -> None:
    with pytest.raises(BenchmarkNotInstalledError):
        TableProblem(published, "natssss", "cifar100")
    with pytest.raises(ProblemError, match="'nds' cannot be searched"):
        TableProblem(published, "nds")


@pytest.mark.parametrize("fidelities", [[0, 1], [2, 1], [1, 1], [1.0], [300], [True, 2]])
def test_fidelities_that_mean_nothing_are_refused(
    published: BenchClient, fidelities: list[Any]
) -> None:
    with pytest.raises(ProblemError, match="fidelit"):
        TableProblem(published, "nasbench201", "cifar10-valid", fidelities=fidelities)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("most", "best", "parameters", "feasible"),
    [(0.3, 88.6540, 0.157306, 4_096), (0.5, 90.8340, 0.400346, 10_240)],
)
def test_the_best_within_a_bound_is_the_published_one(
    published: BenchClient, most: float, best: float, parameters: float, feasible: int
) -> None:
    bounds = {"parameters": (None, most)}
    problem = TableProblem(published, "nasbench201", "cifar10-valid", bounds=bounds)
    table = problem.table()
    assert len(table) == feasible
    found = max(table.values(), key=lambda metrics: metrics["valid_acc"])
    assert found["valid_acc"] == pytest.approx(best, abs=5e-5)
    assert found["parameters"] == pytest.approx(parameters, abs=5e-7)
    domain, rng = problem.domain(), generator_of(0)
    drawn = list(iter(lambda: run(problem, domain.sample(rng)), None))
    assert sorted(drawn) == sorted(table)


@pytest.mark.usefixtures("unmeasured")
def test_bounds_that_nothing_meets_end_a_search_with_the_smallest_cost(
    published: BenchClient,
) -> None:
    bounds = {"parameters": (None, 0.05)}
    problem = TableProblem(published, "nasbench201", "cifar10-valid", bounds=bounds)
    told = r"10,000 draws in a row are refused \(parameters: 10,000, the nearest 0.073306"
    with pytest.raises(NoFeasibleError, match=told):
        run(problem, problem.domain().sample(generator_of(0)))


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_what_is_not_recorded_is_passed_over_and_counted(small: TableProblem) -> None:
    for seed in range(5):
        domain, rng = small.domain(), generator_of(seed)
        drawn = list(iter(lambda: run(small, domain.sample(rng)), None))  # noqa: B023
        assert len(drawn) == len(set(drawn)) == 12
        assert domain.refused == {"unrecorded": 15_613}  # type: ignore[attr-defined]
    assert small.evaluate(Candidate(arch=drawn[0])).error is None


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_what_is_not_recorded_fails_where_it_is_evaluated_all_the_same(
    small: TableProblem,
) -> None:
    outcomes = [
        small.evaluate(Candidate(arch=arch))
        for arch in islice(walk(served_domain("nasbench201")), 50)
    ]
    assert any("no training run is recorded" in (one.error or "") for one in outcomes)


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_a_run_can_be_chosen_and_a_shorter_training_be_read_off_its_curve(
    sample_database: Path,
) -> None:
    with BenchClient.local(sample_database.parent) as bench:
        problem = TableProblem(
            bench, "nasbench201", "cifar10-valid", num_epochs=12, fidelities=[1, 3, 12], run_seed=3
        )
        arch = run(problem, problem.domain().sample(generator_of(0)))
        clock = bench.simulate("nasbench201", "cifar10-valid", 12, budget=1e9, seed=3)
        for epoch in (3, 12):
            outcome = problem.evaluate(Candidate(arch=arch, fidelity=epoch))
            found = clock.evaluate(arch, stop_after=epoch)
            assert outcome.metrics["valid_acc"] == found.value
            assert outcome.cost == pytest.approx(found.cost)
        assert problem.continues


def test_cells_are_searched_without_a_data_set(cells: BenchClient) -> None:
    problem = TableProblem(cells, "nasbench101", num_epochs=12)
    assert problem.dataset == "cifar10"
    arch = run(problem, problem.domain().sample(generator_of(0)))
    assert problem.evaluate(Candidate(arch=arch)).cost > 0
    assert len(problem.table()) == 92


def test_problems_are_equal_by_their_content(published: BenchClient, problem: TableProblem) -> None:
    again = TableProblem(published, "nasbench201", "CIFAR10-valid", objectives=["valid_acc"])
    assert again.spec == problem.spec
    assert problem.spec["content_digest"].startswith("sha256:")


class TestExpectation:
    """Random search, exactly."""

    @pytest.mark.usefixtures("unmeasured")
    @pytest.mark.parametrize(
        ("num_epochs", "num_draws", "mean", "std", "test"),
        [
            (12, 10, 80.6246, 2.4814, 92.5747),
            (12, 100, 83.6980, 0.5705, 93.7246),
            (12, 1_000, 84.4839, 0.2261, 94.0687),
            (200, 10, 89.9735, 0.7077, 93.0295),
            (200, 100, 91.0304, 0.2883, 93.7816),
            (200, 1_000, 91.4403, 0.1173, 94.0857),
        ],
    )
    def test_it_is_the_published_table_s(
        self,
        problem_of: Callable[..., TableProblem],
        num_epochs: int,
        num_draws: int,
        mean: float,
        std: float,
        test: float,
    ) -> None:
        final = problem_of(metric="ori_test_acc")
        found = random_expectation(problem_of(num_epochs), num_draws, final)
        assert found.mean == pytest.approx(mean, abs=6e-5)
        assert found.std == pytest.approx(std, abs=6e-5)
        # Which of equal values is picked depends on the order of the table.
        assert found.other == pytest.approx(test, abs=3e-4)

    @pytest.mark.usefixtures("unmeasured")
    def test_one_draw_is_the_mean_and_all_draws_are_the_best(self, problem: TableProblem) -> None:
        values = [metrics["valid_acc"] for metrics in problem.table().values()]
        one, every = random_expectation(problem, 1), random_expectation(problem, len(values))
        assert one.mean == pytest.approx(statistics.mean(values))
        assert one.std == pytest.approx(statistics.pstdev(values))
        assert (every.mean, every.std) == pytest.approx((OPTIMUM, 0.0), abs=5e-5)

    def test_what_is_minimised_is_expected_small(self, problem: TableProblem) -> None:
        small = FiguresProblem(None, problem.table(), objectives=["-parameters"])
        found = random_expectation(small, 1_000, "valid_acc")
        assert found.mean == pytest.approx(0.0733, abs=1e-3)
        assert found.other is not None
        assert math.isfinite(found.other)

    @pytest.mark.parametrize("num_draws", [0, -1, 15_626])
    def test_more_draws_than_there_are_are_refused(
        self, problem: TableProblem, num_draws: int
    ) -> None:
        with pytest.raises(ProblemError, match="there are 15625 architectures"):
            random_expectation(problem, num_draws)

    def test_a_metric_that_is_not_there_is_refused(self, problem: TableProblem) -> None:
        with pytest.raises(ProblemError, match="has no test_acc recorded"):
            random_expectation(problem, 10, "test_acc")


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("chosen", "best", "optima", "share", "moves"),
    [
        ((200, "cifar10-valid", "valid_acc"), 91.6067, (18, 18), 50.2, 4.44),
        ((200, "cifar10-valid", "ori_test_acc"), 94.3733, (22, 22), 70.3, 4.52),
        ((12, "cifar10-valid", "valid_acc"), 84.8920, (21, 21), 49.1, 4.48),
        ((12, "cifar100", "valid_acc"), 61.3200, (34, 35), 38.6, 4.2),
        ((12, "imagenet16-120", "valid_acc"), 38.6667, (24, 25), 32.4, 4.0),
    ],
)
def test_the_landscape_is_the_published_one(
    problem_of: Callable[..., TableProblem],
    neighbors: dict[str, tuple[str, ...]],
    chosen: tuple[int, str, str],
    best: float,
    optima: tuple[int, int],
    share: float,
    moves: float,
) -> None:
    table = problem_of(*chosen).table()
    values = {arch: metrics[chosen[-1]] for arch, metrics in table.items()}
    assert len(values) == 15_625
    higher: dict[str, str] = {}
    num_optima = 0
    for arch, value in values.items():
        top = max(neighbors[arch], key=values.__getitem__)
        num_optima += values[top] <= value
        higher[arch] = top if values[top] > value else arch
    highest = max(values.values())
    assert highest == pytest.approx(best, abs=5e-5)
    assert optima[0] <= num_optima <= optima[1]
    ends, steps = _climbed(values, higher)
    reached = sum(values[end] == highest for end in ends) / len(ends)
    assert 100 * reached == pytest.approx(share, abs=0.3)
    assert statistics.mean(steps) == pytest.approx(moves, abs=0.05)


def _climbed(values: dict[str, float], higher: dict[str, str]) -> tuple[list[str], list[int]]:
    """Return where steepest ascent ends from every architecture, and after how many moves."""
    ends: dict[str, tuple[str, int]] = {}
    for arch in sorted(values, key=lambda one: -values[one]):
        above = higher[arch]
        end, steps = (arch, -1) if above == arch else ends[above]
        ends[arch] = (end, steps + 1)
    return [end for end, _ in ends.values()], [steps for _, steps in ends.values()]


def test_a_table_needs_no_question_for_a_draw(problem: TableProblem) -> None:
    domain, rng = problem.domain(), generator_of(0)
    arch = drive(domain.sample(rng), _nobody)
    assert drive(domain.neighbor(arch or "", rng), _nobody)
