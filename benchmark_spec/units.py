"""Units of statistics, with descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["UNITS"]

UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "percent": "0 to 100",
        "fraction": "0 to 1",
        "cross-entropy": "mean cross-entropy, in nats",
        "score": "a number without a unit, such as a zero-cost proxy",
        "count": "number of items",
        "seconds": "seconds",
        "milliseconds": "thousandths of a second",
        "joules": "joules",
        "millijoules": "thousandths of a joule",
        "watts": "watts",
        "millions": "millions: of parameters, of multiply-adds",
        "megabytes": "10^6 bytes",
        "FLOP/byte": "arithmetic intensity",
        "ssim": "structural similarity, -1 to 1",
        "miou": "mean intersection over union, in percent",
        "per": "phoneme error rate",
        "wer": "word error rate",
        "negative loss": "a loss with its sign reversed, so that larger is better",
    }
)
"""Description of each unit, by its name on the wire."""
