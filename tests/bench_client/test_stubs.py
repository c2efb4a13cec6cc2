"""The static types that are made from the descriptions of the benchmarks."""

from __future__ import annotations

from typing import get_args

import pytest

from bench_client import choices, questions, stubs
from bench_client.hw_nas_bench import CostDevice
from bench_client.nds import NdsBounds, NdsSort
from bench_client.written import written
from benchmark_db.hw_nas_bench.tables import DEVICES
from benchmark_db.metrics import joined_metrics
from benchmark_db.registry import METRICS
from benchmark_spec.declaration import read_declaration, shipped_declarations


def test_they_are_those_of_the_descriptions() -> None:
    for path, text in stubs.made_files().items():
        assert path.read_text() == text, "run `python -m bench_client.stubs`"


def test_every_method_that_takes_a_benchmark_has_them() -> None:
    methods = {
        name
        for kind in questions.BlockingQuestions.__mro__[:-1]
        for name in vars(kind)
        if not name.startswith("_")
    }
    text = stubs.made_files()[next(path for path in stubs.made_files() if path.suffix == ".pyi")]
    blocking, awaited = text.split("class AwaitedQuestions")
    for name in methods:
        assert f"    def {name}(" in blocking, name
        assert f"def {name}(" in awaited, name


@pytest.mark.parametrize("benchmark", METRICS)
def test_metrics_are_those_that_a_ranking_knows(benchmark: str) -> None:
    declared = [read_declaration(path).spec for path in shipped_declarations().values()]
    by_hand = written(benchmark)
    assert by_hand is not None
    prefix = by_hand.models.config.__name__.removesuffix("Config")
    told = get_args(getattr(choices, f"{prefix}Metric"))
    assert set(told) == {*METRICS[benchmark], *joined_metrics(benchmark, declared)}
    assert len(told) == len(set(told))


def test_what_is_written_by_hand_names_what_there_is() -> None:
    bounded = {name.partition("_")[2] for name in NdsBounds.__annotations__}
    assert set(get_args(NdsSort)) == {sign + name for name in bounded for sign in ("", "-")}
    assert get_args(CostDevice) == tuple(DEVICES)
