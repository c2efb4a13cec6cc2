"""Real servers for callers who mean no good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from bench_server import BenchServer, ending_together
from lying_server import LyingServer, lying
from one_question import asked_awaited, asked_blocking

Attacked: TypeAlias = Callable[..., BenchServer]


@pytest.fixture(scope="session")
def directory(every_sample: Path) -> Path:
    """A folder with databases of made-up archives; one of them is exported for megabytes."""
    return every_sample


@pytest.fixture(scope="module")
def attacked(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Starts servers that end with the module, each told its settings."""
    with ending_together() as started:
        yield lambda **told: started(
            BenchServer(tmp_path_factory.mktemp("server"), directory, **told)
        )


@pytest.fixture(name="server")
def lying_server() -> Iterator[LyingServer]:
    """A server that says whatever a test has it say."""
    with lying() as server:
        yield server


@pytest.fixture(params=[asked_blocking, asked_awaited], ids=["blocking", "awaited"])
def asked(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Ask one thing of a client of either kind, which asks once and waits for ten seconds."""
    return partial(request.param, retries=0, timeout=10)
