"""Problems on the sampled and trained networks of a design space of NDS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench_client import BenchClient, TableName
from benchmark_spec.published import NDS
from nas_search.errors import ProblemError
from nas_search.problems.figures import FiguresProblem
from nas_search.problems.goals import Bounds, check_known
from nas_search.problems.problem import check_client

__all__ = ["nds_problem"]


def nds_problem(
    bench: BenchClient,
    proposer: str,
    dataset: str = "cifar10",
    *,
    generator: str = "random",
    objectives: Sequence[str] = ("best_test_acc",),
    bounds: Bounds | None = None,
    steps_per_epoch: int | None = None,
) -> FiguresProblem:
    """Load a design space of NDS and return it as a problem.

    Architectures are the canonical JSON of `[model_spec, cell_spec]`. They are a plain list, so
    strategies that change architectures are refused.

    The archive records no training times, only the seconds of one iteration (`iter_time`) and of
    the update of the norms' statistics before a test (`prec_time`), and not the iterations of an
    epoch. With `steps_per_epoch` a trial costs `epochs (steps iter_time + prec_time)` seconds.

    Args:
        bench: The client.
        proposer: The proposer of the design space, such as `darts`.
        dataset: `cifar10` or `imagenet`.
        generator: How networks were sampled: `random` or `fix_w_d`. Networks of `tune_lr_wd` differ
            only in how they were trained, so it is not offered.
        objectives: Accuracies, which are maximised, or losses, times and sizes, which are
            minimised; `-` in front minimises.
        bounds: Smallest and largest value by metric. Architectures outside a bound on `parameters`
            or `flops` (both in millions) are never proposed.
        steps_per_epoch: Iterations per epoch, such as 391 for the 50,000 images of CIFAR-10 in
            batches of 128; None: trials cost nothing.

    Raises:
        ProblemError: There is no such network, an argument is invalid, or `steps_per_epoch` is
            given and a network lacks its times.
        BenchError: The benchmark did not answer.
    """
    check_client(bench)
    check_known("generator", [generator], ("random", "fix_w_d"))
    if steps_per_epoch is not None and not (type(steps_per_epoch) is int and steps_per_epoch >= 1):
        raise ProblemError(f"steps_per_epoch is {steps_per_epoch!r:.80}; at least 1")
    families = bench.families_nds()
    spaces = [one for one in families if one.dataset == dataset and one.generator == generator]
    check_known(f"proposer on {dataset}", [proposer], sorted({one.proposer for one in spaces}))
    named = TableName("nds")
    rows = bench.query(
        named, proposer=proposer, generator=generator, dataset=dataset, reduction="mean"
    )
    longest = max(row.config.num_epochs for row in rows)
    figures = {
        _spelled(row.config): {
            stat.name: float(value)
            for stat in NDS.stats
            if (value := getattr(row, stat.name, None)) is not None
        }
        for row in rows
        if row.config.num_epochs == longest
    }
    if not figures:
        raise ProblemError(f"NDS has no network of {proposer} on {dataset} by {generator}")
    if steps_per_epoch is not None:
        for figure in figures.values():
            figure["seconds"] = longest * _seconds(figure, steps_per_epoch)
    minimised = {stat.name for stat in NDS.stats if stat.better == "smaller"}
    directed = [f"-{one}" if one in minimised else one for one in objectives]
    return FiguresProblem(
        None, figures, objectives=directed, bounds=bounds, known=("parameters", "flops")
    )


def _seconds(figures: Mapping[str, float], steps: int) -> float:
    """Return the seconds of an epoch.

    Raises:
        ProblemError: A time is not recorded.
    """
    try:
        return steps * figures["iter_time"] + figures["prec_time"]
    except KeyError as error:
        raise ProblemError(
            f"a network has no {error.args[0]}, so its training time is not known: leave "
            "steps_per_epoch out"
        ) from None


def _spelled(config: Any) -> str:
    return json.dumps([config.model_spec, config.cell_spec], sort_keys=True)
