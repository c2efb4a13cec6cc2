"""The names that users of NNI's functions know."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from nasbench101_cells import HASH, MATRIX

from bench_client import BenchClient, InvalidRequestError, compat_nni
from bench_client.compat_nni import nasbench101, nasbench201, nds
from benchmark_db.errors import InvalidArchitectureError

ARCH = {
    "op1": "conv3x3-bn-relu",
    "op2": "maxpool3x3",
    "op3": "conv3x3-bn-relu",
    "op4": "conv3x3-bn-relu",
    "op5": "conv1x1-bn-relu",
    "input1": [0],
    "input2": [1],
    "input3": [2],
    "input4": [0],
    "input5": [0, 3, 4],
    "input6": [2, 5],
}
LABELS = [
    compat_nni.INPUT,
    compat_nni.CONV3X3,
    compat_nni.MAXPOOL3X3,
    compat_nni.CONV3X3,
    compat_nni.CONV3X3,
    compat_nni.CONV1X1,
    compat_nni.OUTPUT,
]


def test_the_constants_are_the_names_of_the_archive() -> None:
    assert compat_nni.LABEL2ID == {
        "input": -1,
        "output": -2,
        "conv3x3-bn-relu": 0,
        "conv1x1-bn-relu": 1,
        "maxpool3x3": 2,
    }


def test_the_golden_cell_has_its_published_hash() -> None:
    assert compat_nni.infer_num_vertices(ARCH) == 7
    assert compat_nni.hash_module(ARCH, 7) == HASH


@pytest.mark.parametrize("matrix", [MATRIX, np.array(MATRIX), np.array(MATRIX, dtype=bool)])
def test_the_benchmarks_own_format_becomes_the_dict(matrix: object) -> None:
    assert compat_nni.nasbench_format_to_architecture_repr(matrix, LABELS) == (7, ARCH)


def test_another_number_of_vertices_is_refused() -> None:
    with pytest.raises(InvalidArchitectureError, match="7 vertices, not 6"):
        compat_nni.hash_module(ARCH, 6)


def test_operations_with_a_gap_are_refused() -> None:
    with pytest.raises(InvalidArchitectureError, match="op1 to op2, not op1, op3"):
        compat_nni.infer_num_vertices({"op1": "x", "op3": "x"})


def test_runs_come_as_dicts(nasbench101_folder: Path) -> None:
    with BenchClient.local(nasbench101_folder) as client:
        runs = list(compat_nni.query_nb101_computed_stats(ARCH, 108, client=client))
        assert [run["repeat"] for run in runs] == [0, 1, 2]
        assert runs[0]["training_time"] == 1769.1279296875
        positional = (ARCH, 108, True, "mean")
        (mean,) = compat_nni.query_nb101_computed_stats(*positional, client=client)
        assert mean["num_runs"] == 3
        assert len(list(client.query_nb101(ARCH))) == 12


def test_what_is_no_truth_value_is_refused(nasbench101_folder: Path) -> None:
    with (
        BenchClient.local(nasbench101_folder) as client,
        pytest.raises(InvalidRequestError, match="isomorphism: 'mean' is not true or false"),
    ):
        list(compat_nni.query_nb101_computed_stats(ARCH, 108, "mean", client=client))  # type: ignore[arg-type]


def test_hashing_needs_no_more_than_the_client() -> None:
    """In a process where numpy, peewee and orjson cannot be imported."""
    program = (
        "import sys\n"
        "for name in ('numpy', 'peewee', 'orjson'): sys.modules[name] = None\n"
        "from bench_client.compat_nni import hash_module\n"
        "print(hash_module({'op1': 'conv3x3-bn-relu', 'input1': [0], 'input2': [1]}, 3))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "b49ac8c578b4561d79ac7087988f1c61"


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_runs_of_nds_come_as_dicts(nds_folder: Path) -> None:
    with BenchClient.local(nds_folder) as bench:
        found = list(
            compat_nni.query_nds_computed_stats(
                *(None, "resnet", "random", None, {}, "cifar10"), 100, "mean", client=bench
            )
        )
        expected = bench.query_nds(proposer="resnet", generator="random", reduction="mean")
    assert found == [run.model_dump(exclude={"intermediates"}) for run in expected]
    assert found[0]["config"]["model_family"] == "residual_basic"


FIELDS: Final[dict[str, tuple[set[str], set[str], set[str]]]] = {
    # What NNI's rows have, ids left out: configuration, statistics, and those of single epochs.
    "nasbench101": (
        {"arch", "num_vertices", "hash", "num_epochs"},
        {"train_acc", "valid_acc", "test_acc", "parameters", "training_time"},
        {"current_epoch", "train_acc", "valid_acc", "test_acc", "training_time"},
    ),
    "nasbench201": (
        {"arch", "num_epochs", "num_channels", "num_cells", "dataset"},
        {"seed", "parameters", "latency", "flops", "training_time"}
        | {"valid_evaluation_time", "test_evaluation_time", "ori_test_evaluation_time"}
        | {
            f"{split}_{what}"
            for split in ("train", "valid", "test", "ori_test")
            for what in ("acc", "loss")
        },
        {"current_epoch"}
        | {
            f"{split}_{what}"
            for split in ("train", "valid", "test", "ori_test")
            for what in ("acc", "loss")
        },
    ),
    "nds": (
        {"model_family", "model_spec", "cell_spec", "dataset", "generator", "proposer"}
        | {"base_lr", "weight_decay", "num_epochs"},
        {"seed", "parameters", "flops", "iter_time"}
        | {
            f"{when}_{what}"
            for when in ("final", "best")
            for what in ("train_acc", "train_loss", "test_acc")
        },
        {"current_epoch", "train_loss", "train_acc", "test_acc"},
    ),
}

Query = Callable[..., Iterator[dict[str, Any]]]


@pytest.fixture(params=list(FIELDS))
def benchmark(request: pytest.FixtureRequest) -> tuple[str, Query, Path]:
    """A benchmark, NNI's question about the runs of one of its configurations, and a folder."""
    arch = {"0_1": "avg_pool_3x3", "0_2": "conv_1x1", "1_2": "skip_connect"}
    arch |= {"0_3": "conv_1x1", "1_3": "skip_connect", "2_3": "skip_connect"}
    query: Query
    if request.param == "nasbench101":
        query = partial(nasbench101.query_nb101_trial_stats, ARCH, 108)
        return request.param, query, request.getfixturevalue("nasbench101_folder")
    if request.param == "nasbench201":
        query = partial(nasbench201.query_nb201_trial_stats, arch, 200, "cifar100")
        return request.param, query, request.getfixturevalue("nats_bench_folder")
    bottom = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}
    query = partial(nds.query_nds_trial_stats, "residual_basic", "resnet", None, bottom, None, None)
    return request.param, query, request.getfixturevalue("nds_folder")


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
class TestTrialStats:
    def test_runs_have_the_fields_of_nni(self, benchmark: tuple[str, Query, Path]) -> None:
        name, query, folder = benchmark
        config, stats, epoch = FIELDS[name]
        for run in query(client=folder):
            assert config <= run["config"].keys()
            assert stats <= run.keys()
            assert "intermediates" not in run
        for run in query(include_intermediates=True, client=folder):
            assert run["intermediates"]
            assert all(epoch <= each.keys() for each in run["intermediates"])

    def test_no_reduction_is_said_in_two_ways(self, benchmark: tuple[str, Query, Path]) -> None:
        _, query, folder = benchmark
        runs = list(query(client=folder))
        assert runs
        assert list(query(reduction="none", client=folder)) == runs
        assert list(query(reduction=None, client=folder)) == runs

    def test_a_mean_stands_for_all_runs_of_a_configuration(
        self, benchmark: tuple[str, Query, Path]
    ) -> None:
        name, query, folder = benchmark
        runs, (mean, *others) = query(client=folder), query(reduction="mean", client=folder)
        accuracy = "final_test_acc" if name == "nds" else "test_acc"
        same = [run[accuracy] for run in runs if run["config"] == mean["config"]]
        assert mean[accuracy] == pytest.approx(sum(same) / len(same))
        assert mean["num_runs"] == len(same)
        assert mean.get("seed") is None
        assert all(each["config"] != mean["config"] for each in others)

    def test_another_reduction_is_refused(self, benchmark: tuple[str, Query, Path]) -> None:
        _, query, folder = benchmark
        with pytest.raises(ValueError, match="median"):
            list(query(reduction="median", client=folder))

    def test_answers_come_as_they_are_taken(self, benchmark: tuple[str, Query, Path]) -> None:
        """A generator: nothing is asked before, and errors come where it is iterated."""
        _, query, folder = benchmark
        unread = query(client=folder / "nothing")
        with pytest.raises(LookupError, match="is not a folder"):
            next(unread)

    def test_the_names_of_nni_1_are_there(self, benchmark: tuple[str, Query, Path]) -> None:
        name = benchmark[0]
        short = {"nasbench101": "nb101", "nasbench201": "nb201", "nds": "nds"}[name]
        for suffix in ("trial_stats", "computed_stats"):
            assert getattr(compat_nni, f"query_{short}_{suffix}") is not None
        assert getattr(compat_nni, f"query_{short}_trial_stats") is getattr(
            compat_nni, f"query_{short}_computed_stats"
        )


