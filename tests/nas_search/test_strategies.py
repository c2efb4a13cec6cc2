from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    BenchmarkNotInstalledError,
    NotRecordedError,
    Simulation,
)
from nas_search.strategies import (
    NothingLearnedWarning,
    RandomSearch,
    RegularizedEvolution,
    ServedSpace,
    Strategy,
    search,
    search_async,
)
from nas_search.strategies.draws import drawn_below, drawn_sample, generator_of

NEW: dict[str, Callable[[int], Strategy]] = {
    "random": lambda seed: RandomSearch(seed=seed),
    "evolution": lambda seed: RegularizedEvolution(population_size=10, sample_size=3, seed=seed),
}
new_strategy = pytest.mark.parametrize("new", NEW.values(), ids=list(NEW))


def found_by(strategy: Strategy, bench: BenchClient, simulation: Simulation) -> list[str]:
    search(strategy, bench, simulation)
    return [one.arch for one in simulation.evaluations]


@new_strategy
def test_a_search_ends_at_the_budget(
    new: Callable[[int], Strategy], cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    simulation = simulate(192.0 * 40 + 1.0)
    assert len(found_by(new(0), cells, simulation)) == 40
    assert simulation.remaining == pytest.approx(1.0)


@new_strategy
@pytest.mark.filterwarnings("ignore::nas_search.strategies.NothingLearnedWarning")
def test_a_search_with_a_budget_below_any_evaluation_ends_at_once(
    new: Callable[[int], Strategy], cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    assert found_by(new(0), cells, simulate(1.0)) == []


@new_strategy
def test_a_seed_repeats_a_search_and_another_seed_does_not(
    new: Callable[[int], Strategy], cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    first, again, other = (found_by(new(seed), cells, simulate()) for seed in (7, 7, 8))
    assert first == again != other


def test_random_search_evaluates_everything_once_and_then_ends(
    cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    found = found_by(RandomSearch(seed=1), cells, simulate(1e9))
    assert len(found) == len(set(found)) == 92  # 91 cells of up to 4 vertices and the golden one


def test_random_search_does_not_heed_what_it_finds() -> None:
    heedful, heedless = RandomSearch(seed=3), RandomSearch(seed=3)
    heedful.observe("x", 100.0)
    assert heedful.__dict__.keys() == heedless.__dict__.keys()
    assert heedful._rng.getstate() == heedless._rng.getstate()


def stepped(steps: Generator[Any, Any, str | None], bench: BenchClient) -> str | None:
    try:
        ask = next(steps)
        while True:
            ask = steps.send(ask(bench))
    except StopIteration as end:
        value: str | None = end.value
        return value


def test_evolution_begins_with_random_architectures_and_goes_on_with_neighbors(
    cells: BenchClient,
) -> None:
    strategy = RegularizedEvolution(population_size=5, sample_size=5, seed=0)
    space = ServedSpace("nasbench101")
    first = []
    for score in range(5):
        arch = stepped(strategy.propose(space), cells)
        assert arch is not None
        first.append(arch)
        strategy.observe(arch, float(score))
    assert len(set(first)) == 5
    child = stepped(strategy.propose(space), cells)
    # All five compete, so the last, whose score is the best, is the parent.
    assert child in {one.hash for one in cells.neighbors("nasbench101", first[-1])}


def test_the_oldest_leaves_the_population_however_good_it_is(cells: BenchClient) -> None:
    strategy = RegularizedEvolution(population_size=3, sample_size=3, seed=0)
    space = ServedSpace("nasbench101")
    best, *others = (
        one.hash for one in cells.random("nasbench101", n=60, seed=5) if one.num_vertices == 4
    )
    for _ in range(3):
        stepped(strategy.propose(space), cells)
    strategy.observe(best, 100.0)
    for score, arch in enumerate(others[:3]):
        strategy.observe(arch, float(score))
    child = stepped(strategy.propose(space), cells)
    assert child in {one.hash for one in cells.neighbors("nasbench101", others[2])}


def test_what_is_best_when_small_is_observed_with_its_sign_changed(
    cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    observed: list[float] = []

    class Watching(RandomSearch):
        def observe(self, arch: str, score: float) -> None:
            super().observe(arch, score)
            observed.append(score)

    simulation = simulate(metric="parameters")
    search(Watching(seed=0), cells, simulation)
    assert observed == [-one.value for one in simulation.evaluations]


@pytest.mark.parametrize(("population", "sample"), [(0, 0), (5, 6), (5, 0), (-1, -1)])
def test_impossible_sizes_are_refused(population: int, sample: int) -> None:
    with pytest.raises(ValueError, match="1 <= sample_size <= population_size"):
        RegularizedEvolution(population_size=population, sample_size=sample)


@pytest.mark.parametrize("seed", [1.5, "0", None])
def test_a_seed_that_is_no_integer_is_refused(seed: Any) -> None:
    for strategy in (RandomSearch, RegularizedEvolution):
        with pytest.raises(TypeError):
            strategy(seed=seed)


def test_a_space_smaller_than_a_population_is_evolved_all_the_same(
    cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    strategy = RegularizedEvolution(seed=0, population_size=200)
    found = found_by(strategy, cells, simulate(192.0 * 150))
    assert len(set(found[:92])) == 92
    assert len(found) == 150


@pytest.mark.parametrize("evaluations", [0, 1, 9, 10])
@pytest.mark.parametrize("in_flight", [None, 1, 4])
def test_a_budget_that_no_child_fits_is_warned_of_at_the_line_of_the_script(
    evaluations: int,
    in_flight: int | None,
    cells: BenchClient,
    simulate: Callable[..., Simulation],
    nasbench101_folder: Path,
) -> None:
    async def awaited() -> None:
        async with AsyncBenchClient.local(nasbench101_folder) as bench:
            simulation = bench.simulate("nasbench101", None, 12, budget=192.0 * evaluations + 1)
            await search_async(NEW["evolution"](0), bench, simulation, in_flight=in_flight or 1)

    def searched() -> None:
        if in_flight is None:
            search(NEW["evolution"](0), cells, simulate(192.0 * evaluations + 1))
        else:
            asyncio.run(awaited())

    told = f"after {evaluations} evaluations, all of them random: regularized evolution learns"
    with pytest.warns(NothingLearnedWarning, match=told) as caught:
        searched()
    assert [Path(one.filename).name for one in caught] == [Path(__file__).name]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_budget_with_room_for_a_child_is_not_warned_of(
    in_flight: int,
    cells: BenchClient,
    simulate: Callable[..., Simulation],
    nasbench101_folder: Path,
) -> None:
    async def searched() -> None:
        async with AsyncBenchClient.local(nasbench101_folder) as bench:
            simulation = bench.simulate("nasbench101", None, 12, budget=192.0 * 11 + 1)
            await search_async(NEW["evolution"](0), bench, simulation, in_flight=in_flight)

    search(NEW["evolution"](0), cells, simulate(192.0 * 11 + 1))
    search(RandomSearch(), cells, simulate(1.0))
    asyncio.run(searched())


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_proposals_without_records_are_passed_over_but_not_for_ever(
    sample_database: Path,
) -> None:
    # Hardly any neighbor of twelve architectures of NAS-Bench-201 is one of them.
    strategy = RegularizedEvolution(population_size=12, sample_size=12)
    with BenchClient.local(sample_database.parent) as bench:
        simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=1e9)
        with pytest.raises(NotRecordedError, match="has no run of nasbench201"):
            search(strategy, bench, simulation)
    assert len(simulation.evaluations) >= 12


def test_a_benchmark_that_is_not_there_ends_a_search(cells: BenchClient) -> None:
    simulation = cells.simulate("natssss", "cifar100", 90, budget=1.0)
    with pytest.raises(BenchmarkNotInstalledError):
        search(RandomSearch(), cells, simulation)


@new_strategy
def test_one_in_flight_is_the_blocking_search(
    new: Callable[[int], Strategy],
    cells: BenchClient,
    simulate: Callable[..., Simulation],
    nasbench101_folder: Path,
) -> None:
    async def searched() -> list[str]:
        async with AsyncBenchClient.local(nasbench101_folder) as bench:
            simulation = bench.simulate("nasbench101", None, 12, budget=192.0 * 40)
            await search_async(new(4), bench, simulation, in_flight=1)
            return [one.arch for one in simulation.evaluations]

    assert asyncio.run(searched()) == found_by(new(4), cells, simulate())


@new_strategy
def test_many_in_flight_find_the_same_over_http_as_on_the_files(
    new: Callable[[int], Strategy], nasbench101_folder: Path, cells_server: str
) -> None:
    async def searched(bench: AsyncBenchClient) -> list[str]:
        async with bench:
            simulation = bench.simulate("nasbench101", None, 12, budget=192.0 * 60)
            await search_async(new(4), bench, simulation, in_flight=16)
            return [one.arch for one in simulation.evaluations]

    served = asyncio.run(searched(AsyncBenchClient(cells_server)))
    assert served == asyncio.run(searched(AsyncBenchClient.local(nasbench101_folder)))
    assert len(served) == 60


def test_what_is_in_flight_at_the_end_does_not_depend_on_luck(cells_server: str) -> None:
    # The golden cell is dear; what is behind it in the queue still fits.
    async def searched() -> list[tuple[str, float]]:
        async with AsyncBenchClient(cells_server) as bench:
            simulation = bench.simulate("nasbench101", None, 108, budget=1728.0 * 20 + 800.0)
            await search_async(RandomSearch(seed=2), bench, simulation, in_flight=8)
            return [(one.arch, one.time) for one in simulation.evaluations]

    runs = [asyncio.run(searched()) for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]


def test_a_failure_in_flight_is_raised_and_nothing_is_left_behind(nasbench101_folder: Path) -> None:
    class Malformed(RandomSearch):
        def propose(self, space: ServedSpace) -> Any:
            return (yield from super().propose(space)) and "x"

    async def searched() -> int:
        async with AsyncBenchClient.local(nasbench101_folder) as bench:
            simulation = bench.simulate("nasbench101", None, 12, budget=1e9)
            with pytest.raises(ValueError, match="'x'"):
                await search_async(Malformed(), bench, simulation)
            return len(asyncio.all_tasks())

    assert asyncio.run(searched()) == 1


def test_nothing_in_flight_is_refused(nasbench101_folder: Path) -> None:
    async def searched() -> None:
        async with AsyncBenchClient.local(nasbench101_folder) as bench:
            simulation = bench.simulate("nasbench101", None, 12, budget=1.0)
            await search_async(RandomSearch(), bench, simulation, in_flight=0)

    with pytest.raises(ValueError, match="in_flight is 0"):
        asyncio.run(searched())


def test_draws_are_the_same_in_every_version() -> None:
    rng = generator_of(0)
    assert [drawn_below(rng, 1000) for _ in range(5)] == [844, 757, 420, 258, 511]
    assert drawn_sample(generator_of(1), range(10), 4) == [1, 8, 0, 4]


@given(seed=st.integers(), members=st.lists(st.integers(), unique=True), count=st.integers(0, 20))
def test_a_sample_has_distinct_members(seed: int, members: list[int], count: int) -> None:
    drawn = drawn_sample(generator_of(seed), members, count)
    assert len(drawn) == len(set(drawn)) == min(count, len(members))
    assert set(drawn) <= set(members)
