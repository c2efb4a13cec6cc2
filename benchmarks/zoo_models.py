"""Measures the model hub: its import, and making and counting every model of the zoo.

    python benchmarks/zoo_models.py [ROUNDS]

Each figure is the minimum over the rounds, in milliseconds of processor time, so that other
programs matter least. Imports and first calls are measured in new processes.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from model_hub import zoo

_MILLISECONDS = 1e3


def processor_time(work: Callable[[], object], rounds: int) -> float:
    """Return the minimum processor time of a call, in milliseconds."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken) * _MILLISECONDS


def importing(statement: str, rounds: int) -> float:
    """Return the minimum processor time of a process that runs an import, in milliseconds."""
    taken = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", statement], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken) * _MILLISECONDS


def first(what: str, name: str, rounds: int) -> float:
    """Return the minimum processor time of a function's first call in a process, in milliseconds.

    Args:
        what: Name of a function of `model_hub.zoo`.
        name: Name of the model that it gets.
        rounds: Number of processes.
    """
    code = (
        "import time, torch, model_hub.spaces; from model_hub import zoo; zoo.names()\n"
        f"began = time.process_time(); zoo.{what}({name!r}); print(time.process_time() - began)"
    )
    command = [sys.executable, "-c", code]
    answers = [subprocess.check_output(command, text=True) for _ in range(rounds)]
    return min(map(float, answers)) * _MILLISECONDS


def main(rounds: int) -> None:
    """Measure all models and print the table."""
    torch = importing("import torch", rounds)
    spaces = importing("import torch, model_hub.spaces", rounds)
    print(f"import torch               {torch:8.0f} ms")
    print(f"import model_hub.spaces    {spaces - torch:8.0f} ms more")
    print(f"import model_hub           {importing('import model_hub', rounds):8.0f} ms, no torch")
    print(f"\n{'model':24}{'make':>10}{'first':>10}{'count':>10}{'first':>10}", end="")
    print("   (goals: 300 and 200 ms)")
    for name in zoo.names():
        made = processor_time(partial(zoo.build, name), rounds)
        first_made = first("build", name, rounds)
        counted = processor_time(partial(zoo.profile, name), rounds)
        first_counted = first("profile", name, rounds)
        figures = (made, first_made, counted, first_counted)
        print(f"{name:24}{''.join(f'{figure:7.0f} ms' for figure in figures)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
