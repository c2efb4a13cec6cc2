"""Hyperband: Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, JMLR 2018, algorithm 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nas_search.strategies.halving import Rung, RungStrategy

__all__ = ["Hyperband"]


@dataclass(kw_only=True, eq=False)
class Hyperband(RungStrategy):
    """Hyperband: successive halving in brackets that begin at higher and higher fidelities.

    With fidelities from 1 to 9 and `eta` 3, the brackets have 9, 5 and 3 architectures and begin at
    1, 3 and 9. After the last bracket the first follows again.

    Failed and stopped trials are not promoted, and no other is promoted in their place. Trials
    outside a bound are promoted only if too few are within (Deb's rules).

    Args:
        min_fidelity: The fewest epochs (or steps) of an evaluation.
        max_fidelity: The most epochs (or steps).
        eta: The inverse of the share that is promoted to the next rung.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    name = "Hyperband"
    draws_alone = True

    def brackets(self) -> Iterator[Sequence[Rung]]:
        """Yield the brackets of the paper, from the most candidates to the fewest."""
        levels = self.fidelities
        while True:
            for first, _ in enumerate(levels):
                halvings = len(levels) - 1 - first
                size = -(-len(levels) * self.eta**halvings // (halvings + 1))
                yield [
                    Rung(size // self.eta**place, level)
                    for place, level in enumerate(levels[first:])
                ]
