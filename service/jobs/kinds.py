"""The kinds of jobs, each an entry of `KINDS`, and the conversion of a submission into a job.

A new kind needs a request model in `bench_client.models`, its name in `JobKind` there, a handler in
`service.worker`, and an entry here. Routes, checks and workers read the entry.

Equal requests have the same canonical form (`spec`) and the same key, however callers spell them.
The canonical form is itself a valid submission of the same request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from bench_client.models import (
    EvaluationRequest,
    JobKind,
    LatencyRequest,
    ModelFormat,
    ModelRequest,
    Submission,
    SupernetRequest,
    TrainingRequest,
)
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from service.jobs.networks import ChosenNetwork, chosen_network, digest_of, plain_json
from service.jobs.records import NewJob

if TYPE_CHECKING:
    from model_hub.protocols import EvaluationProtocol
    from nas_search.recipe import Recipe
    from nas_search.trainers import TrainerUse

__all__ = ["KINDS", "Kind", "new_job", "spec_key", "stated_trainer"]

_MAX_INPUT_NUMBERS: Final = 1 << 34
"""Numbers in the inputs of one forward pass: 64 GiB in float32."""
_PARTS: Final = ("sampler", "relaxation", "arch_recipe", "costs", "loss")
"""Members that say how a supernet is trained and searched."""
_MAX_FRACTION_SUM: Final = 1 + 1e-9
"""Largest sum of fractions, with rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of job.

    Args:
        request: The request model that callers submit; its fields have the limits of each member.
        path: Path of the submission, below `/v1`.
        summary: Summary of the route in the OpenAPI document.
        sentence: Description of the route there.
        members: Checks a request as far as a server can, and returns the members of its canonical
            form except the network.
        handler: The function of `service.worker` that runs the job, as `module:name`. Only workers
            import it, because it needs PyTorch.
    """

    request: type[Submission]
    path: str
    summary: str
    sentence: str
    members: Callable[[Any, ChosenNetwork], dict[str, Any]]
    handler: str


def new_job(
    request: Submission,
    *,
    catalog: Catalog,
    job_seconds: float,
    request_id: str | None = None,
) -> NewJob:
    """Return the job for a submission.

    Args:
        request: The submission.
        catalog: The installed benchmarks; used only for hashes of NAS-Bench-101.
        job_seconds: The largest allowed time limit.
        request_id: The id of the HTTP request.

    Raises:
        InvalidQuestionError: No worker can do the request; the error names the member, such as
            `network.arch`.
    """
    if request.time_limit is not None and request.time_limit > job_seconds:
        raise InvalidQuestionError(
            "time_limit",
            f"{request.time_limit:g} s are more than the {job_seconds:g} s of an attempt",
        )
    network = chosen_network(request.network, catalog)
    kind = _KIND_OF[type(request)]
    members = KINDS[kind].members(request, network)
    spec = {"network": network.to_dict()} | {
        name: plain_json(name, value) for name, value in members.items()
    }
    return NewJob(
        kind=kind,
        spec=spec,
        key=spec_key(kind, spec),
        needs_device=members.get("device", "any"),
        needs_dataset=members.get("dataset"),
        needs_trainer=members.get("trainer", {}).get("sha256"),
        needs_label=request.label,
        priority=request.priority,
        time_limit=request.time_limit,
        request_id=request_id,
    )


def spec_key(kind: JobKind, spec: Mapping[str, Any]) -> str:
    """Return the digest of a canonical request; the order of its fields does not matter."""
    return digest_of([kind, spec])


def _model_members(request: ModelRequest, network: ChosenNetwork) -> dict[str, Any]:
    return {
        "formats": _formats(request, network),
        "input_shape": _input_shape(request, network, batch_size=1),
    }


def _evaluation_members(request: EvaluationRequest, network: ChosenNetwork) -> dict[str, Any]:
    _refuse_unmeasurable(network)
    protocol = _protocol(request, network)
    _checked_shape("protocol", network, protocol.input_shape)
    return _kind_members(request) | {"protocol": protocol.to_dict()}


def _training_members(request: TrainingRequest, network: ChosenNetwork) -> dict[str, Any]:
    _refuse_tokens(network)
    is_stated = request.protocol is not None or network.record is not None
    protocol = _protocol(request, network) if is_stated else None
    if protocol is not None:
        _checked_shape("protocol", network, protocol.input_shape)
    recipe = _recipe_of(request.recipe, "recipe")
    epochs = recipe.epochs if request.epochs is None else request.epochs
    if epochs > recipe.epochs:
        raise InvalidQuestionError(
            "epochs", f"{epochs} are more than the {recipe.epochs} of recipe"
        )
    if sum(request.fractions) > _MAX_FRACTION_SUM:
        raise InvalidQuestionError("fractions", f"{request.fractions} add up to more than 1")
    members = _kind_members(request) | {
        "protocol": None if protocol is None else protocol.to_dict(),
        "recipe": recipe.as_dict(),
        "epochs": epochs,
    }
    del members["trainer"]
    trainer = stated_trainer(request)
    if trainer is None:
        return members
    if not trainer.is_complete:
        raise InvalidQuestionError(
            "trainer", "it needs `package`, `version` and `sha256`, as a worker has them"
        )
    return members | {"trainer": trainer.as_dict()}


def _supernet_members(request: SupernetRequest, network: ChosenNetwork) -> dict[str, Any]:
    from model_hub.errors import InvalidArgumentError, NoSupernetError  # noqa: PLC0415 - as above
    from nas_search.specification.supernets import check_parts  # noqa: PLC0415

    try:
        sharing = network.space.sharing
    except NoSupernetError as error:
        raise InvalidQuestionError("network", str(error)) from error
    members = _training_members(request, network)
    if request.relaxation is None and request.sampler is None:
        members["sampler"] = {"name": "UniformPaths"}
    strategy = members["sampler"] or members["relaxation"]
    try:
        check_parts({name: members[name] for name in _PARTS}, strategy["name"])
    except InvalidArgumentError as error:
        raise InvalidQuestionError(error.argument, str(error)) from error
    if request.relaxation is not None and sharing.no_mixture is not None:
        raise InvalidQuestionError(
            "relaxation", f"{type(network.space).__name__} has no mixture: {sharing.no_mixture}"
        )
    if request.arch_recipe is not None:
        members["arch_recipe"] = _recipe_of(request.arch_recipe, "arch_recipe").as_dict()
    return members


def _latency_members(request: LatencyRequest, network: ChosenNetwork) -> dict[str, Any]:
    shape = _input_shape(request, network, batch_size=request.batch_size)
    return _kind_members(request) | {"input_shape": shape}


def _kind_members(request: Submission) -> dict[str, Any]:
    """Return the members of a request that not all kinds have."""
    return request.model_dump(exclude=set(Submission.model_fields))


def _input_shape(
    request: ModelRequest | LatencyRequest, network: ChosenNetwork, *, batch_size: int
) -> list[int]:
    """Return the input shape: the requested one or, by default, that of the network.

    Raises:
        InvalidQuestionError: The network does not accept the shape, or the batch is too large.
    """
    stated = network.input_shape if request.input_shape is None else request.input_shape
    shape = _checked_shape("input_shape", network, stated)
    numbers = batch_size * prod(shape)
    if numbers > _MAX_INPUT_NUMBERS:
        raise InvalidQuestionError(
            "batch_size", f"a pass of {numbers:,} numbers is more than {_MAX_INPUT_NUMBERS:,}"
        )
    return list(shape)


def _checked_shape(place: str, network: ChosenNetwork, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the input shape if the network accepts it.

    Raises:
        InvalidQuestionError: The network does not accept it.
    """
    from model_hub.errors import InvalidArgumentError  # noqa: PLC0415 - used for jobs only

    try:
        return network.space.accepted_input(shape)
    except InvalidArgumentError as error:
        raise InvalidQuestionError(place, str(error)) from error


