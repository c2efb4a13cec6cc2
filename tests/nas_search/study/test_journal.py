"""The file of a study: it survives, and says what is wrong with it."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench_client import BenchClient
from nas_search.problems import FunctionProblem, Problem, TableProblem
from nas_search.strategies import LocalSearch, ProxySearch, RandomSearch, RegularizedEvolution
from nas_search.study import (
    Budget,
    OtherStudyError,
    ReplayError,
    State,
    Study,
    StudyFile,
    StudyFileError,
    StudyInUseError,
)

CHOICES = {"x": list(range(9)), "y": list(range(9))}
KILLS = 10
"""Files; the search on each is killed twice."""


def total(sample: Mapping[str, Any]) -> float:
    return float(sample["x"] + sample["y"])


def problem() -> FunctionProblem:
    return FunctionProblem(CHOICES, total)


def evolution(**settings: Any) -> RegularizedEvolution:
    return RegularizedEvolution(**{"population_size": 6, "sample_size": 3, **settings})


def content(study: Any) -> list[tuple[Any, ...]]:
    """Return the trials of a study without what a clock says."""
    return [
        (one.number, one.candidate, one.state, dict(one.metrics), one.scores, one.told_order)
        for one in study.trials
    ]


@pytest.mark.parametrize("strategy", [RandomSearch, evolution, LocalSearch])
@pytest.mark.parametrize("interruptions", [[1], [7, 8], list(range(2, 40, 3))])
def test_a_study_that_is_opened_again_goes_on_as_if_it_had_not_been_closed(
    strategy: Callable[[], Any], interruptions: list[int], tmp_path: Path
) -> None:
    undisturbed = Study(None, problem(), strategy())
    undisturbed.run(Budget(trials=40))
    for count in [*interruptions, 40]:
        with Study(tmp_path / "a.study", problem(), strategy()) as study:
            while study.num_asked < count or study.given_out:
                trial = study.ask()
                assert trial is not None
                study.tell(trial, total(trial.sample))
    with Study(tmp_path / "a.study", problem(), strategy()) as study:
        assert content(study) == content(undisturbed)
        assert study.best is not None
        assert undisturbed.best is not None
        assert study.best.number == undisturbed.best.number
        kinds = [event.kind for event in study.events()]
        assert kinds.count("trial.told") == 40
        assert [one.seq for one in study.events()] == list(range(1, len(kinds) + 1))


def test_trials_under_way_are_given_out_again_under_the_same_number(tmp_path: Path) -> None:
    with Study(tmp_path / "a.study", problem(), RandomSearch()) as study:
        asked = [study.ask() for _ in range(4)]
        study.tell(asked[1], 1.0)  # type: ignore[arg-type]  # there is one
    with Study(tmp_path / "a.study", problem(), RandomSearch()) as study:
        again = [study.ask() for _ in range(4)]
        assert [one.number for one in again if one] == [0, 2, 3, 4]
        assert [one.arch for one in again[:3] if one] == [
            one.arch for one in (asked[0], asked[2], asked[3]) if one
        ]


def test_another_problem_or_strategy_is_refused_by_its_first_difference(tmp_path: Path) -> None:
    file = tmp_path / "a.study"
    Study(file, problem(), evolution()).close()
    others: list[tuple[Problem, Any, str]] = [
        (problem(), evolution(seed=1), "strategy.settings.seed is 0 there and 1 here"),
        (problem(), evolution(sample_size=2), "strategy.settings.sample_size is 3 there and 2"),
        (problem(), RandomSearch(), "strategy.name is 'RegularizedEvolution' there"),
        (FunctionProblem(CHOICES, total, objectives=["-value"]), evolution(), "objectives is"),
        (FunctionProblem({"x": [1]}, total), evolution(), r"problem.choices.x is \[0, 1"),
    ]
    for other, strategy, told in others:
        with pytest.raises(OtherStudyError, match=told):
            Study(file, other, strategy)


def test_a_strategy_that_proposes_something_else_is_refused(tmp_path: Path) -> None:
    class Changed(RandomSearch):
        def choose(self, domain: Any) -> Any:
            yield from super().choose(domain)
            return (yield from super().choose(domain))

    with Study(tmp_path / "a.study", problem(), RandomSearch()) as study:
        study.run(Budget(trials=5))
    with pytest.raises(ReplayError, match=r"trial 0 was proposed as .* RandomSearch now proposes"):
        Study(tmp_path / "a.study", problem(), Changed())


def test_one_process_writes_and_others_read(tmp_path: Path) -> None:
    file = tmp_path / "a.study"
    with Study(file, problem(), RandomSearch()) as study:
        study.run(Budget(trials=5))
        with pytest.raises(StudyInUseError, match=f"written to by process {os.getpid()}"):
            Study(file, problem(), RandomSearch())
        seen = StudyFile(file)
        assert content(seen) == content(study)
        assert seen.best is not None
        assert seen.events(after=3)[0].seq == 4
        study.run(Budget(trials=9))
        assert len(seen.trials) == 5
        assert len(StudyFile(file).trials) == 9
    Study(file, problem(), RandomSearch()).close()


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "text", tmp_path / "other", tmp_path / "newer.study"
    text.write_text("This is no database, but long enough to look like something. " * 90)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (x)")
    Study(newer, problem(), RandomSearch()).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 2")
    for file, told in ((text, "or is damaged"), (other, "another SQLite"), (newer, "version 2")):
        with pytest.raises(StudyFileError, match=told):
            Study(file, problem(), RandomSearch())
        with pytest.raises(StudyFileError, match=told):
            StudyFile(file)
    with pytest.raises(StudyFileError, match="there is no such file"):
        StudyFile(tmp_path / "nowhere.study")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.study"
    with Study(file, problem(), RandomSearch()) as study:
        study.run(Budget(trials=60))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyFileError, match="or is damaged"):
        Study(file, problem(), RandomSearch())
    file.write_bytes(b"")
    Study(file, problem(), RandomSearch()).close()  # nothing was begun


def test_nothing_is_pickled_and_the_specification_is_json(tmp_path: Path) -> None:
    file = tmp_path / "a.study"
    Study(file, problem(), evolution(seed=3)).close()
    with sqlite3.connect(file) as database:
        ((text, digest),) = database.execute("SELECT spec, digest FROM study")
    spec = json.loads(text)
    assert spec["strategy"]["settings"]["seed"] == 3
    assert spec["problem"]["choices"] == CHOICES
    assert digest.startswith("sha256:")


@pytest.mark.usefixtures("unmeasured")
def test_ten_thousand_trials_are_replayed_soon(published: BenchClient, tmp_path: Path) -> None:
    table = TableProblem(published, "nasbench201", "cifar10-valid")
    table.load()
    with Study(tmp_path / "a.study", table, evolution()) as study:
        study.run(Budget(trials=10_000))
    fresh = TableProblem(published, "nasbench201", "cifar10-valid")
    begun = time.process_time()
    with Study(tmp_path / "a.study", fresh, evolution()) as study:
        assert len(study.trials) == 10_000
        # A tenth of this on a free machine; the aim is 2 seconds.
        assert time.process_time() - begun < 8


SEARCHES = """
import os, sys, time
from nas_search import Budget, FunctionProblem, Study
from nas_search.strategies import RegularizedEvolution

