"""Questions on NDS, each against a plain reading of all its runs."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    UnusableDatabaseError,
)
from benchmark_db.nds import streams
from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.tables import DATASETS, FAMILIES, GENERATORS, PROPOSERS, RANGED

NAMES: Final = {
    "model_family": FAMILIES,
    "proposer": PROPOSERS,
    "generator": GENERATORS,
    "dataset": DATASETS,
    "num_epochs": (50, 100),
    "seed": (1, 2, 3),
}
IN_CONFIG: Final = ("base_lr", "weight_decay")


def everything(nds: Nds) -> list[dict[str, Any]]:
    return nds.computed_stats({}, limit=1000).items


def value_of(item: dict[str, Any], name: str) -> Any:
    return item["config"].get(name, item.get(name))


def paged(nds: Nds, filters: dict[str, Any], limit: int, **options: Any) -> list[dict[str, Any]]:
    """Return every item, page by page."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = nds.computed_stats(filters, limit=limit, cursor=cursor, **options)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert len(page.items) == limit


@st.composite
def questions(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    names = draw(st.sets(st.sampled_from(sorted(NAMES)), max_size=2))
    bounds = draw(st.sets(st.sampled_from(RANGED), max_size=2))
    return (
        {name: draw(st.sampled_from(NAMES[name])) for name in names},
        {name: tuple(sorted(draw(st.tuples(*[st.floats(0, 1)] * 2)))) for name in bounds},
    )


@pytest.mark.usefixtures("unmeasured")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    questions(),
    st.sampled_from([None, *RANGED, *(f"-{name}" for name in RANGED)]),
    st.integers(1, 40),
    st.sampled_from([1, 4000]),
)
def test_every_question_gives_what_a_reading_of_all_runs_gives(
    nds: Nds,
    question: tuple[dict[str, Any], dict[str, tuple[float, float]]],
    sort: str | None,
    limit: int,
    few: int,
) -> None:
    names, parts = question
    filters = dict(names)
    expected = everything(nds)
    for name, (low, high) in parts.items():
        values = sorted(value_of(item, name) for item in expected)
        least, most = (values[int(part * (len(values) - 1))] for part in (low, high))
        filters |= {f"min_{name}": least, f"max_{name}": most}
    for name, wanted in names.items():
        expected = [item for item in expected if value_of(item, name) == wanted]
    for name in parts:
        least, most = filters[f"min_{name}"], filters[f"max_{name}"]
        expected = [item for item in expected if least <= value_of(item, name) <= most]
    if sort is not None:
        if sort.startswith("-"):
            expected.reverse()
        expected.sort(key=lambda item: value_of(item, sort.lstrip("-")), reverse=sort[0] == "-")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "_FEW", few)
        assert paged(nds, filters, limit, sort=sort) == expected


