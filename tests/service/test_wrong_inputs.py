"""What nobody should pass to a client: every mode refuses it alike, in words about the argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from bench_client import BenchClient, BenchError

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

_NAME: Final = "nasbench201"
_WHERE: Final = {"dataset": "cifar100", "num_epochs": 200}

VALUES: Final[Mapping[str, Any]] = {
    "None": None,
    "no number": float("nan"),
    "infinite": float("inf"),
    "negative": -1,
    "far below": -(10**30),
    "too large": 10**40,
    "true": True,
    "a fraction": 12.5,
    "a whole fraction": 200.0,
    "complex": 1j,
    "numpy, whole": np.int64(12),
    "numpy, real": np.float32(3.5),
    "numpy, no number": np.float64("nan"),
    "numpy, true": np.bool_(True),  # noqa: FBT003 - it is what is tried
    "numpy, no dimension": np.array(3),
    "numpy, a row": np.array([1, 2]),
    "bytes": b"abc",
    "no text": "",
    "digits": "200",
    "near": "cifar10O",
    "long": "x" * 5000,
    "a null byte": "a\0b",
    "two lines": "a\nb",
    "half a character": "\ud800",
    "a list": [1, 2],
    "an empty list": [],
    "a tuple": (1,),
    "a dict": {},
    "a set": {1},
    "an object": object(),
    "a class": int,
    "a path": Path("x"),
}

Ask = Callable[[BenchClient, Any], Any]
QUESTIONS: Final[Mapping[str, Ask]] = {
    "arch": lambda b, v: b.query_nb201(v, 200, "cifar100"),
    "num_epochs": lambda b, v: b.query_nb201(0, v, "cifar100"),
    "dataset": lambda b, v: b.query_nb201(0, 200, v),
    "seed": lambda b, v: b.query_nb201(0, 200, "cifar100", v),
    "reduction": lambda b, v: b.query_nb201(0, 200, "cifar100", reduction=v),
    "with curves": lambda b, v: b.query_nb201(0, 12, "cifar100", include_intermediates=v),
    "archs": lambda b, v: b.query_nb201_many(v, 200),
    "one of archs": lambda b, v: b.query_nb201_many([v], 200, "cifar100"),
    "reduction of many": lambda b, v: b.query_nb201_many([0], 200, reduction=v),
    "dataset of many": lambda b, v: b.query_nb201_many([0], 200, v),
    "described": lambda b, v: b.describe_nb201(v),
    "neighbors": lambda b, v: b.neighbors(_NAME, v),
    "metric": lambda b, v: b.top(_NAME, metric=v, **_WHERE),
    "n": lambda b, v: b.top(_NAME, metric="flops", n=v, **_WHERE),
    "bound": lambda b, v: b.top(_NAME, metric="flops", max_latency=v, **_WHERE),
    "x": lambda b, v: b.pareto(_NAME, x=v, y="flops", **_WHERE),
    "ranked": lambda b, v: b.rank(_NAME, v, metric="flops", **_WHERE),
    "points": lambda b, v: b.distribution(_NAME, metric="flops", points=v, **_WHERE),
    "top_k": lambda b, v: b.correlation(_NAME, x="flops", y="latency", top_k=v, **_WHERE),
    "y_dataset": lambda b, v: b.correlation(_NAME, x="flops", y="latency", y_dataset=v, **_WHERE),
    "drawn": lambda b, v: b.random(_NAME, n=v),
    "seed of drawing": lambda b, v: b.random(_NAME, seed=v),
    "part": lambda b, v: b.columns(_NAME, dataset=v),
    "column": lambda b, v: b.column(_NAME, v, **_WHERE),
    "bins": lambda b, v: b.density(_NAME, x="flops", y="latency", bins=v, **_WHERE),
    "x_log": lambda b, v: b.density(_NAME, x="flops", y="latency", x_log=v, **_WHERE),
    "x_from": lambda b, v: b.density(_NAME, x="flops", y="latency", x_from=v, **_WHERE),
    "pictured": lambda b, v: b.picture(_NAME, v),
    "theme": lambda b, v: b.picture(_NAME, 0, theme=v),
    "numbers": lambda b, v: b.spellings(_NAME, v, **_WHERE),
    "a number": lambda b, v: b.spellings(_NAME, [v], **_WHERE),
    "benchmark described": lambda b, v: b.benchmark(v),
    "benchmark asked": lambda b, v: b.query(v, 0),
    "benchmark of many": lambda b, v: b.query_many(v, [0]),
    "benchmark ranked": lambda b, v: b.top(v, metric="flops", **_WHERE),
    "benchmark in columns": lambda b, v: b.columns(v),
    "benchmark pictured": lambda b, v: b.picture(v, 0),
    "benchmark simulated": lambda b, v: b.simulate(v, budget=1.0),
    "budget": lambda b, v: b.simulate(_NAME, budget=v, **_WHERE),
    "sought": lambda b, v: b.simulate(_NAME, budget=1.0, metric=v, **_WHERE),
    "evaluated": lambda b, v: b.simulate(_NAME, budget=1e9, **_WHERE).evaluate(v),
    "a format": lambda b, v: b.export(_NAME, "/nowhere/x.csv", format=v, arch=0),
}


@pytest.fixture(scope="module")
def clients(server: str, directory: Path) -> Iterator[tuple[BenchClient, BenchClient]]:
    with BenchClient(server) as remote, BenchClient.local(directory) as local:
        yield remote, local


def kind_of(ask: Ask, bench: BenchClient, value: Any) -> str:
    """Return what comes of a question: an answer, or which error."""
    try:
        ask(bench, value)
    except (BenchError, FileNotFoundError) as error:
        return type(error).__name__
    except TypeError as error:
        return f"TypeError of {str(error).partition(' ')[0]}"
    return "answered"


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_modes_take_and_refuse_the_same(
    question: str, clients: tuple[BenchClient, BenchClient]
) -> None:
    remote, local = clients
    for name, value in VALUES.items():
        kinds = [kind_of(QUESTIONS[question], bench, value) for bench in (remote, local)]
        assert kinds[0] == kinds[1], f"{name}: {kinds}"
        assert kinds[0] not in {"UnexpectedAnswerError", "ServerFailedError"}, name
        # It names the argument, and not what was done with it.
        assert kinds[0] in {"TypeError of archs", "TypeError of numbers"} or (
            not kinds[0].startswith("TypeError")
        ), f"{name}: {kinds}"


@pytest.mark.parametrize("number", [np.float32(70), np.float64(70), np.int32(70), np.array(70.0)])
def test_numbers_of_numpy_are_numbers(
    number: Any, clients: tuple[BenchClient, BenchClient]
) -> None:
    for bench in clients:
        found = bench.top(_NAME, metric="flops", max_test_acc=number, n=np.int16(5), **_WHERE)
        assert found == bench.top(_NAME, metric="flops", max_test_acc=70, n=5, **_WHERE)
