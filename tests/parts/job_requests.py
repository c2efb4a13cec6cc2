"""Submissions and the networks in them, which tests of requests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any, TypeAlias

from model_hub import zoo
from service.jobs.records import NewJob

Submit: TypeAlias = Callable[..., NewJob]
RunProgram: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
"""Takes the source of a program, and values that have these names in it."""

MOBILE = {"model": "proxyless-mobile"}
MOBILE_RECORD = zoo.record("proxyless-mobile")
CELL = {"op1": "conv3x3", "input1": [0], "op2": "maxpool", "input2": [0, 1], "input3": [1, 2]}
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def network(job: NewJob) -> dict[str, Any]:
    """Return the network of a job, as a worker gets it."""
    found: dict[str, Any] = job.spec["network"]
    return found
