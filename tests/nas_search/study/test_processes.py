"""Evaluations in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from evaluations import CHOICES, deadly, endless, total, uneven
from waiting import PATIENCE

from nas_search.problems import FunctionProblem
from nas_search.strategies import GridSearch, RegularizedEvolution
from nas_search.study import Budget, NothingLearnedWarning, ProblemError, State, Study, StudyFile

REPOSITORY = Path(__file__).resolve().parents[3]


def evolution() -> RegularizedEvolution:
    return RegularizedEvolution(population_size=6, sample_size=3)


def found(function: Any, **options: Any) -> Study:
    study = Study(None, FunctionProblem(CHOICES, function), evolution())
    study.run(Budget(trials=20), **options)
    return study


def test_numbered_results_depend_on_the_workers_and_not_on_luck() -> None:
    soon, late = found(total, workers=2), found(uneven, workers=2)
    assert [one.arch for one in soon.trials] == [one.arch for one in late.trials]
    assert [one.told_order for one in soon.trials] == [one.told_order for one in late.trials]
    alone = Study(None, FunctionProblem(CHOICES, total), evolution())
    alone.run(Budget(trials=20))
    assert [one.arch for one in alone.trials] != [one.arch for one in soon.trials]


def test_an_order_of_arrival_is_replayed(tmp_path: Path) -> None:
    file = tmp_path / "a.study"
    with Study(file, FunctionProblem(CHOICES, uneven), evolution()) as study:
        study.run(Budget(trials=20), workers=2, order="arrival")
        before = [(one.arch, one.told_order) for one in study.trials]
    with Study(file, FunctionProblem(CHOICES, uneven), evolution()) as study:
        assert [(one.arch, one.told_order) for one in study.trials] == before
        study.run(Budget(trials=24), workers=2, order="arrival")
        assert len(study.trials) == 24


def test_what_takes_too_long_or_ends_its_process_has_failed() -> None:
    study = Study(None, FunctionProblem(CHOICES, endless), GridSearch())
    begun = time.monotonic()
    with pytest.warns(NothingLearnedWarning, match="2 of 2 trials failed, 2 by: it took longer"):
        study.run(Budget(trials=2), timeout=1.5)
    assert time.monotonic() - begun < 60
    assert {one.error for one in study.trials} == {"it took longer than 1.5 seconds"}
    few = {"x": [0, 1], "y": [0, 1, 2]}
    dead = Study(None, FunctionProblem(few, deadly), GridSearch())
    dead.run(Budget(trials=5), workers=2)
    failed = [one for one in dead.trials if one.state is State.FAILED]
    assert {one.error for one in failed} == {"its process ended with status 7"}
    assert len(failed) == 3


def test_seconds_end_what_is_under_way_and_it_is_given_out_again() -> None:
    study = Study(None, FunctionProblem(CHOICES, endless), GridSearch())
    study.run(Budget(seconds=1.0), workers=2)
    assert (study.trials, study.ended) == ((), "seconds")
    trial = study.ask()
    assert trial is not None
    assert trial.number == 0


def test_a_function_that_cannot_be_sent_is_refused() -> None:
    study = Study(None, FunctionProblem(CHOICES, lambda _: 1.0), GridSearch())
    with pytest.raises(ProblemError, match="stands at the top of a module"):
        study.run(Budget(trials=2), workers=2)


SCRIPT = """
import signal, sys
# Whoever runs the tests in the background may have interrupts ignored, which is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [{parts!r}]
from evaluations import CHOICES, endless
from nas_search import Budget, FunctionProblem, Study
from nas_search.strategies import GridSearch

if __name__ == "__main__":
    study = Study(sys.argv[1], FunctionProblem(CHOICES, endless), GridSearch())
    study.subscribe(lambda event: print(event.kind, flush=True))
    study.run(Budget(trials=9), workers=2)
"""


def test_a_second_interrupt_ends_what_is_under_way(tmp_path: Path) -> None:
    script, file = tmp_path / "search.py", tmp_path / "a.study"
    script.write_text(SCRIPT.format(parts=str(REPOSITORY / "tests/parts")))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONFAULTHANDLER": "1"}
    process = subprocess.Popen(
        [sys.executable, str(script), str(file)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = [process.stdout.readline() for _ in range(3)]
        assert told == ["begun\n", "trial.asked\n", "trial.asked\n"]
        for _ in range(2):
            assert process.poll() is None
            time.sleep(2)
            process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it writes where each thread is
            raise AssertionError(process.communicate()[1]) from None
    finally:
        process.kill()
        process.communicate()
    assert "KeyboardInterrupt" in errors
    assert [one.number for one in StudyFile(file).running] == [0, 1]
