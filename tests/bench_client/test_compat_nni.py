"""The names that users of NNI's functions know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench_client import BenchClient, InvalidRequestError, compat_nni
from benchmark_db.errors import InvalidArchitectureError

HASH = "00005c142e6f48ac74fdcf73e3439874"
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
MATRIX = [
    [0, 1, 0, 0, 1, 1, 0],
    [0, 0, 1, 0, 0, 0, 0],
    [0, 0, 0, 1, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]
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
    assert found == [run.model_dump() for run in expected]
    assert found[0]["config"]["model_family"] == "residual_basic"
