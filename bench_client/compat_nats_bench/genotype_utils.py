"""Cells of the topology space as nodes and edges, with any size and operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

__all__ = ["Edge", "Node", "TopologyStructure", "nodes_of", "topology_str2structure"]

Edge: TypeAlias = tuple[str, int]
"""An operation and its source node."""

Node: TypeAlias = tuple[Edge, ...]
"""The edges into a node, one or more."""

_ZERO: Final = "none"
_IDENTITY: Final = "skip_connect"
_NOTHING: Final = "#"


def nodes_of(arch_str: str) -> list[Node]:
    """Return the operations and sources of the edges of each node except the input.

    Args:
        arch_str: Nodes joined by `+`, the edges of each between `|`: `|op~0|+|op~0|op~1|`.

    Raises:
        ValueError: The string is malformed.
    """
    return [tuple(_edges(arch_str, node)) for node in arch_str.split("+")]


class TopologyStructure:
    """A cell: the edges into each node except the input.

    Args:
        genotype: The nodes in order, each a list or tuple of operations and sources.

    Attributes:
        node_num: Number of nodes, including the input.
        nodes: Edges into each node except the input.
        node_N: Number of edges into each of these nodes.

    Raises:
        ValueError: A node has no edge, or an edge from a later node.
    """

    def __init__(self, genotype: Sequence[Sequence[Sequence[Any]]]) -> None:
        self.nodes: list[Node] = [
            tuple((operation, source) for operation, source in node) for node in genotype
        ]
        self.node_num = len(self.nodes) + 1
        self.node_N = [len(node) for node in self.nodes]
        for number, node in enumerate(self.nodes):
            if not node or any(not 0 <= source <= number for _, source in node):
                raise ValueError(f"node {number + 1} cannot have the edges {node!r:.200}")

    def __len__(self) -> int:
        return self.node_num

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.node_num} nodes with {self.tostr()})"

    def node(self, index: int) -> Node:
        """Return the edges into node `index + 1`, counted as in the package.

        Raises:
            ValueError: There is no such node.
        """
        if not 0 < index < len(self.nodes):
            raise ValueError(f"node {index} is not in 1 to {len(self.nodes) - 1}")
        return self.nodes[index]

    def tolist(self, remove_str: str | None) -> tuple[list[Node] | None, bool]:
        """Return the nodes with sorted edges, and whether each node has an edge; None if not.

        Args:
            remove_str: Operation whose edges are left out.
        """
        kept = [
            tuple(edge for edge in _by_source(node) if edge[0] != remove_str) for node in self.nodes
        ]
        return (kept, True) if all(kept) else (None, False)

    def tostr(self) -> str:
        """Return the string of the cell."""
        return "+".join(
            f"|{'|'.join(f'{operation}~{source}' for operation, source in node)}|"
            for node in self.nodes
        )

    def check_valid(self) -> bool:
        """Return whether a path without `none` leads from the input to the output."""
        reached = [True]
        for node in self.nodes:
            reached.append(any(op != _ZERO and reached[source] for op, source in node))
        return reached[-1]

    def check_valid_op(self, op_names: Sequence[str]) -> bool:
        """Return whether all operations are among the given ones."""
        return all(operation in op_names for node in self.nodes for operation, _ in node)

    def to_unique_str(
        self,
        consider_zero: bool | None = False,  # noqa: FBT001, FBT002 - the signature that users know
    ) -> str:
        """Return a key that is equal for cells which differ only in the order of edges.

        Args:
            consider_zero: True: `none` outputs zero and `skip_connect` its input, as in the
                published count of 6,466 classes; False: only `skip_connect` is special; None: both
                are operations like others.
        """
        keys = ["0"]
        for node in self.nodes:
            keys.append("+".join(sorted(_key(edge, keys, consider_zero) for edge in node)))
        return keys[-1]

    @staticmethod
    def str2structure(xstr: str | TopologyStructure) -> TopologyStructure:
        """Return the cell of a string; a cell is returned unchanged.

        Raises:
            ValueError: The string is malformed.
        """
        return xstr if isinstance(xstr, TopologyStructure) else TopologyStructure(nodes_of(xstr))

    @staticmethod
    def str2fullstructure(xstr: str, default_name: str = _ZERO) -> TopologyStructure:
        """Return the cell of a string, with missing edges between two nodes added.

        Args:
            xstr: The string.
            default_name: Operation of the added edges.

        Raises:
            ValueError: The string is malformed.
        """
        return TopologyStructure(
            [
                _by_source([*node, *((default_name, source) for source in _missing(node, number))])
                for number, node in enumerate(nodes_of(xstr))
            ]
        )

    @staticmethod
    def gen_all(
        search_space: Sequence[str],
        num: int,
        return_ori: bool,  # noqa: FBT001 - the signature that users know
    ) -> list[Any]:
        """Return all cells with a number of nodes and an edge between any two.

        Args:
            search_space: The operations.
            num: Number of nodes, including the input; 2 or more.
            return_ori: Whether to return lists of nodes instead of cells.

        Raises:
            ValueError: There are too few nodes.
        """
        return [
            nodes if return_ori else TopologyStructure(nodes) for nodes in _every(search_space, num)
        ]


def topology_str2structure(xstr: str | TopologyStructure) -> TopologyStructure:
    """Return the cell of a string, as `TopologyStructure.str2structure` does."""
    return TopologyStructure.str2structure(xstr)


def _edges(arch_str: str, node: str) -> Iterator[Edge]:
    for edge in filter(None, node.split("|")):
        operation, separator, source = edge.partition("~")
        if not separator or not source.isdecimal():
            raise ValueError(f"{edge!r:.80} of {arch_str!r:.200} is not operation~source")
        yield operation, int(source)


def _by_source(node: Sequence[Edge]) -> Node:
    return tuple(sorted(node, key=lambda edge: (edge[1], edge[0])))


def _missing(node: Node, number: int) -> list[int]:
    """Return the missing sources of a node; as in the package, never the node before it."""
    present = {source for _, source in node}
    return [source for source in range(number) if source not in present]


def _key(edge: Edge, keys: Sequence[str], consider_zero: bool | None) -> str:  # noqa: FBT001
    operation, source = edge
    if consider_zero and (operation == _ZERO or keys[source] == _NOTHING):
        return _NOTHING
    if consider_zero is not None and operation == _IDENTITY:
        return keys[source]
    return f"({keys[source]})@{operation}"


def _every(search_space: Sequence[str], num: int) -> Iterator[list[Node]]:
    if num < 2:  # noqa: PLR2004 - an input and an output
        raise ValueError(f"a cell has at least two nodes, not {num}")
    sources = [source for node in range(1, num) for source in range(node)]
    for operations in product(search_space, repeat=len(sources)):
        edges = iter(zip(operations, sources, strict=True))
        yield [tuple(next(edges) for _ in range(node)) for node in range(1, num)]
