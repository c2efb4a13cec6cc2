"""Compares the table of a plan whose workers are killed at random with an undisturbed one.

    python benchmarks/plan_kills.py FOLDER [--architectures 10] [--seed 0]

Each architecture has six cells, 60 by default, each a real training on scikit-learn's digits. Two
workers train them; in the disturbed run one of the two is killed and replaced every one to four
seconds. Both tables are then sealed and verified. Every cell must exist once, and all figures but
the training times must equal those of the undisturbed run to the last bit.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from own_benchmark import PLAN, Lab, is_ready, write_digits

from bench_client import BenchClient, Plan

IMAGES = 140


def plan_of(architectures: int) -> dict[str, Any]:
    """Return the plan of the example with fewer images and epochs."""
    return {
        **PLAN,
        "select": {**PLAN["select"], "n": architectures},
        "data": {**PLAN["data"], "split": {"train": 60, "valid": 60}},
        "protocol": {**PLAN["protocol"], "epochs": [4, 2]},
    }


def kill_until_done(bench: BenchClient, lab: Lab, chance: random.Random) -> int:
    """Kill and replace workers until the plan is finished; return the number of kills."""
    killed = 0
    workers = [lab.worker(), lab.worker()]
    while bench.plan_named("digits").state != "finished":
        time.sleep(chance.uniform(1, 4))
        place = chance.randrange(2)
        workers[place].send_signal(signal.SIGKILL)
        workers[place].wait()
        workers[place] = lab.worker()
        killed += 1
    return killed


def measured(folder: Path, plan: dict[str, Any], chance: random.Random | None) -> list[Any]:
    """Run a plan, with kills if `chance` is given; return its runs without training times."""
    folder.mkdir(parents=True, exist_ok=True)
    write_digits(folder / "datasets" / "digits", IMAGES)
    started = time.perf_counter()
    killed = 0
    with Lab(folder) as lab, BenchClient(lab.url) as bench:
        first = lab.worker()
        while not is_ready(bench):
            time.sleep(0.2)
        bench.start_plan(bench.wait_plan(bench.plan(plan)))
        if chance is None:
            lab.worker()
        else:
            first.terminate()
            first.wait()
            killed = kill_until_done(bench, lab, chance)
        finished = bench.wait_plan("digits")
        check_cells(finished, len(bench.plan_cells("digits", state="done")))
        bench.seal_plan("digits")
        while not (versions := bench.plan_named("digits").versions) or not versions[-1].complete:
            time.sleep(0.2)
        lab.nbs("verify", str(folder / "digits.db"))
    seconds = time.perf_counter() - started
    print(f"{finished.counts.done} cells in {seconds:.0f} s, {killed} workers killed")
    with BenchClient.local(folder) as local:
        runs = [run.model_dump() for run in local.query("digits")]
    for run in runs:
        del run["training_time"]
    return runs


def check_cells(plan: Plan, done: int) -> None:
    """Exit unless every cell is done."""
    if not plan.cells == plan.counts.done == done:
        raise SystemExit(f"{plan.cells} cells, {plan.counts.done} are counted as done, {done} are")


def main() -> None:
    """Run the plan undisturbed and disturbed, and compare the runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--architectures", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    plan, folder = plan_of(given.architectures), given.folder.resolve()
    undisturbed = measured(folder / "undisturbed", plan, None)
    disturbed = measured(folder / "disturbed", plan, random.Random(given.seed))  # noqa: S311
    if disturbed != undisturbed or len(undisturbed) != 6 * given.architectures:
        raise SystemExit("the two tables differ")
    print(f"{len(undisturbed)} runs, once each, with equal figures in both tables")


if __name__ == "__main__":
    main()
