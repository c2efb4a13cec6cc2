import json
from pathlib import Path
from typing import Any

import pytest
from nasbench101_cells import ARCH as GOLDEN
from nasbench101_cells import INCEPTION

from benchmark_db.nasbench101.parameters import Network, trainable_parameters, vertex_channels
from benchmark_db.nasbench101.spelling import parse_cell

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "nasbench101"


@pytest.mark.parametrize(("spelled", "count"), [(GOLDEN, 8_555_530), (INCEPTION, 2_694_282)])
def test_published_parameter_counts_come_out_exactly(spelled: dict[str, Any], count: int) -> None:
    assert trainable_parameters(parse_cell(spelled)) == count


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published counts are not beside the checkout (../shared/data)"
)
def test_all_published_counts_of_seven_vertex_cells_come_out_exactly() -> None:
    installed = json.loads((SHARED / "parameter-counts.json").read_text())
    assert len(installed) == 1437
    for entry in installed:
        count = entry.pop("trainable_parameters")
        assert trainable_parameters(parse_cell(entry)) == count


def test_vertices_that_feed_the_output_share_its_channels_the_first_taking_the_rest() -> None:
    cell = parse_cell(
        {
            **{f"op{i}": "conv1x1" for i in range(1, 5)},
            **{f"input{i}": [0] for i in range(1, 4)},
            "input4": [3],
            "input5": [1, 2, 4],
        }
    )
    assert vertex_channels(cell, 64, 128) == (64, 43, 43, 42, 42, 128)


def test_an_inner_vertex_is_as_wide_as_the_widest_that_it_feeds() -> None:
    cell = parse_cell(
        {
            "op1": "conv1x1",
            "op2": "conv1x1",
            "op3": "conv1x1",
            "input1": [0],
            "input2": [1],
            "input3": [1],
            "input4": [2, 3],
        }
    )
    assert vertex_channels(cell, 3, 5) == (3, 3, 3, 2, 5)


def test_the_direct_edge_to_the_output_takes_no_share() -> None:
    cell = parse_cell({"op1": "conv1x1", "input1": [0], "input2": [0, 1]})
    assert vertex_channels(cell, 64, 128) == (64, 128, 128)


def test_a_single_edge_is_one_projection_a_cell() -> None:
    tiny = Network(stem_channels=4, num_stacks=1, cells_per_stack=2, num_labels=3)
    stem, projection, linear = 27 * 4 + 8, 4 * 4 + 8, 4 * 3 + 3
    cell = parse_cell({"input1": [0]})
    assert trainable_parameters(cell, tiny) == stem + 2 * projection + linear


def test_stranded_vertices_count_for_nothing() -> None:
    loose = parse_cell({"op1": "conv3x3", "input1": [0], "input2": [0]})
    assert trainable_parameters(loose) == trainable_parameters(parse_cell({"input1": [0]}))


def test_channels_of_a_cell_with_stranded_vertices_are_refused() -> None:
    loose = parse_cell({"op1": "conv3x3", "input1": [0], "input2": [0]})
    with pytest.raises(ValueError, match="prune it first"):
        vertex_channels(loose, 128, 128)
