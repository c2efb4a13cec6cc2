"""Random samples that are the same on every machine and in every version.

Python's and NumPy's generators do not guarantee that. A sample is therefore defined as the start of
a Fisher-Yates shuffle whose random words are BLAKE2b digests of the seed and a counter.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["is_among", "sample_numbers"]

_PURPOSE: Final = b"NAS sample"
"""Separates these words from other uses of the same seed."""
_WORD_BITS: Final = 64
_WORDS: Final = 2**_WORD_BITS
_BLOCK_BYTES: Final = 64
_WORD_BYTES: Final = _WORD_BITS // 8


def sample_numbers(population: int, count: int, seed: int) -> list[int]:
    """Return distinct numbers below `population`, drawn uniformly.

    A longer sample starts with the shorter one of the same seed.

    Args:
        population: Size of the population.
        count: Size of the sample, 0 to `population`.
        seed: Any integer from 0 to 2^63 - 1.
    """
    words = _words(seed)
    moved: dict[int, int] = {}
    drawn = []
    for place in range(count):
        other = place + _below(population - place, words)
        drawn.append(moved.get(other, other))
        moved[other] = moved.pop(place, place)
    return drawn


def _below(bound: int, words: Iterator[int]) -> int:
    """Return a uniform number below a bound; words that would cause a bias are skipped."""
    fair = _WORDS - _WORDS % bound
    return next(word for word in words if word < fair) % bound


def _words(seed: int) -> Iterator[int]:
    """Yield the random words of a seed, 0 to 2^64 - 1."""
    key = seed.to_bytes(_WORD_BYTES, "little")
    counter = 0
    while True:
        text = counter.to_bytes(_WORD_BYTES, "little")
        block = hashlib.blake2b(text, key=key, person=_PURPOSE).digest()
        for start in range(0, _BLOCK_BYTES, _WORD_BYTES):
            yield int.from_bytes(block[start : start + _WORD_BYTES], "little")
        counter += 1


def is_among(number: int, ascending: Sequence[int]) -> bool:
    """Return whether a number is in an ascending sequence."""
    place = bisect_left(ascending, number)
    return place < len(ascending) and ascending[place] == number
