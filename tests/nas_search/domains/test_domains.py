"""What every domain keeps to, whatever it draws from."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import model_hub
from bench_client import BenchClient
from bench_client.operations import drive
from model_hub import Categorical, Derived, InvalidSampleError, SearchSpace, Subset, When, repeat
from nas_search.contract import Domain, Proposal
from nas_search.domains import (
    AdmittedDomain,
    HubDomain,
    Refusal,
    choice_domain,
    served_domain,
    walk,
)
from nas_search.errors import NoFeasibleError, ProblemError
from nas_search.strategies.draws import generator_of


def _no_two_equal(sample: Any) -> None:
    if sample["a"] == sample.get("b"):
        raise InvalidSampleError("distinct", "a and b are equal")


CONDITIONAL = SearchSpace(
    "conditional",
    (
        *repeat("depth", (1, 2, 3), lambda i: [Categorical(f"kernel{i}", (3, 5))]),
        Subset("inputs", (0, 1, 2, 3), n_chosen=2),
        Subset("taps", (0, 1)),
        Categorical("skip", (True, False), prior=(0.9, 0.1)),
        Categorical("scale", (1, 2), only_if=When("skip", (True,))),
    ),
)
CONSTRAINED = SearchSpace(
    "constrained",
    (Categorical("a", (0, 1, 2)), Categorical("b", (0, 1, 2)), Categorical("c", (0, 1))),
    (Derived("distinct", _no_two_equal),),
)

NEW: dict[str, Callable[[], Domain]] = {
    "nasbench201": lambda: served_domain("nasbench201"),
    "size space": lambda: served_domain("natssss"),
    "choices": lambda: choice_domain({"depth": [1, 2, 3], "kind": ["a", 1, True, 1.5], "x": [0]}),
    "vast": lambda: choice_domain({f"x{place}": list(range(9)) for place in range(30)}),
    "conditional": lambda: HubDomain(CONDITIONAL),
    "constrained": lambda: HubDomain(CONSTRAINED),
    "hub": lambda: HubDomain(model_hub.space("ProxylessNAS").choices),
    "cells of the hub": lambda: HubDomain(model_hub.space("NasBench101").choices),
}
SPACES_WITH_DEPTHS = ("conditional", "hub", "cells of the hub")
"""A change may add choices, which are drawn."""

every_domain = pytest.mark.parametrize("name", NEW)


def _nobody(_: Any) -> Any:
    pytest.fail("this domain asks nobody")


def now(proposal: Proposal[Any]) -> Any:
    return drive(proposal, _nobody)


@every_domain
@given(seed=st.integers(0, 2**32), probability=st.floats(0, 1))
@settings(max_examples=15)
def test_what_is_drawn_is_spelled_in_one_way_and_differs_as_it_should(
    name: str, seed: int, probability: float
) -> None:
    domain, rng = NEW[name](), generator_of(seed)
    first, second = (now(domain.sample(rng)) for _ in range(2))
    assert first != second
    child = now(domain.crossover(first, second, rng))
    neighbor = now(domain.neighbor(first, rng))
    mutant = now(domain.mutate(first, rng, probability))
    assert first not in (neighbor, mutant)
    if name in SPACES_WITH_DEPTHS:
        before, after = json.loads(first), json.loads(neighbor)
        assert sum(before[label] != after.get(label, before[label]) for label in before) == 1
    else:
        assert neighbor in now(domain.neighbors(first))
    for arch in (first, second, neighbor, mutant, child):
        if arch is None:
            assert name == "constrained"
            continue
        positions = domain.values(arch)
        assert len(positions) == len(domain.labels)
        for label, place in zip(domain.labels, positions, strict=True):
            assert -1 <= place < len(domain.candidates(label))
        assert now(domain.compose(positions)) == arch
        vector = domain.encode(arch)
        assert vector.shape == (sum(len(domain.candidates(label)) for label in domain.labels),)
        assert vector.sum() == sum(place >= 0 for place in positions)
    assert not np.array_equal(domain.encode(first), domain.encode(second))


@every_domain
@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_neighbors_are_distinct_in_a_fixed_order_and_those_of_one_way_lead_back(
    name: str, seed: int
) -> None:
    domain, rng = NEW[name](), generator_of(seed)
    arch = now(domain.sample(rng))
    around = now(domain.neighbors(arch))
    assert around == now(NEW[name]().neighbors(arch))
    assert len(set(around)) == len(around)
    assert arch not in around
    if name in ("nasbench201", "size space", "choices", "constrained"):
        assert all(arch in now(domain.neighbors(one)) for one in around)


@every_domain
def test_a_seed_repeats_draws_and_another_seed_does_not(name: str) -> None:
    def drawn(seed: int) -> list[str]:
        domain, rng = NEW[name](), generator_of(seed)
        return [now(domain.sample(rng)) for _ in range(8)]

    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", ["nasbench201", "choices", "conditional", "constrained"])
def test_samples_and_the_grid_pass_through_all_once(name: str) -> None:
    domain, rng = NEW[name](), generator_of(3)
    every = list(walk(domain))
    assert len(set(every)) == len(every)
    assert len(every) == (12 if name == "constrained" else domain.size)
    drawn = list(iter(lambda: now(domain.sample(rng)), None))
    assert sorted(drawn) == sorted(every)
    assert drawn != every


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_neighbors_of_nas_bench_201_are_those_of_the_benchmark(sample_database: Any) -> None:
    domain = served_domain("nasbench201")
    with BenchClient.local(sample_database.parent) as bench:
        for arch in islice(walk(domain), 0, 15_625, 1_999):
            served = {one.arch_str for one in bench.neighbors("nasbench201", arch)}
            assert set(now(domain.neighbors(arch))) == served
            assert len(served) == 24


def test_draws_are_uniform_among_what_is_left() -> None:
    counts: dict[str, int] = {}
    for seed in range(4_000):
        domain, rng = choice_domain({"x": [0, 1, 2, 3]}), generator_of(seed)
        second = [now(domain.sample(rng)) for _ in range(2)][1]
        counts[second] = counts.get(second, 0) + 1
    assert len(counts) == 4
    assert all(900 < count < 1_100 for count in counts.values())


@pytest.mark.parametrize(
    "arch", ["", "x", "{}", "[]", '{"depth": 9, "kind": "a", "x": 0}', "|a~0|"]
)
@pytest.mark.parametrize("name", ["nasbench201", "size space", "choices", "conditional"])
def test_what_is_no_architecture_is_refused(name: str, arch: str) -> None:
    with pytest.raises(ProblemError, match="is no architecture of this domain"):
        NEW[name]().values(arch)


def test_an_architecture_in_another_spelling_is_refused() -> None:
    with pytest.raises(ProblemError, match="not in the canonical spelling of this domain"):
        NEW["choices"]().values('{"depth":1,"kind":"a","x":0}')
    with pytest.raises(ProblemError):
        NEW["size space"]().values("08:8:8:8:8")


@pytest.mark.parametrize("positions", [(), (0,), (9, 0, 0), (-1, 0, 0), (0, 0, 0, 0)])
def test_positions_that_make_no_architecture_compose_none(positions: tuple[int, ...]) -> None:
    assert now(NEW["choices"]().compose(positions)) is None


@pytest.mark.parametrize(
    "choices",
    [{}, {"a": []}, {"a": "abc"}, {"a": [1, 1]}, {"a": [float("nan")]}, {"a": [{1}]}, {1: [1]}],
)
def test_choices_that_mean_nothing_are_refused(choices: Any) -> None:
    with pytest.raises(ProblemError):
        choice_domain(choices)


def test_a_benchmark_that_cannot_be_searched_is_refused() -> None:
    with pytest.raises(
        ProblemError, match=r"'nds' cannot be searched; those of nasbench101.*nds_problem"
    ):
        served_domain("nds")


class TestCells:
    """NAS-Bench-101, whose cells are asked for."""

    @pytest.fixture
    def ask(self, cells: BenchClient) -> Callable[[Proposal[Any]], Any]:
        return lambda proposal: drive(proposal, lambda ask: ask(cells))

    def test_all_cells_are_drawn_once(self, ask: Callable[[Proposal[Any]], Any]) -> None:
        domain, rng = served_domain("nasbench101"), generator_of(0)
        drawn = list(iter(lambda: ask(domain.sample(rng)), None))
        assert len(drawn) == len(set(drawn)) == domain.size == 92

    def test_a_cell_is_what_its_positions_compose(
        self, ask: Callable[[Proposal[Any]], Any]
    ) -> None:
        domain, rng = served_domain("nasbench101"), generator_of(0)
        for _ in range(92):
            arch = ask(domain.sample(rng))
            assert ask(domain.compose(domain.values(arch))) == arch
            assert domain.encode(arch).shape == (21 * 2 + 5 * 3,)

    def test_children_have_runs(self, ask: Callable[[Proposal[Any]], Any]) -> None:
        domain, rng = served_domain("nasbench101"), generator_of(0)
        every = set(iter(lambda: ask(domain.sample(rng)), None))
        first, second = sorted(every)[1:3]  # the first one is the golden cell, which stands alone
        assert ask(domain.neighbor(first, rng)) in set(ask(domain.neighbors(first))) & every
        assert ask(domain.mutate(first, rng, 0.05)) in every - {first}
        assert ask(domain.mutate(first, rng, 0.0)) in ask(domain.neighbors(first))
        assert ask(domain.crossover(first, second, rng)) in every

    def test_positions_that_make_no_cell_compose_none(
        self, ask: Callable[[Proposal[Any]], Any]
    ) -> None:
        domain = served_domain("nasbench101")
        assert ask(domain.compose([0] * 26)) is None
        assert ask(domain.compose([1] * 21 + [0] * 5)) is None
        assert ask(domain.compose([])) is None

    def test_the_grid_passes_through_all_by_their_hashes(
        self, cells: BenchClient, ask: Callable[[Proposal[Any]], Any]
    ) -> None:
        domain, rng = served_domain("nasbench101"), generator_of(0)
        every = list(walk(domain, lambda question: question(cells)))
        assert every == sorted(iter(lambda: ask(domain.sample(rng)), None))
        assert len(every) == domain.size == 92
        assert all(ask(domain.compose(domain.values(arch))) == arch for arch in every)
        with pytest.raises(ProblemError, match="asks a benchmark, and none was given"):
            next(walk(served_domain("nasbench101")))


class TestAdmitted:
    """What a problem refuses."""

    @staticmethod
    def even(tries: int = 10_000) -> AdmittedDomain:
        def screen(archs: Any) -> Proposal[list[Refusal | None]]:
            yield from ()
            values = [sum(inner.values(arch)) for arch in archs]
            return [Refusal("sum", value, 2.0) if value % 2 else None for value in values]

        inner = choice_domain({f"x{place}": [0, 1, 2] for place in range(4)})
        return AdmittedDomain(inner, screen, tries=tries)

    @given(seed=st.integers(0, 2**32))
    @settings(max_examples=20)
    def test_all_draws_are_admitted(self, seed: int) -> None:
        domain, rng = self.even(), generator_of(seed)
        first, second = (now(domain.sample(rng)) for _ in range(2))
        drawn = [
            now(domain.neighbor(first, rng)),
            now(domain.mutate(first, rng, 0.3)),
            now(domain.crossover(first, second, rng)),
            *now(domain.neighbors(first)),
        ]
        # One of ones alone has no even neighbor, and then none is drawn.
        assert (drawn[0] is None) == (now(domain.neighbors(first)) == ())
        admitted = [first, second, *(arch for arch in drawn if arch is not None)]
        assert all(sum(domain.values(arch)) % 2 == 0 for arch in admitted)
        assert now(domain.compose([1, 0, 0, 0])) is None
        assert domain.refused["sum"] > 0

    def test_all_that_are_admitted_are_drawn_once(self) -> None:
        domain, rng = self.even(), generator_of(1)
        drawn = list(iter(lambda: now(domain.sample(rng)), None))
        assert len(drawn) == len(set(drawn)) == 41
        assert domain.refused == {"sum": 40}

    def test_the_grid_leaves_out_what_is_refused(self) -> None:
        every = list(walk(self.even()))
        assert every == [
            arch
            for arch in walk(choice_domain({f"x{place}": [0, 1, 2] for place in range(4)}))
            if sum(json.loads(arch).values()) % 2 == 0
        ]
        assert len(every) == 41

    def test_neighbors_are_drawn_uniformly(self) -> None:
        domain, rng = self.even(), generator_of(1)
        around = now(domain.neighbors(now(domain.compose([1, 1, 0, 0]))))
        counts = dict.fromkeys(around, 0)
        start = now(domain.compose([1, 1, 0, 0]))
        for _ in range(1_000 * len(around)):
            counts[now(domain.neighbor(start, rng))] += 1
        assert all(850 < count < 1_150 for count in counts.values())

    def test_bounds_that_nothing_meets_end_a_search_with_the_nearest(self) -> None:
        def screen(archs: Any) -> Proposal[list[Refusal | None]]:
            yield from ()
            return [Refusal("sum", float(sum(inner.values(arch))), -1.0) for arch in archs]

        inner = choice_domain({"x": [3, 4, 5], "y": [1, 2]})
        told = r"all architectures are refused \(sum: 6, the nearest 0 where the bound is -1\)"
        with pytest.raises(NoFeasibleError, match=told):
            now(AdmittedDomain(inner, screen).sample(generator_of(0)))
        with pytest.raises(NoFeasibleError, match=told):
            list(walk(AdmittedDomain(inner, screen)))
        inner = choice_domain({"x": list(range(99))})
        with pytest.raises(NoFeasibleError, match=r"^7 draws in a row are refused \(sum: 7"):
            now(AdmittedDomain(inner, screen, tries=7).sample(generator_of(0)))
        inner = choice_domain({"x": list(range(199))})
        with pytest.raises(NoFeasibleError, match=r"^100 architectures of the grid are refused"):
            list(walk(AdmittedDomain(inner, screen, tries=1)))
