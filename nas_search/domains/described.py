"""Domains made from the specification of a benchmark or a declared table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from benchmark_spec import BenchmarkSpec, Coded, Like, Listed
from benchmark_spec import Product as ProductSpace
from benchmark_spec.published import PUBLISHED
from nas_search.contract import Domain
from nas_search.domains.cells import CellDomain
from nas_search.domains.listed import ListedDomain
from nas_search.domains.product import Product, ProductDomain
from nas_search.errors import ProblemError

__all__ = ["described_domain", "served_domain"]

_CODED: Final[Mapping[str, Callable[[], Domain]]] = MappingProxyType({"nasbench101": CellDomain})
"""Domains that cannot be made from a specification alone."""


def described_domain(spec: BenchmarkSpec, recorded: Sequence[str] = ()) -> Domain:
    """Return the domain of a benchmark's architectures, for one search.

    Args:
        spec: The specification. The architectures of a declared product have one choice for each
            position, `choice1`, `choice2` and so on, as in the columns of its data frames.
        recorded: The recorded architecture strings in order, for a specification that lists them.

    Raises:
        ProblemError: The architectures of this benchmark form no single domain: NDS has ten design
            spaces, each a list; see `nds_problem`.
    """
    space = spec.space
    if isinstance(space, Like):
        return served_domain(space.benchmark)
    if isinstance(space, Listed):
        return ListedDomain(recorded)
    if isinstance(space, ProductSpace) or space.template is not None:
        return ProductDomain(_product(spec.text))
    if spec.name not in _CODED:
        raise _no_domain(spec.name)
    return _CODED[spec.name]()


def served_domain(benchmark: str) -> Domain:
    """Return the domain of a published benchmark's architectures, for one search.

    Args:
        benchmark: The name of the benchmark, such as `nasbench201`.

    Raises:
        ProblemError: As for `described_domain`, or there is no such benchmark.
    """
    if benchmark not in PUBLISHED:
        raise _no_domain(benchmark)
    return described_domain(PUBLISHED[benchmark])


def _no_domain(benchmark: str) -> ProblemError:
    known = [
        spec.name
        for spec in PUBLISHED.values()
        if isinstance(spec.space, Coded) and (spec.space.template or spec.name in _CODED)
    ]
    return ProblemError(
        f"the architectures of {benchmark!r:.80} cannot be searched; those of {', '.join(known)} "
        "can, a design space of nds by nds_problem, and a declared table by DeclaredProblem"
    )


@lru_cache(maxsize=32)
def _product(described: str) -> Product:
    """Return the choices of a benchmark from its specification as text."""
    space = BenchmarkSpec.of_text(described).space
    if isinstance(space, Coded):
        return Product(
            tuple(space.choices),
            tuple(space.choices.values()),
            spell=space.spell,
            read=space.read,
        )
    return _declared(space)


def _declared(space: Any) -> Product:
    """Return the choices of a declared product, with the spelling of its table."""

    def spell(values: Sequence[Any]) -> str:
        text: str = space.names(space.number(values))["arch_str"]
        return text

    def read(arch: str) -> Sequence[Any]:
        values: list[Any] = space.names(space.number(arch))["arch"]
        return values

    labels = [f"choice{place}" for place in range(1, space.length + 1)]
    return Product(labels, space.places, spell=spell, read=read)
