"""Queries of NDS, with the types of their arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from bench_client.arguments import Reduction, integer, number, text
from bench_client.choices import (
    NdsDataset,
    NdsGenerator,
    NdsMetric,
    NdsModelFamily,
    NdsProposer,
)
from bench_client.frames import Batch, Items
from bench_client.models.nds import (
    MODELS,
    NdsCurves,
    NdsDistribution,
    NdsDistributions,
    NdsFamilies,
    NdsFamily,
    NdsStats,
)
from bench_client.operations import Question, Steps, ask
from bench_client.tables import curves, runs, runs_of_many

__all__ = ["NdsBounds", "NdsError", "NdsSort", "Specification", "curves_nds", "distribution_nds"]
__all__ += ["families_nds", "query_nds", "query_nds_many"]

Specification: TypeAlias = str | Mapping[str, Any]
"""A model or cell specification: a dict with keys in any order, or its JSON."""

_NAME = MODELS.spec.name

NdsError: TypeAlias = Literal[
    "final_train_error", "best_train_error", "final_test_error", "best_test_error"
]
"""Metrics of a distribution besides the statistics: 100 minus an accuracy, in percent."""

NdsSort: TypeAlias = Literal[
    "parameters",
    "-parameters",
    "flops",
    "-flops",
    "base_lr",
    "-base_lr",
    "weight_decay",
    "-weight_decay",
    "final_train_acc",
    "-final_train_acc",
    "best_train_acc",
    "-best_train_acc",
    "final_test_acc",
    "-final_test_acc",
    "best_test_acc",
    "-best_test_acc",
]
"""Sort key of runs; with a minus, largest first."""


class NdsBounds(TypedDict, total=False):
    """Inclusive lower and upper bounds on values of runs; None: no bound.

    `parameters` and `flops` are in millions, accuracies in percent.
    """

    min_parameters: float | None
    max_parameters: float | None
    min_flops: float | None
    max_flops: float | None
    min_base_lr: float | None
    max_base_lr: float | None
    min_weight_decay: float | None
    max_weight_decay: float | None
    min_final_train_acc: float | None
    max_final_train_acc: float | None
    min_best_train_acc: float | None
    max_best_train_acc: float | None
    min_final_test_acc: float | None
    max_final_test_acc: float | None
    min_best_test_acc: float | None
    max_best_test_acc: float | None


def query_nds(  # noqa: PLR0913 - the filters of the benchmark
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    model_spec: Specification | None = None,
    cell_spec: Specification | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    seed: int | None = None,
    sort: NdsSort | None = None,
    limit: int | None = None,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
    **bounds: Unpack[NdsBounds],
) -> Steps[Items[NdsStats]]:
    """Return the runs of NDS that match, or one item per configuration if reduced.

    None is a wildcard: without any filter, all runs of the benchmark are fetched, page by page. The
    order is stable.

    Args:
        model_family: `nas_cell`, `residual_basic`, `residual_bottleneck` or `vanilla`.
        proposer: `amoeba`, `darts`, `enas`, `nasnet`, `pnas`, `resnet`, `resnet-b`, `resnext-a`,
            `resnext-b` or `vanilla`.
        generator: `random`, `fix_w_d` or `tune_lr_wd`.
        model_spec: Specification of the network, matched as a whole, keys in any order.
        cell_spec: Specification of its cells, likewise; `{}` for networks without cells.
        dataset: `cifar10` or `imagenet`.
        num_epochs: Training budget, in epochs.
        seed: Seed of the run; reruns share it.
        sort: `parameters`, `flops`, `base_lr`, `weight_decay`, or one of the four accuracies;
            a minus, as in `-best_test_acc`, sorts the largest first. With a reduction, only
            `base_lr` and `weight_decay`.
        limit: Maximum number of items.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `seed` is
            then None and `num_runs` the number of runs.
        include_intermediates: Whether items include their learning curves, one object per epoch.
            `curves_nds` returns them as columns, several times faster.
        bounds: `min_` and `max_` of any sort key, as in `NdsBounds`.

    Returns:
        The matching items, possibly none. Accuracies are in percent, times in seconds, `parameters`
        and `flops` in millions; None means "not recorded".

    Raises:
        InvalidRequestError: A filter is malformed or unknown.
        BenchmarkNotInstalledError: The server has no NDS.
    """
    which = {
        **_space(model_family, proposer, generator, dataset, num_epochs),
        "model_spec": model_spec,
        "cell_spec": cell_spec,
        "seed": integer("seed", seed),
        **_bounds(bounds),
    }
    return runs(
        MODELS,
        which,
        reduction=reduction,
        include_intermediates=include_intermediates,
        sort=sort,
        limit=integer("limit", limit),
    )


def query_nds_many(
    archs: Iterable[Mapping[str, Any]],
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Batch[NdsStats]]:
    """Return the runs of each of many networks of NDS, in the same order.

    One request covers 10,000 networks, or 64 if learning curves are included.

    Args:
        archs: Networks, each as `{"model_spec": …, "cell_spec": …}`; one without cells needs no
            `cell_spec`. Any iterable.
        model_family: As for `query_nds`, and so are the arguments below.
        proposer: Proposer of the design space.
        generator: How networks were sampled.
        dataset: The data set.
        num_epochs: Training budget, in epochs.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        include_intermediates: Whether items include their learning curves, one object per epoch.

    Raises:
        InvalidArchitectureError: Some networks are malformed; the error's `positions` lists them
            and its `results` holds the results of the others.
        InvalidRequestError: Another filter is malformed.
        BenchmarkNotInstalledError: The server has no NDS.
    """
    which = _space(model_family, proposer, generator, dataset, num_epochs)
    whether = include_intermediates
    return runs_of_many(MODELS, archs, which, reduction=reduction, include_intermediates=whether)


def curves_nds(  # noqa: PLR0913 - the filters of the benchmark
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    model_spec: Specification | None = None,
    cell_spec: Specification | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    seed: int | None = None,
    sort: NdsSort | None = None,
    limit: int | None = None,
    reduction: Reduction | None = None,
    **bounds: Unpack[NdsBounds],
) -> Steps[Items[NdsCurves]]:
    """Return the learning curves of the runs that match, as columns: one list per statistic.

    Arguments, order and errors are those of `query_nds`.
    """
    which = {
        **_space(model_family, proposer, generator, dataset, num_epochs),
        "model_spec": model_spec,
        "cell_spec": cell_spec,
        "seed": integer("seed", seed),
        **_bounds(bounds),
    }
    return curves(MODELS, which, reduction=reduction, sort=sort, limit=integer("limit", limit))


def families_nds() -> Steps[Items[NdsFamily]]:
    """Return the design spaces of NDS with their numbers of runs and networks.

    Raises:
        BenchmarkNotInstalledError: The server has no NDS.
    """
    found = yield from ask(Question("families", NdsFamilies, _NAME))
    return Items(found.items, NdsFamily)


def distribution_nds(
    metric: NdsMetric | NdsError = "best_test_error",
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    points: int | None = None,
    **bounds: Unpack[NdsBounds],
) -> Steps[Items[NdsDistribution]]:
    """Return the distribution of a metric over the configurations of each design space.

    `value` and `fraction` are points of the empirical distribution function, as in the paper's
    figures; each configuration counts once, with the mean over its runs.

    Args:
        metric: `final_train_error`, `best_train_error`, `final_test_error`, `best_test_error`, or a
            statistic of `NdsStats`.
        model_family: As for `query_nds`, and so are the filters below.
        proposer: Proposer of the design space.
        generator: How networks were sampled.
        dataset: The data set.
        num_epochs: Training budget, in epochs.
        points: Maximum number of points, 1 to 1000; 100 by default.
        bounds: `min_` and `max_` of values of runs, as in `NdsBounds`; other runs are left out.

    Raises:
        InvalidRequestError: The metric or a filter is malformed or unknown.
        BenchmarkNotInstalledError: The server has no NDS.
    """
    space = _space(model_family, proposer, generator, dataset, num_epochs)
    options = {"metric": text("metric", metric), "points": integer("points", points)}
    question = Question(
        "distribution", NdsDistributions, _NAME, {**space, **_bounds(bounds)}, options
    )
    return Items((yield from ask(question)).items, NdsDistribution)


def _bounds(given: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: number(name, value) for name, value in given.items()}


def _space(
    model_family: NdsModelFamily | None,
    proposer: NdsProposer | None,
    generator: NdsGenerator | None,
    dataset: NdsDataset | None,
    num_epochs: int | None,
) -> dict[str, Any]:
    return {
        "model_family": model_family,
        "proposer": proposer,
        "generator": generator,
        "dataset": dataset,
        "num_epochs": integer("num_epochs", num_epochs),
    }
