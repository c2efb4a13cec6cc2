"""The names that users of the package `nasbench` know."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_client import BenchClient, BenchmarkNotInstalledError
from bench_client.compat_nasbench import ModelSpec, NASBench, OutOfDomainError
from benchmark_db.nasbench101.cell_hash import hash_cell
from benchmark_db.nasbench101.enumeration import enumerate_cells
from benchmark_db.nasbench101.spelling import parse_cell

HASH: Final = "00005c142e6f48ac74fdcf73e3439874"
MATRIX: Final = [
    [0, 1, 0, 0, 1, 1, 0],
    [0, 0, 1, 0, 0, 0, 0],
    [0, 0, 0, 1, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]
CONV3X3, CONV1X1, MAXPOOL3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPS: Final = ["input", CONV3X3, MAXPOOL3X3, CONV3X3, CONV3X3, CONV1X1, "output"]
REPEATS: Final = [
    # Seconds, then training, validation and test accuracy, as the archive records them of this
    # cell at 108 epochs (the specification of raw formats, section 1, and the shared samples).
    (1769.1279296875, 1.0, 0.9241786599159241, 0.9211738705635071),
    (1768.2509765625, 1.0, 0.9245793223381042, 0.9190705418586731),
    (1768.9759521484375, 1.0, 0.9304887652397156, 0.9215745329856873),
]
HALFWAY: Final = [
    (883.4580078125, 0.8282251358032227, 0.7776442170143127, 0.7740384340286255),
    (883.6810302734375, 0.8796073794364929, 0.8291265964508057, 0.8204126358032227),
    (883.4569702148438, 0.8634815812110901, 0.8115985393524170, 0.8058894276618958),
]


@pytest.fixture(scope="module")
def client(nasbench101_folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(nasbench101_folder) as bench:
        yield bench


@pytest.fixture
def nasbench(client: BenchClient) -> NASBench:
    return NASBench(client)


def measured(data: dict[str, Any]) -> tuple[float, ...]:
    names = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
    return tuple(data[name] for name in names)


class TestModelSpec:
    def test_a_cell_keeps_what_was_given_and_what_remains(self) -> None:
        matrix = np.array([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
        spec = ModelSpec(matrix, ["input", CONV1X1, MAXPOOL3X3, "output"], "channels_first")
        assert spec.valid_spec
        assert spec.matrix.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
        assert spec.ops == ["input", CONV1X1, "output"]
        assert spec.original_matrix.tolist() == matrix.tolist()
        assert spec.original_ops == ["input", CONV1X1, MAXPOOL3X3, "output"]
        assert spec.data_format == "channels_first"

    def test_what_was_given_may_change_afterwards(self) -> None:
        matrix, ops = np.array(MATRIX), list(OPS)
        spec = ModelSpec(matrix, ops)
        matrix[0, 1] = 0
        ops[1] = MAXPOOL3X3
        assert spec.original_matrix.tolist() == MATRIX
        assert spec.original_ops == OPS

    def test_without_a_path_nothing_remains(self) -> None:
        spec = ModelSpec([[0, 1, 0], [0, 0, 0], [0, 0, 0]], ["input", CONV1X1, "output"])
        assert not spec.valid_spec
        assert spec.matrix is None
        assert spec.ops is None

    @pytest.mark.parametrize(
        ("matrix", "ops", "message"),
        [
            ([[0, 1]], ["input", "output"], "not square"),
            ([0, 1], ["input", "output"], "not square"),
            ([[0, 1], [0, 0]], ["input", CONV1X1, "output"], "2 vertices with 3 operations"),
            ([[0, 1], [1, 0]], ["input", "output"], "row 1 of the matrix is not 0 up to"),
            ([[1, 1], [0, 0]], ["input", "output"], "row 0 of the matrix is not 0 up to"),
            ([[0, 2], [0, 0]], ["input", "output"], r"row 0 of the matrix is \[0, 2\]"),
        ],
    )
    def test_what_is_no_cell_is_refused(self, matrix: Any, ops: list[str], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ModelSpec(matrix, ops)

    @pytest.mark.parametrize("kind", [np.int8, bool, float])
    def test_the_hash_is_the_published_one(self, kind: type, nasbench: NASBench) -> None:
        spec = ModelSpec(np.array(MATRIX, dtype=kind), OPS)
        assert spec.hash_spec(nasbench.config["available_ops"]) == HASH
        assert nasbench.is_valid(spec)

    def test_an_operation_that_is_not_canonical_has_no_hash(self) -> None:
        with pytest.raises(ValueError, match="not in list"):
            ModelSpec(MATRIX, OPS).hash_spec([CONV3X3, CONV1X1])

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [([[0, 0], [0, 0]], "no path"), (np.eye(8, k=1), "more than 7 vertices")],
    )
    def test_what_is_outside_the_space_has_no_hash(self, matrix: Any, message: str) -> None:
        ops = ["input", *[CONV1X1] * (len(matrix) - 2), "output"]
        with pytest.raises(OutOfDomainError, match=message):
            ModelSpec(matrix, ops).hash_spec([CONV3X3, CONV1X1, MAXPOOL3X3])

    @given(edges=st.lists(st.integers(0, 1), min_size=10, max_size=10), seed=st.integers(0, 80))
    def test_pruning_is_that_of_the_benchmark(self, edges: list[int], seed: int) -> None:
        rest = iter(edges)
        matrix = [[next(rest) if i < j else 0 for j in range(5)] for i in range(5)]
        rng = random.Random(seed)  # noqa: S311 - repeatable
        ops = ["input", *rng.choices([CONV3X3, CONV1X1, MAXPOOL3X3], k=3), "output"]
        spec = ModelSpec(matrix, ops)
        module = {"module_adjacency": matrix, "module_operations": ops}
        if spec.valid_spec and sum(edges) <= 9:
            pruned = parse_cell(module).pruned().to_module()
            assert spec.matrix.tolist() == pruned["module_adjacency"]
            assert spec.ops == pruned["module_operations"]
            known = spec.hash_spec([CONV3X3, CONV1X1, MAXPOOL3X3])
            assert known == hash_cell(parse_cell(module))


class TestDomain:
    def test_a_cell_counts_as_pruned(self, nasbench: NASBench) -> None:
        """Eight vertices of which two remain: the package asks what is left."""
        matrix = np.zeros((8, 8), dtype=int)
        matrix[0, 1:] = 1
        assert nasbench.is_valid(ModelSpec(matrix, ["input", *[CONV1X1] * 6, "output"]))

    @pytest.mark.parametrize(
        ("matrix", "operation", "message"),
        [
            ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], CONV1X1, "no path"),
            (np.eye(8, k=1), CONV1X1, "8 vertices; at most 7"),
            (np.triu(np.ones((5, 5)), k=1), CONV1X1, "10 edges; at most 9"),
            (np.eye(3, k=1), "conv5x5-bn-relu", "conv5x5-bn-relu"),
        ],
    )
    def test_what_is_outside_the_space_is_no_valid_question(
        self, matrix: Any, operation: str, message: str, nasbench: NASBench
    ) -> None:
        spec = ModelSpec(matrix, ["input", *[operation] * (len(matrix) - 2), "output"])
        assert not nasbench.is_valid(spec)
        with pytest.raises(OutOfDomainError, match=message):
            nasbench.query(spec)
        assert nasbench.get_budget_counters() == (0, 0)

    @pytest.mark.parametrize("place", [0, -1])
    def test_cells_go_from_input_to_output(self, place: int, nasbench: NASBench) -> None:
        ops = list(OPS)
        ops[place] = CONV1X1
        assert not nasbench.is_valid(ModelSpec(MATRIX, ops))

    @pytest.mark.parametrize("epochs", [54, 0, "108", None])
    def test_other_budgets_are_refused(self, epochs: Any, nasbench: NASBench) -> None:
        with pytest.raises(OutOfDomainError, match=r"epochs are none of \[4, 12, 36, 108\]"):
            nasbench.query(ModelSpec(MATRIX, OPS), epochs=epochs)

    def test_a_cell_without_runs_is_told(self, nasbench: NASBench) -> None:
        ops = [OPS[0], *[CONV1X1] * 5, OPS[-1]]
        with pytest.raises(OutOfDomainError, match="the installed data has no runs of ModelSpec"):
            nasbench.query(ModelSpec(MATRIX, ops))

    def test_budgets_are_those_of_the_installed_data(self, nasbench: NASBench) -> None:
        assert nasbench.valid_epochs == {4, 12, 36, 108}

    def test_the_space_is_described(self, nasbench: NASBench) -> None:
        assert nasbench.config == {
            "module_vertices": 7,
            "max_edges": 9,
            "num_repeats": 3,
            "available_ops": [CONV3X3, CONV1X1, MAXPOOL3X3],
        }


class TestQuery:
    def test_a_run_is_told_as_the_archive_has_it(self, nasbench: NASBench) -> None:
        data = nasbench.query(ModelSpec(MATRIX, OPS))
        assert measured(data) in REPEATS
        assert data["module_adjacency"].tolist() == MATRIX
        assert data["module_adjacency"].dtype == np.int8
        assert data["module_operations"] == OPS
        assert data["trainable_parameters"] == 8_555_530

    def test_half_way_it_is_the_run_as_it_stood(self, nasbench: NASBench) -> None:
        data = nasbench.query(ModelSpec(MATRIX, OPS), stop_halfway=True)
        assert measured(data) in HALFWAY

    def test_the_same_query_has_the_same_answer(self, client: BenchClient) -> None:
        first, second = NASBench(client, seed=3), NASBench(client, seed=3)
        small = ModelSpec([[0, 1], [0, 0]], ["input", "output"])
        second.query(small)
        spec = ModelSpec(MATRIX, OPS)
        assert measured(first.query(spec)) == measured(second.query(spec))
        assert measured(first.query(spec)) == measured(first.query(spec))

    def test_isomorphic_cells_have_the_same_answer(self, nasbench: NASBench) -> None:
        order = [0, 4, 1, 2, 3, 5, 6]
        matrix = np.array(MATRIX)[order][:, order]
        other = ModelSpec(matrix, [OPS[vertex] for vertex in order])
        assert matrix.tolist() != MATRIX
        mine = nasbench.query(ModelSpec(MATRIX, OPS), epochs=12)
        assert measured(nasbench.query(other, epochs=12)) == measured(mine)

    def test_seeds_choose_among_the_runs(self, client: BenchClient) -> None:
        spec = ModelSpec(MATRIX, OPS)
        found = {measured(NASBench(client, seed).query(spec)) for seed in range(20)}
        assert found == set(REPEATS)

    def test_without_a_seed_the_draws_are_those_of_the_package(self, client: BenchClient) -> None:
        """Which takes `random.randint(0, 2)` for each query."""
        nasbench, spec = NASBench(client, seed=None), ModelSpec(MATRIX, OPS)
        random.seed(5)
        found = [measured(nasbench.query(spec)) for _ in range(10)]
        random.seed(5)
        assert found == [REPEATS[random.randint(0, 2)] for _ in range(10)]  # noqa: S311 - as they do

    def test_time_and_epochs_add_up(self, nasbench: NASBench) -> None:
        spec = ModelSpec(MATRIX, OPS)
        first = nasbench.query(spec)["training_time"]
        second = nasbench.query(spec, epochs=36, stop_halfway=True)["training_time"]
        assert nasbench.get_budget_counters() == (first + second, 108 + 18)
        assert nasbench.training_time_spent == first + second
        nasbench.reset_budget_counters()
        assert nasbench.get_budget_counters() == (0, 0)


class TestTable:
    def test_every_cell_is_iterated(self, nasbench: NASBench) -> None:
        expected = sorted([HASH, *(digest for digest, _ in enumerate_cells(4))])
        assert list(nasbench.hash_iterator()) == expected

    def test_all_runs_of_a_cell_come_by_budget(self, nasbench: NASBench) -> None:
        fixed, computed = nasbench.get_metrics_from_hash(HASH)
        assert fixed["trainable_parameters"] == 8_555_530
        assert {epochs: len(runs) for epochs, runs in computed.items()} == {
            4: 3,
            12: 3,
            36: 3,
            108: 3,
        }
        names = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
        for prefix, expected in (("final", REPEATS), ("halfway", HALFWAY)):
            runs = [tuple(run[f"{prefix}_{name}"] for name in names) for run in computed[108]]
            assert runs == expected

    def test_a_cell_is_found_by_its_matrix_too(self, nasbench: NASBench) -> None:
        by_hash = nasbench.get_metrics_from_hash(HASH)[1]
        assert nasbench.get_metrics_from_spec(ModelSpec(MATRIX, OPS))[1] == by_hash
        assert nasbench.get_budget_counters() == (0, 0)

    def test_an_unknown_hash_is_a_missing_key(self, nasbench: NASBench) -> None:
        with pytest.raises(KeyError, match="0" * 32):
            nasbench.get_metrics_from_hash("0" * 32)


def test_a_folder_without_the_benchmark_is_told_at_once(databases: Path) -> None:
    with BenchClient.local(databases) as client, pytest.raises(BenchmarkNotInstalledError):
        NASBench(client)


def test_a_matrix_without_numpy_names_what_to_install() -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'peewee', 'orjson', 'tensorflow'): sys.modules[name] = None\n"
        "from bench_client import compat_nasbench as api\n"
        "api.ModelSpec([[0, 1], [0, 0]], ['input', 'output'])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "pip install 'nas-bench-service[local]'" in ended.stderr
