"""Recorded searches over HTTP: compared, read while they grow, and hostile files left out."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench_server import BenchServer, ending_together

from bench_client import AsyncBenchClient, BenchClient, InvalidRequestError
from bench_client.errors import UnsupportedQuestionError
from nas_search.problems import TableProblem
from nas_search.strategies import RandomSearch
from nas_search.study import (
    Budget,
    RecordedRun,
    Study,
    StudyFile,
    mann_whitney,
    regret_bands,
)
from nas_search.study.folder import StudyFolder

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


def searched(path: Path, bench: BenchClient, strategy: Any, trials: int, **options: Any) -> None:
    problem = TableProblem(bench, "nasbench201", "cifar10-valid", num_epochs=200, **options)
    with Study(path, problem, strategy) as study:
        study.run(Budget(trials=trials))


@pytest.fixture(scope="module")
def folder(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Searches of two strategies, one of two goals, and files that are none."""
    folder = tmp_path_factory.mktemp("studies")
    with BenchClient.local(directory) as bench:
        for seed in range(3):
            searched(folder / f"random-{seed}.study", bench, RandomSearch(seed=seed), 8)
            # Recorded under another name, as if another strategy had made it.
            path = folder.parent / f"{seed}.study"
            searched(path, bench, RandomSearch(seed=10 + seed), 8 + seed)
            StudyFile(path).to_run(name="other").write(folder / f"other-{seed}.json")
        two = {"objectives": ["valid_acc", "-flops"]}
        (folder / "two").mkdir()
        searched(folder / "two" / "goals.study", bench, RandomSearch(seed=0), 10, **two)
    (folder / "damaged.study").write_bytes(b"SQLite format 3\0" + bytes(200))
    (folder / "foreign.json").write_text("{}")
    (folder / "notes.txt").write_text("not looked at")
    (folder / "-odd<name>.json").write_text("{}")
    outside = folder.parent / "secret.json"
    outside.write_text("{}")
    (folder / "link.json").symlink_to(outside)
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def url(folder: Path, directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ending_together() as start:
        server = BenchServer(
            tmp_path_factory.mktemp("server"), directory, NASBENCH_STUDIES_DIR=str(folder)
        )
        yield start(server).url


def test_both_clients_list_the_studies_and_compare_their_strategies(
    url: str, folder: Path, directory: Path
) -> None:
    with BenchClient(url) as bench:
        assert [(one.name, one.files) for one in bench.studies()] == [("main", 8), ("two", 1)]
        study = bench.study("main")
    with BenchClient.local(directory) as local:
        part = {"dataset": "cifar10-valid", "num_epochs": 200}
        (best,) = local.top("nasbench201", metric="valid_acc", n=1, **part)
    searches = {one.file: one for one in study.searches}
    assert {one.file for one in study.skipped} == {"damaged.study", "foreign.json"}
    assert not any(str(folder) in one.reason for one in study.skipped)
    assert searches["other-2.json"].trials == 10
    assert all(one.growing for one in study.searches)
    (comparison,) = study.comparisons
    assert comparison.oracle == best.value
    runs = [recorded(folder / name) for name in comparison.files]
    right = {band.strategy: band for band in regret_bands(runs, oracle=best.value)}
    for band in comparison.bands:
        one = right[band.strategy]
        assert (band.searches, band.at) == (3, one.times)
        assert (band.lower, band.median, band.upper) == (one.lower, one.median, one.upper)
    first, second = comparison.final
    assert all(len(one.values) == 3 for one in (first, second))
    (test,) = comparison.tests
    assert test.p_two_sided == mann_whitney(first.values, second.values).p_two_sided

    async def awaited() -> Any:
        async with AsyncBenchClient(url) as bench:
            return await bench.studies(), await bench.study("main")

    assert asyncio.run(awaited())[1] == study


def recorded(path: Path) -> RecordedRun:
    return RecordedRun.read(path) if path.suffix == ".json" else StudyFile(path).to_run()


def test_over_evaluations_every_search_counts(url: str) -> None:
    with BenchClient(url) as bench:
        (comparison,) = bench.study("main", over="evaluations").comparisons
    assert comparison.end == 8
    for band in comparison.bands:
        assert band.at == [float(number) for number in range(1, 9)]
        medians = [value for value in band.median if value is not None]
        assert medians == sorted(medians, reverse=True)
        assert medians[-1] >= 0


def test_several_goals_have_a_front(url: str) -> None:
    with BenchClient(url) as bench:
        (front,) = bench.study("two").fronts
    assert front.metrics == ["valid_acc", "flops"]
    assert front.larger_is_better == [True, False]
    assert len(front.values) == len(front.archs) > 0
    accuracies = [accuracy for accuracy, _ in front.values]
    assert accuracies == sorted(accuracies, reverse=True)


def test_a_study_is_read_anew_when_it_has_grown(url: str, folder: Path, directory: Path) -> None:
    path = f"{url}/v1/studies/growing"
    assert httpx.get(path).status_code == 404
    with BenchClient.local(directory) as bench:
        (folder / "growing").mkdir()
        searched(folder / "growing" / "one.study", bench, RandomSearch(seed=1), 3)
        before = httpx.get(path)
        tag = before.headers["ETag"]
        again = httpx.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.headers["Cache-Control"]) == (304, "no-cache")
        searched(folder / "growing" / "one.study", bench, RandomSearch(seed=1), 6)
    after = httpx.get(path, headers={"If-None-Match": tag})
    trials = [answer.json()["searches"][0]["trials"] for answer in (before, after)]
    assert trials == [3, 6]


