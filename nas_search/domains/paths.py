"""The path encoding of cells: the sequences of operations on the paths from input to output.

White, Neiswanger and Savani (BANANAS, arXiv:1910.11858, section 3) describe a cell by the paths
through it, as numbers of vertices have no meaning, and the effect of an edge depends on others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from missing_extra import needs
from nas_search.contract import Domain
from nas_search.errors import ProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PathEncoding", "has_paths"]

_EDGE: Final = re.compile(r"(?:[a-z]+[/_])?(\d+)_(\d+)")
_VERTEX: Final = re.compile(r"op_(\d+)")
_ABSENT: Final = ("none", 0)
"""Values of an edge that mean its absence."""


class PathEncoding:
    """Encodes the cells of a domain by their paths.

    It supports NAS-Bench-201, whose operations are on edges, and NAS-Bench-101, whose operations
    are on vertices. Paths through an edge that is `none` do not exist. A vector has one number for
    each possible sequence of operations, 1 if the cell has a path with it and 0 otherwise:
    sequences of length 1 to 3 (84) in NAS-Bench-201, and 0 to 5 (364) in NAS-Bench-101. Several
    paths with the same operations count once, as in the paper.

    Args:
        domain: The domain of the architectures.

    Raises:
        ProblemError: Its architectures are not cells of this kind.

    Attributes:
        size: The length of a vector.
    """

    def __init__(self, domain: Domain) -> None:
        if not has_paths(domain):
            raise ProblemError(
                'encoding="paths" is for the cells of NAS-Bench-201 and NAS-Bench-101; '
                'encoding="choices" is for all architectures'
            )
        self._domain = domain
        self._found: dict[str, NDArray[Any]] = {}
        edges = [(place, _EDGE.fullmatch(one)) for place, one in enumerate(domain.labels)]
        self._edges = {
            (int(found[1]), int(found[2])): place for place, found in edges if found is not None
        }
        vertices = [(place, _VERTEX.fullmatch(one)) for place, one in enumerate(domain.labels)]
        self._vertices = {int(found[1]): place for place, found in vertices if found is not None}
        self._last = max(target for _, target in self._edges)
        decides = next(iter((self._vertices or self._edges).values()))
        candidates = domain.candidates(domain.labels[decides])
        passing = [one for one in candidates if self._vertices or one not in _ABSENT]
        self._codes = {candidates.index(one): code for code, one in enumerate(passing)}
        self._there = {
            place: {at for at, one in enumerate(domain.candidates(label)) if one not in _ABSENT}
            for place, label in enumerate(domain.labels)
            if place in self._edges.values()
        }
        # Vertices between input and output, or edges of the longest path.
        self._shortest = 0 if self._vertices else 1
        self._longest = self._last - 1 if self._vertices else self._last
        self.size = sum(
            len(self._codes) ** length for length in range(self._shortest, self._longest + 1)
        )

    def __call__(self, arch: str) -> NDArray[Any]:
        """Return the vector of an architecture.

        Raises:
            ProblemError: The domain has no such architecture.
        """
        found = self._found.get(arch)
        if found is None:
            with needs("local", "encoding architectures"):
                import numpy as np  # noqa: PLC0415 - as for other vectors
            found = self._found[arch] = np.zeros(self.size)
            for path in self._paths(self._domain.values(arch), 0, ()):
                found[self._place(path)] = 1.0
        return found

    def _paths(
        self, values: tuple[int, ...], vertex: int, path: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Yield the codes of operations on each path from a vertex to the output."""
        if vertex == self._last:
            yield path
            return
        for target in range(vertex + 1, self._last + 1):
            place = self._edges[vertex, target]
            if values[place] not in self._there[place]:
                continue
            decides = self._vertices.get(target) if self._vertices else place
            further = () if decides is None else (self._codes[values[decides]],)
            yield from self._paths(values, target, (*path, *further))

    def _place(self, path: tuple[int, ...]) -> int:
        """Return the index of a path in the vector: shorter ones first, then by operations."""
        base = len(self._codes)
        shorter = sum(int(base**length) for length in range(self._shortest, len(path)))
        within = 0
        for code in path:
            within = base * within + code
        return shorter + within


def has_paths(domain: Domain) -> bool:
    """Return whether the architectures of a domain are cells with paths."""
    edges = {
        (int(found[1]), int(found[2]))
        for label in domain.labels
        if (found := _EDGE.fullmatch(label)) is not None
    }
    vertices = sum(_VERTEX.fullmatch(label) is not None for label in domain.labels)
    last = max((target for _, target in edges), default=0)
    complete = {(source, target) for target in range(last + 1) for source in range(target)}
    if not edges or edges != complete or len(edges) + vertices != len(domain.labels):
        return False
    first = next(label for label in domain.labels if _EDGE.fullmatch(label))
    absent = any(one in _ABSENT for one in domain.candidates(first))
    return absent and vertices in (0, last - 1)
