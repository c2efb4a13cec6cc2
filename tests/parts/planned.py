"""Plans for tests: small ones of NAS-Bench-201's cells on a few images."""

from __future__ import annotations

import copy
from typing import Any, Final

from nas_search.plans import Plan, plan_of

__all__ = ["CONTENT", "a_plan", "content"]

CONTENT: Final[dict[str, Any]] = {
    "name": "tiny",
    "title": "Small cells on patterns",
    "licence": "CC0-1.0",
    "space": {
        "name": "NasBench201",
        "arguments": {
            "stem_out_channels": 2,
            "num_modules_per_stack": 1,
            "num_labels": 3,
            "image_size": 8,
        },
        "restrict": {
            "cell/0_2": ["none", "conv_1x1"],
            "cell/1_2": ["none"],
            "cell/0_3": ["none", "skip_connect"],
            "cell/1_3": ["conv_1x1"],
            "cell/2_3": ["none", "skip_connect"],
        },
    },
    "select": {"kind": "sample", "n": 5, "seed": 1},
    "data": {"name": "patterns", "split": {"train": 24, "valid": 12}},
    "protocol": {"epochs": [2, 1], "seeds": [0, 1], "batch_size": 8},
}
"""Forty architectures, of which five are drawn: twenty cells."""


def content(**changes: Any) -> dict[str, Any]:
    """Return the plan as JSON with some members changed, `space__name` being one inside."""
    found = copy.deepcopy(CONTENT)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = found
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return found


def a_plan(**changes: Any) -> Plan:
    """Return the plan with some members changed."""
    return plan_of(content(**changes))
