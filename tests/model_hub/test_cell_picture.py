"""Pictures of cells: well-formed, complete, and nothing in them covers anything else."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import model_hub
from model_hub.cell_layout import Layout, arranged
from model_hub.cell_picture import Arrow, CellDiagram, Vertex, cell_svg, diagrams
from model_hub.cells import CellGenotype
from model_hub.drawing import Bar, bars_svg, choices_svg
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces.nasnet import NdsCells

SVG = "{http://www.w3.org/2000/svg}"
SPACES = ("NasBench101", "NasBench201", "NASNet", "ENAS", "AmoebaNet", "PNAS", "DARTS")
ROW = {
    "benchmark": "nasbench201",
    "arch_str": "|avg_pool_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    "dataset": "cifar10",
}


def texts(svg: str) -> Counter[str]:
    """Return the texts of a picture, which is parsed as XML for it."""
    picture = ET.fromstring(svg)  # noqa: S314 - our own
    return Counter(str(element.text) for element in picture.iter(f"{SVG}text"))


def laid_out(name: str, seed: int) -> list[Layout]:
    space = model_hub.space(name)
    values = space.choices.resolve(space.choices.sample(seed))
    return [arranged(diagram) for diagram in diagrams(space, values)]


@pytest.mark.parametrize("name", SPACES)
def test_a_picture_has_every_operation_of_the_sample(name: str) -> None:
    space = model_hub.space(name)
    sample = space.choices.sample(1)
    resolved = space.choices.resolve(sample)
    cells = resolved.get("cell/final") or resolved
    operations = Counter(v for v in cells.values() if isinstance(v, str))
    assert operations
    drawn = texts(cell_svg(space, sample))
    assert {name: drawn[name] for name in operations} == operations


def test_a_row_is_drawn_as_it_is() -> None:
    drawn = texts(cell_svg(ROW))
    assert drawn["none"] == 2
    assert drawn["conv_3x3"] == drawn["skip_connect"] == drawn["input"] == drawn["output"] == 1


def test_cells_of_different_numbers_of_nodes_are_drawn() -> None:
    normal = CellGenotype(((("sep_conv_3x3", 0), ("skip_connect", 1)),), (2,))
    reduce = CellGenotype((*normal.nodes, (("max_pool_3x3", 2), ("max_pool_3x3", 2))), (3,))
    drawn = texts(cell_svg(NdsCells(normal=normal, reduce=reduce, width=4, num_cells=4), {}))
    assert (drawn["sep_conv_3x3"], drawn["max_pool_3x3"], drawn["2"], drawn["3"]) == (2, 2, 2, 1)
    assert drawn["normal cell"] == drawn["reduce cell"] == 1


@given(name=st.sampled_from(SPACES), seed=st.integers(0, 10_000))
@settings(max_examples=60)
def test_boxes_overlap_nothing_and_stay_inside(name: str, seed: int) -> None:
    for layout in laid_out(name, seed):
        for a, b in combinations(layout.boxes, 2):
            apart_x = a.x + a.width <= b.x or b.x + b.width <= a.x
            assert apart_x or a.y + a.height <= b.y or b.y + b.height <= a.y
        for box in layout.boxes:
            assert box.x >= 0
            assert box.x + box.width <= layout.width + 0.1
            assert -0.1 <= box.y <= layout.height - box.height + 0.1


@given(name=st.sampled_from(SPACES), seed=st.integers(0, 10_000))
@settings(max_examples=60)
def test_lines_lead_to_the_right_and_cross_no_box(name: str, seed: int) -> None:
    for layout in laid_out(name, seed):
        for line in layout.lines:
            (x0, y0), (x1, _) = line.start, line.end
            assert x0 <= line.bend + 0.1 < x1
            for box in layout.boxes:  # the level part; the curve is between columns
                beside = box.x + box.width <= x0 or line.bend <= box.x
                assert beside or not box.y < y0 < box.y + box.height


def test_every_arrow_of_the_diagram_is_a_way_to_its_vertex() -> None:
    vertices = (
        Vertex("a"),
        Vertex("b", (Arrow(0, "conv"),)),
        Vertex("c", (Arrow(1), Arrow(0, "pool"))),
    )
    layout = arranged(CellDiagram("cell", vertices))
    assert (
        sum(line.has_head for line in layout.lines) == 3 + 2
    )  # operations have one on either side
    ends = {line.end for line in layout.lines}
    assert {box.text for box in layout.boxes if (box.x, box.middle) in ends} == {
        *("b", "c", "conv", "pool")
    }


def test_vertices_stand_from_left_to_right_by_depth() -> None:
    chain = tuple(Vertex(str(n), (Arrow(n - 1, "op"),) if n else ()) for n in range(4))
    places = [box.x for box in arranged(CellDiagram("cell", chain)).boxes if box.is_vertex]
    assert all(left < right for left, right in pairwise(places))


@pytest.mark.parametrize(
    ("item", "sample", "error", "message"),
    [
        (model_hub.space("ProxylessNAS"), None, InvalidArgumentError, "sample: to draw a network"),
        ({}, None, InvalidArgumentError, "row: {} does not say which benchmark"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    item: Any, sample: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cell_svg(item, sample)


def test_a_space_without_cells_is_refused() -> None:
    space = model_hub.space("ProxylessNAS")
    with pytest.raises(InvalidArgumentError, match="networks of ProxylessNAS have no cells"):
        cell_svg(space, space.choices.default)


def test_a_sample_outside_the_space_is_refused() -> None:
    with pytest.raises(InvalidSampleError, match="cell/0_1: the sample lacks this label"):
        cell_svg(model_hub.space("NasBench201"), {})


def test_choices_follow_each_other_and_bars_are_as_high_as_they_are_large() -> None:
    chain = texts(choices_svg("a|b|a", ["a", "b", "a"]))
    assert (chain["a"], chain["b"], chain["input"], chain["output"]) == (2, 1, 1, 1)
    picture = ET.fromstring(bars_svg("8:64", [Bar("layer 1", 8), Bar("layer 2", 64)]))  # noqa: S314
    _, *bars = picture.iter(f"{SVG}rect")
    assert [float(bar.attrib["height"]) for bar in bars] == [20.0, 160.0]
    assert texts(bars_svg("none", [Bar("layer 1", 0)]))["0"] == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_styled_by_one_element_alone(theme: Any) -> None:
    picture = ET.fromstring(cell_svg(ROW, theme=theme))  # noqa: S314 - our own
    assert len(list(picture.iter(f"{SVG}style"))) == 1
    assert not [element for element in picture.iter() if "style" in element.attrib]


def test_themes_differ_and_others_are_refused() -> None:
    assert cell_svg(ROW, theme="dark") != cell_svg(ROW) == cell_svg(ROW, theme="light")
    with pytest.raises(InvalidArgumentError, match="theme"):
        cell_svg(ROW, theme="sepia")  # type: ignore[arg-type]
