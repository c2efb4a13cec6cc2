from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench_client import (
    BenchClient,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    UnexpectedAnswerError,
    UnsupportedQuestionError,
)

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer

ARCH = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
OPS = ["avg_pool_3x3", "conv_1x1", "skip_connect", "conv_1x1", "skip_connect", "skip_connect"]
PROVENANCE = (
    b'"provenance": {"benchmark": "nasbench201", "source": "x", "synthetic": false, '
    b'"content_digest": "x"}'
)


def test_a_query_returns_the_runs_that_match(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    runs = asked(server.url, lambda bench: bench.query_nb201(ARCH, 200, "cifar100"))
    assert [(run.seed, run.test_acc) for run in runs] == [(777, 51.98), (888, 53.68), (999, 53.08)]
    assert runs[0].config.arch_str == ARCH
    assert runs[0].config.dataset == "cifar100"


def test_a_reduction_leaves_one_item_without_a_seed(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    (mean,) = asked(
        server.url, lambda bench: bench.query_nb201(ARCH, 200, "cifar100", reduction="mean")
    )
    assert mean.test_acc == pytest.approx(52.913333)
    assert (mean.seed, mean.num_runs) == (None, 3)


@pytest.mark.parametrize(
    "arch",
    [ARCH, 0, "0", np.int64(0), dict(zip(EDGES, OPS, strict=True)), OPS, tuple(OPS)],
    ids=lambda arch: type(arch).__name__,
)
def test_every_spelling_of_an_architecture_gives_the_same_answer(
    server: BenchmarkServer, asked: Callable[..., Any], arch: Any
) -> None:
    runs = asked(server.url, lambda bench: bench.query_nb201(arch, np.int64(200), "cifar100", 999))
    assert [run.config.index for run in runs] == [0]
    assert asked(server.url, lambda bench: bench.describe_nb201(arch)).arch_str == ARCH


def test_a_query_without_filters_goes_through_all_pages(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    runs = asked(server.url, lambda bench: bench.query_nb201())
    keys = [(run.config.index, run.config.num_epochs, run.config.dataset, run.seed) for run in runs]
    assert len(keys) == len(set(keys)) == 1200
    assert [request.query.get("limit") for request in server.received] == ["1000", "1000"]
    assert server.received[1].query["cursor"]


def test_pages_with_curves_are_smaller(server: BenchmarkServer, asked: Callable[..., Any]) -> None:
    runs = asked(
        server.url,
        lambda bench: bench.query_nb201(None, 200, "cifar10", include_intermediates=True),
    )
    assert len(runs) == 180
    assert len(runs[0].intermediates) == 200
    assert runs[0].intermediates[-1].current_epoch == 200
    assert {request.query["limit"] for request in server.received} == {"200"}


def test_curves_come_in_columns(server: BenchmarkServer, asked: Callable[..., Any]) -> None:
    (curves,) = asked(server.url, lambda bench: bench.curves_nb201(0, 200, "cifar100", 777))
    assert curves.current_epoch == list(range(1, 201))
    assert curves.test_acc == [float(epoch) for epoch in range(200)]


def test_a_server_whose_pages_turn_in_circles_is_found_out(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    page = b'{"items": [], "next_cursor": "again", ' + PROVENANCE + b"}"
    server.will_answer(page, page)
    with pytest.raises(UnexpectedAnswerError, match="repeats the page"):
        asked(server.url, lambda bench: bench.query_nb201())


def test_many_architectures_go_in_batches_of_ten_thousand_and_stay_aligned(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    def archs() -> Iterator[int]:
        yield from (position % 15_625 for position in range(20_001))

    results = asked(
        server.url,
        lambda bench: bench.query_nb201_many(archs(), 200, "cifar100", reduction="mean"),
    )
    assert [len(request.body["archs"]) for request in server.received] == [10_000, 10_000, 1]
    assert [position for position, items in enumerate(results) if items] == [
        *range(60),
        *range(15_625, 15_685),
    ]
    assert results[15_626][0].config.index == 1


def test_batches_with_curves_stay_below_the_curves_of_one_answer(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    results = asked(
        server.url,
        lambda bench: bench.query_nb201_many(range(100), include_intermediates=True),
    )
    assert [len(items) for items in results] == [20] * 60 + [0] * 40
    assert [len(request.body["archs"]) for request in server.received] == [64, 36]


def test_no_architectures_need_no_request(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    assert asked(server.url, lambda bench: bench.query_nb201_many([])) == []
    assert server.received == []


def test_malformed_architectures_of_a_batch_come_with_the_results_of_the_others(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    with pytest.raises(
        InvalidArchitectureError, match=r"2 of 4 .*archs\[1\]: .*nonsense"
    ) as caught:
        asked(
            server.url,
            lambda bench: bench.query_nb201_many([0, "nonsense", 1, -1], 200, "cifar100", 777),
        )
    error = caught.value
    assert error.positions == (1, 3)
    assert [items and items[0].config.index for items in error.results] == [0, None, 1, None]
    assert [entry.loc for entry in error.errors] == [["archs", 1], ["archs", 3]]


@pytest.mark.parametrize("archs", [ARCH, dict(zip(EDGES, OPS, strict=True))])
def test_one_architecture_in_place_of_many_is_a_type_error(
    server: BenchmarkServer, asked: Callable[..., Any], archs: Any
) -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        asked(server.url, lambda bench: bench.query_nb201_many(archs))


def test_an_answer_that_is_not_aligned_is_refused(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    server.will_answer(b'{"results": [], ' + PROVENANCE + b"}")
    with pytest.raises(UnexpectedAnswerError, match="0 results for 1"):
        asked(server.url, lambda bench: bench.query_nb201_many([0], include_intermediates=True))


def test_the_generic_query_is_the_query_of_the_benchmark_named(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    named = asked(
        server.url,
        lambda bench: bench.query("nasbench201", 0, 200, dataset="cifar100", reduction="max"),
    )
    assert [run.test_acc for run in named] == [53.68]


def test_the_generic_query_lists_the_benchmarks_it_knows(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    with pytest.raises(
        BenchmarkNotInstalledError,
        match=r"'nasbench999'; is it .*known are nasbench101, nasbench201",
    ):
        asked(server.url, lambda bench: bench.query("nasbench999", 0))


WHERE: Mapping[str, Any] = {"dataset": "cifar100", "num_epochs": 200}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda b: b.top("nasbench201", metric="tst_acc", **WHERE), "'tst_acc'; is it test_acc"),
        (lambda b: b.top("nasbench201", metric="flops", datset="x"), "did you mean dataset"),
        (
            lambda b: b.pareto("nasbench201", x="flops", y="latency", max_flps=1.0, **WHERE),
            "unknown metric 'flps'; is it flops",
        ),
        (
            lambda b: b.correlation("nasbench201", x="flops", y="latency", y_num_epoch=12, **WHERE),
            "'y_num_epoch'; did you mean y_num_epochs",
        ),
        (
            lambda b: b.rank("nasbench201", 0, metric="flops", task="x"),
            "it has num_epochs, dataset",
        ),
        (lambda b: b.curves("nasbench201", 0, 13), "unknown num_epochs 13; known are 12, 200"),
        (lambda b: b.query_many("nasbench201", [0], seed=5), "unknown seed 5; known are 111, 777"),
    ],
)
def test_what_is_misspelt_or_not_there_is_told_with_what_there_is(
    databases: Path, ask: Callable[[Any], Any], message: str
) -> None:
    with BenchClient.local(databases) as local, pytest.raises(InvalidRequestError, match=message):
        ask(local)


def test_a_table_without_runs_says_so(server: BenchmarkServer, asked: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedQuestionError, match="hw-nas-bench has no runs"):
        asked(server.url, lambda bench: bench.query_many("hw-nas-bench", [0]))
    assert server.received == []


def test_benchmarks_are_described_with_origin_and_fields(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    (info,) = asked(server.url, lambda bench: bench.benchmarks())
    assert info.name == "nasbench201"
    assert info.budgets == [12, 200]
    assert info.provenance.contents == {"architectures": 60}
    assert {field.name: field.unit for field in info.fields}["latency"] == "seconds"
    assert asked(server.url, lambda bench: bench.benchmark("nasbench201")) == info


@pytest.mark.parametrize("name", ["nasbench999", "", "..", "nasbench201/../nasbench201", "a?b"])
def test_a_benchmark_that_does_not_exist_is_not_installed(
    server: BenchmarkServer, asked: Callable[..., Any], databases: Path, name: str
) -> None:
    with pytest.raises(BenchmarkNotInstalledError):
        asked(server.url, lambda bench: bench.benchmark(name))
    with BenchClient.local(databases) as local, pytest.raises(BenchmarkNotInstalledError):
        local.benchmark(name)
