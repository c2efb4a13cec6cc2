"""Samplers of paths: fairness counted, draws that depend on seed and number alone."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import Any, ClassVar

import pytest

import model_hub
from model_hub.choices import (
    Categorical,
    Derived,
    LayerChoice,
    Sample,
    Subset,
    When,
    repeat,
)
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.search_space import SearchSpace
from nas_search.oneshot import BinnedPaths, FairPaths, SandwichPaths, UniformPaths

CELL = model_hub.space("NasBench201").choices
MOBILE = model_hub.space("ProxylessNAS").choices
SLICED = model_hub.space("AutoFormer").choices


def used(paths: Any) -> dict[str, Counter[Any]]:
    counts: dict[str, Counter[Any]] = {}
    for path in paths:
        for label, value in path.items():
            counts.setdefault(label, Counter())[value] += 1
    return counts


def sequence(sampler: Any, choices: SearchSpace, updates: int, seed: int = 0) -> list[Any]:
    return [
        path for step in range(updates) for path in sampler.paths(choices, seed=seed, step=step)
    ]


@pytest.mark.parametrize(
    "sampler",
    [
        UniformPaths(),
        FairPaths(unequal="cycle"),
        FairPaths(update="each path", unequal="cycle"),
        SandwichPaths(),
    ],
    ids=lambda one: json.dumps(one.settings),
)
@pytest.mark.parametrize("choices", [MOBILE, SLICED], ids=lambda one: one.name)
def test_paths_depend_on_seed_and_update_alone(sampler: Any, choices: SearchSpace) -> None:
    if isinstance(sampler, FairPaths) and choices is SLICED:
        sampler = FairPaths(update="each path", unequal="cycle")
    sampler.check(choices)
    forward = [sampler.paths(choices, seed=3, step=step) for step in range(8)]
    backward = [sampler.paths(choices, seed=3, step=step) for step in reversed(range(8))]
    assert forward == backward[::-1]
    assert forward != [sampler.paths(choices, seed=4, step=step) for step in range(8)]
    assert all(path == choices.validate(path) for paths in forward for path in paths)


def test_uniform_paths_draw_every_candidate_of_a_choice_alike() -> None:
    counts = used(sequence(UniformPaths(), CELL, 2000))
    for label, of_label in counts.items():
        assert len(of_label) == 5, label
        # 2,000 draws of 5: a standard deviation of 18.
        assert all(abs(count - 400) < 90 for count in of_label.values())


@pytest.mark.parametrize("update", ["summed", "each path"])
def test_after_m_fair_paths_every_candidate_was_used_exactly_once(update: Any) -> None:
    sampler = FairPaths(update=update)
    assert len(sampler.paths(CELL, seed=0, step=0)) == (5 if update == "summed" else 1)
    paths = iter(sequence(sampler, CELL, 20))
    while block := list(islice(paths, 5)):
        for label, counts in used(block).items():
            assert set(counts.values()) == {1}, label
            assert len(counts) == 5


def test_choices_are_permuted_independently_and_anew_each_time() -> None:
    paths = sequence(FairPaths(), CELL, 40)
    orders = {
        tuple(path[label] for path in paths[block : block + 5])
        for block in range(0, len(paths), 5)
        for label in CELL.labels
    }
    # 240 draws of 120 permutations: 104 distinct ones are expected.
    assert len(orders) > 80


def test_both_readings_go_through_the_same_sequence() -> None:
    summed = sequence(FairPaths(), CELL, 4)
    assert summed == sequence(FairPaths(update="each path"), CELL, 20)


def test_unequal_choices_are_refused_or_cycle() -> None:
    two_and_three = SearchSpace(
        "toy", (LayerChoice("a", ("x", "y")), LayerChoice("b", ("x", "y", "z")))
    )
    with pytest.raises(InvalidArgumentError, match="2 or 3 candidates"):
        FairPaths().check(two_and_three)
    with pytest.raises(InvalidArgumentError, match="2 or 3 candidates"):
        FairPaths().paths(two_and_three, seed=0, step=0)
    sampler = FairPaths(unequal="cycle")
    assert sampler.period(two_and_three) == 6
    counts = used(sampler.paths(two_and_three, seed=0, step=0))
    assert set(counts["a"].values()) == {3}
    assert set(counts["b"].values()) == {2}


def test_blocks_that_a_depth_drops_are_fair_where_they_are_kept() -> None:
    choices = SearchSpace(
        "toy", tuple(repeat("depth", (1, 2), lambda i: [LayerChoice(f"b{i}", ("x", "y"))]))
    )
    with pytest.raises(InvalidArgumentError, match="b1 of toy is not always active"):
        FairPaths().check(choices)
    sampler = FairPaths(unequal="cycle")
    assert sampler.period(choices) == 4
    for step in range(5):
        counts = used(sampler.paths(choices, seed=0, step=step))
        assert set(counts["depth"].values()) == {2}
        assert set(counts["b0"].values()) == {2}
        assert counts["b1"] == {"x": 1, "y": 1}


def test_the_published_mobile_space_cycles_through_24_paths() -> None:
    sampler = FairPaths(unequal="cycle")
    assert sampler.period(MOBILE) == 24
    counts = used(sampler.paths(MOBILE, seed=0, step=7))
    assert all(len(set(of_label.values())) == 1 for of_label in counts.values())
    assert sum(counts["s2_i3"].values()) == 6


def test_subsets_constraints_and_endless_periods_are_refused() -> None:
    subset = SearchSpace("toy", (Subset("a", (1, 2)),))
    with pytest.raises(InvalidArgumentError, match="takes several candidates"):
        FairPaths().check(subset)
    many = SearchSpace(
        "toy", tuple(Categorical(f"c{n}", tuple(range(n))) for n in (2, 3, 5, 7, 11))
    )
    with pytest.raises(InvalidArgumentError, match="after 2310 paths"):
        FairPaths(unequal="cycle").check(many)
    FairPaths(unequal="cycle", update="each path").check(many)

    def not_both(sample: Sample) -> None:
        if sample["a"] == sample["b"]:
            raise InvalidSampleError("b", "it is what a is")

    constrained = SearchSpace(
        "toy",
        (LayerChoice("a", ("x", "y")), LayerChoice("b", ("x", "y"))),
        derived=(Derived("rule", not_both),),
    )
    with pytest.raises(InvalidArgumentError, match="fair paths violate constraints"):
        sequence(FairPaths(), constrained, 10)


def test_a_condition_on_a_condition_is_counted_through() -> None:
    choices = SearchSpace(
        "toy",
        (
            Categorical("a", (1, 2, 3)),
            Categorical("b", (1, 2), only_if=When("a", (2, 3))),
            Categorical("c", (1, 2, 3), only_if=When("b", (2,))),
        ),
    )
    sampler = FairPaths(unequal="cycle")
    counts = used(sampler.paths(choices, seed=1, step=2))
    assert {label: set(of_label.values()) for label, of_label in counts.items()} == {
        "a": {3},
        "b": {3},
        "c": {1},
    }


class Places:
    """Costs a path by the places of its candidates."""

    settings: ClassVar[dict[str, Any]] = {"metric": "places"}

    @staticmethod
    def cost(path: dict[str, Any], /) -> float:
        return sum(list("abcd").index(value) for value in path.values())


TOY = SearchSpace("toy", tuple(LayerChoice(f"l{n}", tuple("abcd")) for n in range(4)))


def test_binned_paths_cost_what_their_bin_says() -> None:
    bins = ((0.0, 2.0), (5.0, 6.0), (10.0, 12.0))
    sampler = BinnedPaths(costs=Places(), bounds=bins)
    hits = Counter[int]()
    for (path,) in (sampler.paths(TOY, seed=0, step=step) for step in range(300)):
        (place,) = (n for n, (low, high) in enumerate(bins) if low <= Places.cost(path) <= high)
        hits[place] += 1
    assert all(70 < hits[place] < 130 for place in range(3))
    assert json.loads(json.dumps(sampler.settings))["tries"] == 500


def test_where_no_path_is_in_the_bin_another_draw_is_taken() -> None:
    sampler = BinnedPaths(costs=Places(), bounds=((90.0, 99.0),), tries=3)
    costs = {Places.cost(sampler.paths(TOY, seed=0, step=step)[0]) for step in range(50)}
    assert len(costs) > 4
    for bounds in ((), ((2.0, 1.0),), ((1.0, float("nan")),)):
        with pytest.raises(InvalidArgumentError, match=r"bin|cost"):
            BinnedPaths(costs=Places(), bounds=bounds)


def test_a_sandwich_has_the_smallest_and_the_largest() -> None:
    smallest, largest, *others = SandwichPaths().paths(SLICED, seed=0, step=0)
    assert len(others) == 2
    for choice in SLICED.choices:
        if choice.label in smallest:
            assert smallest[choice.label] == min(choice.candidates)
        assert largest[choice.label] == max(choice.candidates)
    with pytest.raises(InvalidArgumentError, match="has no numeric choices"):
        SandwichPaths().check(CELL)
    mobile = SandwichPaths(random=0).paths(MOBILE, seed=0, step=0)
    assert [path["s2_depth"] for path in mobile] == [1, 4]
