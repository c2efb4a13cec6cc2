"""Samples of any space: drawing, changing, encoding, writing, refusing."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_hub import (
    Categorical,
    Choice,
    Derived,
    InvalidArgumentError,
    InvalidSampleError,
    LayerChoice,
    SearchSpace,
    Subset,
    When,
    repeat,
)
from model_hub.choices import random_source


def no_twins(sample: Any) -> int:
    """The constraint of the space below: a one-of-n and a free subset may not be equal."""
    if sample["one"] == sample["any"]:
        raise InvalidSampleError("total", "the two lists are equal")
    return len(sample["one"] + sample["any"])


def block(place: int) -> list[Choice]:
    return [LayerChoice(f"op{place}", ("a", "b")), Categorical(f"gate{place}", (0.25, 1))]


SPACE = SearchSpace(
    "Mixed",
    (
        Categorical("width", (16, 24.5, 32), prior=(1, 2, 5)),
        *repeat("depth", (1, 2, 3), block),
        Subset("one", (0, 1, 2), n_chosen=1),
        Subset("two", ("x", "y", "z"), n_chosen=2),
        Subset("any", (0, 1)),
        Categorical("flag", (False, True)),
    ),
    (Derived("total", no_twins),),
    tolerated=frozenset({"old"}),
)

seeds = st.integers(0, 2**63)


@given(seeds)
def test_every_draw_is_in_the_space_and_canonical(seed: int) -> None:
    sample = SPACE.sample(seed)
    assert sample in SPACE
    assert list(SPACE.validate(sample).items()) == list(sample.items())


@given(seeds)
def test_decoding_undoes_encoding(seed: int) -> None:
    sample = SPACE.sample(seed)
    vector = SPACE.encode(sample)
    assert vector.shape == (len(SPACE.features),)
    assert SPACE.decode(vector) == SPACE.decode(vector.tolist()) == sample


@given(seeds)
def test_json_comes_back_as_it_went(seed: int) -> None:
    sample = SPACE.sample(seed)
    assert SPACE.from_json(SPACE.to_json(sample)) == sample
    shuffled = dict(reversed(sample.items()))
    assert SPACE.to_json(shuffled) == SPACE.to_json(sample)


@given(seeds, seeds, st.none() | st.floats(0, 1))
def test_a_mutant_is_another_sample_of_the_space(
    seed: int, other: int, probability: float | None
) -> None:
    parent = SPACE.sample(seed)
    child = SPACE.mutate(parent, other, probability=probability)
    assert child in SPACE
    assert child != parent
    if probability is None:
        differing = [label for label in parent if label in child and parent[label] != child[label]]
        assert len(differing) == 1


@given(seeds, seeds, seeds)
def test_a_child_has_its_values_from_its_parents(first: int, second: int, third: int) -> None:
    parents = SPACE.sample(first), SPACE.sample(second)
    child = SPACE.crossover(*parents, third)
    assert child in SPACE
    assert all(child[label] in [parent.get(label) for parent in parents] for label in child)


@given(seeds)
def test_equal_seeds_and_sources_give_equal_draws(seed: int) -> None:
    parent = SPACE.sample(seed)
    assert SPACE.sample(seed) == parent == SPACE.sample(random_source(seed))
    assert SPACE.mutate(parent, seed) == SPACE.mutate(parent, random_source(seed))
    assert SPACE.sample(np.random.default_rng(seed)) in SPACE


def test_draws_are_the_same_in_every_version_of_python() -> None:
    # Written down once: what seed 0 draws must never change.
    assert SPACE.to_json(SPACE.sample(0)) == (
        '{"width": 32, "depth": 1, "op0": "b", "gate0": 1, "one": [2], "two": ["x", "z"], '
        '"any": [], "flag": true}'
    )


def test_draws_follow_the_priors() -> None:
    source = random_source(0)
    drawn = [SPACE.sample(source) for _ in range(4000)]
    widths = [sample["width"] for sample in drawn]
    assert widths.count(32) / 4000 == pytest.approx(5 / 8, abs=0.03)
    assert widths.count(16) / 4000 == pytest.approx(1 / 8, abs=0.03)


@pytest.mark.usefixtures("unmeasured")
def test_the_grid_has_every_sample_once_probable_ones_first() -> None:
    samples = list(SPACE.grid())
    texts = {SPACE.to_json(sample) for sample in samples}
    # Of 3 x 4 pairs of lists two are equal: [0] and [0], [1] and [1].
    allowed = SPACE.size * 10 // 12
    assert len(samples) == len(texts) == allowed
    widths = [sample["width"] for sample in samples]
    assert widths == sorted(widths, key=(32, 24.5, 16).index)
    assert samples[0]["any"] == [0, 1]


def test_sizes_are_exact() -> None:
    assert SPACE.raw_size == 3 * 3 * 4**3 * 3 * 3 * 4 * 2
    assert SPACE.size == 3 * (4 + 16 + 64) * 3 * 3 * 4 * 2
    huge = SearchSpace("Huge", tuple(Categorical(str(i), (0, 1, 2)) for i in range(200)))
    assert huge.size == huge.raw_size == 3**200
    assert len(list(islice(huge.grid(), 5))) == 5


def test_the_default_has_the_first_candidates_and_all_members() -> None:
    assert SPACE.default == {
        "width": 16,
        "depth": 1,
        "op0": "a",
        "gate0": 0.25,
        "one": [0],
        "two": ["x", "y"],
        "any": [0, 1],
        "flag": False,
    }


def test_values_are_spelled_as_the_candidates_are() -> None:
    spelled = SPACE.default | {"width": 16.0, "gate0": np.float32(0.25), "two": ("y", "x")}
    assert json.dumps(SPACE.validate(spelled)) == json.dumps(SPACE.default)


def test_the_one_of_a_list_of_one_may_stand_alone() -> None:
    assert SPACE.validate(SPACE.default | {"one": 2})["one"] == [2]


def test_a_subset_may_be_spelled_as_booleans() -> None:
    sample = SPACE.default
    del sample["two"]
    sample |= {"two/x": False, "two/y": True, "two/z": True, "two/n": 2}
    assert SPACE.validate(sample)["two"] == ["y", "z"]


def test_derived_values_stand_beside_the_chosen_ones() -> None:
    resolved = SPACE.resolve(SPACE.default)
    assert resolved["total"] == 3
    assert SPACE.validate(resolved) == SPACE.default


def test_what_a_space_is_told_to_tolerate_is_left_out() -> None:
    assert SPACE.validate(SPACE.default | {"old": 1, "op2": "nonsense"}) == SPACE.default


def test_unknown_labels_pass_only_where_that_is_asked_for() -> None:
    sample = SPACE.default | {"widht": 16}
    assert sample not in SPACE
    assert SPACE.validate(sample, strict=False) == SPACE.default


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht": 16}, "widht: Mixed has no such label; the nearest are width"),
        ({"width": 17}, "width: 17 is not one of 16, 24.5, 32"),
        ({"width": True}, "width: True is not one of"),
        ({"width": "16"}, "width: '16' is not one of"),
        ({"width": None}, "width: None is not one of"),
        ({"width": np.array([16, 16])}, "width: array"),
        ({"flag": 1}, "flag: 1 is not one of False, True"),
        ({"depth": 2}, r"op1: the sample lacks this label of Mixed \(it matters for depth in"),
        ({"one": [0, 1]}, "one: .* is not a list of 1 of 0, 1, 2"),
        ({"one": []}, "one: "),
        ({"two": ["x", "x"]}, "two: .* is not a list of 2 of 'x', 'y', 'z'"),
        ({"two": "xy"}, "two: "),
        ({"any": 0}, "any: 0 is not a list of distinct ones of 0, 1"),
        ({"any": [0, [1]]}, "any: "),
        ({"any": {"0": True}}, "any: "),
        ({"any": [0]}, "total: the two lists are equal"),
        ({"any/0": True}, "any: the sample has this label and also 'any/0'"),
        ({3: 4}, "3: Mixed has no such label"),
        ({"width": 10**5000}, "width: a int too large to show"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[Any, Any], message: str) -> None:
    with pytest.raises(InvalidSampleError, match=f"^{message}") as caught:
        SPACE.validate({**SPACE.default, **change})
    assert caught.value.label == str(caught.value).split(":")[0]


@pytest.mark.parametrize(
    ("booleans", "message"),
    [
        ({"two/x": True, "two/y": True}, "two/z: the sample lacks this label"),
        ({"two/x": True, "two/y": True, "two/z": True}, "two: .* is not a list of 2"),
        ({"two/x": 1, "two/y": True, "two/z": False}, "two/x: 1 is not true or false"),
    ],
)
def test_bad_booleans_are_refused(booleans: dict[str, Any], message: str) -> None:
    sample = SPACE.default
    del sample["two"]
    with pytest.raises(InvalidSampleError, match=message):
        SPACE.validate(sample | booleans)


@pytest.mark.parametrize("sample", [None, 3, "width", [("width", 16)]])
def test_what_is_no_dict_is_no_sample(sample: object) -> None:
    with pytest.raises(InvalidSampleError, match="a sample of Mixed is a dict, not"):
        SPACE.validate(sample)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", b"\xff"])
def test_what_is_no_json_is_no_sample(text: str | bytes) -> None:
    with pytest.raises(InvalidSampleError):
        SPACE.from_json(text)


def spoilt(change: Callable[[np.ndarray[Any, Any]], None]) -> np.ndarray[Any, Any]:
    vector = SPACE.encode(SPACE.default)
    change(vector)
    return vector


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(3), r"has 28 numbers, not \(3,\)"),
        (spoilt(lambda v: v.__setitem__(0, 0)), "width: 0 candidates are marked, not one"),
        (spoilt(lambda v: v.__setitem__(1, 1)), "width: 2 candidates are marked, not one"),
        (spoilt(lambda v: v.__setitem__(0, 0.5)), "width: 0.5, 0.0, 0.0 are not all 0 or 1"),
        (spoilt(lambda v: v.__setitem__(0, np.nan)), "width: nan"),
        (spoilt(lambda v: v.__setitem__(10, 1)), "op1: the vector marks a choice that"),
    ],
)
def test_a_bad_vector_is_refused(vector: Any, message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        SPACE.decode(vector)


def test_features_are_named() -> None:
    assert SPACE.features[:5] == ("width=16", "width=24.5", "width=32", "depth=1", "depth=2")


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_is_from_0_to_1(probability: float) -> None:
    with pytest.raises(InvalidArgumentError, match="probability"):
        SPACE.mutate(SPACE.default, 0, probability=probability)


@pytest.mark.parametrize("seed", ["0", 0.5, True, object()])
def test_a_seed_is_an_integer_or_a_source(seed: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="is neither an integer nor a random source"):
        SPACE.sample(seed)


def test_a_space_of_one_sample_has_nothing_to_change() -> None:
    single = SearchSpace("Single", (Categorical("a", (1,)), Subset("b", (1, 2), n_chosen=2)))
    assert single.sample() == single.default == {"a": 1, "b": [1, 2]}
    with pytest.raises(InvalidSampleError, match="Single has nothing to change in this sample"):
        single.mutate(single.default)


def test_constraints_that_nothing_meets_end_the_search() -> None:
    def never(_: Any) -> None:
        raise InvalidSampleError("never", "no sample will do")

    space = SearchSpace("Empty", (Categorical("a", (1, 2)),), (Derived("never", never),))
    with pytest.raises(InvalidSampleError, match=r"10000 samples of Empty in a row .* 'never'"):
        space.sample(0)
    assert list(space.grid()) == []


def test_a_child_draws_what_neither_parent_has() -> None:
    space = SearchSpace(
        "Crossed",
        (
            Categorical("a", (0, 1)),
            Categorical("b", (0, 1)),
            Categorical("c", (0, 1), When("a", (1,))),
            Categorical("d", (5, 6), When("c", (1,))),
        ),
    )
    child = {space.to_json(space.mutate({"a": 0, "b": 0}, seed)) for seed in range(40)}
    assert '{"a": 1, "b": 0, "c": 1, "d": 6}' in child


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ((Categorical("a", (1,)), Categorical("a", (2,))), "a: Twice has two choices of this name"),
        ((Categorical("b", (1,), When("a", (1,))),), "b: .* names no values of a categorical"),
        (
            (Categorical("a", (1,)), Categorical("b", (1,), When("a", (2,)))),
            "b: .* names no values of a categorical",
        ),
    ],
)
def test_a_space_that_contradicts_itself_cannot_be_made(choices: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        SearchSpace("Twice", choices)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical("a", ()), "a: there are no candidates"),
        (lambda: Categorical("a", (1, 1.0)), "a: 1, 1.0 are not distinct"),
        (lambda: Categorical("a", (1, 2), prior=(1,)), "is not 2 positive numbers"),
        (lambda: Categorical("a", (1, 2), prior=(1, 0)), "is not 2 positive numbers"),
        (lambda: Categorical("a", (1, 2), prior=(1, float("inf"))), "is not 2 positive numbers"),
        (lambda: Subset("a", (1, 2), n_chosen=3), "3 of 2 candidates cannot be chosen"),
        (lambda: Subset("a", (1, 2), n_chosen=0), "0 of 2 candidates cannot be chosen"),
    ],
)
def test_a_choice_that_contradicts_itself_cannot_be_made(
    make: Callable[[], Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()
