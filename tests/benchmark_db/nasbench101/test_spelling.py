import copy
import json
import random
from typing import Any

import numpy as np
import pytest
from nasbench101_cells import ARCH as GOLDEN
from nasbench101_cells import MODULE as GOLDEN_MODULE

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.spelling import parse_cell, parse_hash

LONE_EDGE = {"input1": [0]}


def test_the_dict_and_the_matrix_spell_the_same_cell() -> None:
    assert parse_cell(GOLDEN) == parse_cell(GOLDEN_MODULE)


def test_the_golden_cell_is_spelled_back_as_it_came() -> None:
    assert parse_cell(GOLDEN).to_dict() == GOLDEN
    assert parse_cell(GOLDEN).to_module() == GOLDEN_MODULE


def test_key_order_and_source_order_do_not_matter() -> None:
    items = list(GOLDEN.items())
    random.Random(0).shuffle(items)  # noqa: S311 - an arbitrary order, not a secret
    shuffled = {k: v[::-1] if isinstance(v, list) else v for k, v in items}
    assert parse_cell(shuffled) == parse_cell(GOLDEN)


def test_published_operation_names_are_accepted_in_the_dict() -> None:
    longer = {"conv3x3": "conv3x3-bn-relu", "conv1x1": "conv1x1-bn-relu", "maxpool": "maxpool3x3"}
    spelled = {k: longer[v] if isinstance(v, str) else v for k, v in GOLDEN.items()}
    assert parse_cell(spelled) == parse_cell(GOLDEN)


def test_short_operation_names_are_accepted_beside_the_matrix() -> None:
    names = ["input", "conv3x3", "maxpool", "conv3x3", "conv3x3", "conv1x1", "output"]
    assert parse_cell({**GOLDEN_MODULE, "module_operations": names}) == parse_cell(GOLDEN)


@pytest.mark.parametrize("spelled", [GOLDEN, GOLDEN_MODULE])
def test_json_text_is_accepted(spelled: dict[str, Any]) -> None:
    assert parse_cell(json.dumps(spelled)) == parse_cell(GOLDEN)


def test_a_numpy_matrix_is_accepted() -> None:
    matrix = np.array(GOLDEN_MODULE["module_adjacency"])
    assert parse_cell({**GOLDEN_MODULE, "module_adjacency": matrix}) == parse_cell(GOLDEN)


def test_a_cell_may_be_a_single_edge() -> None:
    cell = parse_cell(LONE_EDGE)
    assert (cell.num_vertices, cell.num_edges, cell.operations) == (2, 1, ())
    assert cell.to_dict() == LONE_EDGE


def test_parsing_keeps_stranded_vertices() -> None:
    cell = parse_cell({"op1": "conv1x1", "input1": [], "input2": [0, 1]})
    assert cell.num_vertices == 3
    assert cell.pruned() == parse_cell(LONE_EDGE)


def test_equal_cells_are_equal_keys() -> None:
    assert {parse_cell(GOLDEN): 1}[parse_cell(GOLDEN_MODULE)] == 1


def test_a_cell_shows_its_dict() -> None:
    assert str(parse_cell(LONE_EDGE)) == "{'input1': [0]}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("00005c142e6f48ac74fdcf73e3439874", "00005c142e6f48ac74fdcf73e3439874"),
        ("00005C142E6F48AC74FDCF73E3439874\n", "00005c142e6f48ac74fdcf73e3439874"),
        ("00005c142e6f48ac74fdcf73e343987", None),
        ("00005c142e6f48ac74fdcf73e343987g", None),
        ("{}", None),
        (7, None),
        (None, None),
    ],
)
def test_a_hash_is_recognised_by_its_32_digits(value: object, expected: str | None) -> None:
    assert parse_hash(value) == expected


def golden(**changes: object) -> dict[str, Any]:
    return {k: v for k, v in {**GOLDEN, **changes}.items() if v is not None}


def module(*edits: tuple[int, int, object], **changes: object) -> dict[str, Any]:
    spelled = {k: v for k, v in {**copy.deepcopy(GOLDEN_MODULE), **changes}.items() if v}
    for row, column, entry in edits:
        spelled["module_adjacency"][row][column] = entry
    return spelled


