"""The names that users of the package `nasbench` know."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasbench101_cells import HASH, MATRIX
from nasbench101_cells import NAMES as OPS

from bench_client import (
    BenchClient,
    BenchmarkNotInstalledError,
    UnavailableError,
    UnsupportedQuestionError,
)
from bench_client.compat_nasbench import ModelSpec, NASBench, OutOfDomainError, api
from bench_client.models import Nb101Stats, Page
from bench_client.operations import Question
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.space import enumerate_cells
from benchmark_db.nasbench101.spelling import parse_cell
from generators.nasbench101 import generate
from missing_extra import install_command

CONV3X3, CONV1X1, MAXPOOL3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
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
LARGER: Final = {
    # By vertices, of the densest cells: computed once by the published algorithm.
    7: "f690c0e4e86a7f8d01d6b502a80413d8",
    8: "54f00f06e14890f86dc284d1ed62d578",
    12: "844200b7078552bc0cf6776a010b40e0",
    20: "5b4413a7cd9a7a07b1c28dde5871a60b",
}


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

    def test_without_a_path_there_is_no_hash(self) -> None:
        with pytest.raises(OutOfDomainError, match="no path"):
            ModelSpec([[0, 0], [0, 0]], ["input", "output"]).hash_spec([CONV3X3])

    @pytest.mark.parametrize(("vertices", "digest"), LARGER.items())
    def test_larger_cells_than_the_space_has_are_hashed_too(
        self, vertices: int, digest: str
    ) -> None:
        """Every vertex feeding every later one; as the package computes the hashes."""
        names = [CONV3X3, CONV1X1, MAXPOOL3X3]
        ops = ["input", *(names[vertex % 3] for vertex in range(vertices - 2)), "output"]
        matrix = np.triu(np.ones((vertices, vertices), dtype=int), k=1)
        assert ModelSpec(matrix, ops).hash_spec(names) == digest

    @given(data=st.data())
    def test_the_order_of_vertices_does_not_matter_at_any_size(self, data: Any) -> None:
        size = data.draw(st.integers(8, 14))
        matrix = np.zeros((size, size), dtype=int)
        for source, target in combinations(range(size), 2):
            matrix[source, target] = data.draw(st.integers(0, 1))
        matrix[0, 1:-1] = matrix[1:-1, -1] = 1
        names = [CONV3X3, CONV1X1, MAXPOOL3X3, "conv7x7"]
        inner = data.draw(st.lists(st.sampled_from(names), min_size=size - 2, max_size=size - 2))
        ops = ["input", *inner, "output"]
        spec = ModelSpec(matrix, ops)
        assert spec.ops == ops
        # Vertices may change places where all edges still lead upwards.
        swapped = data.draw(st.integers(1, size - 3))
        order = [*range(size)]
        if not matrix[swapped, swapped + 1]:
            order[swapped : swapped + 2] = swapped + 1, swapped
        other = ModelSpec(matrix[order][:, order], [ops[vertex] for vertex in order])
        assert other.hash_spec(names) == spec.hash_spec(names)
        changed = [*ops]
        changed[swapped] = names[(names.index(ops[swapped]) + 1) % 4]
        assert ModelSpec(matrix, changed).hash_spec(names) != spec.hash_spec(names)

    def test_pictures_are_refused_by_name(self) -> None:
        with pytest.raises(UnsupportedQuestionError, match="draws no cells"):
            ModelSpec(MATRIX, OPS).visualize()

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
        with pytest.raises(OutOfDomainError, match=r"epochs: not one of \[4, 12, 36, 108\]"):
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

    def test_asked_again_and_again_all_runs_are_met(self, nasbench: NASBench) -> None:
        """As programs do that average over three distinct accuracies."""
        spec = ModelSpec(MATRIX, OPS)
        found = {measured(nasbench.query(spec)) for _ in range(200)}
        assert found == set(REPEATS)

    def test_with_a_seed_the_same_query_has_the_same_answer(self, client: BenchClient) -> None:
        first, second = NASBench(client, seed=3), NASBench(client, seed=3)
        small = ModelSpec([[0, 1], [0, 0]], ["input", "output"])
        second.query(small)
        spec = ModelSpec(MATRIX, OPS)
        assert measured(first.query(spec)) == measured(second.query(spec))
        assert measured(first.query(spec)) == measured(first.query(spec))

    def test_isomorphic_cells_have_the_same_answer(self, client: BenchClient) -> None:
        nasbench = NASBench(client, seed=0)
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
        nasbench, spec = NASBench(client), ModelSpec(MATRIX, OPS)
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
    def test_every_cell_is_iterated_as_often_as_wanted(self, nasbench: NASBench) -> None:
        expected = sorted([HASH, *(digest for digest, _ in enumerate_cells(4))])
        hashes = nasbench.hash_iterator()
        assert list(hashes) == list(hashes) == expected
        assert len(hashes) == len(expected)
        assert HASH in hashes
        assert "0" * 32 not in hashes

    def test_the_tables_hold_what_single_cells_are_told_as(self, nasbench: NASBench) -> None:
        fixed, computed = nasbench.fixed_statistics, nasbench.computed_statistics
        assert [*fixed] == [*computed] == [*nasbench.hash_iterator()]
        assert len(fixed) == len(computed) == len([*fixed])
        assert repr(fixed) == f"FixedStatistics({len(fixed)} cells)"
        assert fixed[HASH]["module_adjacency"].tolist() == MATRIX
        assert [run["final_test_accuracy"] for run in computed[HASH][108]] == [
            test for *_, test in REPEATS
        ]
        told = {digest: nasbench.get_metrics_from_hash(digest) for digest in fixed}
        for digest, cell in fixed.items():
            assert told[digest][0].keys() == cell.keys()
            assert all(np.array_equal(told[digest][0][name], cell[name]) for name in cell)
        assert dict(computed.items()) == {digest: runs for digest, (_, runs) in told.items()}
        assert [cell["trainable_parameters"] for cell in fixed.values()] == [
            fixed[digest]["trainable_parameters"] for digest in fixed
        ]

    @pytest.mark.parametrize(
        "key", ["0" * 32, HASH.upper(), "", 5, None, '{"op1": "conv3x3", "input1": [0]}']
    )
    def test_what_is_no_hash_of_a_cell_is_a_missing_key(self, key: Any, nasbench: NASBench) -> None:
        for table in (nasbench.fixed_statistics, nasbench.computed_statistics):
            assert key not in table
            assert table.get(key) is None
            with pytest.raises(KeyError):
                table[key]

    def test_cells_that_lack_the_largest_budget_are_iterated_too(
        self, training: Any, write_tfrecord: Any, tmp_path: Path
    ) -> None:
        cells = [cell.to_dict() for _, cell in enumerate_cells(3)]
        payloads = [training(cell, 12) for cell in cells for _ in range(3)]
        payloads += [training(cells[0], 108) for _ in range(3)]
        generate(write_tfrecord(tmp_path / "nasbench_full.tfrecord", payloads), tmp_path)
        nasbench = NASBench(tmp_path)
        expected = sorted(digest for digest, _ in enumerate_cells(3))
        assert [*nasbench.hash_iterator()] == expected
        assert len(nasbench.hash_iterator()) == len(expected)
        assert [*map(len, nasbench.computed_statistics.values())].count(2) == 1

    def test_pages_of_two_databases_are_not_mixed(self, client: BenchClient, server: Any) -> None:
        """The first page comes from one database, the next, by then, from another."""
        info = client.benchmark("nasbench101").model_dump_json()
        filters, options = {"num_epochs": 108}, {"reduction": "mean", "limit": 10}
        page = client._ask(
            Question("computed_stats", Page[Nb101Stats], "nasbench101", filters, options)
        )
        mark = page.provenance.model_copy(update={"content_digest": "0" * 64})
        replaced = page.model_copy(update={"provenance": mark})
        server.will_answer(
            *(text.encode() for text in (info, page.model_dump_json(), replaced.model_dump_json()))
        )
        with pytest.raises(UnavailableError, match="was replaced during the iteration"):
            list(NASBench(server.url).hash_iterator())

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


def test_training_is_refused_by_name(nasbench: NASBench) -> None:
    with pytest.raises(UnsupportedQuestionError, match="trains nothing into '/tmp/model'"):
        nasbench.evaluate(ModelSpec(MATRIX, OPS), "/tmp/model")  # noqa: S108 - nothing is written


def test_the_module_of_the_package_is_there_by_its_name() -> None:
    assert api.NASBench is NASBench
    assert api.ModelSpec is ModelSpec
    assert api.OutOfDomainError is OutOfDomainError


def test_checks_that_are_private_in_the_package_are_there(nasbench: NASBench) -> None:
    """Published programs call them."""
    spec = ModelSpec(MATRIX, OPS)
    nasbench._check_spec(spec)
    assert nasbench._hash_spec(spec) == HASH
    with pytest.raises(OutOfDomainError):
        nasbench._check_spec(ModelSpec([[0, 0], [0, 0]], ["input", "output"]))


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
    assert install_command("local") in ended.stderr