def test_published_figures_come_by_the_names_of_nni(nats_bench_folder: Path) -> None:
    """Of architecture 0 on CIFAR-100 (the specification of raw formats, section 2)."""
    arch = nasbench201_arch(nasbench201.AVG_POOL_3X3)
    runs = list(compat_nni.query_nb201_trial_stats(arch, 200, "cifar100", client=nats_bench_folder))
    (last,) = (run for run in runs if run["seed"] == 999)
    names = ("train_acc", "valid_acc", "test_acc", "ori_test_acc", "parameters", "flops")
    assert [round(last[name], 6) for name in names] == [
        *(57.82, 53.14, 53.08, 53.11, 0.135156, 15.65322)
    ]
    assert last["config"]["arch"] == arch


def nasbench201_arch(first: str) -> dict[str, str]:
    skip, conv = nasbench201.SKIP_CONNECT, nasbench201.CONV_1X1
    return {"0_1": first, "0_2": conv, "1_2": skip, "0_3": conv, "1_3": skip, "2_3": skip}


def test_cells_come_with_the_names_of_the_constants(nasbench101_folder: Path) -> None:
    for run in compat_nni.query_nb101_trial_stats(ARCH, None, client=nasbench101_folder):
        assert run["config"]["arch"] == ARCH
        assert run["config"]["arch"]["op2"] == compat_nni.MAXPOOL3X3