EIGHT = {
    **{f"op{i}": "conv1x1" for i in range(1, 7)},
    **{f"input{i}": [i - 1] for i in range(1, 8)},
}
BAD_CELLS: dict[str, tuple[object, str]] = {
    "eight vertices": (EIGHT, "8 vertices; at most 7"),
    "eight rows": (
        module(module_adjacency=[[0] * 8] * 8, module_operations=["input"] * 8),
        "8 vertices; at most 7",
    ),
    "ten edges": (golden(input4=[0, 1]), "10 edges; at most 9"),
    "ten edges, two of them stranded": (golden(input4=[1, 2, 3], input6=[5]), "10 edges"),
    "an edge backwards": (golden(input2=[5]), r"input2 holds 5: edges go from lower"),
    "an edge to itself": (golden(input2=[2]), r"input2 holds 2: .*upper triangular"),
    "an entry below the diagonal": (module((4, 1, 1)), r"\[4\]\[1\] is 1, .*upper triangular"),
    "an entry on the diagonal": (module((3, 3, 1)), r"\[3\]\[3\] is 1, .*upper triangular"),
    "an unknown operation": (golden(op3="conv5x5"), "op3 is 'conv5x5', not an operation"),
    "the input's name inside": (golden(op3="input"), "op3 is 'input', not an operation"),
    "an operation that is no name": (golden(op3=3), "op3 is 3, not an operation"),
    "an operation that is a list": (golden(op3=["conv3x3"]), r"op3 is \['conv3x3'\]"),
    "an output out of reach": (
        {"op1": "conv1x1", "input1": [0], "input2": []},
        r"output \(vertex 2\) cannot be reached",
    ),
    "an output fed only by a loose vertex": (
        {"op1": "conv1x1", "input1": [], "input2": [1]},
        "cannot be reached from the input",
    ),
    "a wrong first operation": (
        module(module_operations=["conv1x1", *GOLDEN_MODULE["module_operations"][1:]]),
        "first operation is 'conv1x1', not 'input'",
    ),
    "a wrong last operation": (
        module(module_operations=[*GOLDEN_MODULE["module_operations"][:-1], 4]),
        "last operation is 4, not 'output'",
    ),
    "an entry of 2": (module((0, 3, 2)), r"\[0\]\[3\] is 2, not 0 or 1"),
    "an entry of -1": (module((0, 3, -1)), r"\[0\]\[3\] is -1"),
    "a bool entry": (module((0, 3, True)), r"\[0\]\[3\] is True"),
    "a float entry": (module((0, 3, 1.0)), r"\[0\]\[3\] is 1.0"),
    "a text entry": (module((0, 3, "1")), r"\[0\]\[3\] is '1'"),
    "a null entry": (module((0, 3, None)), r"\[0\]\[3\] is None"),
    "a short row": (
        module(module_adjacency=[*GOLDEN_MODULE["module_adjacency"][:6], [0] * 6]),
        "not square: row 6 has 6 entries, not 7",
    ),
    "a row that is no list": (
        module(module_adjacency=[*GOLDEN_MODULE["module_adjacency"][:6], "0000000"]),
        "row 6 of module_adjacency must be a list of 0 and 1, not '0000000'",
    ),
    "too few operations": (module(module_operations=["input", "output"]), "names 2 vertices"),
    "a matrix that is a number": (module(module_adjacency=3), "must be a list of rows, not 3"),
    "operations in one text": (module(module_operations="input"), "must be a list of names"),
    "no operations": (module(module_operations=None), "no module_operations"),
    "no matrix": (module(module_adjacency=None), "no module_adjacency"),
    "a key beside the matrix": (module(op1="conv1x1"), "'op1' is not a key of a cell"),
    "a single vertex": (
        {"module_adjacency": [[0]], "module_operations": ["input"]},
        "1 vertices; it needs an input and an output",
    ),
    "an empty object": ({}, "no input1"),
    "an operation without inputs": (golden(input3=None), "5 operations but no input3"),
    "a gap in the operations": (golden(op3=None), "4 operations but no op3"),
    "no sources of the output": (golden(input6=None), "no input6"),
    "inputs beyond the output": (golden(input7=[0]), "input7 is beyond the output"),
    "an unknown key": (golden(outputs=[0]), "'outputs' is not a key"),
    "a padded number in a key": (golden(op01="conv1x1"), "'op01' is not a key"),
    "a key that is no text": ({0: [1]}, "0 is not a key"),
    "sources that are a number": (golden(input2=1), "input2 must be a list of source"),
    "a negative source": (golden(input2=[-1]), "input2 holds -1"),
    "a bool source": (golden(input2=[True]), "input2 holds True"),
    "a float source": (golden(input2=[1.0]), "input2 holds 1.0"),
    "a text source": (golden(input2=["1"]), "input2 holds '1'"),
    "a source named twice": (golden(input5=[0, 0]), "input5 holds vertex 0 twice"),
    "a list": ([1, 2], "a cell must be an object"),
    "nothing": (None, "a cell must be an object"),
    "a number": (4, "a cell must be an object"),
    "text that is no JSON": ("conv3x3", "JSON or a hash of 32"),
    "empty text": ("", "JSON or a hash of 32"),
    "JSON of a list": ("[]", "a cell must be an object"),
    "JSON of endless depth": ("[" * 100_000, "JSON or a hash of 32"),
    "JSON of an endless number": ("9" * 10_000, "JSON or a hash of 32"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_CELLS.values(), ids=BAD_CELLS.keys())
def test_a_bad_cell_is_refused_with_the_reason(bad: object, reason: str) -> None:
    with pytest.raises(InvalidArchitectureError, match=reason) as caught:
        parse_cell(bad)
    assert len(caught.value.message) < 400


def test_an_unreachable_output_cannot_be_pruned() -> None:
    with pytest.raises(ValueError, match="no path from input to output"):
        Cell.from_predecessors([0], []).pruned()
