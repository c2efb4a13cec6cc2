"""The OpenAPI document: complete, stable, and true of the server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

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
    "submit_training",
    "submit_supernet",
    "jobs",
    "job",
    "job_events",
    "cancel_job",
    "stop_job",
    "job_artifact",
    "workers",
    "datasets",
    "zoo",
    "checkpoints",
    "upload_checkpoint",
    "delete_checkpoint",
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


def test_every_operation_has_a_title_that_says_what_it_asks(document: dict[str, Any]) -> None:
    titles = [(operation["tags"][0], operation["summary"]) for operation in operations(document)]
    assert len(titles) > 100
    assert len(set(titles)) == len(titles)
    for operation in operations(document):
        title = operation["summary"]
        assert 6 < len(title) <= 60, title
        # One made of the name of a function has capitals and no preposition or article.
        assert title not in {title.title(), operation["operationId"].replace("_", " ").title()}
        assert title[0].isupper()
        assert not title.endswith(".")


def test_values_that_are_known_are_choices(document: dict[str, Any]) -> None:
    for operation in operations(document):
        benchmark = operation["operationId"].split("_")[0]
        for parameter in operation.get("parameters", []):
            name, schema = parameter["name"].removeprefix("y_"), parameter["schema"]
            if name in {"dataset", "device", "model_family", "proposer", "generator"} or (
                (name, parameter["in"]) == ("num_epochs", "query") and benchmark != "nds"
            ):
                assert set(schema["examples"]) <= set(schema["enum"]), (operation, name)
    batch = document["components"]["schemas"]["Nb201BatchQuestion"]["properties"]
    assert {part.get("type"): part.get("enum") for part in batch["dataset"]["anyOf"]} == {
        "string": ["cifar10-valid", "cifar10", "cifar100", "imagenet16-120"],
        "null": None,
    }


def test_a_choice_has_no_bounds_beside_it(document: dict[str, Any]) -> None:
    chosen = [part for part in _parts(document) if isinstance(part.get("enum"), list)]
    assert len(chosen) > 100
    assert not any("inimum" in name or "aximum" in name for part in chosen for name in part)


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


def test_bounds_of_integers_are_integers(document: dict[str, Any]) -> None:
    bounds = [
        value
        for part in _parts(document)
        if part.get("type") == "integer"
        for name, value in part.items()
        if name.endswith(("inimum", "aximum"))
    ]
    assert {type(bound) for bound in bounds} == {int}
    assert max(bounds) == 2**63 - 1


def test_no_parameter_is_null(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                assert {"type": "null"} not in _parts(parameter), parameter


def _parts(of: Any) -> list[dict[str, Any]]:
    """Return every object in a document."""
    inner = of.values() if isinstance(of, dict) else of if isinstance(of, list) else ()
    return [
        *([of] if isinstance(of, dict) else []),
        *(part for each in inner for part in _parts(each)),
    ]


@pytest.mark.long
def test_generated_requests_find_no_failure() -> None:
    """Thousands of requests made from the document, valid and not: no check fails."""
    script = REPOSITORY / "benchmarks" / "schema_fuzz.py"
    command = [sys.executable, str(script), "--cases", "1", "--examples", "5", "--sample-alike"]
    # Ten thousand requests measure what single ones do, in three times the time.
    unmeasured_environment = {
        name: value for name, value in os.environ.items() if "COVERAGE" not in name
    }
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**unmeasured_environment, "PYTHONPATH": str(REPOSITORY)},
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    counts = dict(line.rsplit(maxsplit=1) for line in ended.stdout.splitlines()[1:])
    assert int(counts["cases"]) > 8_000
    assert int(counts["operations"]) == 107
    assert int(counts["failures"]) == 0
    assert len([name for name in counts if name.startswith("failures of")]) >= 15
