"""The API of the package `nasbench` (NAS-Bench-101) on this service, for moving programs over.

`from nasbench import api` becomes `from bench_client import compat_nasbench as api`, and the path
given to `NASBench` becomes a client, the address of a service or a folder of databases. Figures are
those of the package: accuracies from 0 to 1, times in seconds. What differs:

* Where the package draws one of three runs at random, the same query has the same answer here,
  whatever was asked before; another `seed` may choose another run. With `seed=None` the package's
  own draws are made, from Python's global generator.
* The whole table is not loaded: `fixed_statistics` and `computed_statistics` are not there, and
  nothing is trained (`evaluate`).

Needs numpy, as matrices are arrays. New programs are better off with `BenchClient`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench_client.compat import RunChoice, Where, client_for
from bench_client.errors import UnexpectedAnswerError
from bench_client.models import Nb101Config, Nb101Epoch, Nb101Stats, Page
from bench_client.operations import Question
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import MAX_EDGES, MAX_VERTICES, PUBLISHED_OPERATION_NAMES, Cell
from benchmark_db.nasbench101.cell_hash import hash_cell
from benchmark_db.nasbench101.spelling import parse_cell

__all__ = ["ModelSpec", "NASBench", "OutOfDomainError"]

_NAME: Final = "nasbench101"
_StatsPage: Final = Page[Nb101Stats]
_PAGE: Final = 1000
_REPEATS: Final = 3
_DIMENSIONS: Final = 2
_PERCENT: Final = 100
_ROUNDING: Final = 4e-16
"""How far two roundings may take a number from what it was, relatively."""

_SINGLE: Final = struct.Struct("<f")


class OutOfDomainError(Exception):
    """A cell outside the space, or a budget that the data does not have."""


class ModelSpec:
    """A cell, pruned to the vertices on paths from input to output.

    Args:
        matrix: V x V upper triangular matrix of 0 and 1; an array or nested lists.
        ops: The V operation names, from `input` to `output`.
        data_format: Kept; nothing here depends on it.

    Attributes:
        original_matrix: The matrix given, an array of its own.
        original_ops: The names given.
        matrix: The pruned matrix; None when no path leads from input to output.
        ops: The names that remain; None likewise.
        valid_spec: Whether such a path exists.

    Raises:
        ValueError: The matrix is not square, not upper triangular or of another size than `ops`.
        ImportError: numpy is not installed.
    """

    def __init__(self, matrix: Any, ops: Sequence[str], data_format: str = "channels_last") -> None:
        self.original_matrix = _array(matrix)
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
        """Return the hash that the pruned cell shares with isomorphic ones.

        Args:
            canonical_ops: The operations in the order of their labels; the published hashes rest on
                `NASBench.config["available_ops"]`.

        Raises:
            ValueError: An operation is none of them.
            OutOfDomainError: No path leads from input to output, or there are too many vertices.
        """
        if self.matrix is None or self.ops is None:
            raise OutOfDomainError(f"no path of {self!r} leads from input to output")
        if len(self.ops) > MAX_VERTICES:
            raise OutOfDomainError(f"{self!r} has more than {MAX_VERTICES} vertices")
        labels = [list(canonical_ops).index(name) for name in self.ops[1:-1]]
        columns = self.matrix.T.tolist()
        masks = [sum(1 << row for row, fed in enumerate(column) if fed) for column in columns[1:]]
        return hash_cell(Cell.from_predecessors(masks, labels))


class NASBench:
    """The table, asked one cell at a time, and a budget that adds up what was asked.

    Args:
        dataset_file: Whom to ask, in place of the file: a client, the address of a service, a
            folder of databases, or None for `BenchClient()`.
        seed: Chooses the run that answers a query; None: Python's global generator does.

    Attributes:
        config: `module_vertices`, `max_edges`, `num_repeats` and `available_ops` of the space.
        valid_epochs: The budgets that the installed data has, in epochs.
        training_time_spent: Seconds of training that queries stood for.
        total_epochs_spent: Epochs of training that they stood for.

    Raises:
        BenchmarkNotInstalledError: NAS-Bench-101 is not installed there.
        BenchError: As `BenchClient`.
    """

    def __init__(self, dataset_file: Where = None, seed: int | None = 0) -> None:
        self.config: dict[str, Any] = {
            "module_vertices": MAX_VERTICES,
            "max_edges": MAX_EDGES,
            "num_repeats": _REPEATS,
            "available_ops": list(PUBLISHED_OPERATION_NAMES),
        }
        self._bench = client_for(dataset_file)
        self._choice = RunChoice(seed)
        info = self._bench.benchmark(_NAME)
        self.valid_epochs = set(info.budgets) - set(info.provenance.contents["budgets_missing"])
        self.reset_budget_counters()

    def query(
        self,
        model_spec: ModelSpec,
        epochs: int = 108,
        stop_halfway: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
    ) -> dict[str, Any]:
        """Return what one of the runs of a cell recorded, and add its cost to the budget.

        Args:
            model_spec: The cell.
            epochs: The training budget.
            stop_halfway: Whether the run is stopped half-way through its epochs.

        Returns:
            `module_adjacency` (an int8 array) and `module_operations` of the cell that was trained,
            isomorphic to the one given; `trainable_parameters`; `training_time` in seconds;
            `train_accuracy`, `validation_accuracy` and `test_accuracy` from 0 to 1.

        Raises:
            OutOfDomainError: The cell is outside the space or not in the installed data, or the
                data does not have this budget.
        """
        if epochs not in self.valid_epochs:
            raise OutOfDomainError(f"{epochs!r:.80} epochs are none of {sorted(self.valid_epochs)}")
        module = _cell(model_spec).to_module()
        runs = self._bench.query_nb101(module, epochs, include_intermediates=stop_halfway)
        if not runs:
            raise OutOfDomainError(
                f"the installed data has no runs of {model_spec!r} at {epochs} epochs"
            )
        run = self._choice(runs, runs[0].config.hash, epochs)
        measured = _measured(_halfway(run) if stop_halfway else run)
        self.training_time_spent += measured["training_time"]
        self.total_epochs_spent += epochs // 2 if stop_halfway else epochs
        return _fixed(run.config) | measured

    def is_valid(self, model_spec: ModelSpec) -> bool:
        """Return whether a cell, pruned, is in the space."""
        try:
            _cell(model_spec)
        except OutOfDomainError:
            return False
        return True

    def get_budget_counters(self) -> tuple[float, int]:
        """Return the seconds and epochs of training that queries stood for."""
        return self.training_time_spent, self.total_epochs_spent

    def reset_budget_counters(self) -> None:
        """Set the budget counters to 0."""
        self.training_time_spent = 0.0
        self.total_epochs_spent = 0

    def hash_iterator(self) -> Iterator[str]:
        """Yield the hash of every cell trained with the largest budget, ascending.

        Hashes are asked for a thousand at a time: of the whole table in some 400 questions.
        """
        filters = {"num_epochs": max(self.valid_epochs)}
        options: dict[str, Any] = {"reduction": "mean", "limit": _PAGE}
        while True:
            question = Question("computed_stats", _StatsPage, _NAME, filters, options)
            page = self._bench._ask(question)  # noqa: SLF001 - no method of it gives single pages
            yield from (item.config.hash for item in page.items)
            if page.next_cursor is None:
                return
            options = {**options, "cursor": page.next_cursor}

    def get_metrics_from_hash(
        self, module_hash: str
    ) -> tuple[dict[str, Any], dict[int, list[dict[str, Any]]]]:
        """Return what is known of a cell and, by budget, what each of its runs recorded.

        Args:
            module_hash: As `hash_iterator` yields it.

        Returns:
            `module_adjacency`, `module_operations` and `trainable_parameters`; by epochs, for each
            run `halfway_` and `final_` `training_time`, `train_accuracy`, `validation_accuracy` and
            `test_accuracy`.

        Raises:
            KeyError: The installed data has no such cell.
            BenchError: As `BenchClient`.
        """
        runs = self._bench.query_nb101(module_hash, include_intermediates=True)
        if not runs:
            raise KeyError(module_hash)
        computed: dict[int, list[dict[str, Any]]] = {}
        for run in runs:
            computed.setdefault(run.config.num_epochs, []).append(
                _prefixed("halfway", _measured(_halfway(run))) | _prefixed("final", _measured(run))
            )
        return _fixed(runs[0].config), computed

    def get_metrics_from_spec(
        self, model_spec: ModelSpec
    ) -> tuple[dict[str, Any], dict[int, list[dict[str, Any]]]]:
        """Return for a cell what `get_metrics_from_hash` returns for its hash.

        Raises:
            OutOfDomainError: The cell is outside the space.
            KeyError: The installed data has no such cell.
        """
        return self.get_metrics_from_hash(hash_cell(_cell(model_spec)))


def _cell(spec: ModelSpec) -> Cell:
    """Return the pruned cell.

    Raises:
        OutOfDomainError: It is outside the space.
    """
    if spec.matrix is None or spec.ops is None:
        raise OutOfDomainError(f"no path of {spec!r} leads from input to output")
    module = {"module_adjacency": spec.matrix.astype(int), "module_operations": spec.ops}
    try:
        return parse_cell(module)
    except InvalidArchitectureError as error:
        raise OutOfDomainError(str(error)) from error


def _on_paths(matrix: list[list[int]]) -> list[int]:
    """Return the vertices on paths from the first to the last, ascending; none if there is none."""
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


def _array(matrix: Any) -> Any:
    """Return a copy of a matrix as an array."""
    try:
        # Not at the top: nothing else here needs it.
        import numpy as np  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ImportError(
            "matrices of cells are arrays of numpy: pip install 'nas-bench-service[local]'"
        ) from error
    return np.array(matrix)


def _fixed(config: Nb101Config) -> dict[str, Any]:
    module = parse_cell(config.arch).to_module()
    return {
        "module_adjacency": _array(module["module_adjacency"]).astype("int8"),
        "module_operations": module["module_operations"],
        "trainable_parameters": config.trainable_parameters,
    }


def _halfway(run: Nb101Stats) -> Nb101Epoch:
    if run.intermediates is None:
        raise UnexpectedAnswerError("the answer lacks the intermediate statistics asked for")
    return run.intermediates[0]


def _measured(at: Nb101Stats | Nb101Epoch) -> dict[str, Any]:
    return {
        "training_time": at.training_time,
        "train_accuracy": _fraction(at.train_acc),
        "validation_accuracy": _fraction(at.valid_acc),
        "test_accuracy": _fraction(at.test_acc),
    }


def _fraction(percent: float | None) -> float | None:
    """Return an accuracy as recorded, from 0 to 1.

    The archive's are float32, which multiplication by 100 and division again may miss by a bit.
    """
    if percent is None:
        return None
    fraction = percent / _PERCENT
    (single,) = _SINGLE.unpack(_SINGLE.pack(fraction))
    return float(single) if math.isclose(single, fraction, rel_tol=_ROUNDING) else fraction


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in values.items()}
