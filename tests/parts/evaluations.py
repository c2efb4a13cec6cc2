"""Functions that evaluations in processes of their own load by name."""

from __future__ import annotations

import os
import time
from typing import Any

CHOICES = {"x": list(range(6)), "y": list(range(6))}


def total(sample: dict[str, Any]) -> float:
    """Return the sum of the choices."""
    return float(sample["x"] + sample["y"])


def uneven(sample: dict[str, Any]) -> float:
    """Return the sum of the choices, some of them later than others."""
    time.sleep(0.02 * (sample["x"] % 3))
    return total(sample)


def endless(sample: dict[str, Any]) -> float:
    """Return the sum of the choices, or never."""
    if sample["x"] == 0:
        time.sleep(600)
    return total(sample)


def deadly(sample: dict[str, Any]) -> float:
    """Return the sum of the choices, or end the process."""
    if sample["x"] == 0:
        os._exit(7)
    return total(sample)
