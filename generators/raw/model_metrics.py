"""The protobuf message in which NAS-Bench-101 recorded a training run (proto2).

::

    message ModelMetrics {
      repeated EvaluationData evaluation_data = 1;
      optional int32 trainable_parameters = 2;
      optional double total_time = 3;
    }
    message EvaluationData {
      optional double current_epoch = 1;
      optional double training_time = 2;
      optional double train_accuracy = 3;
      optional double validation_accuracy = 4;
      optional double test_accuracy = 5;
      optional string checkpoint_path = 6;
    }

The descriptor is put together at import, so that no generated file ties the package to one
version of the protobuf compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "EVALUATION_FIELDS",
    "EvaluationData",
    "ModelMetrics",
    "new_model_metrics",
    "parse_model_metrics",
]

EVALUATION_FIELDS = (
    "current_epoch",
    "training_time",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
)
"""The recorded numbers of an evaluation, in the order of their field numbers."""

_PACKAGE = "nasbench101"


class EvaluationData(Protocol):
    """One evaluation; a field that was not recorded reads as 0."""

    current_epoch: float
    training_time: float
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    checkpoint_path: str

    def HasField(self, field_name: str) -> bool:  # noqa: N802 - protobuf's own name
        """Return whether the field was recorded."""
        ...


class Evaluations(Protocol):
    """The evaluations of a run."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __iter__(self) -> Iterator[EvaluationData]:
        """Go through them in the order recorded."""
        ...

    def add(self, **fields: float | str) -> EvaluationData:
        """Append one."""
        ...


class ModelMetrics(Protocol):
    """One training run."""

    @property
    def evaluation_data(self) -> Evaluations:
        """The evaluations in the order recorded."""
        ...

    trainable_parameters: int
    total_time: float

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's own name
        """Return the message as bytes."""
        ...


class _Message(Protocol):
    def __call__(self) -> ModelMetrics: ...

    def FromString(self, data: bytes) -> ModelMetrics: ...  # noqa: N802 - protobuf's own name


def _field(
    name: str,
    number: int,
    kind: FieldDescriptorProto.Type.ValueType,
    *,
    repeated_message: str | None = None,
) -> FieldDescriptorProto:
    return FieldDescriptorProto(
        name=name,
        number=number,
        type=kind,
        label=(
            FieldDescriptorProto.LABEL_REPEATED
            if repeated_message
            else FieldDescriptorProto.LABEL_OPTIONAL
        ),
        type_name=repeated_message,
    )


def _message() -> _Message:
    evaluation = DescriptorProto(name="EvaluationData")
    for number, name in enumerate(EVALUATION_FIELDS, start=1):
        evaluation.field.append(_field(name, number, FieldDescriptorProto.TYPE_DOUBLE))
    evaluation.field.append(_field("checkpoint_path", 6, FieldDescriptorProto.TYPE_STRING))
    metrics = DescriptorProto(
        name="ModelMetrics",
        field=[
            _field(
                "evaluation_data",
                1,
                FieldDescriptorProto.TYPE_MESSAGE,
                repeated_message=f".{_PACKAGE}.EvaluationData",
            ),
            _field("trainable_parameters", 2, FieldDescriptorProto.TYPE_INT32),
            _field("total_time", 3, FieldDescriptorProto.TYPE_DOUBLE),
        ],
    )
    file = FileDescriptorProto(
        name=f"{_PACKAGE}/model_metrics.proto",
        package=_PACKAGE,
        syntax="proto2",
        message_type=[evaluation, metrics],
    )
    # A pool of its own: another package in the process may register the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    message = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.ModelMetrics")
    )
    return cast("_Message", message)


new_model_metrics = _message()
"""Return an empty message."""

parse_model_metrics = new_model_metrics.FromString
"""Return the message that the bytes hold; raises google.protobuf.message.DecodeError."""
