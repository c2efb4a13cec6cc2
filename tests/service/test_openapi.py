"""The OpenAPI document: complete, stable, and true of the server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

OPERATION_IDS = {
    "livez",
    "readyz",
    "benchmarks",
    "benchmark",
    "nasbench201_computed_stats",
    "nasbench201_computed_stats_query",
    "nasbench201_intermediate_stats",
    "nasbench201_architecture",
    "nasbench201_hardware",
    "natssss_computed_stats",
    "natssss_computed_stats_query",
    "natssss_intermediate_stats",
    "natssss_architecture",
    "submit_model",
    "submit_evaluation",
    "submit_latency",
    "jobs",
    "job",
    "job_events",
    "cancel_job",
    "job_artifact",
    "workers",
    "datasets",
    "checkpoints",
    "upload_checkpoint",
}


@pytest.fixture(scope="module")
def document(server: str) -> dict[str, Any]:
    schema: dict[str, Any] = httpx.get(f"{server}/openapi.json").json()
    return schema


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_operation_ids_are_those_that_programs_rely_on(document: dict[str, Any]) -> None:
    found = {operation["operationId"] for operation in operations(document)}
    assert found >= OPERATION_IDS


def test_every_operation_and_parameter_is_described(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert operation["description"]
        for parameter in operation.get("parameters", []):
            assert parameter.get("description") or parameter["in"] == "path", parameter


def test_every_statistic_has_its_unit(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Nb201Stats"]["properties"]
    for name, field in properties.items():
        if re.search(r"_(acc|time)$|^(parameters|flops|latency)$", name):
            assert field["unit"] in {"percent", "seconds", "millions"}, name
            assert field["unit"] in field["description"] or "million" in field["description"], name


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], operation


def test_examples_are_answered(server: str, document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        if "get" in methods and "{" not in path:
            parameters = {
                parameter["name"]: parameter["schema"]["examples"][0]
                for parameter in methods["get"].get("parameters", [])
                if "examples" in parameter["schema"]
            }
            assert httpx.get(server + path, params=parameters).status_code == 200, path


def test_the_documentation_page_is_served(server: str) -> None:
    page = httpx.get(f"{server}/docs")
    assert page.status_code == 200
    assert "openapi.json" in page.text


def test_generated_requests_find_no_failure(server: str, tmp_path: Path) -> None:
    """Thousands of requests made from the document, valid and not: no 5xx, no violation of it.

    Left out is the check that every request that fits the document is accepted: no document can
    tell which strings are cursors or architectures. So is the stream of a job's events, which ends
    when the job does: nobody does jobs here. An answer about a job may be held for ten seconds.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server}/openapi.json"),
        *("--exclude-checks", "positive_data_acceptance", "--max-examples", "40"),
        *("--exclude-operation-id", "job_events", "--request-timeout", "20"),
        *("--seed", "1", "--no-color"),
    ]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
