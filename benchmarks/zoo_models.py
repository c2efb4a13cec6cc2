"""Measures the model hub: importing it, making and counting every model of the zoo.

    python benchmarks/zoo_models.py [ROUNDS]

Each figure is the best of the rounds, in milliseconds of processor time, so that other work on the
machine shows least; imports are in processes of their own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

from model_hub import zoo

_MILLISECONDS = 1e3


def processor_time(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time of some work, in milliseconds."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken) * _MILLISECONDS


def importing(statement: str, rounds: int) -> float:
    """Return the least processor time of a process that imports something, in milliseconds."""
    taken = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", statement], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken) * _MILLISECONDS


def main(rounds: int) -> None:
    """Print a table of everything."""
    torch = importing("import torch", rounds)
    spaces = importing("import torch, model_hub.spaces", rounds)
    print(f"import torch               {torch:8.0f} ms")
    print(f"import model_hub.spaces    {spaces - torch:8.0f} ms more")
    print(f"import model_hub           {importing('import model_hub', rounds):8.0f} ms, no torch")
    print(f"\n{'model':24}{'make':>10}{'count':>10}   (goals: 300 and 200 ms)")
    for name in zoo.names():
        record = zoo.record(name)
        made = processor_time(lambda: zoo.build(record), rounds)  # noqa: B023 - called at once
        counted = processor_time(lambda: zoo.profile(record), rounds)  # noqa: B023
        print(f"{name:24}{made:7.0f} ms{counted:7.0f} ms", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
