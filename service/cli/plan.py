"""`nbs plan`: plan your own benchmarks, have workers measure them, and publish them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from bench_client.untrusted import cleaned
from missing_extra import needs
from service.cli.options import AsJson, DataDirectory, Server, data_directory
from service.cli.output import print_fields, print_items, print_json, wants_json
from service.plans.actions import PLAN_ACTIONS

if TYPE_CHECKING:
    from bench_client import BenchClient, Plan
    from bench_client.models import PlanAction
    from service.worker.share_pilot import ShareMeasurement

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Your own benchmarks: plan them, have workers measure them, publish them.",
)

File = Annotated[
    Path, typer.Argument(metavar="FILE.toml", exists=True, dir_okay=False, help="The plan.")
]
Name = Annotated[str, typer.Argument(help="Name of the plan.")]
Watts = Annotated[
    float | None,
    typer.Option(min=0, help="Power of a worker while it trains, to compute the energy."),
]
Price = Annotated[
    float | None, typer.Option(min=0, help="Price of a kWh in any currency; with --watts.")
]
YesReally = Annotated[bool, typer.Option("--yes-really", help="Allow more than a million cells.")]


@app.command("check")
def check_command(
    file: File,
    *,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="NASBENCH_URL", help="Also ask a server whether its workers could do it."
        ),
    ] = None,
    yes_really: YesReally = False,
    as_json: AsJson = False,
) -> None:
    """Show what a plan comprises: architectures, cells, network sizes, disk. Nothing is started.

    Sizes are computed without PyTorch if the space has a formula.
    """
    with needs("hub", "a plan"):
        from nas_search.plans import Cells, Selection, estimate, plan_of, read_plan, table_of

    plan = read_plan(file)
    selection = Selection(plan)
    cells = Cells(selection, large=yes_really)
    selection.check_bounds()
    table_of(selection)
    if url is not None:
        with _client(url) as bench:
            # Includes the digest of its trainer's code, as the workers have it.
            plan = plan_of(bench.check_plan(file, large=yes_really).plan)
    cost = estimate(cells, None)
    found = {
        "name": plan.name,
        "digest": plan.digest,
        "protocol": plan.protocol_digest,
        "architectures": len(selection),
        "trained": len(selection.trained),
        "cells": cost.cells,
        "epochs": sum(plan.epochs) * len(plan.seeds) * len(selection.trained),
        "most_parameters": cost.parameters,
        "most_macs": cost.macs,
        "disk_bytes": cost.disk_bytes,
        "data": plan.data,
        "data_sha256": plan.sha256,
        **({} if plan.trainer is None else {"trainer": plan.trainer.as_dict()}),
    }
    if wants_json(asked=as_json):
        print_json(found)
    else:
        print_fields(found)


@app.command("share")
def share_command(
    file: File,
    *,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="auto: the first GPU, or else the processor; or one of them."),
    ] = "auto",
    most: Annotated[
        int, typer.Option(min=1, max=64, help="Largest number of cells at a time to try.")
    ] = 8,
    as_json: AsJson = False,
) -> None:
    """Measure how many of a plan's cells this machine should train at a time on a device.

    Trains a network of median size for some epochs, alone and beside 1, 3, 7 … others. The data set
    must be in $NASBENCH_DATASETS_DIR, as for a worker. No server is used, and nothing is stored.
    """
    with needs("worker", "a training"):
        from nas_search.plans import read_plan
        from service.jobs.settings import JobSettings
        from service.worker.equipment import MissingDeviceError, find_devices, refuse_incomplete
        from service.worker.offers import datasets_in
        from service.worker.share_pilot import best_share, measure_shares, pilot_network

    refuse_incomplete()
    plan = read_plan(file)
    folder = JobSettings().datasets_dir.expanduser()
    known = datasets_in(folder)
    if plan.data not in known:
        there = ", ".join(known) or "none"
        raise typer.BadParameter(
            f"{folder} has no data set {plan.data}; it has {there}", param_hint="FILE.toml"
        )
    try:
        place = find_devices(device)[0]
    except MissingDeviceError as error:
        raise typer.BadParameter(str(error), param_hint="--device") from None
    rows = []
    for one in measure_shares(plan, known[plan.data], place, most=most):
        rows.append(one)
        sys.stderr.write(f"{one.share} at a time: {_told_of(one)}\n")
    best = best_share(rows)
    if wants_json(asked=as_json):
        found = {
            "device": place.name,
            "model": place.model,
            "arch_str": pilot_network(plan)[1],
            "share": None if best is None else best.share,
            "measured": [asdict(one) for one in rows],
        }
        print_json(found)
    elif best is not None:
        sys.stdout.write(f"nbs worker --share {best.share}\n")
    if best is None:
        raise typer.Exit(1)


def _told_of(one: ShareMeasurement) -> str:
    if one.cells_per_hour is None:
        return f"not possible: {cleaned(one.reason or '')}"
    return f"{one.cells_per_hour:,.0f} cells an hour, {one.epoch_seconds:.3g} s an epoch"


@app.command("start")
def start_command(
    file: File,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Start without confirmation.")] = False,
    pilot: Annotated[
        bool, typer.Option(help="Whether to estimate the cost by short trainings first.")
    ] = True,
    watts: Watts = None,
    price: Price = None,
    url: Server = None,
    yes_really: YesReally = False,
    as_json: AsJson = False,
) -> None:
    """Submit a plan, wait for its estimate, ask for confirmation, and start it."""
    power = _power(watts, price)
    with _client(url) as bench:
        plan = bench.plan(file, pilot=pilot, large=yes_really)
        if plan.state == "pilot":
            sys.stderr.write("the pilot trains a few networks to estimate the cost\n")
            plan = bench.wait_plan(plan)
        if plan.state == "ready":
            if not yes:
                _print(plan, as_json=False, stream_only=True, power=power)
                typer.confirm("Start it?", abort=True, err=True)
            plan = bench.start_plan(plan)
    _print(plan, as_json=as_json, power=power)


@app.command("show")
def show_command(
    name: Annotated[str | None, typer.Argument(help="Name of the plan; all by default.")] = None,
    *,
    watts: Watts = None,
    price: Price = None,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show the progress of a plan: cells, pace, cost, versions; or all plans."""
    power = _power(watts, price)
    with _client(url) as bench:
        found = bench.plans() if name is None else [bench.plan_named(name)]
    if name is not None:
        _print(found[0], as_json=as_json, power=power)
    elif wants_json(asked=as_json):
        print_json([_told(plan, power) for plan in found])
    else:
        print_items([_row(plan, power) for plan in found], "Plans")


