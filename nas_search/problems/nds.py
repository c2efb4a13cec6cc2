"""Problems on a design space of NDS: networks of it that were sampled and trained."""

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
    """Return the problem of a design space, whose rows are all asked for once.

    Architectures are the canonical JSON of `[model_spec, cell_spec]`. They are a list: strategies
    that change architectures are refused.

    The archive has no training times but that of one iteration, `iter_time`, and of the statistics
    of norms before a test, `prec_time`, and does not say how many iterations an epoch had. With
    `steps_per_epoch` a trial costs what these make of it, `epochs (steps iter_time + prec_time)`.

    Args:
        bench: Whom to ask.
        proposer: Whose design space, such as `darts`.
        dataset: `cifar10` or `imagenet`.
        generator: How networks were sampled: `random` or `fix_w_d`. Those of `tune_lr_wd` differ
            in how they were trained and are no architectures of their own.
        objectives: Accuracies, which are maximised, losses, times or sizes; `-` in front minimises.
        bounds: By figure; those of `parameters` and `flops` (in millions) are met by every trial.

        steps_per_epoch: Iterations of an epoch, such as 391 of 128 images for the 50,000 of
            CIFAR-10; None: trials cost nothing.

    Raises:
        ProblemError: Nothing of this kind is recorded, an argument means nothing, or trials are to
            cost something and a network lacks its times.
        BenchError: The question was not answered.
    """
    check_client(bench)
    check_known("generator", [generator], ("random", "fix_w_d"))
    if steps_per_epoch is not None and not (type(steps_per_epoch) is int and steps_per_epoch >= 1):
        raise ProblemError(f"steps_per_epoch is {steps_per_epoch!r:.80}; at least 1")
    families = bench.families_nds()
    spaces = [one for one in families if one.dataset == dataset and one.generator == generator]
    check_known(f"proposer on {dataset}", [proposer], sorted({one.proposer for one in spaces}))
    named = TableName("nds")  # what the arguments name was checked just above
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
            f"a network has no {error.args[0]}, so that its training time is not known: leave "
            "steps_per_epoch out"
        ) from None


def _spelled(config: Any) -> str:
    return json.dumps([config.model_spec, config.cell_spec], sort_keys=True)
