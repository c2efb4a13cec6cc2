"""The architectures of a declared table, as its description says what they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from benchmark_spec import Like, Listed
from benchmark_spec import Product as ProductSpace
from nas_search.contract import Domain
from nas_search.domains.listed import ListedDomain
from nas_search.domains.product import Product, ProductDomain
from nas_search.domains.served import served_domain

__all__ = ["declared_domain"]


def declared_domain(space: ProductSpace | Listed | Like, recorded: Sequence[str]) -> Domain:
    """Return the domain of a declared table's architectures, for one search.

    Args:
        space: What its description says of them. Those of a product have a choice for each place,
            `choice1`, `choice2` and so on, as in the columns of its data frames.
        recorded: The strings of those that the table has figures of, in its order.

    Raises:
        ProblemError: It measures the architectures of a benchmark that cannot be searched.
    """
    if isinstance(space, Like):
        return served_domain(space.benchmark)
    if isinstance(space, Listed):
        return ListedDomain(recorded)
    return ProductDomain(_product(space))


@lru_cache(maxsize=16)
def _product(space: ProductSpace) -> Product:
    """Return the choices of a space, spelled as its table spells them."""

    def spell(values: Sequence[Any]) -> str:
        text: str = space.names(space.number(values))["arch_str"]
        return text

    def read(arch: str) -> Sequence[Any]:
        values: list[Any] = space.names(space.number(arch))["arch"]
        return values

    labels = [f"choice{place}" for place in range(1, space.length + 1)]
    return Product(labels, space.places, spell=spell, read=read)