def _add_action(action: PlanAction, sentence: str) -> None:
    """Add the command of an action on a plan."""

    @app.command(action, help=sentence)
    def command(name: Name, *, url: Server = None, as_json: AsJson = False) -> None:
        with _client(url) as bench:
            _print(getattr(bench, f"{action}_plan")(name), as_json=as_json)


for _action, _sentence in PLAN_ACTIONS.items():
    if _action not in {"start", "version"}:  # start takes a file; version is for programs
        _add_action(_action, _sentence)


@app.command("keep")
def keep_command(
    name: Name,
    version: Annotated[int, typer.Argument(help="Number of the version.", min=1)],
    *,
    forget: Annotated[bool, typer.Option("--forget", help="No longer keep it.")] = False,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Keep a version of the table for good, for queries such as `nbs query NAME@VERSION`."""
    with _client(url) as bench:
        _print(bench.keep_version(name, version, kept=not forget), as_json=as_json)


@app.command("extend")
def extend_command(
    name: Name,
    *,
    to: Annotated[str, typer.Option("--name", help="Name of the new plan.")],
    seeds: Annotated[str, typer.Option(help="Additional seeds.", metavar="N,N")] = "",
    epochs: Annotated[str, typer.Option(help="Additional budgets.", metavar="N,N")] = "",
    n: Annotated[int | None, typer.Option(help="Size of the sample.", min=1)] = None,
    url: Server = None,
    as_json: AsJson = False,
) -> None:
    """Submit a plan with more seeds, budgets or architectures, which reuses finished cells."""
    with needs("hub", "a plan"):
        from nas_search.plans import plan_of

    with _client(url) as bench:
        found = bench.plan_named(name)
        plan = plan_of(found.plan or {}).extended(
            to, seeds=_numbers(seeds, "--seeds"), epochs=_numbers(epochs, "--epochs"), n=n
        )
        _print(bench.plan(plan.content(), pilot=False), as_json=as_json)


@app.command("publish")
def publish_command(
    name: Name,
    *,
    out: Annotated[Path, typer.Option(help="FILE.nbs, which must not exist.")],
    data: DataDirectory = None,
    url: Server = None,
) -> None:
    """Write a sealed table to a file: database, plan, card, licence, digests."""
    from service.plans.publication import publish

    with _client(url) as bench:
        plan = bench.plan_named(name)
    written = publish(plan.model_dump(mode="json"), data_directory(data), out)
    sys.stderr.write(f"{out}: {written} bytes\n")


def _client(url: str | None) -> BenchClient:
    from bench_client import BenchClient

    return BenchClient(url)


class _Power(NamedTuple):
    """Power of a worker and price of a kWh; None: not given."""

    watts: float | None = None
    price: float | None = None

    def of(self, plan: Plan) -> dict[str, dict[str, float | None]]:
        """Return the used and estimated energy and cost of a plan; empty if not given."""
        if self.watts is None:
            return {}
        hours = {
            "used": plan.worker_hours,
            "estimate": None if plan.estimate is None else plan.estimate.hours,
        }
        found = {"energy_kwh": _times(hours, self.watts / 1000)}
        if self.price is not None:
            found["money"] = _times(found["energy_kwh"], self.price)
        return found


def _times(figures: dict[str, float | None], factor: float) -> dict[str, float | None]:
    return {name: None if one is None else one * factor for name, one in figures.items()}


def _power(watts: float | None, price: float | None) -> _Power:
    if price is not None and watts is None:
        raise typer.BadParameter("it needs --watts", param_hint="--price")
    return _Power(watts, price)


def _print(
    plan: Plan, *, as_json: bool, stream_only: bool = False, power: _Power | None = None
) -> None:
    power = power or _Power()
    if not stream_only and wants_json(asked=as_json):
        trainer = _trainer(plan)
        told = _told(plan, power)
        print_json(told if trainer is None else {**told, "trainer": trainer})
        return
    if not stream_only:
        print_fields(_row(plan, power))
        return
    for key, value in _row(plan, power).items():
        sys.stderr.write(f"  {key}: {value}\n")


def _told(plan: Plan, power: _Power) -> dict[str, Any]:
    return {**plan.model_dump(mode="json", exclude={"plan"}), **power.of(plan)}


def _row(plan: Plan, power: _Power) -> dict[str, Any]:
    counts, estimate = plan.counts, plan.estimate
    row: dict[str, Any] = {
        "name": plan.name,
        "state": plan.state,
        "reason": plan.reason,
        "cells": f"{counts.done + counts.diverged} of {plan.cells}",
        "share": f"{plan.fraction:.0%}",
        "diverged": counts.diverged,
        "failed": counts.failed,
        "worker hours": round(plan.worker_hours, 3),
        "version": plan.versions[-1].version if plan.versions else None,
    }
    if trainer := _trainer(plan):
        about = f"{trainer['package']} {trainer['version']}, {trainer['sha256'][:12]}"
        row["trainer"] = f"{trainer['name']} of {about}"
    if plan.versions and (noise := plan.versions[-1].noise) is not None:
        row["noise floor"] = f"{noise.std:.3g} points, by {noise.cells} cells trained twice"
    if estimate is not None and estimate.hours is not None:
        row["estimate"] = _hours(estimate.hours, estimate.low, estimate.high)
        row["rests on"] = f"{estimate.timings} trainings"
        if estimate.days is not None:
            row["days"] = f"{estimate.days:.3g} with {estimate.workers} workers"
    if plan.first_estimate is not None and plan.first_estimate.hours is not None:
        row["first estimate"] = f"{plan.first_estimate.hours:.3g} worker hours"
    if plan.hours_left is not None:
        row["left"] = f"{plan.hours_left:.3g} worker hours"
    for name, figures in power.of(plan).items():
        used, expected = figures["used"] or 0, figures["estimate"]
        told = f"{used:.3g}" if expected is None else f"{used:.3g} of {expected:.3g}"
        row[name.partition("_")[0]] = f"{told} kWh" if name == "energy_kwh" else told
    return row


def _trainer(plan: Plan) -> dict[str, Any] | None:
    """Return the trainer of a plan; None if it has none or was listed without its content."""
    protocol: dict[str, Any] = (plan.plan or {}).get("protocol", {})
    return protocol.get("trainer")


def _hours(median: float, low: float | None, high: float | None) -> str:
    return f"{median:.3g} worker hours ({low or 0:.3g} to {high or 0:.3g})"


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(one) for one in text.split(",") if one.strip()]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of integers", param_hint=option) from None
