"""The page of searching is followed from its beginning to its end, as a newcomer would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import torch

from nas_search import Budget, FunctionProblem, Study
from nas_search.study import StudyFile

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs/searching.md").read_text()
FEWER: Final = {"range(20)": "range(2)", "epochs=9, batch_size=64": "epochs=9, batch_size=256"}
"""What is done less often here."""


OF_A_SERVICE: Final = "ServiceTraining("
"""What needs workers is tried with some, in tests/nas_search/study/test_service_jobs.py."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(whole_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a newcomer stands: `nbs sample raw --convert data` was run."""
    made = tmp_path_factory.mktemp("newcomer")
    (made / "data").mkdir()
    (made / "data/nasbench201.db").hardlink_to(whole_sample / "nasbench201.db")
    return made


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.filterwarnings("ignore:the numbers of")
def test_the_snippets_of_the_page_run_one_after_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    known: dict[str, Any] = {"__name__": "__main__"}
    snippets = [one for one in blocks("python") if OF_A_SERVICE not in one]
    assert all(sum(text.count(one) for text in snippets) == 1 for one in FEWER)
    try:
        for snippet in snippets:
            for often, less in FEWER.items():
                snippet = snippet.replace(often, less)  # noqa: PLW2901 - the same snippet
            exec(compile(snippet, "searching.md", "exec"), known)  # noqa: S102 - our own page
    finally:
        torch.set_num_threads(threads)
    assert len(known["runs"]) == 4
    assert (folder / "regret.svg").read_text().startswith("<?xml")
    assert "random search (exact)" in (folder / "by_trials.svg").read_text()
    trained = StudyFile(folder / "runs/asha.study")
    assert {trial.fidelity for trial in trained.trials} == {1, 3, 9}
    assert trained.best is not None
    assert trained.best.metrics["macs"] <= 300_000
    # The strategy of the last part is resumed as any other is.
    problem = FunctionProblem({"x": list(range(30))}, lambda sample: float(sample["x"]))
    for trials in (5, 10):
        with Study(folder / "own.study", problem, known["Annealing"](seed=0)) as study:
            study.run(Budget(trials=trials))
            assert len(study.trials) == trials


def test_the_file_of_a_search_runs_from_a_terminal(folder: Path) -> None:
    stated = next(one for one in blocks("toml") if "benchmark =" in one)
    (folder / "search.toml").write_text(stated.replace("trials = 200", "trials = 20"))
    ended = subprocess.run(
        [sys.executable, "-m", "service.cli", "search", "run", "search.toml", "--data", "data"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert len(StudyFile(folder / "search.study").trials) == 20
