"""A NAS-Bench-201 cell: four nodes, six edges, one of five operations on each edge.

Every cell has four spellings, all of which `parse` accepts:

* the string ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` of the paper (Dong & Yang, ICLR 2020);
* a dict ``{"0_1": op, "0_2": op, "1_2": op, "0_3": op, "1_3": op, "2_3": op}``, keys in any order;
* a list of the six operations in that order;
* the index, 0 to 15,624: the position in the list that the benchmark was published with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from random import Random
from typing import Final, TypeAlias, cast

from benchmark_db.errors import InvalidArchitectureError, shown
from benchmark_db.numbered_space import checked_index, decoded

__all__ = [
    "EDGES",
    "NUM_ARCHITECTURES",
    "OPERATIONS",
    "Operations",
    "Spelling",
    "arch_dict",
    "arch_str",
    "arch_strs",
    "isomorphism_classes",
    "neighbor_indices",
    "operations_at",
    "parse",
    "published_order",
    "unique_str",
]

Operations: TypeAlias = tuple[str, str, str, str, str, str]
"""The six operations, by their published names, in the order of `EDGES`."""

Spelling: TypeAlias = str | int | Mapping[str, str] | Sequence[str]

EDGES: Final = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
"""The edges ``source_target`` in the order in which the string lists them."""

OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The published operation names, in the order in which the benchmark enumerates them."""

NUM_ARCHITECTURES: Final = len(OPERATIONS) ** len(EDGES)

_SHORT_NAMES: Final = {"nor_conv_1x1": "conv_1x1", "nor_conv_3x3": "conv_3x3"}
_LONG_NAMES: Final = {name: name for name in OPERATIONS} | {
    short: long for long, short in _SHORT_NAMES.items()
}
_TEMPLATE: Final = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_PATTERN: Final = re.compile(re.escape(_TEMPLATE).replace(r"\{\}", "([^|~]*)"))
_MAX_SPELLING: Final = 1000
"""Longest text that is parsed; the longest valid one, a dict with wide spacing, has about 200."""

_PUBLISHED_SHUFFLE_SEED: Final = 88
"""Seed of Python's generator that shuffles the enumeration into the published order."""


def parse(spelling: Spelling) -> int:
    """Return the index of an architecture given in any of its spellings.

    Text may hold the string, an index in digits, or the dict or list as JSON. Both the published
    operation names (``nor_conv_3x3``) and the short ones (``conv_3x3``) are read everywhere.

    Raises:
        InvalidArchitectureError: The architecture is malformed or outside the space.
    """
    if isinstance(spelling, str):
        return _parse_text(spelling.strip())
    if isinstance(spelling, bool) or not isinstance(spelling, int | Mapping | Sequence):
        raise InvalidArchitectureError(
            f"an architecture must be a string, an index, a dict or a list, not {shown(spelling)}"
        )
    if isinstance(spelling, int):
        return checked_index(spelling, NUM_ARCHITECTURES)
    if isinstance(spelling, Mapping):
        return _index_of(_from_dict(spelling))
    return _index_of(_from_list(spelling))


def operations_at(index: int) -> Operations:
    """Return the six operations of the architecture with this index.

    Raises:
        InvalidArchitectureError: The index is not in 0 to 15,624.
    """
    return published_order()[checked_index(index, NUM_ARCHITECTURES)]


def arch_str(operations: Operations) -> str:
    """Return the published string of an architecture."""
    return _TEMPLATE.format(*operations)


def arch_dict(operations: Operations) -> dict[str, str]:
    """Return the dict form of an architecture, with the short operation names."""
    return {
        edge: _SHORT_NAMES.get(name, name) for edge, name in zip(EDGES, operations, strict=True)
    }


def neighbor_indices(index: int) -> list[int]:
    """Return the indices of the architectures that differ in one operation: 6 edges, 4 others each.

    Raises:
        InvalidArchitectureError: The index is not in 0 to 15,624.
    """
    operations = operations_at(index)
    return [
        _index_of(cast("Operations", (*operations[:edge], other, *operations[edge + 1 :])))
        for edge, present in enumerate(operations)
        for other in OPERATIONS
        if other != present
    ]