def _formats(request: ModelRequest, network: ChosenNetwork) -> list[str]:
    """Return the requested formats, each once, in the documented order."""
    if "picture" in request.formats:
        from model_hub.cell_picture import diagrams  # noqa: PLC0415 - as above
        from model_hub.errors import InvalidArgumentError  # noqa: PLC0415

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
    _refuse_tokens(network)


def _refuse_tokens(network: ChosenNetwork) -> None:
    from model_hub.model_space import TokenSpace  # noqa: PLC0415 - as above

    if isinstance(network.space, TokenSpace):
        raise InvalidQuestionError(
            "network", f"networks of {type(network.space).__name__} read no images"
        )


def _recipe_of(stated: str | Mapping[str, Any], place: str) -> Recipe:
    """Return the recipe of a request, with all bounds checked.

    Raises:
        InvalidQuestionError: The recipe does not exist, or a field is unknown or out of bounds; the
            error names it.
    """
    from model_hub.errors import InvalidArgumentError, ModelHubError  # noqa: PLC0415 - as above
    from nas_search.recipe import recipe_of  # noqa: PLC0415

    try:
        return recipe_of(plain_json(place, stated))
    except InvalidArgumentError as error:
        raise InvalidQuestionError(f"{place}.{error.argument}", str(error)) from error
    except ModelHubError as error:
        raise InvalidQuestionError(place, str(error)) from error


