import base64
import json
import math
import pickle
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from nasbench101_cells import ARCH, HASH

from benchmark_db.nasbench101.graph_hash import hash_cell
from generators.raw.nasbench101_archive import decode_records
from generators.raw.nasbench101_record import Nasbench101Record, decode_record
from generators.raw.tfrecord import RecordError

ADJACENCY = "0100110001000000010010000010000001000000010000000"
OPERATIONS = (
    "input,conv3x3-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output"
)
PARAMETERS = 8_555_530
# Epoch, seconds, train, validation and test accuracy of the first run of 108 epochs.
START = (0.0, 0.0, 0.1, 0.1, 0.1)
HALFWAY = (54.0, 883.4580078125, 0.8282251358032227, 0.7776442170143127, 0.7740384340286255)
FINAL = (108.0, 1769.1279296875, 1.0, 0.9241786599159241, 0.9211738705635071)


def varint(value: int) -> bytes:
    digits = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


def evaluation(values: Sequence[float | None]) -> bytes:
    """Encode an EvaluationData; None leaves a field out."""
    body = b"".join(
        bytes([number << 3 | 1]) + struct.pack("<d", value)
        for number, value in enumerate(values, start=1)
        if value is not None
    )
    return b"\x0a" + varint(len(body)) + body


def metrics(*evaluations: Sequence[float | None], parameters: int | None = PARAMETERS) -> bytes:
    count = b"" if parameters is None else b"\x10" + varint(parameters)
    return b"".join(map(evaluation, evaluations)) + count + b"\x19" + struct.pack("<d", 2000.0)


def encoded(message: bytes) -> str:
    return base64.b64encode(message).decode()


SOUND = [HASH, 108, ADJACENCY, OPERATIONS, encoded(metrics(START, HALFWAY, FINAL))]


def decode(items: object) -> Nasbench101Record:
    return decode_record((5, 1234, json.dumps(items).encode()))


def test_the_published_run_of_the_golden_cell_is_decoded() -> None:
    record = decode(SOUND)
    assert record.module_hash == hash_cell(record.cell) == HASH
    assert record.epochs == 108
    assert record.trainable_parameters == PARAMETERS
    assert record.halfway == HALFWAY
    assert record.final == FINAL
    assert record.cell.to_dict() == ARCH


def test_the_smallest_cell_is_decoded() -> None:
    record = decode(["0" * 32, 108, "0100", "input,output", SOUND[4]])
    assert record.cell.to_dict() == {"input1": [0]}


def test_base64_may_be_broken_into_lines() -> None:
    text = base64.encodebytes(metrics(START, HALFWAY, FINAL)).decode()
    assert decode([*SOUND[:4], text]) == decode(SOUND)


def test_a_checkpoint_path_and_unknown_fields_are_read_over() -> None:
    body = evaluation(FINAL)[2:] + b"\x32\x04/tmp" + b"\x38\x07"
    message = (
        metrics(START, HALFWAY)[: -len(b"\x10" + varint(PARAMETERS)) - 9]
        + b"\x0a"
        + varint(len(body))
        + body
        + b"\x10"
        + varint(PARAMETERS)
    )
    assert decode([*SOUND[:4], encoded(message)]) == decode(SOUND)


def test_half_of_a_budget_may_end_on_the_step_nearest_to_it() -> None:
    nearest = (1.9968, *HALFWAY[1:])
    record = decode([HASH, 4, *SOUND[2:4], encoded(metrics(START, nearest, (4.0, *FINAL[1:])))])
    assert record.halfway.current_epoch == 1.9968


def with_metrics(*evaluations: Sequence[float | None], parameters: int | None = 9) -> list[Any]:
    return [*SOUND[:4], encoded(metrics(*evaluations, parameters=parameters))]


