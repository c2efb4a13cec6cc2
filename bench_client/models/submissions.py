"""Request models of jobs: a network, and what to do with it.

docs/api.md describes the kinds of jobs. Requests are strict: unknown fields and wrong types are
errors. The service checks what needs the model spaces, such as whether an architecture is in one.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from bench_client.models.one_shot import CostLoss, CountedCosts, Relaxation, Sampler
from bench_client.models.quantities import UNIT

__all__ = [
    "BenchmarkNetwork",
    "Device",
    "EvaluationRequest",
    "LatencyRequest",
    "ModelFormat",
    "ModelRequest",
    "Network",
    "Precision",
    "SearchedNetwork",
    "SpaceNetwork",
    "Submission",
    "SupernetRequest",
    "TrainingRequest",
    "WholeSpace",
]

ModelFormat: TypeAlias = Literal["safetensors", "export", "onnx", "report", "picture"]

Precision: TypeAlias = Literal[
    "float32", "float64", "bfloat16", "float16", "mixed-bfloat16", "mixed-float16"
]

Device: TypeAlias = Literal["any", "cpu", "cuda"]

_LONGEST_NAME: Final = 200
_MAX_INPUTS: Final = 65_536
"""Most inputs of a pass; more fit on no device."""
_MAX_PASSES: Final = 1_000_000
_MAX_EPOCHS: Final = 10_000
_MAX_COMPARED: Final = 10_000_000
_LARGEST_SEED: Final = 2**63 - 1
_LARGEST_NUMBER: Final = 2**53
"""Largest integer up to which all JSON readers are exact; limit of recorded integers."""
_MAX_DIMENSIONS: Final = 3
_LARGEST_DIMENSION: Final = 1 << 20

_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _AnyNetwork(_Strict):
    checkpoint: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="SHA-256 of uploaded weights, in 64 hexadecimal digits; null: none.",
            examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ] = None
    seed: Annotated[
        int,
        Field(
            ge=0,
            le=_LARGEST_SEED,
            description="Seed of the initial weights, if none are published or uploaded.",
        ),
    ] = 0


class SearchedNetwork(_AnyNetwork):
    """A searched model of the zoo, with its published weights unless `checkpoint` is given.

    `space`, `arguments` and `arch` follow from the name; a job's `request` includes them, so a
    submission may too.
    """

    model: _Name = Field(description="Name of the model.", examples=["proxyless-mobile"])
    space: _Name | None = Field(
        None, description="Space; follows from the model's name, as the next two fields."
    )
    arguments: dict[str, Any] | None = Field(
        None, description="Arguments of the space; see `space`."
    )
    arch: dict[str, Any] | None = Field(None, description="Sample of the space; see `space`.")


class SpaceNetwork(_AnyNetwork):
    """A network of a model space."""

    model: None = Field(None, description="Always null: not a searched model.")
    space: _Name = Field(description="Name of the space.", examples=["ProxylessNAS"])
    arguments: dict[str, Any] = Field(
        default={},
        description="Arguments of the space; missing ones have their default.",
        examples=[{"num_labels": 10}],
    )
    arch: dict[str, Any] = Field(
        description="A sample of the choices of the space: the chosen candidate by label.",
        examples=[{"s2_depth": 2}],
    )


class BenchmarkNetwork(_AnyNetwork):
    """A network of a benchmark's architecture."""

    benchmark: _Name = Field(description="Name of the benchmark.", examples=["nasbench201"])
    arch: Any = Field(
        description="Architecture in any spelling that queries accept; for nds the `config` of an "
        "item or, if its parameters are needed to determine the stem, the item.",
        examples=[0],
    )
    dataset: _Name | None = Field(
        None,
        description="Data set that the network is built for, which sets the number of classes; by "
        "default that of the item, or the only one.",
        examples=["cifar100"],
    )


_FORMS: Final = ("model", "space", "benchmark")


def _form(value: Any) -> str | None:
    """Return the name of the field that tells the form of a network; None if there is none."""
    stated = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return next((form for form in _FORMS if stated.get(form) is not None), None)


