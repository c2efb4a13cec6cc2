"""What no schema can say: which requests that fit the OpenAPI document are refused all the same.

schemathesis loads this module. Its own check, that what fits the document is accepted, is told to
let 422 pass for the operations listed here; the check below then lets it pass for the parameters
and members listed here, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import schemathesis

from benchmark_db.metrics import BOUND_SIDES
from benchmark_db.registry import BENCHMARKS, METRICS

__all__ = ["UNSAID", "configuration", "sampled_operations"]

CURSOR: Final = "a cursor belongs to the question and the data that it came with"
INSTALLED: Final = "at most as many are drawn as are installed"
CELL: Final = "the input of a cell reaches its output, over nine edges at most; a hash is recorded"
JSON: Final = "a text is JSON"
RECORDED: Final = "what is compared or bounded is recorded, on this data set at this budget"
RANGE: Final = "a range begins before it ends, above zero where it is logarithmic"
NUMBERED: Final = "a number is one of a candidate that there is"
SEEDS: Final = "a seed is one that runs in the database have"
SPACES: Final = "there is such a design space"
NETWORK: Final = "an architecture is one of its space, which its own rules describe"
SPELLED: Final = "an architecture is a text or an object as its description and examples show it"
PARTS: Final = "what says how a supernet is searched goes together, and the space bears it"
PLAN: Final = "a plan is one that workers could carry out, by the rules of its file"

_COMPARING: Final = ("top", "pareto", "rank", "correlation", "distribution")
_CELL: Final = {"arch": CELL}
_PAGE: Final = {"cursor": CURSOR}
_ARCH: Final = {"arch": SPELLED}
_SPECIFICATIONS: Final = {"model_spec": JSON, "cell_spec": JSON}
_SEED: Final = {"seed": SEEDS}
_BUDGET: Final = {"num_epochs": "a budget is one that runs in the database have"}
_SPACES: Final = dict.fromkeys(
    ("model_family", "proposer", "generator", "dataset", "num_epochs"), SPACES
)


def _compared(name: str) -> dict[str, str]:
    """Return what a question that compares may be refused for: metrics without a figure."""
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
        "sort": "reduced answers can be sorted by what all their runs share",
    },
}
"""Of questions for the runs of some benchmarks; of the others these are alike."""


def _asked(name: str) -> dict[str, dict[str, str]]:
    """Return what every question about a benchmark may be refused for, by operation.

    Bodies refuse a whole number that is written as a fraction, too, see `_NO_INTEGER`.
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
    "time_limit": "an attempt may take as long as the server's settings say",
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
        "protocol": "a protocol is one of those there are, or consistent in itself",
    },
    "submit_latency": _SUBMITTED,
    "submit_training": {
        **_SUBMITTED,
        "recipe": "a recipe is one of those there are, or consistent in itself",
        "protocol": "a protocol is one of those there are, or consistent in itself",
        "trainer": "a trainer is a name, or an object of members that its description names",
        "epochs": "no more than those of the recipe",
        "fractions": "together at most 1",
    },
    "submit_supernet": {
        **_SUBMITTED,
        "recipe": "a recipe is one of those there are, or consistent in itself",
        "protocol": "a protocol is one of those there are, or consistent in itself",
        "epochs": "no more than those of the recipe",
        "fractions": "together at most 1",
        **dict.fromkeys(("sampler", "relaxation", "arch_recipe", "costs", "loss"), PARTS),
    },
    "measure_cells": {"arch": NETWORK, "num_epochs": PLAN},
    "submit_plan": dict.fromkeys(
        ("name", "order", "space", "select", "data", "protocol", "limits", "plan"), PLAN
    )
    | dict.fromkeys(("title", "licence", "citation"), "a text is printable, and not empty"),
    "upload_checkpoint": {"checkpoint": "a body is a safetensors file"},
}
"""By operation, parameters and members of bodies, and why a value that fits may be refused."""

_NO_INTEGER: Final = ("valid integer", "an index", "a vertex number", "not 0 or 1")
"""How 3.0 is refused, which JSON Schema takes for an integer: where types are JSON's, the service
asks for 3."""

_UNPROCESSABLE: Final = 422
_ACCEPTED: Final = ["2xx", "3xx", "401", "403", "404", "409", "429", "5xx"]
"""What schemathesis takes for accepted, unless it is told otherwise."""


_OF_RUNS: Final = ("computed_stats", "computed_stats_query", "export", "intermediate_stats")


def sampled_operations() -> list[str]:
    """Return operations that ask a benchmark what another one is asked in every variant.

    The same code reads these questions, from the description of the benchmark. Which benchmark that
    other one is changes from question to question, among those for runs, among those that compare
    and among the rest: each has its own parameters of both kinds tried in every variant.
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
    """Return the configuration of schemathesis: where 422 may answer what fits the document.

    Args:
        sampled: Operations of which only random requests are made, and none for each bound and type
            of each parameter.
    """
    statuses = [*_ACCEPTED, str(_UNPROCESSABLE)]
    lines = [
        "[[operations]]",
        f"include-operation-id = {sorted(UNSAID)}",
        f"checks.positive_data_acceptance.expected-statuses = {statuses}",
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
    """Fail where a request that fits the document is refused for something not listed."""
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
