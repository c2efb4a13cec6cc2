"""Parses every spelling of a NAS-Bench-101 cell; errors say what is wrong with an invalid one.

A cell is in the space if, as written and before pruning, it has at most 7 vertices and 9 edges,
is upper triangular, starts with the input, ends with the output, and the input reaches the output.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from benchmark_db.errors import InvalidArchitectureError, shown
from benchmark_db.nasbench101.cell import (
    MAX_EDGES,
    MAX_VERTICES,
    OPERATION_NAMES,
    PUBLISHED_OPERATION_NAMES,
    Cell,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["parse_cell", "parse_hash"]

_LABELS = {name: label for label, name in enumerate(OPERATION_NAMES)} | {
    name: label for label, name in enumerate(PUBLISHED_OPERATION_NAMES)
}
_MODULE_KEYS = {"module_adjacency", "module_operations"}
_HASH = re.compile(r"[0-9a-fA-F]{32}")
_DICT_KEY = re.compile(r"(op|input)([1-9][0-9]{0,5})")
_FEWEST_VERTICES = 2
_OPERATION_KEYS = [f"op{vertex}" for vertex in range(1, MAX_VERTICES - 1)]
_SOURCE_KEYS = [f"input{vertex}" for vertex in range(1, MAX_VERTICES)]
_KEYS = [
    {*_OPERATION_KEYS[:interior], *_SOURCE_KEYS[: interior + 1]}
    for interior in range(MAX_VERTICES - 1)
]
"""Keys of the dict form, by the number of interior vertices."""


def parse_hash(value: object) -> str | None:
    """Return `value` in lower case if it is a hash of 32 hexadecimal digits, else None."""
    if isinstance(value, str) and _HASH.fullmatch(value.strip()):
        return value.strip().lower()
    return None


def parse_cell(value: object) -> Cell:
    """Return the cell, unpruned, given as a dict or its JSON text.

    Args:
        value: {"op1": name, …, "input1": [sources], …} with one input more than ops, the last
            for the output; or {"module_adjacency": rows, "module_operations": names}; key order
            does not matter; operation names may be short or published; or JSON text of either.

    Raises:
        InvalidArchitectureError: The value is malformed or outside the space; the message says
            why.
    """
    if isinstance(value, str):
        value = _from_json(value)
    if not isinstance(value, dict):
        raise InvalidArchitectureError(
            "a cell must be an object with op1…/input1… or module_adjacency/module_operations, "
            f"not {shown(value)}"
        )
    predecessors, operations = (
        _read_module(value) if value.keys() & _MODULE_KEYS else _read_dict(value)
    )
    edges = sum([mask.bit_count() for mask in predecessors])
    if edges > MAX_EDGES:
        raise InvalidArchitectureError(
            f"the cell has {edges} edges; at most {MAX_EDGES} are allowed, before pruning"
        )
    reached = 1
    for vertex, mask in enumerate(predecessors, start=1):
        if mask & reached:
            reached |= 1 << vertex
    if not reached >> len(predecessors):
        raise InvalidArchitectureError(
            f"the output (vertex {len(predecessors)}) cannot be reached from the input"
        )
    return Cell.from_predecessors(predecessors, operations)


def _from_json(text: str) -> object:
    try:
        # Not orjson: clients installed without extras parse and hash cells, too.
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidArchitectureError(
            f"a cell as text is JSON or a hash of 32 hexadecimal digits, not {shown(text)}"
        ) from None
    return value


def _read_dict(spelled: Mapping[Any, object]) -> tuple[list[int], list[int]]:
    interior = len(spelled) // 2
    if interior >= len(_KEYS) or spelled.keys() != _KEYS[interior]:
        _refuse_keys(spelled)
    predecessors = [
        _read_sources(spelled[key], vertex)
        for vertex, key in enumerate(_SOURCE_KEYS[: interior + 1], start=1)
    ]
    return predecessors, [_read_operation(spelled[key], key) for key in _OPERATION_KEYS[:interior]]


def _refuse_keys(spelled: Mapping[Any, object]) -> NoReturn:
    """Raise the error that says what is wrong with the keys of a cell."""
    for key in spelled:
        if not isinstance(key, str) or not _DICT_KEY.fullmatch(key):
            raise InvalidArchitectureError(
                f"{shown(key)} is not a key of a cell; its keys are op1, op2, … and input1, …"
            )
    interior = sum(key.startswith("op") for key in spelled)
    _check_vertex_count(interior + 2)
    for key in [f"op{i + 1}" for i in range(interior)] + [f"input{i + 1}" for i in range(interior)]:
        if key not in spelled:
            raise InvalidArchitectureError(f"the cell has {interior} operations but no {key}")
    output = interior + 1
    if f"input{output}" not in spelled:
        raise InvalidArchitectureError(
            f"the cell has no input{output}, the sources of its output (vertex {output})"
        )
    extra = sorted(spelled.keys() - {f"input{j}" for j in range(1, output + 1)})
    beyond = next(key for key in extra if key.startswith("input"))
    raise InvalidArchitectureError(
        f"{beyond} is beyond the output: a cell with {interior} operations ends with input{output}"
    )


def _read_sources(sources: object, vertex: int) -> int:
    if not isinstance(sources, (list, tuple)):
        raise InvalidArchitectureError(
            f"input{vertex} must be a list of source vertices, not {shown(sources)}"
        )
    mask = 0
    for source in sources:
        # type(): True is an int, but not a vertex.
        if type(source) is not int or not 0 <= source < vertex or mask >> source & 1:
            _refuse_source(source, vertex)
        mask |= 1 << source
    return mask


def _refuse_source(source: object, vertex: int) -> NoReturn:
    """Raise the error that says why a vertex cannot have this source."""
    if type(source) is not int or source < 0:
        raise InvalidArchitectureError(
            f"input{vertex} holds {shown(source)}, which is not a vertex number"
        )
    if source >= vertex:
        raise InvalidArchitectureError(
            f"input{vertex} holds {shown(source)}: edges go from lower to higher vertices "
            "(the matrix is upper triangular)"
        )
    raise InvalidArchitectureError(f"input{vertex} holds vertex {source} twice")


def _read_module(spelled: Mapping[Any, object]) -> tuple[list[int], list[int]]:
    if spelled.keys() != _MODULE_KEYS:
        odd = _MODULE_KEYS ^ spelled.keys()
        missing = sorted(odd & _MODULE_KEYS)
        raise InvalidArchitectureError(
            f"the cell has no {missing[0]}"
            if missing
            else f"{shown(odd.pop())} is not a key of a cell; its keys are {sorted(_MODULE_KEYS)}"
        )
    adjacency = _as_list(spelled["module_adjacency"], "module_adjacency must be a list of rows")
    names = _as_list(spelled["module_operations"], "module_operations must be a list of names")
    _check_vertex_count(len(adjacency))
    if len(names) != len(adjacency):
        raise InvalidArchitectureError(
            f"module_operations names {len(names)} vertices, "
            f"module_adjacency has {len(adjacency)} rows"
        )
    return _read_matrix(adjacency), _read_names(names)


def _read_matrix(adjacency: Sequence[object]) -> list[int]:
    size = len(adjacency)
    masks = [0] * size
    for row, entries in enumerate(adjacency):
        values = _as_list(entries, f"row {row} of module_adjacency must be a list of 0 and 1")
        if len(values) != size:
            raise InvalidArchitectureError(
                f"module_adjacency is not square: row {row} has {len(values)} entries, not {size}"
            )
        for column, entry in enumerate(values):
            if type(entry) is not int or entry not in (0, 1):
                raise InvalidArchitectureError(
                    f"module_adjacency[{row}][{column}] is {shown(entry)}, not 0 or 1"
                )
            if entry and column <= row:
                raise InvalidArchitectureError(
                    f"module_adjacency[{row}][{column}] is 1, below or on the diagonal: "
                    "the matrix is not upper triangular"
                )
            masks[column] |= entry << row
    return masks[1:]


def _read_names(names: Sequence[object]) -> list[int]:
    for position, expected in ((0, "input"), (-1, "output")):
        if names[position] != expected:
            raise InvalidArchitectureError(
                f"the {'first' if position == 0 else 'last'} operation is "
                f"{shown(names[position])}, not {expected!r}"
            )
    return [
        _read_operation(name, f"module_operations[{vertex}]")
        for vertex, name in enumerate(names[1:-1], start=1)
    ]


def _read_operation(name: object, place: str) -> int:
    label = _LABELS.get(name) if isinstance(name, str) else None
    if label is None:
        raise InvalidArchitectureError(
            f"{place} is {shown(name)}, not an operation; the operations are "
            f"{', '.join(PUBLISHED_OPERATION_NAMES)} (short: {', '.join(OPERATION_NAMES)})"
        )
    return label


def _check_vertex_count(count: int) -> None:
    if count > MAX_VERTICES:
        raise InvalidArchitectureError(
            f"the cell has {count} vertices; at most {MAX_VERTICES} are allowed, before pruning"
        )
    if count < _FEWEST_VERTICES:
        raise InvalidArchitectureError(
            f"the cell has {count} vertices; it needs an input and an output"
        )


def _as_list(value: object, expected: str) -> Sequence[object]:
    if hasattr(value, "tolist"):  # NumPy arrays, without importing NumPy
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        raise InvalidArchitectureError(f"{expected}, not {shown(value)}")
    return value