def unique_str(operations: Operations) -> str:
    """Return the benchmark's own key of the isomorphism class of an architecture.

    Two cells with the same key compute the same function up to the order of a node's summands:
    node 0 is "0"; an edge without data is "#", a skip repeats its source, any other edge is
    "(source)@operation"; a node is its sorted edges joined by "+" (NAS-Bench-201, section 2).
    Entries "#" are kept: the published count of 6,466 classes depends on it.
    """
    nodes = ["0"]
    names = iter(operations)
    for target in range(1, 4):
        edges = sorted(_edge_key(nodes[source], next(names)) for source in range(target))
        nodes.append("+".join(edges))
    return nodes[-1]


@cache
def published_order() -> tuple[Operations, ...]:
    """Return the operations of all 15,625 architectures, by index."""
    order = list(_enumeration())
    # Random(int), getrandbits and hence shuffle are the same since Python 3.2; a golden test
    # compares the result with the published list.
    Random(_PUBLISHED_SHUFFLE_SEED).shuffle(order)  # noqa: S311 - reproduces a published order
    return tuple(order)


@cache
def arch_strs() -> tuple[str, ...]:
    """Return the published strings of all architectures, by index."""
    return tuple(map(arch_str, published_order()))


@cache
def isomorphism_classes() -> tuple[int, ...]:
    """Return for each index the smallest index of its isomorphism class (6,466 classes)."""
    first: dict[str, int] = {}
    return tuple(
        first.setdefault(unique_str(operations), index)
        for index, operations in enumerate(published_order())
    )


def _enumeration() -> Iterator[Operations]:
    """Yield every architecture in lexicographic order: the last edge changes fastest."""
    yield from product(OPERATIONS, repeat=6)


@cache
def _indices() -> dict[Operations, int]:
    return {operations: index for index, operations in enumerate(published_order())}


def _index_of(operations: Operations) -> int:
    return _indices()[operations]


def _edge_key(source: str, operation: str) -> str:
    if operation == "none" or source == "#":
        return "#"
    return source if operation == "skip_connect" else f"({source})@{operation}"


def _parse_text(text: str) -> int:
    if len(text) > _MAX_SPELLING:
        raise InvalidArchitectureError(
            f"an architecture of {len(text)} characters; the longest has about 200"
        )
    if text.startswith("|"):
        return _index_of(_from_string(text))
    if text.startswith(("{", "[")):
        return parse(decoded(text))
    if text.isascii() and text.isdecimal():
        return checked_index(int(text), NUM_ARCHITECTURES)
    raise InvalidArchitectureError(
        f"{shown(text)} is not an architecture: write {_TEMPLATE.format(*['op'] * 6)}, "
        "an index, or a dict or list as JSON"
    )


def _from_string(text: str) -> Operations:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise InvalidArchitectureError(
            f"{shown(text)} does not have the form {_TEMPLATE.format(*['op'] * 6)}"
        )
    return _published_names(dict(zip(EDGES, match.groups(), strict=True)))


def _from_dict(edges: Mapping[str, str]) -> Operations:
    missing = [edge for edge in EDGES if edge not in edges]
    unknown = [edge for edge in edges if edge not in EDGES]
    if missing or unknown:
        parts = [
            f"{kind} {', '.join(map(shown, names[:6]))}"
            for kind, names in (("lacks", missing), ("does not know", unknown))
            if names
        ]
        raise InvalidArchitectureError(
            f"the architecture {' and '.join(parts)}; its edges are {', '.join(EDGES)}"
        )
    return _published_names(edges)


def _from_list(names: Sequence[str]) -> Operations:
    if len(names) != len(EDGES):
        raise InvalidArchitectureError(
            f"a list of {len(names)} operations; the edges {', '.join(EDGES)} need {len(EDGES)}"
        )
    return _published_names(dict(zip(EDGES, names, strict=True)))


def _published_names(edges: Mapping[str, object]) -> Operations:
    names = []
    for edge in EDGES:
        name = edges[edge]
        published = _LONG_NAMES.get(name) if isinstance(name, str) else None
        if published is None:
            known = ", ".join(OPERATIONS)
            raise InvalidArchitectureError(
                f"unknown operation {shown(name)} on edge {edge}; the operations are {known}"
            )
        names.append(published)
    first, second, third, fourth, fifth, sixth = names
    return first, second, third, fourth, fifth, sixth