Network: TypeAlias = Annotated[
    Annotated[SearchedNetwork, Tag("model")]
    | Annotated[SpaceNetwork, Tag("space")]
    | Annotated[BenchmarkNetwork, Tag("benchmark")],
    Discriminator(
        _form,
        custom_error_type="network",
        custom_error_message="a network is an object with one of the members model, space and "
        "benchmark",
    ),
]
"""A network in one of three forms: searched model, sample of a space, or benchmark architecture."""


class Submission(_Strict):
    """Fields of every request: network, priority, label and time limit."""

    network: Network = Field(description="The network: a searched model, or an architecture.")
    priority: int = Field(
        0, ge=-10, le=10, description="Higher first; not part of a request's identity."
    )
    label: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Only workers that were started with this label run the job; null: any. Not "
        "part of the identity of a request.",
        examples=["a100"],
    )
    time_limit: float | None = Field(
        None,
        gt=0,
        description="Time limit of one attempt, in seconds; the server's limit is the default and "
        "the maximum. Not part of a request's identity.",
        json_schema_extra={UNIT: "seconds"},
    )


_InputShape: TypeAlias = Annotated[
    list[Annotated[int, Field(ge=1, le=_LARGEST_DIMENSION)]] | None,
    Field(
        min_length=1,
        max_length=_MAX_DIMENSIONS,
        description="Shape of an input without the batch dimension: channels, height and width of "
        "an image, up to 1,024 rows and columns, or the number of ids; by default that of the data "
        "set, the model or the space.",
        examples=[[3, 32, 32]],
    ),
]


class ModelRequest(Submission):
    """Request to build a network and write it as files."""

    formats: list[ModelFormat] = Field(
        default=["safetensors", "report"],
        min_length=1,
        max_length=20,
        description="Files to write. safetensors: weights; export: a program of `torch.export`; "
        "onnx: ONNX, checked with onnxruntime; report: parameters, multiply-adds and memory, one "
        "line per layer; picture: the cells as SVG, for spaces that have cells.",
    )
    input_shape: _InputShape = None


class _ComputingRequest(Submission):
    """Fields of evaluations and latency measurements."""

    device: Device = Field("any", description="Device to run on.")
    precision: Precision = Field(
        "float32",
        description="Type of weights and inputs; mixed types: autocast with float32 weights.",
    )
    channels_last: bool | None = Field(
        None,
        description="Whether channels are the last dimension in memory; null: only on a GPU.",
    )
    compile: bool = Field(default=False, description="Whether to use `torch.compile`.")


_DatasetName: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_NAME,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of a data set that a worker has.",
        examples=["imagenet-val"],
    ),
]


class EvaluationRequest(_ComputingRequest):
    """Request to measure the accuracy of a network on a data set."""

    dataset: _DatasetName
    protocol: _Name | dict[str, Any] | None = Field(
        None,
        description="Name or fields of an evaluation protocol; that of the model by default.",
        examples=["imagenet-224"],
    )
    batch_size: int = Field(
        32,
        ge=1,
        le=_MAX_INPUTS,
        description="Images per batch; halved, and reported, if the memory of a GPU is too small. "
        "A processor core computes at most 4 at a time, which is faster.",
    )
    compare: int = Field(
        512,
        ge=0,
        le=_MAX_COMPARED,
        description="Images that are also evaluated in float32, to report the difference of "
        "another precision.",
    )
    on_corrupt: Literal["fail", "skip"] = Field(
        "fail",
        description="How to treat a damaged image; skipped images are counted and named.",
    )


class LatencyRequest(_ComputingRequest):
    """Request to measure the latency of a forward pass through a network."""

    batch_size: int = Field(1, ge=1, le=_MAX_INPUTS, description="Inputs per pass.")
    warmup: int = Field(10, ge=0, le=_MAX_PASSES, description="Passes before the measured ones.")
    repeats: int = Field(50, ge=1, le=_MAX_PASSES, description="Measured passes.")
    input_shape: _InputShape = None


_Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class TrainingRequest(Submission):
    """Request to train a network on one split of a data set and evaluate it on another."""

    dataset: _DatasetName
    recipe: _Name | dict[str, Any] = Field(
        description="Name of a published recipe, or fields of a recipe; missing ones are those of "
        "the published recipe `name`, if given, else the defaults.",
        examples=["NasBench201", {"epochs": 12, "batch_size": 256, "lr": 0.1}],
    )
    trainer: _Name | dict[str, Any] | None = Field(
        None,
        description="Trainer to use instead of the service's own training loop: the name of a "
        "trainer that a worker has, or an object of its `name`, `options`, and `package`, "
        "`version` and `sha256`, which are filled in if missing. Null: the service's loop.",
        examples=[{"name": "quick", "options": {"mixup": 0.2}}],
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=_MAX_EPOCHS,
        description="Stop after so many epochs of the recipe, whose learning-rate schedule is "
        "unchanged; null: train all.",
    )
    protocol: _Name | dict[str, Any] | None = Field(
        None,
        description="How images are resized, cropped and normalised: name or fields of an "
        "evaluation protocol. Null: that of a searched model; for other networks, images must have "
        "one size and are used unchanged, scaled from 0 to 1.",
        examples=["imagenet-224"],
    )
    fractions: list[_Fraction] = Field(
        default=[0.8, 0.2],
        min_length=2,
        max_length=2,
        description="Fractions of each class to train on and to evaluate on, together at most 1.",
    )
    split_seed: int = Field(0, ge=0, le=_LARGEST_NUMBER, description="Seed of the split.")
    seed: int = Field(
        0,
        ge=0,
        le=_LARGEST_NUMBER,
        description="Seed of the order of images and all other random choices, except the initial "
        "weights, which have the seed of `network`.",
    )
    save_epochs: int = Field(
        1,
        ge=1,
        le=_MAX_EPOCHS,
        description="Epochs between checkpoints, from which a later attempt resumes.",
    )
    weights: bool = Field(
        default=False, description="Whether to keep the trained weights as `network.safetensors`."
    )
    device: Device = Field("any", description="Device to run on.")


class WholeSpace(_Strict):
    """All networks of a model space, which share the weights of its supernet.

    A job's `request` has the same fields for every network; those that do not apply are null.
    """

    model: None = Field(None, description="Always null: not a searched model.")
    space: _Name = Field(description="Name of the space.", examples=["NasBench201"])
    arguments: dict[str, Any] = Field(
        default={},
        description="Arguments of the space; missing ones have their default.",
        examples=[{"num_labels": 10}],
    )
    arch: None = Field(None, description="Always null: the supernet has all architectures.")
    checkpoint: None = Field(None, description="Always null: weights are initialised with `seed`.")
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="Seed of the initial weights.")


class SupernetRequest(TrainingRequest):
    """Request to train the supernet of a space on one split of a data set, and to search it.

    Either `sampler` draws the paths of each update, or `relaxation` weights the candidates; at most
    one of them may be given. A relaxation and `PolicyPaths` also find an architecture with the
    images of the other split; other samplers leave these images for a later search.
    """

    network: WholeSpace = Field(  # type: ignore[assignment]  # a space, not one of its networks
        description="Space of the supernet."
    )
    trainer: None = Field(None, description="Always null: supernets use the service's loop.")
    sampler: Sampler | None = Field(
        None,
        description="Sampler of the paths of each update; see docs/one-shot.md. Null: "
        "`UniformPaths`, unless there is a relaxation.",
        examples=[{"name": "FairPaths", "update": "each path"}],
    )
    relaxation: Relaxation | None = Field(
        None,
        description="Continuous relaxation with trained architecture logits; null: paths are "
        "sampled.",
        examples=[{"name": "Softmax"}],
    )
    arch_recipe: dict[str, Any] | None = Field(
        None,
        description="Optimizer, learning rate and weight decay of the logits, as fields of a "
        "recipe; null: those of the relaxation.",
        examples=[{"optimizer": "adam", "lr": 3e-4}],
    )
    costs: CountedCosts | None = Field(
        None, description="Cost of candidates, for a relaxation or `BinnedPaths`; null: no costs."
    )
    loss: CostLoss | None = Field(
        None,
        description="Loss that adds the expected cost to a relaxation; null: cost is ignored.",
        examples=[{"name": "Linear", "target": 100.0}],
    )
    weights: bool = Field(
        default=True, description="Whether to keep the trained weights as `supernet.safetensors`."
    )
