"""Lists rules that no schema can express: requests that fit the OpenAPI document but get a 422.

schemathesis loads this module. Its own check that valid requests are accepted is configured to
allow 422 for the operations listed here; the check below then allows it only for the parameters and
members listed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import schemathesis

from benchmark_db.metrics import BOUND_SIDES
from benchmark_db.registry import BENCHMARKS, METRICS

__all__ = ["UNSAID", "configuration", "sampled_operations"]

CURSOR: Final = "a cursor is valid only for the query and the data that it came from"
INSTALLED: Final = "n is at most the number of installed architectures"
CELL: Final = "a cell connects input and output with at most nine edges; a hash is recorded"
JSON: Final = "the text must be JSON"
RECORDED: Final = "the metric must be recorded for this data set and budget"
RANGE: Final = "a range starts below its end, and above zero if it is logarithmic"
NUMBERED: Final = "a number is that of an existing candidate"
SEEDS: Final = "runs with this seed must be recorded"
SPACES: Final = "the design space must exist"
NETWORK: Final = "an architecture must follow the rules of its space"
SPELLED: Final = "an architecture has a form that its description and examples show"
PARTS: Final = "the search options of a supernet fit each other and the space"
PLAN: Final = "a plan must be executable, by the rules of its file"

_COMPARING: Final = ("top", "pareto", "rank", "correlation", "distribution")
_CELL: Final = {"arch": CELL}
_PAGE: Final = {"cursor": CURSOR}
_ARCH: Final = {"arch": SPELLED}
_SPECIFICATIONS: Final = {"model_spec": JSON, "cell_spec": JSON}
_SEED: Final = {"seed": SEEDS}
_BUDGET: Final = {"num_epochs": "runs with this budget must be recorded"}
_SPACES: Final = dict.fromkeys(
    ("model_family", "proposer", "generator", "dataset", "num_epochs"), SPACES
)


def _compared(name: str) -> dict[str, str]:
    """Return the reasons for refusing a comparison, by parameter."""
    bounds = [f"{side}_{metric}" for metric in METRICS[name] for side in BOUND_SIDES]
    parts = _SPACES if name == "nds" else dict.fromkeys(("num_epochs", "dataset"), RECORDED)
    others = {f"y_{part}": why for part, why in parts.items()}
    return {**dict.fromkeys(("metric", "x", "y", *bounds), RECORDED), **parts, **others}


_SELECTED: Final = {
    "nasbench101": _CELL,
    "nds": {
        **_SPECIFICATIONS,
        **_SEED,
        **_SPACES,
        **_BUDGET,
        "arch": JSON,
        "sort": "reduced results can be sorted only by fields that all their runs share",
    },
}
"""Reasons for refusing queries of runs, for benchmarks with rules of their own."""


def _asked(name: str) -> dict[str, dict[str, str]]:
    """Return the reasons for refusing a request of a benchmark, by operation and parameter.

    Bodies also refuse a whole number written as a fraction (see `_NO_INTEGER`).
    """
    kind = BENCHMARKS[name]
    selected = _SELECTED.get(name, {**_SEED, **_ARCH})
    arch = {"arch": selected["arch"]}
    refused = {
        "computed_stats": {**_PAGE, **selected},
        "intermediate_stats": {**_PAGE, **selected},
        "computed_stats_query": {part: why for part, why in selected.items() if part != "arch"},
        "export": selected,
        "random": {"n": INSTALLED},
        "neighbors": arch,
    }
    compared = _compared(name)
    refused |= dict.fromkeys((*_COMPARING, "column", "columns"), compared | arch)
    refused["density"] = compared | dict.fromkeys(("x_from", "x_to", "y_from", "y_to"), RANGE)
    refused["picture"] = arch
    refused["spellings"] = compared | {"numbers": NUMBERED}
    if kind.numbered_space() is not None:
        refused["architecture"] = arch
    return {
        f"{name}_{topic}": why
        for topic, why in refused.items()
        if topic not in kind.spec.not_answered
    }


_SUBMITTED: Final = {
    "network": NETWORK,
    "time_limit": "the server's settings bound the duration of an attempt",
}

UNSAID: Final[Mapping[str, Mapping[str, str]]] = {
    "checkpoints": _PAGE,
    "jobs": {**_PAGE, **dict.fromkeys(("benchmark", "arch", "dataset"), NETWORK)},
    **{operation: why for name in METRICS for operation, why in _asked(name).items()},
    "nasbench101_hash": _CELL,
    "nasbench201_hardware": {**_PAGE, **_ARCH},
    "hw_nas_bench_export": _ARCH,
    "submit_model": {**_SUBMITTED, "formats": "a space without cells has no picture"},
    "submit_evaluation": {
        **_SUBMITTED,
        "protocol": "a protocol must exist or be consistent in itself",
    },
    "submit_latency": _SUBMITTED,
    "submit_training": {
        **_SUBMITTED,
        "recipe": "a recipe must exist or be consistent in itself",
        "protocol": "a protocol must exist or be consistent in itself",
        "trainer": "a trainer is a name, or an object with the documented members",
        "epochs": "no more than those of the recipe",
        "fractions": "together at most 1",
    },
    "submit_supernet": {
        **_SUBMITTED,
        "recipe": "a recipe must exist or be consistent in itself",
        "protocol": "a protocol must exist or be consistent in itself",
        "epochs": "no more than those of the recipe",
        "fractions": "together at most 1",
        **dict.fromkeys(("sampler", "relaxation", "arch_recipe", "costs", "loss"), PARTS),
    },
    "measure_cells": {"arch": NETWORK, "num_epochs": PLAN},
    "submit_plan": dict.fromkeys(
        ("name", "order", "space", "select", "data", "protocol", "limits", "plan"), PLAN
    )
    | dict.fromkeys(("title", "licence", "citation"), "a text must be printable and not empty"),
    "upload_checkpoint": {"checkpoint": "the body must be a safetensors file"},
}
"""Reasons for refusing a valid value, by operation and by parameter or member of the body."""

_NO_INTEGER: Final = ("valid integer", "an index", "a vertex number", "not 0 or 1")
"""Parts of messages that refuse 3.0, an integer for JSON Schema, in bodies, which must say 3."""

_UNPROCESSABLE: Final = 422
_ACCEPTED: Final = ["2xx", "3xx", "401", "403", "404", "409", "429", "431", "5xx"]
"""Statuses that schemathesis accepts by default, and 431 for parameters that are too long."""
_REJECTED: Final = ["400", "401", "403", "404", "405", "409", "415", "422", "429", "431", "5xx"]

_OF_RUNS: Final = ("computed_stats", "computed_stats_query", "export", "intermediate_stats")


def sampled_operations() -> list[str]:
    """Return operations that need only random requests: another benchmark tests the same code.

    The same code serves such an operation for all benchmarks. One benchmark per operation is tested
    in every variant; it changes from operation to operation, separately among those for runs, those
    that compare and the rest, so that the parameters of each benchmark are tested as well.
    """
    by_kind: dict[tuple[bool, bool], dict[str, list[str]]] = {}
    for name in METRICS:
        for operation, refused in _asked(name).items():
            topic = operation.removeprefix(f"{name}_")
            kind = topic in _OF_RUNS, "metric" in refused
            by_kind.setdefault(kind, {}).setdefault(topic, []).append(operation)
    sampled: list[str] = []
    for topics in by_kind.values():
        for place, (_, alike) in enumerate(sorted(topics.items())):
            tried = alike[place % len(alike)]
            sampled += [operation for operation in alike if operation != tried]
    return sorted(sampled)


def configuration(*, sampled: Sequence[str] = ()) -> str:
    """Return the configuration of schemathesis, which allows 422 for the operations in `UNSAID`.

    Args:
        sampled: Operations that get only random requests, and none for each bound and type of each
            parameter.
    """
    statuses = [*_ACCEPTED, str(_UNPROCESSABLE)]
    lines = [
        "[[operations]]",
        f"include-operation-id = {sorted(UNSAID)}",
        f"checks.positive_data_acceptance.expected-statuses = {statuses}",
        f"checks.negative_data_rejection.expected-statuses = {_REJECTED}",
    ]
    if sampled:
        lines += [
            "[[operations]]",
            f"include-operation-id = {list(sampled)}",
            "phases.coverage.enabled = false",
        ]
    return "\n".join(lines).replace("'", '"')


@schemathesis.check
def refused_for_what_no_schema_says(ctx: Any, response: Any, case: Any) -> None:
    """Fail if a valid request is refused for a parameter or member that `UNSAID` does not list."""
    del ctx
    if response.status_code != _UNPROCESSABLE or case.meta is None:
        return
    if not case.meta.generation.mode.is_positive:
        return
    unsaid = UNSAID.get(case.operation.definition.raw["operationId"], {})
    fraction = _has_whole_fraction(case.body)
    for error in response.json()["errors"]:
        place, message = error["loc"], error["msg"]
        listed = len(place) > 1 and place[1] in unsaid
        strict = fraction and any(words in message for words in _NO_INTEGER)
        if not (listed or strict):
            raise AssertionError(f"refused for {place}, which a schema can say: {message}")


def _has_whole_fraction(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    if isinstance(value, dict):
        return any(map(_has_whole_fraction, value.values()))
    return isinstance(value, list) and any(map(_has_whole_fraction, value))