def slowly(sample):
    time.sleep(0.001)
    return float(sample["x"] + sample["y"])

def search(path):
    problem = FunctionProblem({"x": list(range(9)), "y": list(range(9))}, slowly)
    strategy = RegularizedEvolution(population_size=6, sample_size=3, seed=5)
    Study(path, problem, strategy).run(Budget(trials=25))

for line in sys.stdin:
    child = os.fork()
    if not child:
        search(line.strip())
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.usefixtures("unmeasured")
def test_a_process_that_is_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    searches = subprocess.Popen(
        [sys.executable, "-c", SEARCHES], stdin=-1, stdout=-1, text=True, bufsize=1
    )
    assert searches.stdin is not None
    assert searches.stdout is not None

    def search(file: Path, seconds: float | None) -> int:
        """Search in a process that is killed after some time; return how it ended."""
        print(file, file=searches.stdin)
        child = int(searches.stdout.readline())  # type: ignore[union-attr]
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it was sooner
                os.kill(child, signal.SIGKILL)
        return int(searches.stdout.readline())  # type: ignore[union-attr]

    begun = time.monotonic()
    assert search(tmp_path / "whole", None) == 0
    took = time.monotonic() - begun
    whole = content(StudyFile(tmp_path / "whole"))
    assert len(whole) == 25
    rng = random.Random(3)  # noqa: S311 - moments, not secrets
    with searches:
        for place in range(KILLS):
            file = tmp_path / f"{place}.study"
            # From before the file is there to near the end; then perhaps once more.
            search(file, rng.random() * took)
            search(file, rng.random() * took)
            assert search(file, None) == 0
            assert content(StudyFile(file)) == whole
        searches.stdin.close()


def test_trials_of_a_study_file_know_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.study"
    with Study(file, problem(), RandomSearch()) as study:
        trial = study.ask()
        assert trial is not None
        assert [one.number for one in StudyFile(file).running] == [0]
        study.tell(trial, error="no")
    (one,) = StudyFile(file).trials
    assert (one.state, one.error) == (State.FAILED, "no")


class Scored:
    """Counts how often it is asked; one score is no number."""

    setting = "scored"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, arch: str) -> float:
        self.calls += 1
        sample = json.loads(arch)
        return float("nan") if sample == {"x": 4, "y": 4} else sample["x"] / 3 - sample["y"] / 7


def test_scores_are_kept_and_not_computed_again(tmp_path: Path) -> None:
    def searched(path: Path | None, trials: int) -> tuple[int, list[str]]:
        score = Scored()
        strategy = ProxySearch(score=score, num_scored=60, population_size=6)
        with Study(path, problem(), strategy) as study:
            study.run(Budget(trials=trials))
            return score.calls, [one.arch for one in study.trials]

    calls, whole = searched(None, 30)
    assert calls == 60
    assert searched(tmp_path / "s", 10) == (60, whole[:10])
    assert searched(tmp_path / "s", 30) == (0, whole)
    kept = [one.payload for one in StudyFile(tmp_path / "s").events() if one.kind == "notes"]
    assert [len(one) for one in kept] == [60]
