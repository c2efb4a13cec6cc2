"""`nbs supernet`: trains and searches supernets, and extracts networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missing_extra import needs
from nas_search.study import Study, StudyFile, progress_sink
from service.cli.options import AsJson, NewStudy
from service.cli.output import print_fields, print_items, print_json, wants_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas_search.oneshot.written import WrittenSupernet

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Supernets: train, search, extract networks."
)

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE.toml", exists=True, dir_okay=False, help="Space, data set and supernet."
    ),
]


@app.command("train")
def train_command(file: File, *, as_json: AsJson = False) -> None:
    """Train the supernet of a TOML file, or resume it; checkpoints are in FILE.supernet.

    With a relaxation, architecture weights are trained as well, and the architecture is printed.
    """
    curve: list[Mapping[str, float]] = []

    def report(figures: Mapping[str, float]) -> None:
        curve.append(figures)
        if sys.stderr.isatty():
            typer.echo(f"epoch {figures['epoch']:.0f}: loss {figures['train_loss']:.4f}", err=True)

    _, sample = _read(file).train(report)
    if wants_json(asked=as_json):
        print_json({"curve": curve, "sample": sample})
        return
    last = curve[-1] if curve else {}
    print_fields(
        {
            "epochs": f"{last['epoch']:.0f}" if last else "all had been done before",
            "loss": f"{last['train_loss']:.4f}" if last else None,
            "sample": None if sample is None else json.dumps(sample),
        }
    )


@app.command("search")
def search_command(
    file: File,
    *,
    study: NewStudy = None,
    as_json: AsJson = False,
) -> None:
    """Search with inherited weights by the strategy of the file, or resume the search.

    A supernet whose training is incomplete is trained first.
    """
    written = _read(file)
    target = file.with_suffix(".study") if study is None else study
    supernet, _ = written.train()
    problem = written.make_problem(supernet)
    with Study(target, problem, written.search.make_strategy(problem)) as opened:
        if sys.stderr.isatty():
            opened.subscribe(progress_sink(sys.stderr))
        opened.run(written.search.make_budget())
    seen = StudyFile(target)
    rows = [
        {"number": trial.number, "arch_str": trial.arch, **trial.metrics} for trial in seen.top(5)
    ]
    if wants_json(asked=as_json):
        print_json(rows)
    else:
        print_items(rows, "The best")


@app.command("extract")
def extract_command(
    file: File,
    *,
    out: Annotated[Path, typer.Option(help="FILE.safetensors.")],
    sample: Annotated[
        str | None, typer.Option(help="The sample as JSON; by default the best one of FILE.study.")
    ] = None,
) -> None:
    """Write the weights of one network: those of `space.freeze(sample)`, inherited.

    The statistics of normalisation layers are estimated anew for the network.
    """
    with needs("hub", "a supernet"):
        from nas_search.oneshot.written import extracted

    written = _read(file)
    best = sample
    if best is None:
        study = StudyFile(file.with_suffix(".study"))
        if study.best is None:
            raise typer.BadParameter("the study has no trial yet", param_hint="--sample")
        best = study.best.arch
    extracted(written, best, out)


def _read(file: Path) -> WrittenSupernet:
    with needs("hub", "a supernet"):
        from nas_search.oneshot.written import WrittenSupernet

    return WrittenSupernet.read(file)
