"""The path encoding of cells: which sequences of operations lead from the input to the output.

White, Neiswanger and Savani (BANANAS, arXiv:1910.11858, section 3) describe a cell by the paths
through it, because what a vertex is called means nothing, and what an edge means depends on others.
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
"""Candidates of an edge that nothing passes."""


class PathEncoding:
    """Encodes the cells of a domain by their paths.

    The cells are those of NAS-Bench-201, whose edges have operations, and of NAS-Bench-101, whose
    vertices have. A path through an edge that is `none` is not there. Of n operations, a vector has
    a number for each sequence of 1 to 3 (84), in NAS-Bench-101 of 0 to 5 (364); 1 where a path has
    it, else 0. Several paths of the same operations count once, as in the paper.

    Args:
        domain: Says what an architecture is.

    Raises:
        ProblemError: Its architectures are no cells of this kind.

    Attributes:
        size: How many numbers a vector has.
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
            ProblemError: It is none of the domain.
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
        """Yield the codes of operations on each way from a vertex to the output."""
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
        """Return where a path stands: shorter ones first, then by their operations."""
        base = len(self._codes)
        shorter = sum(int(base**length) for length in range(self._shortest, len(path)))
        within = 0
        for code in path:
            within = base * within + code
        return shorter + within


def has_paths(domain: Domain) -> bool:
    """Return whether the architectures of a domain are cells that paths describe."""
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
