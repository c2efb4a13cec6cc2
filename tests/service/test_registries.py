"""A benchmark is known everywhere or nowhere: what one list forgets, this finds."""

from __future__ import annotations

import pytest

from bench_client.methods import _QUERIES
from bench_client.models import fields_of
from benchmark_db.catalog import BENCHMARKS, INSTALLABLE
from generators.raw_files import RAW_FILES
from generators.registry import GENERATORS, SAMPLES
from service.app import create_app

PATHS = set(create_app().openapi()["paths"])


@pytest.mark.parametrize("name", INSTALLABLE)
def test_everything_that_can_be_installed_can_be_made_fetched_and_asked(name: str) -> None:
    assert name in GENERATORS
    assert name in SAMPLES
    assert name in RAW_FILES
    assert name in _QUERIES
    assert f"/v1/{name}/export" in PATHS
    assert all(field.description for field in fields_of(name))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_answers_the_questions_that_all_have(name: str) -> None:
    topics = (
        *("computed-stats", "computed-stats/query", "intermediate-stats"),
        *("top", "pareto", "distribution", "architectures/random"),
    )
    assert {f"/v1/{name}/{topic}" for topic in topics} <= PATHS
