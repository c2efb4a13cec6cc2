"""`NASBench`, `ModelSpec` and `OutOfDomainError` of the package `nasbench`."""

from __future__ import annotations

from collections.abc import KeysView, Sequence
from typing import Any, Final

from bench_client.compat import RunChoice, Where, client_for
from bench_client.compat_nasbench.tables import (
    NAME,
    Computed,
    ComputedStatistics,
    Fixed,
    FixedStatistics,
    array,
    computed,
    fixed,
    halfway,
    measured,
)
from bench_client.errors import UnsupportedQuestionError
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import MAX_EDGES, MAX_VERTICES, PUBLISHED_OPERATION_NAMES, Cell
from benchmark_db.nasbench101.graph_hash import hash_cell, hash_graph
from benchmark_db.nasbench101.spelling import parse_cell

__all__ = ["ModelSpec", "NASBench", "OutOfDomainError"]

_REPEATS: Final = 3
_DIMENSIONS: Final = 2


class OutOfDomainError(Exception):
    """A cell outside the space, or a budget that the data does not have."""


class ModelSpec:
    """A cell, pruned to the vertices on paths from input to output.

    Args:
        matrix: V x V upper triangular matrix of 0 and 1; an array or nested lists.
        ops: The V operation names, from `input` to `output`.
        data_format: Stored, but has no effect.

    Attributes:
        original_matrix: A copy of the given matrix, as an array.
        original_ops: The given names.
        matrix: The pruned matrix; None if no path leads from input to output.
        ops: The remaining names; None if no path leads from input to output.
        valid_spec: Whether a path leads from input to output.

    Raises:
        ValueError: The matrix is not square, not upper triangular or of another size than `ops`.
        ImportError: numpy is not installed.
    """

    def __init__(self, matrix: Any, ops: Sequence[str], data_format: str = "channels_last") -> None:
        self.original_matrix = array(matrix)
        self.original_ops = list(ops)
        self.data_format = data_format
        _check_shape(self.original_matrix, len(self.original_ops))
        kept = _on_paths(self.original_matrix.tolist())
        self.valid_spec = bool(kept)
        self.matrix: Any = None
        self.ops: list[str] | None = None
        if kept:
            self.matrix = self.original_matrix[kept][:, kept]
            self.ops = [self.original_ops[vertex] for vertex in kept]

    def __repr__(self) -> str:
        matrix, ops = self.original_matrix.tolist(), self.original_ops
        return f"{type(self).__name__}(matrix={matrix}, ops={ops})"

    def hash_spec(self, canonical_ops: Sequence[str]) -> str:
        """Return the hash of the pruned cell, which isomorphic cells share; the cell has any size.

        Args:
            canonical_ops: Operations in the order of their labels; the published hashes use
                `NASBench.config["available_ops"]`.

        Raises:
            ValueError: An operation is not among them.
            OutOfDomainError: No path leads from input to output.
        """
        if self.matrix is None or self.ops is None:
            raise OutOfDomainError(f"no path of {self!r} leads from input to output")
        labels = [list(canonical_ops).index(name) for name in self.ops[1:-1]]
        columns = self.matrix.T.tolist()
        return hash_graph(
            [[row for row, fed in enumerate(each) if fed] for each in columns], labels
        )

    def visualize(self) -> None:
        """Raise UnsupportedQuestionError: this adapter draws no cells.

        Raises:
            UnsupportedQuestionError: Always.
        """
        raise UnsupportedQuestionError(
            "this adapter draws no cells: `matrix` and `ops` have what graphviz or networkx need"
        )


def _on_paths(matrix: list[list[int]]) -> list[int]:
    """Return the ascending vertices on paths from the first to the last; empty if there is none."""
    vertices = range(len(matrix))
    reached = {0}
    for vertex in vertices:
        if vertex in reached:
            reached |= {target for target in vertices if matrix[vertex][target]}
    needed = {len(matrix) - 1}
    for vertex in reversed(vertices):
        if any(matrix[vertex][target] for target in needed):
            needed.add(vertex)
    kept = sorted(reached & needed)
    return kept if len(kept) > 1 else []


def _check_shape(matrix: Any, names: int) -> None:
    rows = matrix.tolist()
    if matrix.ndim != _DIMENSIONS or len(set(matrix.shape)) > 1:
        raise ValueError(f"the matrix is of shape {matrix.shape}, not square")
    if len(rows) != names:
        raise ValueError(f"a matrix of {len(rows)} vertices with {names} operations")
    for vertex, row in enumerate(rows):
        if any(row[: vertex + 1]):
            raise ValueError(f"row {vertex} of the matrix is not 0 up to the diagonal")
        if not {0, 1}.issuperset(row):
            raise ValueError(f"row {vertex} of the matrix is {row}, not of 0 and 1")


