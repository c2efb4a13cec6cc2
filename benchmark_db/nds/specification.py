"""Specification of an NDS architecture: a model and, for cell networks, a cell.

Specifications are JSON objects of numbers, texts and lists of these. Two are equal independent of
the order of their keys, of whether a number is written 1 or 1.0, and of empty lists.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import orjson

from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError, shown

__all__ = [
    "CELLS",
    "architecture_key",
    "cell_spec",
    "expanded_cell",
    "parse_architecture",
    "spec_key",
    "spec_reader",
    "specifications",
    "without_empty_lists",
]

CELLS: Final = ("normal", "reduce")
"""The two cells of a genotype."""

_INPUTS: Final = "xy"
"""The two inputs of a node."""

_KEY_BYTES: Final = 16
_LEAST_INTEGER: Final = -(2**63)
_MOST_INTEGER: Final = 2**63 - 1
_MEMBERS: Final = ("model_spec", "cell_spec")


def without_empty_lists(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification without its empty lists, which have no meaning."""
    return {name: value for name, value in spec.items() if value != []}


def cell_spec(genotype: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification of the two cells of a genotype.

    Node i of the normal cell, from 0, applies `normal_{i}_op_x` to its input `normal_{i}_input_x`
    and `normal_{i}_op_y` to `normal_{i}_input_y`; `normal_concat` lists the nodes of the output.
    Inputs 0 and 1 are those of the cell, 2 is node 0. The reduction cell may have another number of
    nodes.
    """
    normal, reduce = genotype["normal"], genotype["reduce"]
    values = [*chain.from_iterable(normal), genotype["normal_concat"]]
    values += [*chain.from_iterable(reduce), genotype["reduce_concat"]]
    return dict(zip(_names(len(normal), len(reduce)), values, strict=True))


@cache
def _names(normal_entries: int, reduce_entries: int) -> tuple[str, ...]:
    """Return the names of a cell specification with this many entries in each cell."""
    names: list[str] = []
    for cell, entries in zip(CELLS, (normal_entries, reduce_entries), strict=True):
        for rank in range(entries):
            node, side = divmod(rank, len(_INPUTS))
            names += (f"{cell}_{node}_{part}_{_INPUTS[side]}" for part in ("op", "input"))
        names.append(f"{cell}_concat")
    return tuple(names)


def expanded_cell(genotype: str | None) -> dict[str, Any]:
    """Return the cell specification of a genotype stored as JSON; empty if there is none."""
    return {} if genotype is None else cell_spec(orjson.loads(genotype))


def spec_key(field: str, spec: Any) -> bytes | None:
    """Return a digest that all spellings of a specification share; None for an empty one.

    Args:
        field: Its name in errors.
        spec: A mapping, or its JSON.

    Raises:
        InvalidQuestionError: It is not an object of numbers, texts and lists of these.
    """
    members = without_empty_lists(_mapping(field, spec))
    plain = {
        name: [_plain(field, part) for part in value]
        if isinstance(value, list | tuple)
        else _plain(field, value)
        for name, value in members.items()
    }
    if not plain:
        return None
    try:
        text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:  # a key that is not text, or text that is not Unicode
        raise InvalidQuestionError(field, f"{shown(spec)} has no JSON form: {error}") from error
    return hashlib.blake2b(text, digest_size=_KEY_BYTES).digest()


def spec_reader(field: str) -> Callable[[Any], bytes]:
    """Return a reader that turns a specification into its key, empty for an empty one."""

    def read(value: Any) -> bytes:
        return spec_key(field, value) or b""

    return read


def architecture_key(model: bytes | None, cell: bytes | None) -> str:
    """Return the hexadecimal key of an architecture, from the keys of its two specifications."""
    parts = (model or bytes(_KEY_BYTES)) + (cell or bytes(_KEY_BYTES))
    return hashlib.blake2b(parts, digest_size=_KEY_BYTES).hexdigest()


def parse_architecture(arch: Any) -> str:
    """Return the key of an architecture.

    Args:
        arch: `{"model_spec": …, "cell_spec": …}` or its JSON; `cell_spec` is left out for
            networks without cells.

    Raises:
        InvalidArchitectureError: The architecture has another form.
    """
    try:
        members = _mapping("arch", arch)
        if set(members) <= set(_MEMBERS) and "model_spec" in members:
            model, cell = (spec_key(name, members.get(name) or {}) for name in _MEMBERS)
            return architecture_key(model, cell)
    except InvalidQuestionError as error:
        raise InvalidArchitectureError(f"{error.field}: {error.message}") from error
    raise InvalidArchitectureError(
        f'{shown(arch)} is not an architecture: give {{"model_spec": {{…}}, "cell_spec": {{…}}}}, '
        "the latter for cell networks"
    )


def specifications(arch: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return both specifications of an architecture; without cells the second is empty.

    Raises:
        InvalidArchitectureError: As for `parse_architecture`.
    """
    parse_architecture(arch)
    members = _mapping("arch", arch)
    model, cell = (without_empty_lists(_mapping(n, members.get(n) or {})) for n in _MEMBERS)
    return model, cell


def _mapping(field: str, value: Any) -> Mapping[str, Any]:
    spec = value
    if isinstance(spec, str):
        try:
            spec = orjson.loads(spec)
        except orjson.JSONDecodeError as error:
            raise InvalidQuestionError(field, f"{shown(value)} is not JSON: {error}") from error
    if not isinstance(spec, Mapping):
        raise InvalidQuestionError(field, f"{shown(value)} is not an object")
    return spec


def _plain(field: str, value: Any) -> str | int | float | None:
    """Return a value in its canonical form: whole numbers as integers."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) <= _MOST_INTEGER else value
    if isinstance(value, int) and _LEAST_INTEGER <= value <= _MOST_INTEGER:
        return value
    kind = "is a list in a list" if isinstance(value, Sequence) else "is not a number or text"
    raise InvalidQuestionError(field, f"{shown(value)} {kind}")
