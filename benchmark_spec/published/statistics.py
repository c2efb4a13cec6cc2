"""Functions that create statistics of published benchmarks, one for each unit and direction."""

from __future__ import annotations

from typing import Any, Protocol

from benchmark_spec.spec import Better, Stat

__all__ = ["accuracy", "loss", "millijoules", "millions", "milliseconds", "seconds"]


class MakeStat(Protocol):
    """Function that creates a statistic."""

    def __call__(self, name: str, description: str, **more: Any) -> Stat:
        """Return a statistic; `more` are its other attributes."""


def _of(unit: str, better: Better) -> MakeStat:
    def make(name: str, description: str, **more: Any) -> Stat:
        return Stat(name=name, unit=unit, better=better, description=description, **more)

    return make


accuracy = _of("percent", "larger")
loss = _of("cross-entropy", "smaller")
millijoules = _of("millijoules", "smaller")
millions = _of("millions", "smaller")
milliseconds = _of("milliseconds", "smaller")
seconds = _of("seconds", "smaller")
