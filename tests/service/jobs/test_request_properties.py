"""Of any network, and of anything that may be sent: a job with one key, or an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nds_networks import CELLS
from pydantic import ValidationError

import model_hub
from bench_client.models import JobKind
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_db.nasbench201.architecture import arch_dict, arch_str, operations_at
from benchmark_db.natssss.architecture import channels_at
from service.jobs.kinds import KINDS, new_job, spec_key
from service.jobs.records import NewJob

pytestmark = pytest.mark.usefixtures("unmeasured")

CELL_NAMES = ("normal", "reduce")
NETWORK_MEMBERS = {"model", "space", "arguments", "arch", "checkpoint", "seed"}
CELL = {
    "nodes": [[["sep_conv_3x3", 0], ["none", 1]], [["conv_1x1", 2], ["skip_connect", 0]]],
    "concat": [2, 3],
}
SMALL_CELLS = CELLS | {"dataset": "cifar10"}
STAGES = {
    "model_family": "residual_bottleneck",
    "model_spec": {
        "ds": [1, 2, 2],
        "ss": [1, 1, 2],
        "ws": [16, 24, 40],
        "bot_muls": [0.0, 0.5, 0.25],
        "num_gs": [1, 2, 1],
    },
    "dataset": "cifar10",
}


def job_of(kind: JobKind, body: Any, catalog: Catalog) -> NewJob:
    request = KINDS[kind].request.model_validate(body)
    return new_job(request, catalog=catalog, job_seconds=3600.0)


def outcome_of(kind: JobKind, body: Any, catalog: Catalog) -> NewJob | InvalidQuestionError | None:
    """What becomes of a submission; None where it has not even the form of one."""
    try:
        return job_of(kind, body, catalog)
    except ValidationError:
        return None
    except InvalidQuestionError as error:
        return error


def key_of(network: dict[str, Any], catalog: Catalog) -> str:
    return job_of("latency", {"network": network}, catalog).key


def check(job: NewJob, kind: JobKind, catalog: Catalog) -> None:
    """What holds of every job: it is JSON, can be built, and asks for itself."""
    sent = json.loads(json.dumps(job.spec, allow_nan=False))
    assert sent == job.spec
    assert job.kind == kind
    assert job.key == spec_key(kind, sent)
    network = sent["network"]
    assert network.keys() == NETWORK_MEMBERS
    space = model_hub.space(network["space"], **network["arguments"])
    assert space.canonical(network["arch"]) == network["arch"]
    again = job_of(kind, sent, catalog)
    assert (again.key, again.spec) == (job.key, job.spec)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 70)
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["", "cifar10", "cifar", "imagenet", "force", "none", "sep_conv_3x3", "swish"]
    )
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["ds", "nodes"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value inside a value."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """A network that there is, in any form."""
    name = draw(st.sampled_from([*model_hub.space_names(), "NdsCells", "benchmark", "model"]))
    seed = draw(st.integers(0, 1 << 30))
    if name == "model":
        return {"model": draw(st.sampled_from(["proxyless-cpu", "autoformer-tiny", "darts-v2"]))}
    if name == "NdsCells":
        return {
            "space": name,
            "arguments": {"normal": CELL, "reduce": CELL, "width": 8, "num_cells": [3, 4]},
            "arch": {"depth": draw(st.sampled_from([3, 4]))},
        }
    if name == "benchmark":
        return draw(
            st.sampled_from(
                [
                    {"benchmark": "nasbench201", "arch": seed % 15_625, "dataset": "cifar100"},
                    {"benchmark": "natssss", "arch": seed % 32_768, "dataset": "cifar10"},
                    {"benchmark": "nds", "arch": STAGES},
                    {
                        "benchmark": "nds",
                        "arch": {"config": SMALL_CELLS, "parameters": 0.5},
                    },
                    {"benchmark": "nasbench101", "arch": {"input1": [0]}},
                ]
            )
        )
    space = model_hub.space(name)
    sample = space.choices.sample(seed)
    return {"space": name, "arguments": {}, "arch": sample}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A submission that may be one, but for something in it."""
    network = draw(networks())
    if "arguments" in network and draw(st.booleans()):
        kind = type(model_hub.space(network["space"], **network["arguments"]))
        field = draw(st.sampled_from(fields(kind)))
        default = json.loads(json.dumps(field.default)) if field.name not in CELL_NAMES else CELL
        network = network | {"arguments": network["arguments"] | {field.name: default}}
    body = {"network": network, **draw(st.sampled_from([{}, {"dataset": "mine"}]))}
    if "dataset" in body:
        body |= {"protocol": {"dataset": "mine", "input_size": 32, "mean": [0, 0.5, 1.0]}}
    path = draw(st.sampled_from(list(places(body))))
    return replaced(body, path, draw(json_values)) if draw(st.booleans()) else body


