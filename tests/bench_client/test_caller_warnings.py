"""A warning about made-up numbers points at the line of the script that asks for them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import getsourcelines
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

from bench_client import AsyncBenchClient, BenchClient, SyntheticDataWarning
from bench_client.compat_nasbench import ModelSpec, NASBench
from bench_client.compat_nats_bench import create
from bench_client.compat_nni import query_nds_computed_stats
from bench_client.compat_optuna import objective
from generators.nasbench101 import generate as generate_nasbench101
from generators.sample.nasbench101 import write_sample as write_cells

MARK = "# here"

Script = Callable[[Any], object]
"""A script that asks one thing of an address or folder, in the line with the mark."""


@pytest.fixture(params=["over HTTP", "in place"])
def where(request: pytest.FixtureRequest) -> Any:
    """The address of a service of made-up numbers, or their folder."""
    if request.param == "in place":
        return request.getfixturevalue("synthetic_databases")
    return request.getfixturevalue("synthetic_server").url


@pytest.fixture(scope="module")
def synthetic_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-up-cells")
    generate_nasbench101(write_cells(folder, architectures=20, seed=0), folder)
    return folder


@pytest.fixture(autouse=True)
def everything_is_shown() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SyntheticDataWarning)
        yield caught


def blocking(where: Any) -> BenchClient:
    return BenchClient.local(where) if isinstance(where, Path) else BenchClient(where)


def awaited(where: Any) -> AsyncBenchClient:
    return AsyncBenchClient.local(where) if isinstance(where, Path) else AsyncBenchClient(where)


def asks_a_client(where: Any) -> None:
    with blocking(where) as bench:
        bench.query_nb201(0)  # here


def asks_by_name(where: Any) -> None:
    with blocking(where) as bench:
        bench.query("nasbench201", 0)  # here


def asks_about_many(where: Any) -> None:
    with blocking(where) as bench:
        list(bench.query_nb201_many([0, 1]))  # here


def makes_a_data_frame(where: Any) -> None:
    with blocking(where) as bench:
        bench.query_nb201(0).to_pandas()  # here


def asks_inside_a_data_frame(where: Any) -> None:
    """Where pandas lies between the script and the client, in a row of frames of its own."""
    with blocking(where) as bench:
        pd.Series([0, 1]).map(
            lambda index: len(bench.query_nb201(index)),  # here
        )


def simulates(where: Any) -> None:
    with blocking(where) as bench:
        bench.simulate("nasbench201", "cifar100", 200, budget=1e9).evaluate(0)  # here


def uses_nats_bench(where: Any) -> None:
    create(where, "tss").get_more_info(0, "cifar100", hp="200")  # here


def lists_what_nats_bench_has(where: Any) -> None:
    len(create(where, "tss").evaluated_indexes)  # here


def lets_optuna_ask(where: Any) -> None:
    with blocking(where) as bench:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        search = objective(bench, "nasbench201", "cifar100", 200)
        study = optuna.create_study(directions=search.directions)
        study.optimize(search, n_trials=1)  # here


def awaits(where: Any) -> None:
    async def main() -> None:
        async with awaited(where) as bench:
            await bench.query_nb201(0)  # here

    asyncio.run(main())


def awaits_many_in_tasks(where: Any) -> None:
    """Tasks have no line of the script on their stacks but the one that runs the loop."""

    async def main() -> None:
        async with awaited(where) as bench:
            await asyncio.gather(*(bench.query_nb201(index) for index in range(4)))

    asyncio.run(main())  # here


def awaits_a_simulation(where: Any) -> None:
    async def main() -> None:
        async with awaited(where) as bench:
            clock = bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
            await clock.evaluate(0)  # here

    asyncio.run(main())


def asks_in_threads(where: Any) -> None:
    def task(index: int) -> int:
        return len(bench.query_nb201(index))  # here

    with blocking(where) as bench, ThreadPoolExecutor(2) as pool:
        list(pool.map(task, range(4)))


def hands_a_method_to_threads(where: Any) -> None:
    """Nothing of the script is on the stack of such a thread: the line that waits for it counts."""
    with blocking(where) as bench, ThreadPoolExecutor(2) as pool:
        pool.submit(bench.query_nb201, 0).result()  # here


SCRIPTS: list[Script] = [
    asks_a_client,
    asks_by_name,
    asks_about_many,
    makes_a_data_frame,
    asks_inside_a_data_frame,
    simulates,
    uses_nats_bench,
    lists_what_nats_bench_has,
    lets_optuna_ask,
    awaits,
    awaits_many_in_tasks,
    awaits_a_simulation,
    asks_in_threads,
    hands_a_method_to_threads,
]


def marked_line(script: Script) -> int:
    lines, first = getsourcelines(script)
    (line,) = (number for number, text in enumerate(lines, first) if MARK in text)
    return line


def pointed_at(caught: list[warnings.WarningMessage]) -> list[tuple[str, int]]:
    made_up = [each for each in caught if each.category is SyntheticDataWarning]
    return [(warning.filename, warning.lineno) for warning in made_up]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_the_line_that_asks_is_pointed_at(
    script: Script, where: Any, everything_is_shown: list[warnings.WarningMessage]
) -> None:
    script(where)
    assert pointed_at(everything_is_shown) == [(__file__, marked_line(script))]


def uses_nasbench(folder: Path) -> None:
    nasbench = NASBench(folder)
    nasbench.query(ModelSpec([[0, 1], [0, 0]], ["input", "output"]))  # here


def iterates_cells(folder: Path) -> None:
    next(iter(NASBench(folder).hash_iterator()))  # here


def iterates_networks(folder: Path) -> None:
    with BenchClient.local(folder) as bench:
        for _ in query_nds_computed_stats(*[None] * 6, client=bench):  # here
            break


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        (uses_nasbench, "synthetic_cells"),
        (iterates_cells, "synthetic_cells"),
        (iterates_networks, "nds_folder"),
    ],
)
def test_other_benchmarks_are_told_of_alike(
    script: Script,
    folder: str,
    request: pytest.FixtureRequest,
    everything_is_shown: list[warnings.WarningMessage],
) -> None:
    script(request.getfixturevalue(folder))
    assert pointed_at(everything_is_shown) == [(__file__, marked_line(script))]


def printed_by_script(folder: Path, databases: Path, module: str, preparation: str) -> str:
    """Return what Python prints for a script another module of which asks, again and again."""
    asking = folder / f"{module.replace('.', '/')}.py"
    asking.parent.mkdir(exist_ok=True)
    (asking.parent / "__init__.py").touch()
    asking.write_text(
        "def search(api):\n"
        "    for index in range(3):\n"
        "        api.get_more_info(index, 'cifar100', hp='200')\n"
    )
    (folder / "script.py").write_text(
        "import warnings\n"
        "from bench_client.compat_nats_bench import create\n"
        f"from {module} import search\n"
        f"{preparation}\n"
        f"for _ in range(2): search(create({str(databases)!r}, 'tss'))\n"
    )
    command = [sys.executable, str(folder / "script.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("module", ["searching", "service.searching"])
def test_a_script_is_shown_its_own_line_once(
    module: str, synthetic_databases: Path, tmp_path: Path
) -> None:
    """Through Python's registry; its packages may be called as some of this project are."""
    printed = printed_by_script(tmp_path, synthetic_databases, module, "")
    place = f"{tmp_path / module.replace('.', '/')}.py:3: SyntheticDataWarning: the numbers of"
    assert printed.startswith(place)
    assert "  api.get_more_info(index, 'cifar100', hp='200')" in printed
    assert printed.count("Warning") == 1


def test_the_module_that_asks_may_be_silenced(synthetic_databases: Path, tmp_path: Path) -> None:
    silencing = "warnings.filterwarnings('ignore', module='searching')"
    assert not printed_by_script(tmp_path, synthetic_databases, "searching", silencing)


def test_a_script_of_one_line_is_a_script(synthetic_databases: Path) -> None:
    program = f"from bench_client import *; BenchClient.local({str(synthetic_databases)!r}).top"
    program += "('nasbench201', metric='test_acc', dataset='cifar100', num_epochs=200)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stderr.startswith("<string>:1: SyntheticDataWarning")