@pytest.mark.parametrize("sort", [None, "base_lr", "-weight_decay"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_reduced_answers_page_over_configurations(nds: Nds, sort: str | None, limit: int) -> None:
    means = paged(nds, {}, limit, sort=sort, reduction="mean")
    configs = [json.dumps(item["config"], sort_keys=True) for item in means]
    assert len(set(configs)) == len(configs) == nds.provenance.contents["configurations"]
    assert sum(item["num_runs"] for item in means) == nds.provenance.contents["runs"]
    assert max(item["num_runs"] for item in means) == 5
    if sort is not None:
        values = [item["config"][sort.lstrip("-")] for item in means]
        assert values == sorted(values, reverse=sort[0] == "-")


def test_reduced_answers_cannot_be_sorted_by_what_differs_between_runs(nds: Nds) -> None:
    with pytest.raises(InvalidQuestionError, match="known are base_lr, weight_decay"):
        nds.computed_stats({}, reduction="mean", sort="best_test_acc")


def test_specifications_are_matched_whole_in_any_spelling(nds: Nds) -> None:
    for item in everything(nds):
        model, cell = item["config"]["model_spec"], item["config"]["cell_spec"]
        reordered = dict(reversed(model.items())) | {"unused": []}
        found = nds.computed_stats({"model_spec": reordered, "cell_spec": json.dumps(cell)}).items
        assert item in found
        assert {json.dumps(run["config"]["cell_spec"]) for run in found} == {json.dumps(cell)}
        part = dict(list(model.items())[1:])
        assert nds.computed_stats({"model_spec": part}).items == []


def test_no_cells_mean_the_families_that_have_none(nds: Nds) -> None:
    expected = [item for item in everything(nds) if item["config"]["model_family"] != "nas_cell"]
    assert nds.computed_stats({"cell_spec": "{}"}, limit=1000).items == expected
    assert nds.computed_stats({"cell_spec": {}, "model_family": "nas_cell"}).items == []


def test_a_batch_is_aligned_with_its_architectures(nds: Nds) -> None:
    items = everything(nds)
    archs: list[Any] = [
        {name: item["config"][name] for name in ("model_spec", "cell_spec")} for item in items
    ]
    results = nds.computed_stats_many([*archs, {"model_spec": {"ds": [9]}}, "nonsense"], {})
    for item, result in zip(items, results, strict=False):
        assert isinstance(result, list)
        assert item in result
        assert {json.dumps(run["config"]["model_spec"]) for run in result} == {
            json.dumps(item["config"]["model_spec"])
        }
    assert results[-2] == []
    assert isinstance(results[-1], InvalidArchitectureError)
    (described, error) = nds.describe_many([archs[0], "nonsense"])
    assert isinstance(described, dict)
    assert isinstance(error, InvalidArchitectureError)


def test_curves_come_in_columns(nds: Nds) -> None:
    rows = nds.computed_stats({}, include_intermediates=True, limit=1000).items
    columns = nds.intermediate_stats({}, limit=1000, sort=None).items
    for row, column in zip(rows, columns, strict=True):
        assert column["current_epoch"] == list(range(1, row["config"]["num_epochs"] + 1))
        for name in ("train_loss", "train_acc", "test_acc"):
            assert column[name] == [epoch[name] for epoch in row["intermediates"]]


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"model_family": "transformer"}, "model_family"),
        ({"proposer": 3}, "proposer"),
        ({"generator": "lr-wd"}, "generator"),
        ({"dataset": "mnist"}, "dataset"),
        ({"num_epochs": 0}, "num_epochs"),
        ({"seed": -1}, "seed"),
        ({"model_spec": "{"}, "model_spec"),
        ({"cell_spec": [1]}, "cell_spec"),
        ({"min_flops": "many"}, "min_flops"),
        ({"max_flops": float("nan")}, "max_flops"),
        ({"max_flops": 10**400}, "max_flops"),
        ({"min_best_test_acc": True}, "min_best_test_acc"),
        ({"min_iter_time": 1.0}, "min_iter_time"),
    ],
)
def test_names_the_malformed_filter(nds: Nds, filters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidQuestionError) as caught:
        nds.computed_stats(filters)
    assert caught.value.field == field


def test_names_are_read_in_any_case(nds: Nds) -> None:
    found = nds.computed_stats({"proposer": "ResNet-B", "dataset": "CIFAR10"}).items
    assert {item["config"]["proposer"] for item in found} == {"resnet-b"}


def forged(cursor: str, **values: Any) -> str:
    padded = cursor + "=" * (-len(cursor) % 4)
    parts = json.loads(base64.urlsafe_b64decode(padded))
    for place, value in values.items():
        parts[1 + int(place.strip("_"))] = value  # behind the table and the question
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize("sort", [None, "-best_test_acc"])
def test_a_cursor_belongs_to_its_question(nds: Nds, sort: str | None) -> None:
    cursor = nds.computed_stats({}, sort=sort, limit=5).next_cursor
    for other in ("best_test_acc", "flops"):
        with pytest.raises(InvalidQuestionError, match="another question"):
            nds.computed_stats({}, sort=other, limit=5, cursor=cursor)
    with pytest.raises(InvalidQuestionError, match="another question"):
        nds.computed_stats({"min_flops": 1}, sort=sort, limit=5, cursor=cursor)


@pytest.mark.parametrize("sort", [None, "-best_test_acc"])
def test_a_forged_cursor_is_refused_or_harmless(nds: Nds, sort: str | None) -> None:
    cursor = nds.computed_stats({}, sort=sort, limit=5).next_cursor
    assert cursor is not None
    fields = set()
    for place in range(1, 3 if sort is None else 4):
        for value in ("text", None, [], 1e999, True, 2**70, -5, 10**6, 1.5):
            try:
                page = nds.computed_stats(
                    {}, sort=sort, limit=5, cursor=forged(cursor, **{f"_{place}": value})
                )
            except InvalidQuestionError as error:
                fields.add(error.field)
            else:
                assert len(page.items) <= 5
    assert fields == {"cursor"}