def stated_trainer(request: Submission) -> TrainerUse | None:
    """Return the trainer of a request; None: the request states none.

    Raises:
        InvalidQuestionError: A member of the trainer is invalid.
    """
    from model_hub.errors import InvalidArgumentError  # noqa: PLC0415 - as above
    from nas_search.trainers import TrainerUse  # noqa: PLC0415

    stated = request.trainer if isinstance(request, TrainingRequest) else None
    if stated is None:
        return None
    try:
        return TrainerUse.from_dict(plain_json("trainer", stated))
    except InvalidArgumentError as error:
        raise InvalidQuestionError(f"trainer.{error.argument}", str(error)) from error


def _protocol(
    request: EvaluationRequest | TrainingRequest, network: ChosenNetwork
) -> EvaluationProtocol:
    """Return the evaluation protocol: the requested one or, by default, that of the model.

    Raises:
        InvalidQuestionError: There is no default, or the requested protocol is invalid.
    """
    from model_hub import protocols  # noqa: PLC0415 - as above
    from model_hub.errors import ModelHubError  # noqa: PLC0415

    stated = request.protocol
    try:
        if isinstance(stated, str):
            return protocols.protocol(stated)
        if stated is not None:
            return protocols.EvaluationProtocol.from_dict(plain_json("protocol", stated))
    except ModelHubError as error:
        raise InvalidQuestionError("protocol", str(error)) from error
    if network.record is None:
        raise InvalidQuestionError(
            "protocol",
            "only a searched model has one of its own; there are "
            + ", ".join(protocols.protocol_names()),
        )
    return network.record.protocol


KINDS: Final[Mapping[JobKind, Kind]] = MappingProxyType(
    {
        "model": Kind(
            request=ModelRequest,
            path="/models",
            summary="Submit a network to build",
            sentence="Submit a job that builds a network and writes it in the requested formats.",
            members=_model_members,
            handler="service.worker.exporting:export_network",
        ),
        "evaluation": Kind(
            request=EvaluationRequest,
            path="/evaluations",
            summary="Submit a network to evaluate",
            sentence="Submit a job that measures the accuracy of a network on a data set of a "
            "worker.",
            members=_evaluation_members,
            handler="service.worker.measuring:evaluate_network",
        ),
        "latency": Kind(
            request=LatencyRequest,
            path="/latency",
            summary="Submit a network to time",
            sentence="Submit a job that measures the time of a forward pass of a network.",
            members=_latency_members,
            handler="service.worker.measuring:time_network",
        ),
        "training": Kind(
            request=TrainingRequest,
            path="/trainings",
            summary="Submit a network to train",
            sentence="Submit a job that trains a network on one part of a worker's data set and "
            "evaluates it on another.",
            members=_training_members,
            handler="service.worker.training:train_network",
        ),
        "supernet": Kind(
            request=SupernetRequest,
            path="/supernets",
            summary="Submit a supernet to train",
            sentence="Submit a job that trains the supernet of a model space on one part of a "
            "worker's data set and, if requested, searches it by gradients or a policy.",
            members=_supernet_members,
            handler="service.worker.training:train_space",
        ),
    }
)
"""All kinds of jobs, by name."""

_KIND_OF: Final[Mapping[type[Submission], JobKind]] = MappingProxyType(
    {kind.request: name for name, kind in KINDS.items()}
)
