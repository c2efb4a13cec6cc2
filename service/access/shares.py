"""Places that callers take and give back, of which each may have a share."""

from __future__ import annotations

__all__ = ["NoPlaceError", "Shares"]


class NoPlaceError(Exception):
    """There is no place.

    Attributes:
        most: How many there are for this caller.
        of_caller: Whether the caller itself has all that one may have.
    """

    def __init__(self, most: int, *, of_caller: bool) -> None:
        super().__init__(most)
        self.most = most
        self.of_caller = of_caller


class Shares:
    """A number of places. Belongs to one event loop.

    Args:
        most: How many there are.
        share: What part of them one caller may take; at least one.

    Attributes:
        most: How many there are.
        taken: How many are taken.
    """

    def __init__(self, most: int, share: float) -> None:
        self.most = most
        self._most_of_one = max(1, int(most * share))
        self.taken = 0
        self._by_caller: dict[str, int] = {}

    def take(self, caller: str, number: int = 1) -> None:
        """Take places.

        Raises:
            NoPlaceError: There are not as many; none is taken.
        """
        has = self._by_caller.get(caller, 0) + number
        if has > self._most_of_one < self.most:
            raise NoPlaceError(self._most_of_one, of_caller=True)
        if self.taken + number > self.most:
            raise NoPlaceError(self.most, of_caller=False)
        self.taken += number
        self._by_caller[caller] = has

    def give_back(self, caller: str, number: int = 1) -> None:
        """Give back places that the caller has."""
        self.taken -= number
        has = self._by_caller[caller] - number
        if has:
            self._by_caller[caller] = has
        else:
            del self._by_caller[caller]