def test_a_service_is_asked_by_its_address_and_by_default(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = partial(compat_nni.query_nb201_trial_stats, 0, 200, "cifar100", "mean")
    (mean,) = asked(client=server.url)
    monkeypatch.setenv("NASBENCH_URL", server.url)
    assert list(asked()) == [mean]


def test_the_constants_are_those_of_nni() -> None:
    assert nasbench101.CONV3X3_BN_RELU == compat_nni.CONV3X3 == "conv3x3-bn-relu"
    assert nasbench101.CONV1X1_BN_RELU == compat_nni.CONV1X1 == "conv1x1-bn-relu"
    assert [
        *("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
    ] == nasbench201.PRIMITIVES
    for module in (nasbench201, nds):
        names = [name for name in module.__all__ if name.isupper() and name != "PRIMITIVES"]
        for name in names:
            assert getattr(module, name) == getattr(compat_nni, name) == name.lower()
    assert len([name for name in nds.__all__ if name.isupper()]) == 16


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_the_constants_of_nds_name_the_operations_of_its_cells(nds_folder: Path) -> None:
    known = {getattr(nds, name) for name in nds.__all__ if name.isupper()}
    cells = nds.query_nds_trial_stats("nas_cell", *[None] * 5, client=nds_folder)
    used = {
        value for run in cells for key, value in run["config"]["cell_spec"].items() if "_op_" in key
    }
    assert used
    assert used <= known
