"""Filters: what they select, and what they cannot mean."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError
from benchmark_db.nasbench201.architecture import arch_dict, arch_str, operations_at
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.questions import one_of


def runs(benchmark: NasBench201, **filters: Any) -> list[Any]:
    return benchmark.computed_stats(filters, limit=1000).items


def test_every_filter_selects_what_its_name_says(sample: NasBench201) -> None:
    everything = runs(sample)
    for name, value in [("num_epochs", 12), ("dataset", "imagenet16-120")]:
        expected = [run for run in everything if run["config"][name] == value]
        assert runs(sample, **{name: value}) == expected != []
    assert runs(sample, seed=888) == [run for run in everything if run["seed"] == 888] != []
    assert runs(sample, arch=7) == [run for run in everything if run["config"]["index"] == 7] != []


def test_filters_narrow_one_another(sample: NasBench201) -> None:
    (run,) = runs(sample, arch=2, num_epochs=200, dataset="cifar100", seed=777)
    assert run["config"]["index"] == 2
    assert (run["config"]["num_epochs"], run["config"]["dataset"]) == (200, "cifar100")
    assert (run["seed"], run["num_runs"]) == (777, 1)


def test_every_spelling_gives_the_same_answer(sample: NasBench201) -> None:
    operations = operations_at(9)
    edges = arch_dict(operations)
    expected = runs(sample, arch=9)
    assert expected
    for spelling in (
        arch_str(operations),
        edges,
        dict(reversed(edges.items())),
        list(edges.values()),
        operations,
        "9",
    ):
        assert runs(sample, arch=spelling) == expected


@pytest.mark.parametrize("name", ["ImageNet16-120", "IMAGENET16-120", "imagenet16-120"])
def test_data_sets_are_read_in_any_case(sample: NasBench201, name: str) -> None:
    assert {run["config"]["dataset"] for run in runs(sample, dataset=name)} == {"imagenet16-120"}


def test_none_is_a_wildcard(sample: NasBench201) -> None:
    nothing = dict.fromkeys(["arch", "num_epochs", "dataset", "seed"])
    assert runs(sample, **nothing) == runs(sample)


@pytest.mark.parametrize("value", [13, 2**63 - 1])
@pytest.mark.parametrize(
    ("name", "known"), [("num_epochs", "12, 200"), ("seed", "111, 777, 888, 999")]
)
def test_a_budget_or_seed_that_no_run_has_is_refused_with_those_that_there_are(
    sample: NasBench201, name: str, known: str, value: int
) -> None:
    says = f"^unknown {name} {value}; known are {known}$"
    for ask in (sample.computed_stats, sample.intermediate_stats):
        with pytest.raises(InvalidQuestionError, match=says) as caught:
            ask({name: value, "arch": 0})
        assert caught.value.field == name
    with pytest.raises(InvalidQuestionError, match=says):
        sample.computed_stats_many([0, "x"], {name: value})


def test_an_architecture_without_a_run_of_a_known_seed_is_an_empty_list(
    sample: NasBench201,
) -> None:
    assert runs(sample, arch=0, num_epochs=200, seed=111) == []


@given(st.integers(0, 2**63 - 1))
def test_whole_numbers_are_either_known_or_refused(value: int) -> None:
    known = (777, 12, 888)
    if value in known:
        assert one_of("seed", known)(value) == value
    else:
        with pytest.raises(InvalidQuestionError, match="known are 12, 777, 888"):
            one_of("seed", known)(value)


def test_a_message_names_the_first_of_many() -> None:
    with pytest.raises(InvalidQuestionError, match=r"known are 0, 1, .*, 19 and 80 more$"):
        one_of("seed", range(100))(100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_epochs", 0),
        ("num_epochs", -12),
        ("num_epochs", 2**63),
        pytest.param("num_epochs", 10**5000, id="5000 digits"),
        ("num_epochs", "200"),
        ("num_epochs", 200.0),
        ("num_epochs", True),
        ("num_epochs", [200]),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", -(2**70)),
        ("seed", float("nan")),
        ("dataset", "cifar"),
        ("dataset", ""),
        ("dataset", 0),
        ("dataset", ["cifar10"]),
        ("dataset", "x" * 100_000),
        ("dataset", "\ud800"),
        ("dataset", "cifar10\x00"),
    ],
)
def test_a_malformed_value_is_refused_by_its_name(
    sample: NasBench201, name: str, value: Any
) -> None:
    with pytest.raises(InvalidQuestionError) as caught:
        runs(sample, **{name: value})
    assert caught.value.field == name
    assert len(caught.value.message) < 300


def test_an_unknown_data_set_is_told_the_known_ones(sample: NasBench201) -> None:
    with pytest.raises(InvalidQuestionError, match="cifar10-valid, cifar10, cifar100, imagenet"):
        runs(sample, dataset="svhn")


@pytest.mark.parametrize("name", ["epochs", "archs", "arch_index", "keys", "", "1; DROP TABLE run"])
def test_an_unknown_filter_is_told_the_known_ones(sample: NasBench201, name: str) -> None:
    with pytest.raises(InvalidQuestionError, match="arch, num_epochs, dataset, seed") as caught:
        runs(sample, **{name: 1})
    assert caught.value.field == name


def test_a_malformed_architecture_is_refused_as_such(sample: NasBench201) -> None:
    with pytest.raises(InvalidArchitectureError):
        runs(sample, arch="|conv~0|")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from(["arch", "num_epochs", "dataset", "seed", "what"]), value=values)
def test_any_value_is_answered_or_refused(sample: NasBench201, name: str, value: Any) -> None:
    with suppress(InvalidQuestionError):
        sample.computed_stats({name: value}, limit=1)
