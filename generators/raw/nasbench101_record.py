"""Decodes the records of the NAS-Bench-101 archive: JSON around a base64 protobuf.

A payload is `[module_hash, epochs, raw_adjacency, raw_operations, raw_metrics]`. The metrics hold
three evaluations: of the untrained network, half-way, and at the end. They are a message of
proto2::

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

Its descriptor is built at import, so that no generated file ties the package to one version of the
protobuf compiler.
"""

from __future__ import annotations

import math
import re
from binascii import a2b_base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import DecodeError

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import PUBLISHED_OPERATION_NAMES, Cell, operation_shift
from benchmark_db.nasbench101.spelling import parse_cell
from generators.raw.tfrecord import RecordError

if TYPE_CHECKING:
    from generators.raw.tfrecord import RawRecord

__all__ = ["SYNTHETIC", "Evaluation", "Nasbench101Record", "decode_record"]
__all__ += ["new_model_metrics", "parse_model_metrics"]

_PACKAGE = "nasbench101"


class Evaluation(NamedTuple):
    """One evaluation: epochs, seconds since the start, accuracies from 0 to 1.

    The values are float32 widened to double, as recorded, in the order of the fields' numbers.
    """

    current_epoch: float
    training_time: float
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float


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


def _message() -> Any:
    """Return the class of `ModelMetrics`, whose attributes type checkers do not know."""
    evaluation = DescriptorProto(name="EvaluationData")
    for number, name in enumerate(Evaluation._fields, start=1):
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
    # A separate pool: another package in the process may register the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ModelMetrics"))


new_model_metrics = _message()
"""Return an empty message."""

parse_model_metrics = new_model_metrics.FromString
"""Return the message encoded by bytes; raises google.protobuf.message.DecodeError."""


SYNTHETIC = "synthetic: made up by `nbs sample`"
"""Checkpoint path of the final evaluation in records with made-up numbers; no training can have
written it."""

_HASH = re.compile(r"[0-9a-f]{32}")
_PAYLOAD_ITEMS = 5
_EVALUATIONS = 3
# An epoch is 156.25 steps, so that half of a budget seldom ends on a step. Evaluations of another
# run or in another order, which the check must find, are whole epochs away.
_EPOCH_SLACK = 0.5
# The archive has some five thousand distinct matrices and 364 distinct lists of operations.
_CACHED_TEXTS = 1 << 14


class Nasbench101Record(NamedTuple):
    """One training run of one cell.

    Attributes:
        module_hash: The recorded hash, 32 hexadecimal digits; not compared with the cell.
        epochs: The budget.
        cell: The recorded matrix and operations, within the limits of the space.
        trainable_parameters: Parameters of the whole network.
        halfway: Evaluation after half of the epochs.
        final: Evaluation at the end.
        synthetic: Whether the record declares its numbers as made up.
    """

    module_hash: str
    epochs: int
    cell: Cell
    trainable_parameters: int
    halfway: Evaluation
    final: Evaluation
    synthetic: bool


def decode_record(raw: RawRecord) -> Nasbench101Record:
    """Decode and check one record.

    Raises:
        RecordError: The payload is not the expected JSON, its cell is outside the space, its
            metrics are not three evaluations at the start, half-way and the end of the budget,
            an accuracy is not from 0 to 1, or a time is negative.
    """
    number, offset, payload = raw
    try:
        return _decode(payload)
    except (_FaultError, InvalidArchitectureError) as error:
        raise RecordError(number, offset, str(error)) from error


class _FaultError(Exception):
    """A fault in a payload, before its place is known."""


def _decode(payload: bytes) -> Nasbench101Record:
    try:
        items = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _FaultError(f"the payload is not JSON: {error}") from error
    if not isinstance(items, list) or len(items) != _PAYLOAD_ITEMS:
        raise _FaultError(
            "the payload is not a list [hash, epochs, adjacency, operations, metrics]"
        )
    module_hash, epochs, adjacency, operations, metrics = items
    if not type(module_hash) is type(adjacency) is type(operations) is type(metrics) is str:
        raise _FaultError("hash, adjacency, operations and metrics are not all text")
    if not _HASH.fullmatch(module_hash):
        raise _FaultError(f"{module_hash[:40]!r} is not a hash of 32 lower-case hexadecimal digits")
    if type(epochs) is not int or epochs <= 0:
        raise _FaultError(f"{epochs!r} is not a number of epochs")
    cell = Cell(_graph_code(adjacency) | _operations_code(operations, math.isqrt(len(adjacency))))
    return Nasbench101Record(module_hash, epochs, cell, *_decode_metrics(metrics, epochs))