class NASBench:
    """API of the NAS-Bench-101 table, with counters of the training budget that queries spend.

    Args:
        dataset_file: Instead of the file, a client, the address of a service, a folder of
            databases, or None for `BenchClient()`.
        seed: None: each query draws one of the runs from Python's global generator, as the package
            does, so repeated queries may differ; `random.seed` makes the draws repeatable. An
            integer: seed of the choice, which is always the same for the same query.

    Attributes:
        config: `module_vertices`, `max_edges`, `num_repeats` and `available_ops` of the space.
        valid_epochs: Training budgets of the installed data, in epochs.
        fixed_statistics: By hash, `module_adjacency`, `module_operations` and
            `trainable_parameters` of each cell with runs; fetched on access.
        computed_statistics: By hash and budget, for each run `halfway_` and `final_`
            `training_time`, `train_accuracy`, `validation_accuracy` and `test_accuracy`; fetched
            on access.
        training_time_spent: Training time of the queried runs, in seconds.
        total_epochs_spent: Training epochs of the queried runs.

    Raises:
        BenchmarkNotInstalledError: NAS-Bench-101 is not installed.
        BenchError: As `BenchClient`.
    """

    def __init__(self, dataset_file: Where = None, seed: int | None = None) -> None:
        self.config: dict[str, Any] = {
            "module_vertices": MAX_VERTICES,
            "max_edges": MAX_EDGES,
            "num_repeats": _REPEATS,
            "available_ops": list(PUBLISHED_OPERATION_NAMES),
        }
        self._bench = client_for(dataset_file)
        self._choice = RunChoice(seed)
        info = self._bench.benchmark(NAME)
        self.valid_epochs = set(info.budgets) - set(info.provenance.contents["budgets_missing"])
        self.fixed_statistics = FixedStatistics(self._bench, info)
        self.computed_statistics = ComputedStatistics(self._bench, info)
        self.reset_budget_counters()

    def query(
        self,
        model_spec: ModelSpec,
        epochs: int = 108,
        stop_halfway: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    ) -> dict[str, Any]:
        """Return the statistics of one run of a cell, and add its cost to the budget counters.

        Args:
            model_spec: The cell.
            epochs: Training budget, in epochs.
            stop_halfway: Whether the run is stopped half-way through its epochs.

        Returns:
            `module_adjacency` (an int8 array) and `module_operations` of the trained cell, which is
            isomorphic to the given one; `trainable_parameters`; `training_time` in seconds;
            `train_accuracy`, `validation_accuracy` and `test_accuracy` from 0 to 1.

        Raises:
            OutOfDomainError: The cell is outside the space or not in the installed data, or the
                data does not have this budget.
        """
        if epochs not in self.valid_epochs:
            raise OutOfDomainError(f"{epochs!r:.80} epochs: not one of {sorted(self.valid_epochs)}")
        module = _cell(model_spec).to_module()
        runs = self._bench.query_nb101(module, epochs, include_intermediates=stop_halfway)
        if not runs:
            raise OutOfDomainError(
                f"the installed data has no runs of {model_spec!r} at {epochs} epochs"
            )
        run = self._choice(runs, runs[0].config.hash, epochs)
        recorded = measured(halfway(run) if stop_halfway else run)
        self.training_time_spent += recorded["training_time"]
        self.total_epochs_spent += epochs // 2 if stop_halfway else epochs
        return fixed(run.config) | recorded

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Return whether the pruned cell is in the space."""
        try:
            _cell(model_spec)
        except OutOfDomainError:
            return False
        return True

    def get_budget_counters(self) -> tuple[float, int]:
        """Return the training time (seconds) and epochs of the queried runs."""
        return self.training_time_spent, self.total_epochs_spent

    def reset_budget_counters(self) -> None:
        """Set the budget counters to 0."""
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def evaluate(self, model_spec: ModelSpec, model_dir: str) -> None:
        """Raise UnsupportedQuestionError: this adapter trains nothing.

        Raises:
            UnsupportedQuestionError: Always.
        """
        raise UnsupportedQuestionError(
            f"this adapter trains nothing into {model_dir!r:.80}: `query` {model_spec!r} instead"
        )

    def hash_iterator(self) -> KeysView[str]:
        """Return a view of the hashes of all cells with runs, ascending.

        Each iteration fetches the hashes again, a thousand per request: some 400 requests for the
        whole table.
        """
        return self.fixed_statistics.keys()

    def get_metrics_from_hash(self, module_hash: str) -> tuple[Fixed, Computed]:
        """Return the fixed statistics of a cell and, by budget, the statistics of its runs.

        Args:
            module_hash: Hash of the cell, as from `hash_iterator`.

        Returns:
            The entries of `fixed_statistics` and `computed_statistics`.

        Raises:
            KeyError: The installed data has no such cell.
            BenchError: As `BenchClient`.
        """
        runs = self.computed_statistics.runs(module_hash)
        return fixed(runs[0].config), computed(runs)

    def get_metrics_from_spec(self, model_spec: ModelSpec) -> tuple[Fixed, Computed]:
        """Return the result of `get_metrics_from_hash` for the hash of a cell.

        Raises:
            OutOfDomainError: The cell is outside the space.
            KeyError: The installed data has no such cell.
        """
        return self.get_metrics_from_hash(self._hash_spec(model_spec))

    def _check_spec(self, model_spec: ModelSpec) -> None:
        # Programs call this method, although it is private in the package too.
        _cell(model_spec)

    def _hash_spec(self, model_spec: ModelSpec) -> str:
        return hash_cell(_cell(model_spec))


def _cell(spec: ModelSpec) -> Cell:
    """Return the pruned cell.

    Raises:
        OutOfDomainError: The cell is outside the space.
    """
    if spec.matrix is None or spec.ops is None:
        raise OutOfDomainError(f"no path of {spec!r} leads from input to output")
    module = {"module_adjacency": spec.matrix.astype(int), "module_operations": spec.ops}
    try:
        return parse_cell(module)
    except InvalidArchitectureError as error:
        raise OutOfDomainError(str(error)) from error