BAD_ITEMS: dict[str, tuple[object, str]] = {
    "an object": ({"hash": HASH}, "is not a list"),
    "four items": (SOUND[:4], "is not a list"),
    "six items": ([*SOUND, 1], "is not a list"),
    "a hash that is a number": ([7, *SOUND[1:]], "not all text"),
    "metrics that are null": ([*SOUND[:4], None], "not all text"),
    "a hash of 31 digits": ([HASH[:-1], *SOUND[1:]], "is not a hash"),
    "a hash of other letters": (["g" * 32, *SOUND[1:]], "is not a hash"),
    "epochs in text": ([HASH, "108", *SOUND[2:]], "'108' is not a number of epochs"),
    "epochs that are true": ([HASH, True, *SOUND[2:]], "True is not a number of epochs"),
    "no epochs": ([HASH, 0, *SOUND[2:]], "0 is not a number of epochs"),
    "48 digits": ([HASH, 108, ADJACENCY[:-1], *SOUND[3:]], "not a square adjacency"),
    "a matrix of letters": ([HASH, 108, "x" * 49, *SOUND[3:]], "not a square adjacency"),
    "a matrix of digits beyond ASCII": ([HASH, 108, "²" * 49, *SOUND[3:]], "not a square"),
    "an empty matrix": ([HASH, 108, "", *SOUND[3:]], "not a square adjacency"),
    "an entry of 2": ([HASH, 108, ADJACENCY.replace("1", "2", 1), *SOUND[3:]], "is 2, not 0 or 1"),
    "an edge backwards": ([HASH, 108, ADJACENCY[::-1], *SOUND[3:]], "not upper triangular"),
    "64 digits": ([HASH, 108, "0" * 64, *SOUND[3:]], "8 vertices; at most 7"),
    "an output out of reach": ([HASH, 108, "0" * 49, *SOUND[3:]], "cannot be reached"),
    "operations for another size": ([*SOUND[:3], "input,output", SOUND[4]], "5 operations"),
    "operations without ends": (
        [*SOUND[:3], ",".join(["maxpool3x3"] * 7), SOUND[4]],
        "is not input, 5 operations, output",
    ),
    "an unknown operation": (
        [*SOUND[:3], OPERATIONS.replace("maxpool3x3", "avgpool3x3"), SOUND[4]],
        "'avgpool3x3' is not an operation",
    ),
    "metrics that are no base64": ([*SOUND[:4], "A"], "not a protobuf in base64"),
    "metrics that are no protobuf": ([*SOUND[:4], encoded(b"\xff" * 9)], "not a protobuf"),
    "empty metrics": ([*SOUND[:4], ""], "0 evaluations, not 3"),
    "two evaluations": (with_metrics(START, FINAL), "2 evaluations, not 3"),
    "four evaluations": (with_metrics(START, HALFWAY, FINAL, FINAL), "4 evaluations"),
    "no parameters": (with_metrics(START, HALFWAY, FINAL, parameters=None), "0 trainable"),
    "a start that is trained": (with_metrics(HALFWAY, HALFWAY, FINAL), "first evaluation is at"),
    "evaluations in another order": (
        with_metrics(START, FINAL, HALFWAY),
        "half-way evaluation is at epoch 108.0, not 54",
    ),
    "a budget of other evaluations": ([HASH, 36, *SOUND[2:]], "is at epoch 54.0, not 18"),
    "an epoch that is no number": (
        with_metrics(START, HALFWAY, (math.nan, *FINAL[1:])),
        "final evaluation is at epoch nan",
    ),
    "an evaluation without test accuracy": (
        with_metrics(START, HALFWAY, (*FINAL[:4], None)),
        "final evaluation has no test_accuracy",
    ),
    "an evaluation without time": (
        with_metrics(START, (54.0, None, *HALFWAY[2:]), FINAL),
        "half-way evaluation has no training_time",
    ),
    "a negative time": (with_metrics(START, HALFWAY, (108.0, -1.0, *FINAL[2:])), "-1.0 seconds"),
    "an endless time": (with_metrics(START, HALFWAY, (108.0, math.inf, *FINAL[2:])), "inf sec"),
    "an accuracy in percent": (with_metrics(START, HALFWAY, (*FINAL[:4], 92.1)), "from 0 to 1"),
    "a negative accuracy": (with_metrics(START, HALFWAY, (*FINAL[:4], -0.1)), "from 0 to 1"),
    "an accuracy that is no number": (
        with_metrics(START, (*HALFWAY[:2], math.nan, 0.5, 0.5), FINAL),
        "half-way accuracies are nan",
    ),
}


@pytest.mark.parametrize(("items", "reason"), BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_a_bad_record_is_refused_with_its_place_and_the_reason(items: object, reason: str) -> None:
    with pytest.raises(RecordError, match=f"record 5 at byte 1234: .*{reason}") as caught:
        decode(items)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"not json", b"[" * 100_000])
def test_a_payload_that_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(RecordError, match="record 5 at byte 1234: the payload is not JSON"):
        decode_record((5, 1234, payload))


def test_a_recorded_zero_is_not_taken_for_a_missing_value() -> None:
    record = decode(with_metrics(START, (54.0, 0.0, 0.0, 0.0, 0.0), FINAL))
    assert record.halfway == (54.0, 0.0, 0.0, 0.0, 0.0)


def served(evaluation: tuple[float, ...]) -> list[float]:
    """Return training, validation and test accuracy, and seconds, of what is recorded."""
    _, seconds, *accuracies = evaluation
    return [*accuracies, seconds]


def test_a_chunk_holds_the_records_in_columns() -> None:
    payload = json.dumps(SOUND).encode()
    chunk = decode_records([(3, 0, payload), (4, 400, payload)])
    record = decode(SOUND)
    assert chunk.numbers.tolist() == [3, 4]
    assert chunk.digests.tobytes().hex() == HASH * 2
    assert chunk.epochs.tolist() == [108, 108]
    assert chunk.codes.tolist() == [record.cell.code] * 2
    assert chunk.trainable_parameters.tolist() == [PARAMETERS] * 2
    assert chunk.final.tolist() == [served(FINAL)] * 2
    assert chunk.halfway.tolist() == np.array([served(HALFWAY)] * 2, dtype=np.float32).tolist()
    assert chunk.skipped == []


def test_an_empty_chunk_has_empty_columns() -> None:
    chunk = decode_records([])
    assert chunk.digests.shape == (0, 16)
    assert chunk.halfway.shape == chunk.final.shape == (0, 4)


def test_a_chunk_stops_at_a_bad_record() -> None:
    with pytest.raises(RecordError, match="record 1 at byte 400"):
        decode_records([(0, 0, json.dumps(SOUND).encode()), (1, 400, b"{}")])


def test_a_chunk_can_skip_bad_records_and_report_them() -> None:
    payload = json.dumps(SOUND).encode()
    chunk = decode_records([(0, 0, payload), (1, 400, b"{}"), (2, 402, payload)], skip_corrupt=True)
    assert chunk.numbers.tolist() == [0, 2]
    assert [(fault.number, fault.offset) for fault in chunk.skipped] == [(1, 400)]


def test_a_chunk_travels_between_processes() -> None:
    chunk = decode_records([(0, 0, json.dumps(SOUND).encode()), (1, 9, b"")], skip_corrupt=True)
    copied = pickle.loads(pickle.dumps(chunk))
    assert np.array_equal(copied.final, chunk.final)
    assert str(copied.skipped[0]) == str(chunk.skipped[0])
