"""The fields of a JSON object, taken one by one; what is wrong with them, told with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from model_hub.errors import nearest, shown
from model_hub.zoo.errors import RecordError

__all__ = ["Fields"]

T = TypeVar("T")


class Fields:
    """The fields of an object of which each is taken at most once.

    Args:
        values: The object.
        place: What it is, for messages.

    Raises:
        RecordError: It is no object. So do the methods where a field is missing or of another kind.
    """

    def __init__(self, values: Any, place: str) -> None:
        if not isinstance(values, dict):
            raise RecordError(f"{place}: {shown(values)} is not an object")
        self.place = place
        self._values = dict(values)
        self._taken: list[str] = []

    def text(self, name: str) -> str:
        """Take a text that must be there."""
        found: str = self._required(name, str, "text")
        return found

    def text_or_none(self, name: str) -> str | None:
        """Take a text that may be missing or null."""
        return self.text(name) if self._stated(name) else None

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Take one of a few texts."""
        value = self._optional(name, str, "text", default)
        if value not in allowed:
            raise RecordError(
                f"{self.place}: {name} is {shown(value)}, not one of {', '.join(allowed)}"
            )
        return value

    def percentage(self, name: str) -> float:
        """Take a number from 0 to 100 that must be there."""
        value = self._required(name, int | float, "a number")
        if isinstance(value, bool) or not 0 <= value <= 100:  # noqa: PLR2004 - percent
            raise RecordError(f"{self.place}: {name} is {shown(value)}, not a percentage")
        return float(value)

    def percentage_or_none(self, name: str) -> float | None:
        """Take a number from 0 to 100 that may be missing or null."""
        return self.percentage(name) if self._stated(name) else None

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Take an object; an empty one if it is missing."""
        return self._optional(name, dict, "an object", {})

    def objects(self, name: str) -> list[Fields]:
        """Take a list of objects; none if it is missing."""
        values: list[Any] = self._optional(name, list, "a list", [])
        return [Fields(value, f"{self.place}, {name} {n}") for n, value in enumerate(values)]

    def anything(self, name: str) -> Any:
        """Take a value of any kind that must be there."""
        return self._required(name, object, "anything")

    def finish(self) -> None:
        """Refuse what nobody took.

        Raises:
            RecordError: There is a field that means nothing.
        """
        for name in self._values.keys() - self._taken:
            hint = nearest(name, self._taken)
            raise RecordError(f"{self.place}: there is no field {shown(name)}{hint}")

    def _stated(self, name: str) -> bool:
        self._taken.append(name)
        return self._values.get(name) is not None

    def _required(self, name: str, kind: Any, what: str) -> Any:
        if name not in self._values:
            raise RecordError(f"{self.place}: the field {name!r} is missing")
        return self._optional(name, kind, what, None)

    def _optional(self, name: str, kind: Any, what: str, default: T) -> T:
        self._taken.append(name)
        if name not in self._values:
            return default
        value: T = self._values[name]
        if not isinstance(value, kind):
            raise RecordError(f"{self.place}: {name} is {shown(value)}, not {what}")
        return value
