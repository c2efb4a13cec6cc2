"""What is submitted to be done beside the server: a network, and what to do with it.

docs/api.md says what becomes of each. Requests are strict: an unknown member is an error, and so is
a number in place of a text. What needs the spaces (whether an architecture is in one) the service
checks.
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
_MOST_INPUTS: Final = 65_536
"""A pass takes; more fit on no device."""
_MOST_PASSES: Final = 1_000_000
_MOST_EPOCHS: Final = 10_000
_MOST_COMPARED: Final = 10_000_000
_LARGEST_SEED: Final = 2**63 - 1
_LARGEST_NUMBER: Final = 2**53
"""Up to here every integer is one number in every reader of JSON: recorded ones are no larger."""
_MOST_DIMENSIONS: Final = 3
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
            description="What weights are drawn by where none are published or uploaded.",
        ),
    ] = 0


class SearchedNetwork(_AnyNetwork):
    """A searched model of the zoo, with its published weights unless others were uploaded.

    A job's `request` spells it out by `space`, `arguments` and `arch`; there they may stand, being
    those of the model.
    """

    model: _Name = Field(description="Its name.", examples=["proxyless-mobile"])
    space: _Name | None = Field(None, description="Its space; follows from its name.")
    arguments: dict[str, Any] | None = Field(
        None, description="Arguments of the space; follow from its name."
    )
    arch: dict[str, Any] | None = Field(None, description="Its sample; follows from its name.")


class SpaceNetwork(_AnyNetwork):
    """A network of a model space."""

    model: None = Field(None, description="None: this is no searched model.")
    space: _Name = Field(description="Name of the space.", examples=["ProxylessNAS"])
    arguments: dict[str, Any] = Field(
        default={},
        description="Arguments of the space; what is left out has its default.",
        examples=[{"num_labels": 10}],
    )
    arch: dict[str, Any] = Field(
        description="A sample of the choices of the space: labels and what is chosen for them.",
        examples=[{"s2_depth": 2}],
    )


class BenchmarkNetwork(_AnyNetwork):
    """A network that a benchmark has a row of."""

    benchmark: _Name = Field(description="Name of the benchmark.", examples=["nasbench201"])
    arch: Any = Field(
        description="The architecture in any spelling that queries take; for nds the `config` of a "
        "row or, where its parameters tell the stem, the row.",
        examples=[0],
    )
    dataset: _Name | None = Field(
        None,
        description="Data set that it is for, which says how many classes it has; that of the row, "
        "or the only one, by default.",
        examples=["cifar100"],
    )


_FORMS: Final = ("model", "space", "benchmark")


def _form(value: Any) -> str | None:
    """Return the first member that says what a network is; None if there is none."""
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
"""A network in one of three forms."""


class Submission(_Strict):
    """What every request has: a network, how urgent it is, and who may do it."""

    network: Network = Field(description="The network: a searched model, or an architecture.")
    priority: int = Field(
        0, ge=-10, le=10, description="Higher first; does not make it another request."
    )
    label: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Only workers that were started with this label do it; null: any. Does not "
        "make it another request.",
        examples=["a100"],
    )
    time_limit: float | None = Field(
        None,
        gt=0,
        description="Seconds that an attempt may take, at most and by default those of the server; "
        "does not make it another request.",
        json_schema_extra={UNIT: "seconds"},
    )


_InputShape: TypeAlias = Annotated[
    list[Annotated[int, Field(ge=1, le=_LARGEST_DIMENSION)]] | None,
    Field(
        min_length=1,
        max_length=_MOST_DIMENSIONS,
        description="Shape of an input without the batch: channels, height and width of an image, "
        "up to 1,024 rows and columns, or how many ids; by default that of the data set, the "
        "model or the space.",
        examples=[[3, 32, 32]],
    ),
]


class ModelRequest(Submission):
    """Build a network and write it."""

    formats: list[ModelFormat] = Field(
        default=["safetensors", "report"],
        min_length=1,
        max_length=20,
        description="What to write: safetensors: weights; export: a program of `torch.export`; "
        "onnx: checked by onnxruntime; report: parameters, multiply-adds, memory, a line a layer; "
        "picture: the cells as SVG, of spaces that have cells.",
    )
    input_shape: _InputShape = None


class _ComputingRequest(Submission):
    """What evaluations and latencies have in common."""

    device: Device = Field("any", description="Where to compute.")
    precision: Precision = Field(
        "float32",
        description="Of weights and inputs or, mixed, of the products of float32 weights.",
    )
    channels_last: bool | None = Field(
        None, description="Whether channels are the last dimension in memory; null: on a GPU."
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
    """Measure the accuracy of a network on a data set."""

    dataset: _DatasetName
    protocol: _Name | dict[str, Any] | None = Field(
        None,
        description="Name of an evaluation protocol, or the object of one; that of the model by "
        "default.",
        examples=["imagenet-224"],
    )
    batch_size: int = Field(
        32,
        ge=1,
        le=_MOST_INPUTS,
        description="Images at a time; halved, and said so, where the memory of a GPU is too "
        "small. A core of a processor takes no more than 4, which is faster.",
    )
    compare: int = Field(
        512,
        ge=0,
        le=_MOST_COMPARED,
        description="Images that are evaluated in float32, too, to tell the difference of another "
        "precision.",
    )
    on_corrupt: Literal["fail", "skip"] = Field(
        "fail", description="What a damaged image does; one that is skipped is counted and named."
    )


class LatencyRequest(_ComputingRequest):
    """Measure how long a pass through a network takes."""

    batch_size: int = Field(1, ge=1, le=_MOST_INPUTS, description="Inputs of a pass.")
    warmup: int = Field(10, ge=0, le=_MOST_PASSES, description="Passes before the measured ones.")
    repeats: int = Field(50, ge=1, le=_MOST_PASSES, description="Passes that are measured.")
    input_shape: _InputShape = None


_Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class TrainingRequest(Submission):
    """Train a network on one part of a data set and evaluate it on another."""

    dataset: _DatasetName
    recipe: _Name | dict[str, Any] = Field(
        description="Name of a published recipe, or the fields of one; those left out are those of "
        "the published one that `name` names, else the defaults.",
        examples=["NasBench201", {"epochs": 12, "batch_size": 256, "lr": 0.1}],
    )
    trainer: _Name | dict[str, Any] | None = Field(
        None,
        description="What trains in place of the service's own loop: name of a trainer that a "
        "worker has, or its `name` with `package`, `version` and `sha256`, which are filled in "
        "where they are left out, and `options` for it. Null: the loop.",
        examples=[{"name": "quick", "options": {"mixup": 0.2}}],
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=_MOST_EPOCHS,
        description="After how many epochs of the recipe to end, the learning rate following the "
        "whole of it; null: after all.",
    )
    protocol: _Name | dict[str, Any] | None = Field(
        None,
        description="How images are resized, cropped and normalised: name or object of an "
        "evaluation protocol. Null: as a searched model's own says; of other networks, images are "
        "of one size already and taken as they are, from 0 to 1.",
        examples=["imagenet-224"],
    )
    fractions: list[_Fraction] = Field(
        default=[0.8, 0.2],
        min_length=2,
        max_length=2,
        description="Parts of each class to train on and to evaluate on, together at most 1.",
    )
    split_seed: int = Field(0, ge=0, le=_LARGEST_NUMBER, description="What the parts are drawn by.")
    seed: int = Field(
        0,
        ge=0,
        le=_LARGEST_NUMBER,
        description="What the order of images and all else that is random is drawn by; the seed of "
        "`network` draws its first weights.",
    )
    save_epochs: int = Field(
        1,
        ge=1,
        le=_MOST_EPOCHS,
        description="After how many epochs each to save a checkpoint, from which another attempt "
        "goes on.",
    )
    weights: bool = Field(
        default=False, description="Whether to keep the trained weights as `network.safetensors`."
    )
    device: Device = Field("any", description="Where to compute.")


class WholeSpace(_Strict):
    """All networks of a model space, which share the weights of its supernet.

    A job's `request` has the members of every network; those that a space has not are null.
    """

    model: None = Field(None, description="None: this is no searched model.")
    space: _Name = Field(description="Name of the space.", examples=["NasBench201"])
    arguments: dict[str, Any] = Field(
        default={},
        description="Arguments of the space; what is left out has its default.",
        examples=[{"num_labels": 10}],
    )
    arch: None = Field(None, description="None: these are the networks of all samples.")
    checkpoint: None = Field(None, description="None: weights are drawn by `seed`.")
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="What the first weights are drawn by.")


class SupernetRequest(TrainingRequest):
    """Train the supernet of a space on one part of a data set, and search it where that is asked.

    Paths are trained as `sampler` draws them, or candidates are weighed as `relaxation` says; one
    of the two is stated. A relaxation and `PolicyPaths` also find an architecture, by the images of
    the other part; for other samplers these are kept for a later search and not read.
    """

    network: WholeSpace = Field(  # type: ignore[assignment]  # a space, not one of its networks
        description="The space, all of whose networks are trained."
    )
    trainer: None = Field(None, description="None: supernets are trained by the service's loop.")
    sampler: Sampler | None = Field(
        None,
        description="What draws the paths of each update; docs/one-shot.md has them. Null: "
        "`UniformPaths`, unless there is a relaxation.",
        examples=[{"name": "FairPaths", "update": "each path"}],
    )
    relaxation: Relaxation | None = Field(
        None,
        description="How candidates are weighed by logits that follow gradients; null: paths are "
        "trained.",
        examples=[{"name": "Softmax"}],
    )
    arch_recipe: dict[str, Any] | None = Field(
        None,
        description="Optimizer, learning rate and weight decay of the logits, as fields of a "
        "recipe; null: those of the relaxation.",
        examples=[{"optimizer": "adam", "lr": 3e-4}],
    )
    costs: CountedCosts | None = Field(
        None, description="What candidates cost, for a relaxation or `BinnedPaths`; null: nothing."
    )
    loss: CostLoss | None = Field(
        None,
        description="How a relaxation weighs the expected cost; null: it does not.",
        examples=[{"name": "Linear", "target": 100.0}],
    )
    weights: bool = Field(
        default=True, description="Whether to keep the trained weights as `supernet.safetensors`."
    )