@lru_cache(maxsize=_CACHED_TEXTS)
def _graph_code(adjacency: str) -> int:
    """Return the bits of a cell code that follow from its V x V digits, row by row."""
    size = math.isqrt(len(adjacency))
    if (
        not size
        or size * size != len(adjacency)
        or not adjacency.isascii()
        or not adjacency.isdigit()
    ):
        raise _FaultError(f"{adjacency[:60]!r} is not a square adjacency matrix of digits")
    rows = [[int(digit) for digit in adjacency[i * size : (i + 1) * size]] for i in range(size)]
    # The first operation has no bits set, so only those of the graph remain.
    names = ["input", *[PUBLISHED_OPERATION_NAMES[0]] * (size - 2), "output"]
    return parse_cell({"module_adjacency": rows, "module_operations": names}).code


@lru_cache(maxsize=_CACHED_TEXTS)
def _operations_code(operations: str, size: int) -> int:
    """Return the bits of a cell code that follow from the comma-separated operations."""
    names = operations.split(",")
    if len(names) != size or names[0] != "input" or names[-1] != "output":
        raise _FaultError(f"{operations[:200]!r} is not input, {size - 2} operations, output")
    code = 0
    for vertex, name in enumerate(names[1:-1], start=1):
        if name not in PUBLISHED_OPERATION_NAMES:
            raise _FaultError(f"{name[:40]!r} is not an operation of the benchmark")
        code |= PUBLISHED_OPERATION_NAMES.index(name) << operation_shift(vertex)
    return code


def _decode_metrics(text: str, epochs: int) -> tuple[int, Evaluation, Evaluation, bool]:
    """Return parameters, half-way and final evaluation, and whether they are made up."""
    try:
        # Not strict: the base64 text of this old archive may contain line breaks.
        metrics = parse_model_metrics(a2b_base64(text))
    except (ValueError, DecodeError) as error:
        raise _FaultError(f"the metrics are not a protobuf in base64: {error}") from error
    if len(metrics.evaluation_data) != _EVALUATIONS:
        raise _FaultError(
            f"the metrics hold {len(metrics.evaluation_data)} evaluations, not {_EVALUATIONS}"
        )
    if metrics.trainable_parameters <= 0:
        raise _FaultError(f"the metrics say {metrics.trainable_parameters} trainable parameters")
    start, halfway, final = metrics.evaluation_data
    if not abs(start.current_epoch) <= _EPOCH_SLACK:
        raise _FaultError(f"the first evaluation is at epoch {start.current_epoch}, not 0")
    return (
        metrics.trainable_parameters,
        _checked_evaluation(halfway, "half-way", epochs / 2),
        _checked_evaluation(final, "final", epochs),
        final.checkpoint_path == SYNTHETIC,
    )


def _checked_evaluation(data: Any, which: str, epoch: float) -> Evaluation:
    evaluation = Evaluation(
        data.current_epoch,
        data.training_time,
        data.train_accuracy,
        data.validation_accuracy,
        data.test_accuracy,
    )
    current, seconds, train, validation, test = evaluation
    # An absent field reads as 0, so only zeros need a closer look.
    if not all(evaluation):
        for name in Evaluation._fields:
            if not data.HasField(name):
                raise _FaultError(f"the {which} evaluation has no {name}")
    # Written so that NaN fails the check.
    if not abs(current - epoch) <= _EPOCH_SLACK:
        raise _FaultError(f"the {which} evaluation is at epoch {current}, not {epoch:g}")
    if not 0.0 <= seconds < math.inf:
        raise _FaultError(f"the {which} training time is {seconds} seconds")
    if not (0.0 <= train <= 1.0 and 0.0 <= validation <= 1.0 and 0.0 <= test <= 1.0):
        raise _FaultError(
            f"the {which} accuracies are {train}, {validation}, {test} (train, validation, test); "
            "each should be from 0 to 1"
        )
    return evaluation
