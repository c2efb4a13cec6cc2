"""From a submission to a job: checked as far as a server can, spelled in one way, with its key.

Whatever two callers write, the same request has the same `spec` and therefore the same key; the
`spec` is itself a submission, and again the same request.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final, get_args

from bench_client.models import (
    EvaluationRequest,
    LatencyRequest,
    ModelFormat,
    ModelRequest,
)
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from model_hub import protocols
from model_hub.cell_picture import diagrams
from model_hub.errors import InvalidArgumentError, ModelHubError
from model_hub.model_space import TokenSpace
from model_hub.protocols import EvaluationProtocol
from service.jobs.keys import spec_key
from service.jobs.networks import ChosenNetwork, chosen_network
from service.jobs.plain_json import plain_json
from service.jobs.records import NewJob
from service.jobs.states import JobKind

__all__ = ["new_job"]

_MOST_NUMBERS: Final = 1 << 34
"""In the inputs of a pass: 64 GiB in float32."""


def new_job(
    request: ModelRequest | EvaluationRequest | LatencyRequest,
    *,
    catalog: Catalog,
    job_seconds: float,
    request_id: str | None = None,
) -> NewJob:
    """Return the job that a submission asks for.

    Args:
        request: The submission.
        catalog: The installed benchmarks; only hashes of NAS-Bench-101 need one.
        job_seconds: The longest time limit.
        request_id: The HTTP request that it came with.

    Raises:
        InvalidQuestionError: What is asked for cannot be done by any worker; the error names the
            member, such as `network.arch`.
    """
    if request.time_limit is not None and request.time_limit > job_seconds:
        raise InvalidQuestionError(
            "time_limit",
            f"{request.time_limit:g} s are more than the {job_seconds:g} s of an attempt",
        )
    network = chosen_network(request.network, catalog)
    kind, members = _members(request, network)
    spec = {"network": network.to_dict()} | {
        name: plain_json(name, value) for name, value in members.items()
    }
    return NewJob(
        kind=kind,
        spec=spec,
        key=spec_key(kind, spec),
        needs_device=members.get("device", "any"),
        needs_dataset=members.get("dataset"),
        priority=request.priority,
        time_limit=request.time_limit,
        request_id=request_id,
    )


def _members(
    request: ModelRequest | EvaluationRequest | LatencyRequest, network: ChosenNetwork
) -> tuple[JobKind, dict[str, Any]]:
    """Return the kind of a job and the members of its canonical request beside the network."""
    stated = request.model_dump(exclude={"network", "priority", "time_limit"})
    match request:
        case ModelRequest():
            shape = _input_shape(request, network, batch_size=1)
            return JobKind.MODEL, {"formats": _formats(request, network), "input_shape": shape}
        case EvaluationRequest():
            _refuse_unmeasurable(network)
            protocol = _protocol(request, network)
            _accepted("protocol", network, protocol.input_shape)
            return JobKind.EVALUATION, stated | {"protocol": protocol.to_dict()}
        case LatencyRequest():
            shape = _input_shape(request, network, batch_size=request.batch_size)
            return JobKind.LATENCY, stated | {"input_shape": shape}


def _input_shape(
    request: ModelRequest | LatencyRequest, network: ChosenNetwork, *, batch_size: int
) -> list[int]:
    """Return the shape of an input: as asked for or, by default, that of the network.

    Raises:
        InvalidQuestionError: The network takes no such input, or no device so many of them.
    """
    stated = network.input_shape if request.input_shape is None else request.input_shape
    shape = _accepted("input_shape", network, stated)
    numbers = batch_size * prod(shape)
    if numbers > _MOST_NUMBERS:
        raise InvalidQuestionError(
            "batch_size", f"a pass of {numbers:,} numbers is more than {_MOST_NUMBERS:,}"
        )
    return list(shape)


def _accepted(place: str, network: ChosenNetwork, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an input if the network takes it.

    Raises:
        InvalidQuestionError: It does not.
    """
    try:
        return network.space.accepted_input(shape)
    except InvalidArgumentError as error:
        raise InvalidQuestionError(place, str(error)) from error


def _formats(request: ModelRequest, network: ChosenNetwork) -> list[str]:
    """Return what to write, each once, in the order in which the formats are documented."""
    if "picture" in request.formats:
        try:
            diagrams(network.space, network.space.choices.resolve(network.sample))
        except InvalidArgumentError as error:
            raise InvalidQuestionError("formats", f"there is no picture: {error}") from error
    return [form for form in get_args(ModelFormat) if form in request.formats]


def _refuse_unmeasurable(network: ChosenNetwork) -> None:
    if not network.has_weights:
        raise InvalidQuestionError(
            "network",
            "it has no weights that could be evaluated: name a searched `model`, or give the "
            "`checkpoint` of uploaded weights",
        )
    if isinstance(network.space, TokenSpace):
        raise InvalidQuestionError(
            "network", f"networks of {type(network.space).__name__} read no images"
        )


def _protocol(request: EvaluationRequest, network: ChosenNetwork) -> EvaluationProtocol:
    """Return how the network is evaluated: as asked for or, by default, as its model was.

    Raises:
        InvalidQuestionError: Nobody says, or what is asked for is no protocol.
    """
    stated = request.protocol
    try:
        if isinstance(stated, str):
            return protocols.protocol(stated)
        if stated is not None:
            return EvaluationProtocol.from_dict(plain_json("protocol", stated))
    except ModelHubError as error:
        raise InvalidQuestionError("protocol", str(error)) from error
    if network.record is None:
        raise InvalidQuestionError(
            "protocol", f"only a searched model has one of its own; there are {_protocols()}"
        )
    return network.record.protocol


def _protocols() -> str:
    return ", ".join(protocols.protocol_names())
