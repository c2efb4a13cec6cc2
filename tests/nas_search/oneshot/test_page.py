"""The code of docs/one-shot.md runs, block after block, with shorter trainings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import torch

PAGE: Final = (Path(__file__).resolve().parents[3] / "docs/one-shot.md").read_text()
LESS: Final = {
    "split(images, ": "split(images.part(torch.arange(60)), ",
    'FairPaths(unequal="cycle")': 'FairPaths(unequal="cycle", update="each path")',
    "Recipe(epochs=50)": "Recipe(epochs=1, batch_size=48)",
    "Recipe(epochs=50, batch_size=64": "Recipe(epochs=1, batch_size=10",
    "Inherited(supernet, data)": "Inherited(supernet, data, batches=2)",
    "SposEvolution(seed=0)": "SposEvolution(population_size=1, num_mutants=1, num_crossovers=0)",
    "trials=1000": "trials=4",
}
"""What is done less often here."""

OF_A_SERVICE: Final = "bench."
"""What needs workers is tried with some, in tests/service/worker/test_one_shot_jobs.py."""


@pytest.mark.long
@pytest.mark.usefixtures("unmeasured")
def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code = "".join(block for block in blocks if OF_A_SERVICE not in block)
    for often, less in LESS.items():
        assert code.count(often) == 1, often
        code = code.replace(often, less)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    known: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(code, "one-shot.md", "exec"), known)  # noqa: S102 - our own page
    finally:
        torch.set_num_threads(threads)
    assert known["study"].best.accuracy >= 0
    assert known["space"].profile(known["found"].sample).macs > 0
