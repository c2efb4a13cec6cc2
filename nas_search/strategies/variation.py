"""Mutation and crossover in addition to those of domains."""

from __future__ import annotations

from random import Random
from typing import Final

from nas_search.contract import Domain, Proposal
from nas_search.strategies.draws import drawn_below

__all__ = ["mutated_by_chance", "one_point_crossover"]

_CUTS: Final = 10


def mutated_by_chance(
    domain: Domain, arch: str, rng: Random, probability: float
) -> Proposal[str | None]:
    """Change each choice with a probability, possibly none.

    `Domain.mutate` changes at least one, so it is called with the probability that any changes.
    """
    if rng.random() < (1 - probability) ** len(domain.labels):
        return arch
    return (yield from domain.mutate(arch, rng, probability))


def one_point_crossover(
    domain: Domain, first: str, second: str, rng: Random
) -> Proposal[str | None]:
    """Take the choices before a random cut from the first parent, the others from the second.

    A choice that is inactive in its parent is taken from the other one.

    Returns:
        The child; None if ten attempts gave no valid one.
    """
    mine, yours = domain.values(first), domain.values(second)
    for _ in range(_CUTS):
        cut = drawn_below(rng, len(mine))
        pairs = [*zip(mine[:cut], yours[:cut], strict=True)]
        pairs += zip(yours[cut:], mine[cut:], strict=True)
        chosen = [taken if taken >= 0 else other for taken, other in pairs]
        child = yield from domain.compose(chosen)
        if child is not None:
            return child
    return None
