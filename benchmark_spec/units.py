"""Units that figures can have, each with what it says."""

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
        "count": "how many",
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
        "negative loss": "a loss with its sign turned, so that the larger is the better",
    }
)
"""By name, as the wire has it."""