@pytest.mark.parametrize(
    "name",
    [
        "linked",
        "..",
        "%2e%2e",
        "..%2fsecret",
        "two%2f..",
        "%00",
        "main%0a",
        "x" * 200,
        "random-0.study",
    ],
)
def test_what_is_no_study_leads_nowhere(url: str, name: str) -> None:
    assert httpx.get(f"{url}/v1/studies/{name}").status_code == 404


def test_a_client_asks_for_no_other_names(url: str, directory: Path) -> None:
    with BenchClient(url) as bench:
        for name in ("..", "a/b", "", "unknown"):
            with pytest.raises(InvalidRequestError, match="study"):
                bench.study(name)
        with pytest.raises(InvalidRequestError, match="over"):
            bench.study("main", over="days")  # type: ignore[arg-type]
    with BenchClient.local(directory) as local, pytest.raises(UnsupportedQuestionError):
        local.studies()


def test_without_a_folder_there_are_none(server: str) -> None:
    assert httpx.get(f"{server}/v1/studies").json() == {"items": []}
    assert httpx.get(f"{server}/v1/studies/main").status_code == 404


def foreign(path: Path, *statements: str) -> Path:
    """Write a database that calls itself a study."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA application_id = 1313952596")
    database.execute("PRAGMA user_version = 1")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return path


ENDLESS = (
    "CREATE VIEW trial AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT i AS number FROM n WHERE i < 0"
)
COLUMNS = (
    "number, arch, fidelity, parent, note, state, 'values', bounds, cost, job, asked, told, "
    "asked_order, told_order, error"
)


@pytest.mark.parametrize(
    "statements",
    [
        (),
        ("CREATE TABLE study (spec TEXT)", "INSERT INTO study VALUES ('{}')"),
        ("CREATE TABLE study (spec TEXT)", "INSERT INTO study VALUES ('" + "[" * 10_000 + "')"),
        (
            ENDLESS.replace(
                "AS number",
                "AS number, "
                + ", ".join(
                    f'1 AS "{name.strip().strip(chr(39))}"' for name in COLUMNS.split(",")[1:]
                ),
            ),
        ),
    ],
    ids=["no tables", "no spec", "nested", "endless"],
)
def test_a_file_that_lies_is_left_out(tmp_path: Path, statements: tuple[str, ...]) -> None:
    foreign(tmp_path / "lying.study", *statements)
    searches, skipped = StudyFolder(tmp_path).read("main")
    assert searches == []
    assert [one.name for one in skipped] == ["lying.study"]
    assert str(tmp_path) not in skipped[0].reason


def test_a_search_that_two_files_hold_counts_once(folder: Path, tmp_path: Path) -> None:
    source = folder / "random-0.study"
    os.link(source, tmp_path / "random-0.study")
    recorded(source).write(tmp_path / "random-0.json")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(33 * 2**20)
    searches, skipped = StudyFolder(tmp_path).read("main")
    assert len(searches) == 1
    reasons = {one.name: one.reason for one in skipped}
    assert "too large" in reasons.pop("huge.json")
    (reason,) = reasons.values()
    assert "the same search as" in reason
    assert json.dumps(reasons)
