"""`nbs search`: run, resume, show and export searches on benchmarks and spaces."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer

from bench_client.untrusted import cleaned
from nas_search.specification import Specification
from nas_search.study import Study, StudyFile, Trial, progress_sink, tensorboard_sink
from service.cli.options import AsJson, DataDirectory, NewStudy, Url, client
from service.cli.output import print_fields, print_items, print_json, wants_json

__all__ = ["app"]

_PAUSE: Final = 0.5
"""Seconds between two reads of a watched file."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Searches on benchmarks and spaces: run, resume, show, export.",
)

StudyPath: TypeAlias = Annotated[
    Path, typer.Argument(metavar="STUDY", exists=True, dir_okay=False, help="The file of a study.")
]
Trials: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="New total number of trials, including earlier ones.")
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Trials at a time; by default 1, or as before when resuming."),
]
TensorBoard: TypeAlias = Annotated[
    Path | None,
    typer.Option("--tensorboard", help="Folder of event files for TensorBoard.", file_okay=False),
]


@app.command("run")
def run_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.toml", exists=True, dir_okay=False, help="Problem, strategy and budget."
        ),
    ],
    *,
    study: NewStudy = None,
    workers: Workers = None,
    tensorboard: TensorBoard = None,
    data: DataDirectory = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run the search of a TOML file, or resume it."""
    target = file.with_suffix(".study") if study is None else study
    _run(Specification.read(file), target, workers, tensorboard, data, url)
    _show(StudyFile(target), as_json=as_json)


@app.command("resume")
def resume_command(
    study: StudyPath,
    *,
    trials: Trials = None,
    workers: Workers = None,
    tensorboard: TensorBoard = None,
    data: DataDirectory = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Resume a search, with the budget of its last run unless another one is given."""
    specification = Specification.of(StudyFile(study))
    if trials is not None:
        specification = replace(specification, budget={"trials": trials})
    _run(specification, study, workers, tensorboard, data, url)
    _show(StudyFile(study), as_json=as_json)


@app.command("show")
def show_command(
    study: StudyPath,
    *,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show the problem, progress and best trials of a study."""
    _show(StudyFile(study), as_json=as_json, top=top)


@app.command("front")
def front_command(study: StudyPath, *, as_json: AsJson = False) -> None:
    """Show the Pareto front of the trials over all objectives."""
    seen = StudyFile(study)
    rows = [_row(trial, seen) for trial in seen.front]
    if wants_json(asked=as_json):
        print_json(rows)
    else:
        print_items(rows, f"The front of {study}")


@app.command("export")
def export_command(
    study: StudyPath,
    *,
    out: Annotated[Path, typer.Option(help="FILE.ndjson, FILE.csv or FILE.parquet.")],
) -> None:
    """Export all trials to a file."""
    StudyFile(study).export(out)


@app.command("watch")
def watch_command(
    study: StudyPath,
    *,
    follow: Annotated[bool, typer.Option(help="Wait for new events until the run ends.")] = True,
) -> None:
    """Print the events of a study as they occur, a JSON object per line."""
    seen, last = StudyFile(study), 0
    while True:
        events = seen.events(after=last)
        for event in events:
            sys.stdout.write(f"{cleaned(event.line)}\n")
        sys.stdout.flush()
        if events:
            last = events[-1].seq
        if not follow or (events and events[-1].kind == "finished"):
            return
        time.sleep(_PAUSE)


def _run(
    specification: Specification,
    path: Path,
    workers: int | None,
    tensorboard: Path | None,
    data: Path | None,
    url: str | None,
) -> None:
    budget, rule = specification.make_budget(), specification.make_rule()
    asks = specification.asks_benchmark or specification.trains_as_jobs
    with client(url, data) if asks else nullcontext() as bench:
        problem = specification.make_problem(bench)
        strategy = specification.make_strategy(problem)
        with Study(
            path,
            problem,
            strategy,
            reference=specification.reference,
            specification=specification.written,
        ) as study:
            if tensorboard is not None:
                study.subscribe(tensorboard_sink(tensorboard))
            if sys.stderr.isatty():
                study.subscribe(progress_sink(sys.stderr))
            at_a_time = workers or specification.workers
            study.run(
                budget,
                workers="service" if specification.trains_as_jobs else at_a_time,
                stop=rule,
            )


def _show(study: StudyFile, *, as_json: bool, top: int = 5) -> None:
    best = [_row(trial, study) for trial in study.top(top)]
    states = Counter(trial.state.value for trial in study.trials)
    if wants_json(asked=as_json):
        print_json(
            {
                **study.spec,
                "trials": dict(states),
                "cost": study.cost,
                "clock": study.clock,
                "top": best,
            }
        )
        return
    problem, strategy = study.spec["problem"], study.spec["strategy"]
    print_fields(
        {
            "problem": problem.get("benchmark") or problem.get("space") or problem["kind"],
            "strategy": strategy["name"],
            **{name: str(value) for name, value in strategy["settings"].items()},
            "trials": ", ".join(f"{count} {state}" for state, count in states.items()) or "none",
            "cost": f"{study.cost:,.6g} s",
            **({"clock": f"{study.clock:,.6g} s"} if problem["kind"] != "space" else {}),
        }
    )
    print_items(best, "The best")


def _row(trial: Trial, study: StudyFile) -> dict[str, Any]:
    metrics = {name: trial.metrics[name] for name in study.goals.metrics}
    return {
        "number": trial.number,
        "arch_str": trial.arch,
        **metrics,
        "state": trial.state.value,
        "cost": trial.cost,
    }