def plans(nds: Nds, *questions: dict[str, Any]) -> list[str]:
    """Return how SQLite goes about each statement on runs of some questions."""
    statements: list[str] = []
    lease = nds.database._pool.take()  # this thread's questions have its connection until it ends
    connection = lease.connection
    connection.set_trace_callback(statements.append)
    try:
        for question in questions:
            page = nds.computed_stats(**question, limit=1)
            nds.computed_stats(**question, limit=1, cursor=page.next_cursor)
    finally:
        connection.set_trace_callback(None)
        nds.database._pool.give(lease)
    return [
        " ".join(row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
        for statement in statements
        if 'FROM "run"' in statement
    ]


@pytest.mark.parametrize("sort", [None, *RANGED])
def test_a_page_is_found_in_an_index_and_read_by_number(nds: Nds, sort: str | None) -> None:
    """No page sorts, and no run is read that is not on it: the index holds the whole order."""
    sorts = [None] if sort is None else [sort, f"-{sort}"]
    found = plans(nds, *({"filters": {"proposer": "nasnet"}, "sort": sort} for sort in sorts))
    assert len(found) >= 4 * len(sorts)
    for plan in found:
        assert ("COVERING INDEX run_space_" in plan) != ("t1 USING INTEGER PRIMARY KEY" in plan)
        assert "TEMP B-TREE" not in plan
        assert "SCAN t1" not in plan


def test_the_runs_of_a_network_are_found_in_key_order(nds: Nds) -> None:
    (run,) = nds.computed_stats({"model_family": "nas_cell"}, limit=1).items
    for name, index in (("model_spec", "run_model_key"), ("cell_spec", "run_cell_key")):
        by_index = plans(nds, {"filters": {name: run["config"][name]}})
        assert any(f"COVERING INDEX {index}_space" in plan for plan in by_index)
        assert not any("TEMP B-TREE" in plan for plan in by_index)


def test_both_specifications_are_looked_up_as_the_architecture_they_are(nds: Nds) -> None:
    for family in FAMILIES:
        (run,) = nds.computed_stats({"model_family": family}, limit=1).items
        specs = {name: run["config"][name] for name in ("model_spec", "cell_spec")}
        assert run in nds.computed_stats(specs).items
        found = plans(nds, {"filters": specs})
        assert any("COVERING INDEX run_arch_space" in plan for plan in found)
        arch = nds.computed_stats({**specs, "arch": {**specs, "model_spec": {"ds": [99]}}}).items
        assert arch == []


def test_an_index_that_names_a_run_that_is_not_there_is_damage(
    nds_folder: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "nds.db"
    shutil.copy(nds_folder / "nds.db", damaged)
    of_runs = "FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'run'"
    with closing(sqlite3.connect(damaged)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        indexes = connection.execute(f"SELECT * {of_runs}").fetchall()
        connection.execute(f"DELETE {of_runs}")
        connection.commit()
    with closing(sqlite3.connect(damaged)) as connection:
        connection.execute("DELETE FROM run WHERE id = (SELECT min(id) FROM run)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.executemany("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", indexes)
        connection.commit()
    with (
        closing(Nds(damaged)) as nds,
        pytest.raises(UnusableDatabaseError, match="an index refers to missing runs"),
    ):
        nds.computed_stats({}, sort="flops", limit=1000)


def test_the_view_for_other_tools_has_every_run(nds: Nds) -> None:
    query = (
        "SELECT count(*), count(DISTINCT file), min(num_flops / 1e6 = flops) FROM computed_stats"
    )
    ((runs, files, exact),) = nds.database.rows(query)
    assert (runs, files, exact) == (nds.provenance.contents["runs"], 34, 1)


def test_makes_of_a_question_what_was_asked(nds: Nds, nds_job: Callable[..., Any]) -> None:
    spec = {name: value for name, value in nds_job()["net"].items() if name != "block_type"}
    (run,) = nds.computed_stats({"model_spec": spec, "model_family": "residual_basic"}).items
    assert run["config"]["model_spec"] == {name: value for name, value in spec.items() if value}