@given(networks(), st.sampled_from(["model", "latency"]))
@settings(max_examples=100)
def test_every_network_there_is_becomes_a_job_that_asks_for_itself(
    nothing_installed: Catalog, network: dict[str, Any], kind: JobKind
) -> None:
    check(job_of(kind, {"network": network}, nothing_installed), kind, nothing_installed)


@given(bodies(), st.sampled_from(list(KINDS)))
@settings(max_examples=300)
def test_whatever_is_sent_is_a_job_or_an_error_that_names_its_place(
    nothing_installed: Catalog, body: Any, kind: JobKind
) -> None:
    outcome = outcome_of(kind, body, nothing_installed)
    if isinstance(outcome, NewJob):
        check(outcome, kind, nothing_installed)
    elif outcome is not None:
        assert outcome.field.partition(".")[0] in {"network", "protocol", "formats"}
        assert 0 < len(outcome.message) < 2000


@given(json_values, st.sampled_from(list(KINDS)))
def test_arbitrary_json_is_refused(nothing_installed: Catalog, body: Any, kind: JobKind) -> None:
    with pytest.raises((ValidationError, InvalidQuestionError)):
        job_of(kind, body, nothing_installed)


@given(st.integers(0, 15_624))
@settings(max_examples=40)
def test_every_spelling_of_a_cell_of_nasbench201_is_one_job(
    nothing_installed: Catalog, index: int
) -> None:
    operations = operations_at(index)
    spellings = [index, arch_str(operations), arch_dict(operations), list(operations)]
    asked = ({"benchmark": "nasbench201", "arch": s, "dataset": "cifar10"} for s in spellings)
    assert len({key_of(network, nothing_installed) for network in asked}) == 1


@given(st.integers(0, 32_767))
@settings(max_examples=40)
def test_every_spelling_of_the_size_space_is_one_job(
    nothing_installed: Catalog, index: int
) -> None:
    widths = list(channels_at(index))
    spellings = [index, widths, ":".join(map(str, widths))]
    asked = ({"benchmark": "natssss", "arch": s, "dataset": "cifar10"} for s in spellings)
    sample = {f"channels_{layer}": width for layer, width in enumerate(widths)}
    networks = [*asked, {"space": "NatsSss", "arch": sample}]
    assert len({key_of(network, nothing_installed) for network in networks}) == 1


@given(st.integers(0, 1 << 40))
@settings(max_examples=60)
def test_every_spelling_of_a_cell_of_nasbench101_is_one_job(
    nothing_installed: Catalog, seed: int
) -> None:
    space = model_hub.space("NasBench101")
    sample = space.choices.sample(seed)
    arch = {label.removeprefix("cell/"): value for label, value in sample.items()}
    del arch["num_nodes"]
    cell = parse_cell(arch)
    spellings = [arch, json.dumps(arch), cell.to_module(), cell.to_dict(), cell.pruned().to_dict()]
    networks = [
        *({"benchmark": "nasbench101", "arch": spelling} for spelling in spellings),
        {"space": "NasBench101", "arch": sample},
        {"space": "NasBench101", "arch": space.canonical(sample)},
    ]
    assert len({key_of(network, nothing_installed) for network in networks}) == 1


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
@settings(max_examples=60)
def test_two_cells_that_differ_once_pruned_are_two_jobs(
    nothing_installed: Catalog, first: int, second: int
) -> None:
    space = model_hub.space("NasBench101")
    samples = [space.canonical(space.choices.sample(seed)) for seed in (first, second)]
    keys = {key_of({"space": "NasBench101", "arch": s}, nothing_installed) for s in samples}
    assert len(keys) == (1 if samples[0] == samples[1] else 2)
