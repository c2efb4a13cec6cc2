"""Questions on a small database with the golden cell and every cell of up to four vertices."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from nasbench101_cells import ARCH, HASH

from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.spelling import parse_cell

MODULE = parse_cell(ARCH).to_module()
# The golden cell with its vertices 3 and 4 in the other order.
ISOMORPH = parse_cell(ARCH).reordered([0, 1, 2, 4, 3, 5, 6]).to_dict()
GOLDEN = {"arch": HASH, "num_epochs": 108}
# A valid cell of five vertices, of which the archive has none but the golden one's.
UNTRAINED = {
    "op1": "conv1x1",
    "op2": "conv1x1",
    "op3": "conv1x1",
    "input1": [0],
    "input2": [1],
    "input3": [2],
    "input4": [3],
}
SPELLINGS = [
    HASH,
    HASH.upper(),
    f" {HASH} ",
    ARCH,
    dict(reversed(ARCH.items())),
    json.dumps(ARCH),
    {**ARCH, "op1": "conv3x3-bn-relu"},
    MODULE,
    json.dumps(MODULE),
    {**MODULE, "module_adjacency": np.array(MODULE["module_adjacency"])},
    ISOMORPH,
]


def test_the_published_figures_of_the_golden_cell_come_back(nasbench101: NasBench101) -> None:
    items = nasbench101.computed_stats(GOLDEN).items
    assert [item["repeat"] for item in items] == [0, 1, 2]
    valid = [item["valid_acc"] for item in items]
    assert valid == pytest.approx([92.41786599, 92.45793223, 93.04887652], abs=1e-8)
    test = [item["test_acc"] for item in items]
    assert test == pytest.approx([92.11738706, 91.90705419, 92.15745330], abs=1e-8)
    assert [item["train_acc"] for item in items] == [100.0, 100.0, 100.0]
    seconds = [item["training_time"] for item in items]
    assert seconds == pytest.approx([1769.1279, 1768.2510, 1768.9760], abs=1e-4)
    assert {item["parameters"] for item in items} == {8.55553}
    assert items[0]["config"] == {
        "arch": ARCH,
        "num_vertices": 7,
        "hash": HASH,
        "num_epochs": 108,
        "trainable_parameters": 8_555_530,
    }


def test_an_item_has_the_fields_of_the_contract_in_order(nasbench101: NasBench101) -> None:
    (item, *_) = nasbench101.computed_stats(GOLDEN, include_intermediates=True).items
    assert list(item) == [
        *("config", "repeat", "num_runs", "train_acc", "valid_acc", "test_acc", "parameters"),
        *("training_time", "intermediates"),
    ]
    assert list(item["intermediates"][0]) == [
        *("current_epoch", "train_acc", "valid_acc", "test_acc", "training_time")
    ]


def test_intermediates_are_half_way_and_final(nasbench101: NasBench101) -> None:
    items = nasbench101.computed_stats(GOLDEN, include_intermediates=True).items
    halves = [item["intermediates"][0] for item in items]
    assert [half["current_epoch"] for half in halves] == [54, 54, 54]
    assert [half["valid_acc"] for half in halves] == pytest.approx(
        [77.76442170, 82.91265965, 81.15985394], abs=1e-8
    )
    assert halves[0]["training_time"] == 883.4580078125
    for item in items:
        final = item["intermediates"][1]
        assert final == {"current_epoch": 108, **{name: item[name] for name in list(final)[1:]}}


def test_curves_come_in_columns_too(nasbench101: NasBench101) -> None:
    rows = nasbench101.computed_stats(GOLDEN, include_intermediates=True).items
    columns = nasbench101.intermediate_stats(GOLDEN).items
    for row, column in zip(rows, columns, strict=True):
        assert column["current_epoch"] == [54, 108]
        for name in ("train_acc", "valid_acc", "test_acc", "training_time"):
            assert column[name] == [epoch[name] for epoch in row["intermediates"]]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: str(spelling)[:40])
def test_every_spelling_and_every_isomorph_gives_the_same_answer(
    nasbench101: NasBench101, spelling: Any
) -> None:
    expected = nasbench101.computed_stats({"arch": HASH})
    assert len(expected.items) == 12
    assert nasbench101.computed_stats({"arch": spelling}) == expected
    assert nasbench101.computed_stats({"arch": spelling, "isomorphism": True}) == expected
    assert nasbench101.computed_stats_many([spelling], {}) == [expected.items]


def test_a_cell_with_stranded_vertices_is_pruned(nasbench101: NasBench101) -> None:
    stranded = {"op1": "conv3x3", "op2": "maxpool", "input1": [0], "input2": [1], "input3": [1]}
    pruned = {"op1": "conv3x3", "input1": [0], "input2": [1]}
    expected = nasbench101.computed_stats({"arch": pruned})
    assert len(expected.items) == 12
    assert nasbench101.computed_stats({"arch": stranded}) == expected
    assert nasbench101.computed_stats({"arch": stranded, "isomorphism": False}).items == []


class TestWithoutIsomorphism:
    @pytest.mark.parametrize("spelling", SPELLINGS[:-1], ids=lambda spelling: str(spelling)[:40])
    def test_the_very_cell_matches_in_any_spelling(
        self, nasbench101: NasBench101, spelling: Any
    ) -> None:
        filters = {"arch": spelling, "isomorphism": False}
        expected = nasbench101.computed_stats({"arch": HASH})
        assert nasbench101.computed_stats(filters).items == expected.items
        many = nasbench101.computed_stats_many([spelling], {"isomorphism": False})
        assert many == [expected.items]

    def test_an_isomorphic_cell_does_not_match(self, nasbench101: NasBench101) -> None:
        assert ISOMORPH != ARCH
        filters = {"arch": ISOMORPH, "isomorphism": False}
        assert nasbench101.computed_stats(filters).items == []
        assert nasbench101.intermediate_stats(filters).items == []
        many = nasbench101.computed_stats_many([ISOMORPH, ARCH], {"isomorphism": False})
        assert [len(runs) for runs in many] == [0, 12]

    def test_an_unknown_hash_matches_nothing(self, nasbench101: NasBench101) -> None:
        filters = {"arch": "0" * 32, "isomorphism": False}
        assert nasbench101.computed_stats(filters).items == []

    @pytest.mark.parametrize("value", ["false", 0, 1, "", []])
    def test_what_is_no_truth_value_is_refused(self, nasbench101: NasBench101, value: Any) -> None:
        with pytest.raises(InvalidQuestionError, match="is not true or false") as caught:
            nasbench101.computed_stats({"isomorphism": value})
        assert caught.value.field == "isomorphism"

    def test_without_an_architecture_it_changes_nothing(self, nasbench101: NasBench101) -> None:
        filters = {"num_epochs": 12, "isomorphism": False}
        expected = nasbench101.computed_stats({"num_epochs": 12})
        assert nasbench101.computed_stats(filters) == expected


@pytest.mark.parametrize("arch", ["0" * 32, UNTRAINED], ids=["hash", "cell"])
def test_an_architecture_without_runs_gives_an_empty_list(
    nasbench101: NasBench101, arch: Any
) -> None:
    assert nasbench101.computed_stats({"arch": arch}).items == []
    assert nasbench101.computed_stats_many([arch], {}) == [[]]


def test_an_unknown_budget_is_refused(nasbench101: NasBench101) -> None:
    with pytest.raises(InvalidQuestionError, match=r"unknown num_epochs 107; .* 4, 12, 36, 108"):
        nasbench101.computed_stats({"arch": HASH, "num_epochs": 107})


@pytest.mark.parametrize(
    ("arch", "reason"),
    [
        ({"op1": "conv3x3", "input1": [], "input2": [0]}, None),
        ({"op1": "conv3x3", "input1": [0], "input2": []}, "cannot be reached"),
        ({"op1": "conv5x5", "input1": [0], "input2": [1]}, "not an operation"),
        ({"op1": "conv3x3", "input1": [1], "input2": [1]}, "upper triangular"),
        ({"module_adjacency": [[0] * 8] * 8, "module_operations": ["input"] * 8}, "8 vertices"),
        ("nonsense", "JSON or a hash"),
        (17, "a cell must be an object"),
        ("f" * 31, "JSON or a hash"),
    ],
)
def test_a_cell_outside_the_space_is_refused_with_the_reason(
    nasbench101: NasBench101, arch: Any, reason: str | None
) -> None:
    if reason is None:  # a vertex that nothing feeds is pruned away
        assert len(nasbench101.computed_stats({"arch": arch}).items) == 12
        return
    for options in ({}, {"isomorphism": False}):
        with pytest.raises(InvalidArchitectureError, match=reason):
            nasbench101.computed_stats({"arch": arch, **options})
        (error,) = nasbench101.computed_stats_many([arch], options)
        assert isinstance(error, InvalidArchitectureError)
        assert reason in error.message


def test_a_reduction_is_over_the_repeats(nasbench101: NasBench101) -> None:
    (mean,) = nasbench101.computed_stats(GOLDEN, reduction="mean", include_intermediates=True).items
    assert (mean["repeat"], mean["num_runs"]) == (None, 3)
    assert mean["valid_acc"] == pytest.approx((92.41786599 + 92.45793223 + 93.04887652) / 3)
    assert mean["parameters"] == 8.55553
    assert mean["config"]["trainable_parameters"] == 8_555_530
    half, final = mean["intermediates"]
    assert half["valid_acc"] == pytest.approx((77.76442170 + 82.91265965 + 81.15985394) / 3)
    assert final["valid_acc"] == mean["valid_acc"]
    (std,) = nasbench101.computed_stats(GOLDEN, reduction="std").items
    assert (std["train_acc"], std["parameters"]) == (0.0, 0.0)


def test_items_come_by_hash_budget_and_repeat(nasbench101: NasBench101) -> None:
    places = []
    cursor = None
    while True:
        page = nasbench101.computed_stats({}, limit=97, cursor=cursor)
        places += [
            (item["config"]["hash"], item["config"]["num_epochs"], item["repeat"])
            for item in page.items
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert places == sorted(places)
    assert len(set(places)) == len(places) == 92 * 12


def test_pages_of_one_cell_follow_each_other(nasbench101: NasBench101) -> None:
    whole = nasbench101.computed_stats({"arch": HASH}).items
    first = nasbench101.computed_stats({"arch": HASH}, limit=5)
    rest = nasbench101.computed_stats({"arch": ARCH}, limit=7, cursor=first.next_cursor)
    assert first.items + rest.items == whole
    assert rest.next_cursor is None


def test_a_cursor_is_tied_to_what_isomorphism_means(nasbench101: NasBench101) -> None:
    cursor = nasbench101.computed_stats({"arch": HASH}, limit=5).next_cursor
    with pytest.raises(InvalidQuestionError, match="belongs to another question"):
        nasbench101.computed_stats({"arch": HASH, "isomorphism": False}, cursor=cursor)


def test_a_batch_is_aligned_whatever_is_in_it(nasbench101: NasBench101) -> None:
    small = {"op1": "maxpool", "input1": [0], "input2": [0, 1]}
    bad = {"op1": "maxpool", "input1": [0], "input2": []}
    archs = [small, bad, HASH, "0" * 32, ARCH, small]
    results = nasbench101.computed_stats_many(archs, {"num_epochs": 36}, reduction="max")
    assert isinstance(results[1], InvalidArchitectureError)
    assert results[3] == []
    assert results[0] == results[5]
    assert results[2] == results[4]
    for arch, result in zip(archs, results, strict=True):
        if arch not in (bad, "0" * 32):
            expected = nasbench101.computed_stats({"arch": arch, "num_epochs": 36}, reduction="max")
            assert result == expected.items


class TestDescribe:
    def test_a_cell_is_told_with_what_remains_of_it(self, nasbench101: NasBench101) -> None:
        stranded = {"op1": "conv3x3", "op2": "maxpool", "input1": [0], "input2": [1], "input3": [1]}
        assert nasbench101.describe(stranded) == {
            "hash": "b49ac8c578b4561d79ac7087988f1c61",
            "num_vertices": 3,
            "num_edges": 2,
            "arch": {"op1": "conv3x3", "input1": [0], "input2": [1]},
            "in_benchmark": True,
        }

    def test_of_a_hash_with_runs_the_cell_is_known(self, nasbench101: NasBench101) -> None:
        described = nasbench101.describe(HASH)
        assert described == nasbench101.describe(ARCH)
        assert (described["arch"], described["num_edges"]) == (ARCH, 9)

    def test_of_a_hash_without_runs_nothing_is(self, nasbench101: NasBench101) -> None:
        assert nasbench101.describe("F" * 32) == {
            "hash": "f" * 32,
            "num_vertices": None,
            "num_edges": None,
            "arch": None,
            "in_benchmark": False,
        }

    def test_a_cell_without_runs_is_still_hashed(self, nasbench101: NasBench101) -> None:
        described = nasbench101.describe(UNTRAINED)
        assert (described["in_benchmark"], described["num_vertices"]) == (False, 5)

    def test_many_are_aligned(self, nasbench101: NasBench101) -> None:
        many = nasbench101.describe_many([ARCH, "nonsense", ISOMORPH, HASH])
        assert isinstance(many[1], InvalidArchitectureError)
        hashes = [found["hash"] for found in many if isinstance(found, dict)]
        assert hashes == [HASH] * 3

    def test_too_many_are_refused(self, nasbench101: NasBench101) -> None:
        with pytest.raises(InvalidQuestionError, match="at most 10000"):
            nasbench101.describe_many([HASH] * 10_001)


def test_the_views_speak_the_names_and_units_of_the_service(nasbench101: NasBench101) -> None:
    names = "hash, num_vertices, num_epochs, repeat, valid_acc, parameters, trainable_parameters"
    where = f"hash = '{HASH}' AND num_epochs = 108 AND repeat = 0"
    (row,) = nasbench101.database.rows(f"SELECT {names} FROM computed_stats WHERE {where}")  # noqa: S608
    (item, *_) = nasbench101.computed_stats(GOLDEN).items
    assert row == (HASH, 7, 108, 0, item["valid_acc"], 8.55553, 8_555_530)


def test_the_views_take_every_cell_apart(nasbench101: NasBench101) -> None:
    database = nasbench101.database
    for cell_hash, code in list(database.rows("SELECT hash, code FROM cell")):
        cell = Cell(code)
        sql = "SELECT vertex, operation FROM cell_operation WHERE hash = :hash ORDER BY vertex"
        operations = dict(database.rows(sql, {"hash": cell_hash}))
        sql = "SELECT source, target FROM cell_edge WHERE hash = :hash"
        edges = set(database.rows(sql, {"hash": cell_hash}))
        spelled = cell.to_dict()
        assert operations == {v: spelled[f"op{v}"] for v in range(1, cell.num_vertices - 1)}
        rows = enumerate(cell.to_adjacency())
        assert edges == {(i, j) for i, row in rows for j, entry in enumerate(row) if entry}
